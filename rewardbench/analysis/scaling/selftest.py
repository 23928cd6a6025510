"""Self-test of scaling: models with a planted slope, and the same models with shuffled sizes."""

from __future__ import annotations

import numpy as np

from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.analysis.scaling.figure import draw_scaling
from rewardbench.analysis.scaling.fit import fit_mixed
from rewardbench.analysis.scaling.run import as_arrays
from rewardbench.analysis.scaling.table import SizedModel
from rewardbench.metrics.temperature import sigmoid

SEEDS, ITEMS, SLOPE = 100, 2000, 0.35
FAMILIES, SIZES = 4, (0.5e9, 1.5e9, 7e9, 14e9, 70e9)
BETWEEN, WITHIN = 0.4, 0.03
"""Standard deviations of logit accuracy, between families and of a model."""
BARS = "slope_error<=0.05 share_within_0.05>=0.95 coverage>=0.9 shuffled_coverage>=0.9"


def simulate(seed: int, slope: float = SLOPE) -> list[SizedModel]:
    """Simulate families of models with the same sizes, each accuracy on 2,000 items."""
    random = np.random.default_rng(seed)
    models: list[SizedModel] = []
    for family in range(FAMILIES):
        level = 0.7 + BETWEEN * random.standard_normal()
        for size in SIZES:
            logits = level + slope * np.log10(size / 7e9) + WITHIN * random.standard_normal()
            right = random.binomial(ITEMS, float(sigmoid(np.array([logits]))[0]))
            models.append(SizedModel(f"family-{family}-{size:.3g}", size, f"family {family}", right / ITEMS, ITEMS))
    return models


def selftest(seeds: int | None = None) -> Report:
    """Fit planted slopes, and shuffled sizes.

    Args:
        seeds: number of seeds; None: 100.
    """
    count = seeds or SEEDS
    rows: list[list[Value]] = []
    for seed in range(count):
        models = simulate(seed)
        x, y, family, _ = as_arrays(models)
        fit = fit_mixed(x, y, family)
        shuffled = fit_mixed(np.random.default_rng(seed).permutation(x), y, family)
        covers = fit.slope.low <= SLOPE <= fit.slope.high
        covers_zero = shuffled.slope.low <= 0 <= shuffled.slope.high
        rows.append([seed, fit.slope.value, covers, shuffled.slope.value, covers_zero, fit.between])
    columns = ("seed", "slope", "covers", "shuffled_slope", "covers_zero", "between")
    figures = np.array(rows, dtype=float)
    values: dict[str, Value] = {
        "seeds": count,
        "families": FAMILIES,
        "models": FAMILIES * len(SIZES),
        "slope": float(figures[:, 1].mean()),
        "slope_error": abs(float(figures[:, 1].mean()) - SLOPE),
        "share_within_0.05": float((np.abs(figures[:, 1] - SLOPE) <= 0.05).mean()),
        "coverage": float(figures[:, 2].mean()),
        "shuffled_slope": float(figures[:, 3].mean()),
        "shuffled_coverage": float(figures[:, 4].mean()),
    }
    return Report(
        name="scaling",
        values=values,
        sentence=f"A planted slope of {SLOPE} is estimated as {values['slope']:.3f} on average; with shuffled sizes "
        f"{values['shuffled_coverage']:.0%} of the intervals include 0.",
        tables=(ReportTable("Planted slopes", columns, rows),),
        draw=lambda figure: draw_scaling(figure, models, fit, [("all families", fit.slope)]),
        size=(10.5, 5.0),
        bars=parse_bars(BARS),
    )
