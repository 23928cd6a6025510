"""Templates of knapsacks: two prompts of the same words, each with a unique best packing; and a study of search labels.

A template is a function that draws a pair of knapsacks and calls `knapsack_mirror` (see `packing`). It gives one mirror
in each of three wordings. To add one, write it into the file of its theme, and add it to the `TEMPLATES` at its end.
"""

from rewardbench.builders.templates.knapsack import hours, journeys, places

TEMPLATES = journeys.TEMPLATES + hours.TEMPLATES + places.TEMPLATES
