"""Word problems in pairs of the same words: roles, numbers or the order of two steps change places."""

from rewardbench.builders.templates.math import bills, labour, prices, ratios, shares, trips

TEMPLATES = (
    shares.TEMPLATES + ratios.TEMPLATES + prices.TEMPLATES + bills.TEMPLATES + trips.TEMPLATES + labour.TEMPLATES
)
