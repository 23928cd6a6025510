"""Templates of math: word problems in pairs whose roles, numbers or steps are swapped.

A template is a function that draws its numbers and calls `math_mirror` (see `assembly`). It gives one mirror in each of
three wordings. To add one, write it into the file of its theme, and add it to the `TEMPLATES` at the end of that file.
"""

from rewardbench.builders.templates.math import bills, labour, prices, ratios, shares, trips

TEMPLATES = (
    shares.TEMPLATES + ratios.TEMPLATES + prices.TEMPLATES + bills.TEMPLATES + trips.TEMPLATES + labour.TEMPLATES
)
