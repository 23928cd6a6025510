"""Report the figures of scripts/benchmark as key=value lines, tables and a chart."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Figures = Mapping[str, Any]

OURS, OTHERS = "#0072B2", "#999999"
"""Blue and grey, which are distinct in every kind of colour vision."""


def key_of(name: str) -> str:
    """Return the name of a side as a part of a key.

    >>> key_of("cross-encoder@32")
    'cross_encoder_32'
    """
    return name.replace("-", "_").replace("@", "_")


def flat(figures: Figures) -> dict[str, Any]:
    """Return all figures in one flat mapping; a missing value is None."""
    values = {name: value for name, value in figures.items() if name not in ("sides", "versions")}
    for side in figures["sides"]:
        key = key_of(side["name"])
        values[f"{key}_seconds"] = side["seconds"]
        if side["name"] != "ours":
            values[f"ratio_{key}"] = side["ratio"]
            values[f"max_abs_diff_{key}"] = side["max_abs_diff"]
        if side["padding"] is not None:
            values[f"padding_{key}"] = side["padding"]
    return values


def key_values(figures: Figures) -> Iterator[str]:
    """Yield the figures as `key=value` lines; a missing value is `nan`."""
    for name, value in flat(figures).items():
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        yield f"{name}={'nan' if value is None else text}"


HEAD = ("", "seconds", "from–to", "pairs/s", "time ÷ ours", "padding", "max. diff.")


def rows(figures: Figures, first_column: str = "label") -> Iterator[tuple[str, ...]]:
    """Yield the cells of the table, one row per side."""
    for side in figures["sides"]:
        is_ours = side["name"] == "ours"
        yield (
            side[first_column],
            f"{side['seconds']:.3g}",
            f"{min(side['rounds']):.3g}–{max(side['rounds']):.3g}",
            f"{figures['pairs'] / side['seconds']:.3g}",
            "1" if is_ours else f"{side['ratio']:.2f}",
            "–" if side["padding"] is None else f"{100 * side['padding']:.0f} %",
            "–" if is_ours or side["max_abs_diff"] is None else f"{side['max_abs_diff']:.1g}",
        )


def plural(n: int, name: str) -> str:
    """Return a number with a noun.

    >>> plural(1, "round"), plural(3, "round")
    ('1 round', '3 rounds')
    """
    return f"{n} {name}{'' if n == 1 else 's'}"


def caption(figures: Figures) -> str:
    """Describe the data, the model and the machine."""
    return (
        f"{figures['pairs']:,} pairs of {figures['data']} ({figures['tokens']:,} tokens, of which "
        f"{figures['unique_tokens']:,} in distinct prefixes), {figures['model']}, {figures['dtype']}, "
        f"{plural(figures['threads'], 'thread')}, {figures['processor']}; median of "
        f"{plural(figures['rounds'], 'interleaved round')}."
    )


def speed(figures: Figures) -> str:
    """Describe the speed of this version as a share of the peak of the device."""
    share = figures["share_of_peak"]
    return (
        f"Ours: {figures['tokens_per_second']:,.0f} tokens/s, {figures['unique_tokens_per_second']:,.0f} distinct; "
        f"{100 * share:.0f} % of the {figures['peak_gflops']:,.0f} Gflop/s of a large linear layer on this device."
    )


WHY_SCORES_DIFFER = (
    "Scores of the published package differ if it reads other token ids (a second BOS before a text; for a policy "
    "also a second EOS at the end, and long prompts cut to 128 tokens), and if positions are learned, since it pads on "
    "the left."
)


def published_sides(figures: Figures) -> list[Mapping[str, Any]]:
    """Return the sides of the published package."""
    return [side for side in figures["sides"] if side["name"].startswith("published")]


def remarks(figures: Figures) -> list[str]:
    """Return notes on differences between scores."""
    for side in published_sides(figures):
        if side["max_abs_diff"] is None or side["max_abs_diff"] > 1e-2:
            return [WHY_SCORES_DIFFER]
    return []


def table(figures: Figures) -> Table:
    """Return the table for a terminal, with the short names of the sides."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    layout = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for n, name in enumerate(HEAD):
        layout.add_column(name.replace(" ", "\n", 1), justify="right" if n else "left", no_wrap=True)
    for row in rows(figures, "name"):
        layout.add_row(*row)
    return layout


def markdown(figures: Figures) -> str:
    """Return the table as Markdown, with its caption."""
    lines = [HEAD, ("---", *["---:"] * (len(HEAD) - 1)), *rows(figures)]
    cells = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    return "\n\n".join([caption(figures), cells, speed(figures), *remarks(figures), f"{versions}."]) + "\n"


def write(figures: Figures, folder: Path) -> None:
    """Write benchmark.md, benchmark.json and, if matplotlib is installed, benchmark.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmark.md").write_text(markdown(figures), encoding="utf-8")
    (folder / "benchmark.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False), encoding="utf-8")
    if find_spec("matplotlib") is None:
        print("No benchmark.png without matplotlib: pip install matplotlib -c constraints.txt", file=sys.stderr)
        return
    draw(figures, folder / "benchmark.png")


def base_of(figures: Figures) -> Mapping[str, Any]:
    """Return the side whose speed is 1 in the chart: the published package, or else the slowest side."""
    published = published_sides(figures)
    return published[0] if published else max(figures["sides"], key=lambda side: side["seconds"])


def draw(figures: Figures, path: Path) -> None:
    """Draw a chart with one bar per side, its speed as a multiple of one side's; 800 pixels wide."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    base = base_of(figures)
    names, speeds, colours, labels = [], [], [], []
    for side in reversed(figures["sides"]):
        speed_ratio = base["seconds"] / side["seconds"]
        names.append(side["label"])
        speeds.append(speed_ratio)
        colours.append(OURS if side["name"] == "ours" else OTHERS)
        labels.append(f"{speed_ratio:.2f}×  ({figures['pairs'] / side['seconds']:.3g} pairs/s)")
    figure, axes = pyplot.subplots(figsize=(8, 1.7 + 0.42 * len(names)), dpi=100, layout="constrained")
    bars = axes.barh(names, speeds, color=colours, height=0.62)
    axes.bar_label(bars, labels, padding=4, fontsize=11)
    axes.set_xlim(0, 1.45 * max(speeds))
    axes.set_xlabel(f"speed, as a multiple of {base['label']}", fontsize=11)
    axes.tick_params(labelsize=11)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.suptitle(title(figures), fontsize=11)
    figure.savefig(path)
    pyplot.close(figure)


def title(figures: Figures) -> str:
    """Return the title of the chart, in two lines."""
    setting = f"{figures['dtype']}, {plural(figures['threads'], 'thread')}, {figures['processor']}"
    return (
        f"Scoring {figures['pairs']:,} pairs with {figures['model']} (longer is faster)\n"
        f"{setting}, median of {plural(figures['rounds'], 'round')}"
    )
