"""Knapsacks in pairs of the same words, labelled by the exact solution; and a study of labels from tree search."""

from rewardbench.builders.templates.knapsack import hours, journeys, places

TEMPLATES = journeys.TEMPLATES + hours.TEMPLATES + places.TEMPLATES
