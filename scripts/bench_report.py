"""Figures of a benchmark in, words and a picture out: key=value lines, tables, a chart. It times nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]

OURS, OTHERS = "#0072B2", "#999999"
"""Blue and grey, which every kind of sight tells apart."""


def key_of(name: str) -> str:
    """A side's name in a key.

    >>> key_of("cross-encoder@32")
    'cross_encoder_32'
    """
    return name.replace("-", "_").replace("@", "_")


def flat(figures: Figures) -> dict[str, Any]:
    """All figures by one name each; None where there is none."""
    found = {name: value for name, value in figures.items() if name not in ("sides", "versions")}
    for side in figures["sides"]:
        key = key_of(side["name"])
        found[f"{key}_seconds"] = side["seconds"]
        if side["name"] != "ours":
            found |= {f"{name}_{key}": side[name] for name in ("ratio", "max_abs_diff")}
        if side["padding"] is not None:
            found[f"padding_{key}"] = side["padding"]
    return found


def key_values(figures: Figures) -> Iterator[str]:
    """The figures as `key=value` lines, `nan` where there is none."""
    for name, value in flat(figures).items():
        yield f"{name}={'nan' if value is None else f'{value:.4g}' if isinstance(value, float) else value}"


HEAD = ("", "seconds", "from–to", "pairs/s", "time ÷ ours", "padding", "max. diff.")


def rows(figures: Figures, first_column: str = "label") -> Iterator[tuple[str, ...]]:
    """The cells of the table, a row a side."""
    for side in figures["sides"]:
        first = side["name"] == "ours"
        yield (
            side[first_column],
            f"{side['seconds']:.3g}",
            f"{min(side['rounds']):.3g}–{max(side['rounds']):.3g}",
            f"{figures['pairs'] / side['seconds']:.3g}",
            "1" if first else f"{side['ratio']:.2f}",
            "–" if side["padding"] is None else f"{100 * side['padding']:.0f} %",
            "–" if first or side["max_abs_diff"] is None else f"{side['max_abs_diff']:.1g}",
        )


def many(n: int, name: str) -> str:
    """A number of things.

    >>> many(1, "round"), many(3, "round")
    ('1 round', '3 rounds')
    """
    return f"{n} {name}{'' if n == 1 else 's'}"


def caption(figures: Figures) -> str:
    """What was measured, and on what."""
    return (
        f"{figures['pairs']:,} pairs of {figures['data']} ({figures['tokens']:,} tokens, of which "
        f"{figures['unique_tokens']:,} in distinct prefixes), {figures['model']}, {figures['dtype']}, "
        f"{many(figures['threads'], 'thread')}, {figures['processor']}; median of "
        f"{many(figures['rounds'], 'interleaved round')}."
    )


def speed(figures: Figures) -> str:
    """What ours reached, against what the device can do."""
    share = figures["share_of_peak"]
    return (
        f"Ours: {figures['tokens_per_second']:,.0f} tokens/s, {figures['unique_tokens_per_second']:,.0f} distinct; "
        f"{100 * share:.0f} % of the {figures['peak_gflops']:,.0f} Gflop/s at which the device multiplies matrices."
    )


WHY_OTHER = (
    "Scores of the published package differ where it reads other token ids (another BOS before a text; for a policy "
    "also another EOS behind, and a long prompt cut to 128 tokens), and where positions are learned, since it pads on "
    "the left."
)


def remarks(figures: Figures) -> list[str]:
    """What there is to know about the differences between scores."""
    published = [side for side in figures["sides"] if side["name"].startswith("incumbent")]
    moved = any(side["max_abs_diff"] is None or side["max_abs_diff"] > 1e-2 for side in published)
    return [WHY_OTHER] if moved else []


def table(figures: Figures) -> Any:
    """The table for a terminal, with the short names of the sides."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    out = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for n, name in enumerate(HEAD):
        out.add_column(name.replace(" ", "\n", 1), justify="right" if n else "left", no_wrap=True)
    for row in rows(figures, "name"):
        out.add_row(*row)
    return out


def markdown(figures: Figures) -> str:
    """The table for a document, with its caption."""
    lines = [HEAD, ("---", *["---:"] * (len(HEAD) - 1)), *rows(figures)]
    drawn = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    return "\n\n".join([caption(figures), drawn, speed(figures), *remarks(figures), f"{versions}."]) + "\n"


def write(figures: Figures, folder: Path) -> None:
    """benchmark.md, benchmark.json and, where matplotlib is installed, benchmark.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmark.md").write_text(markdown(figures), encoding="utf-8")
    (folder / "benchmark.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False), encoding="utf-8")
    if find_spec("matplotlib") is None:
        print("No benchmark.png without matplotlib: pip install matplotlib -c constraints.txt", file=sys.stderr)
        return
    draw(figures, folder / "benchmark.png")


def base_of(figures: Figures) -> Mapping[str, Any]:
    """The side that the chart calls 1: the published package, or else the slowest."""
    published = [side for side in figures["sides"] if side["name"].startswith("incumbent")]
    return published[0] if published else max(figures["sides"], key=lambda side: side["seconds"])


def draw(figures: Figures, path: Path) -> None:
    """A bar a side, how many times as fast as one of them; 800 pixels wide."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    sides, base = list(reversed(figures["sides"])), base_of(figures)
    speeds = [base["seconds"] / side["seconds"] for side in sides]
    figure, axes = pyplot.subplots(figsize=(8, 1.7 + 0.42 * len(sides)), dpi=100, layout="constrained")
    colours = [OURS if side["name"] == "ours" else OTHERS for side in sides]
    bars = axes.barh([side["label"] for side in sides], speeds, color=colours, height=0.62)
    labels = [
        f"{value:.2f}×  ({figures['pairs'] / side['seconds']:.3g} pairs/s)"
        for value, side in zip(speeds, sides, strict=True)
    ]
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
    """Two lines over the chart."""
    where = f"{figures['dtype']}, {many(figures['threads'], 'thread')}, {figures['processor']}"
    return (
        f"Scoring {figures['pairs']:,} pairs with {figures['model']} (longer is faster)\n"
        f"{where}, median of {many(figures['rounds'], 'round')}"
    )
