"""Word problems in pairs of the same words: roles, numbers or the order of two steps change places."""

from rewardbench.builders.templates.math import bills, labour, prices, ratios, shares, trips

MOULDS = shares.MOULDS + ratios.MOULDS + prices.MOULDS + bills.MOULDS + trips.MOULDS + labour.MOULDS
