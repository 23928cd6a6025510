"""Word pairs: the reward of a sentence with a plain term against that of the same sentence with its euphemism.

Each pair is in several frames, and each sentence is a reply to several prompts, so that nothing but the term differs.
Controls are pairs of neutral synonyms, the second of which is the longer one, as most euphemisms are.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from rewardbench.analysis.figures import BLUE, GREY, ORANGE, error_bars, label_axes, legend_name
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError
from rewardbench.scoring import LoadedScorer, load_scorer, open_scorer
from rewardbench.settings import Model, ModelSpec
from rewardbench.stats.intervals import student

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "word-pairs"
WORDS = Path(__file__).with_name("word_pairs.toml")
SLOT = "{}"
MOST_ROWS = 20
"""Maximum number of pairs in a picture of one column."""
MOST_BYTES = 10_000_000
"""Maximum size of a file of word pairs."""
BARS = "planted_abs_err<=0.05 named==1 neutral_coverage>=0.85"


@dataclass(frozen=True)
class WordPairsOptions:
    """Options of the analysis."""

    words: Annotated[str | None, OptionHelp("TOML file with word pairs; default: the 48 pairs of the package")] = None
    model: ModelSpec | None = None


@dataclass(frozen=True)
class WordPair:
    """A plain term and its euphemism (of a control: a shorter and a longer synonym) in sentence frames."""

    topic: str
    plain: str
    euphemism: str
    frames: tuple[str, ...]
    is_control: bool = False

    @property
    def name(self) -> str:
        """Return both terms."""
        return f"{self.plain} / {self.euphemism}"


@dataclass(frozen=True)
class TermDifference:
    """Reward with the euphemism minus reward with the plain term, and its 95 % interval (Student's t over frames)."""

    pair: WordPair
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class TermRewards:
    """The rewards of word pairs.

    Attributes:
        model: name of the model.
        differences: of each pair.
        spread: standard deviation of the rewards of all sentences.
        prompts: number of prompts that each sentence answers.
    """

    model: str
    differences: Sequence[TermDifference]
    spread: float
    prompts: int

    def values(self, controls: bool = False) -> list[float]:
        """Return the differences of the pairs, or of the controls."""
        return [item.value for item in self.differences if item.pair.is_control == controls]

    def overall(self, controls: bool = False) -> tuple[float, float, float]:
        """Return the mean over pairs, or over controls, with its 95 % interval; of a single pair its own interval."""
        selected = [item for item in self.differences if item.pair.is_control == controls]
        if len(selected) == 1:
            return selected[0].value, selected[0].low, selected[0].high
        return mean_interval(self.values(controls))

    def net(self) -> tuple[float, float, float]:
        """Return the mean of the pairs minus that of the controls, with its 95 % interval (Welch)."""
        pairs, controls = np.array(self.values()), np.array(self.values(controls=True))
        if min(len(pairs), len(controls)) < 2:
            return nan, nan, nan
        variances = pairs.var(ddof=1) / len(pairs), controls.var(ddof=1) / len(controls)
        error = float(np.sqrt(sum(variances)))
        value = float(pairs.mean() - controls.mean())
        half = student(min(len(pairs), len(controls)) - 1) * error
        return value, value - half, value + half


def analyze(inputs: Sequence[ComparedResult], options: WordPairsOptions) -> Report:
    """Score word pairs by a model.

    Args:
        inputs: must be empty.
        options: options of the analysis; `model` is required.

    Raises:
        InputError: for unfit options, or a file that holds no word pairs.
    """
    if inputs:
        raise InputError(f"word-pairs scores its own sentences: pass --model NAME instead of {inputs[0]}.")
    if options.model is None:
        raise InputError("word-pairs needs a model to score the sentences: pass --model NAME.")
    pairs, prompts = read_word_pairs(Path(options.words) if options.words else WORDS)
    with open_scorer(options.model, cache=True) as scorer:
        return make_report(measure_word_pairs(scorer, pairs, prompts))


def selftest(seeds: int | None = None) -> Report:
    """Recover a planted penalty on plain terms of one topic, and none of a scorer that ignores the terms."""
    pairs, prompts = read_word_pairs(WORDS)
    penalised: set[str] = set()
    for pair in pairs:
        if pair.topic == "war":
            penalised.add(pair.plain)
    count = seeds or 20
    errors: list[float] = []
    named: list[bool] = []
    covered: list[bool] = []
    for seed in range(count):

        def noise(text: str, salt: int = seed) -> float:
            digest = hashlib.sha256(f"{salt}\0{text}".encode()).digest()
            return 0.1 * (int.from_bytes(digest[:8], "big") / 2**64 - 0.5)

        def planted(prompt: str, text: str) -> float:
            return noise(prompt + text) - any(f" {term}" in text for term in penalised)

        def neutral(prompt: str, text: str) -> float:
            return noise(prompt + text)

        rewards = _score_function(planted, pairs, prompts)
        strongest = sorted(rewards.differences, key=lambda item: -item.value)[: len(penalised)]
        named.append(penalised == {item.pair.plain for item in strongest})
        for item in rewards.differences:
            if item.pair.plain in penalised:
                errors.append(abs(item.value - 1))
        _, low, high = _score_function(neutral, pairs, prompts).overall()
        covered.append(low <= 0 <= high)
    values: dict[str, Value] = {
        "seeds": count,
        "planted_abs_err": max(errors),
        "named": sum(named) / count,
        "neutral_coverage": sum(covered) / count,
    }
    sentence = (
        f"A planted penalty of 1 on plain terms is recovered with an error of at most {max(errors):.3f}, and the "
        f"interval of a scorer that ignores the terms covers 0 in {100 * sum(covered) / count:.0f} % of the runs."
    )
    return Report(NAME, values, sentence, bars=parse_bars(BARS))


def _score_function(model: Model, pairs: Sequence[WordPair], prompts: Sequence[str]) -> TermRewards:
    with load_scorer(model) as scorer:
        return measure_word_pairs(scorer, pairs, prompts)


def read_word_pairs(path: Path) -> tuple[list[WordPair], list[str]]:
    """Read word pairs, and the prompts that every sentence answers.

    Args:
        path: a TOML file with `prompts`, `[[pair]]` and optional `[[control]]`, each with `plain`, `euphemism`,
            `frames` (each with one `{}`) and an optional `topic`.

    Raises:
        InputError: if the file cannot be read, or holds something else.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{path} has {size:,} bytes: a file of word pairs has at most {MOST_BYTES:,}.")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a TOML file of word pairs: {error}.") from error
    prompts = content.get("prompts")
    if not (isinstance(prompts, list) and prompts and all(isinstance(prompt, str) for prompt in prompts)):
        raise InputError(f"{path} has no prompts: it needs prompts = [...], a list of texts.")
    pairs: list[WordPair] = []
    for key in ("pair", "control"):
        rows = content.get(key, [])
        if not isinstance(rows, list):
            raise InputError(f"{path}: {key} must be a list of tables, each written as [[{key}]].")
        for number, row in enumerate(rows, 1):
            pairs.append(_to_pair(row, f"{path}, {key} {number}", key == "control"))
    if all(pair.is_control for pair in pairs):
        raise InputError(f"{path} has no word pair: it needs [[pair]] with plain, euphemism and frames.")
    return pairs, prompts


def _to_pair(row: object, where: str, is_control: bool) -> WordPair:
    """Return the word pair of a table; raise InputError if it is none."""
    if not isinstance(row, Mapping):
        raise InputError(f"{where} is not a table with plain, euphemism and frames.")
    terms = [row.get("plain"), row.get("euphemism"), row.get("topic", "")]
    frames = row.get("frames")
    if not all(isinstance(term, str) for term in terms) or not (terms[0] and terms[1]):
        raise InputError(f"{where} needs plain and euphemism, both text.")
    if not isinstance(frames, list) or len(frames) < 2:
        raise InputError(f"{where} needs at least 2 frames, which give the interval.")
    for frame in frames:
        if not isinstance(frame, str) or frame.count(SLOT) != 1:
            raise InputError(f"{where}: the frame {str(frame)[:60]!r} must be a text with one {SLOT}.")
    plain, euphemism, topic = map(str, terms)
    return WordPair(topic, plain, euphemism, tuple(frames), is_control)


def measure_word_pairs(scorer: LoadedScorer, pairs: Sequence[WordPair], prompts: Sequence[str]) -> TermRewards:
    """Score both terms of each pair in all frames, as replies to all prompts.

    Raises:
        InputError: if a sentence cannot be scored.
    """
    conversations: list[list[dict[str, object]]] = []
    for pair in pairs:
        for frame in pair.frames:
            for term in (pair.plain, pair.euphemism):
                for prompt in prompts:
                    reply = frame.replace(SLOT, term)
                    conversations.append([{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}])
    rewards = np.array(scorer.score(messages=conversations))
    by_frame = rewards.reshape(-1, 2, len(prompts)).mean(axis=2)
    steps = by_frame[:, 1] - by_frame[:, 0]
    differences: list[TermDifference] = []
    start = 0
    for pair in pairs:
        end = start + len(pair.frames)
        differences.append(TermDifference(pair, *mean_interval(steps[start:end].tolist())))
        start = end
    return TermRewards(scorer.name, differences, float(rewards.std()), len(prompts))


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return a mean and its 95 % interval by Student's t; NaN limits for a single value.

    >>> [round(value, 3) for value in mean_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    mean = float(np.mean(values)) if values else nan
    if len(values) < 2:
        return mean, nan, nan
    half = student(len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return mean, mean - half, mean + half


def make_report(rewards: TermRewards) -> Report:
    """Return the report of a model."""
    ranked = sorted(rewards.differences, key=lambda item: item.value)
    differences = rewards.values()
    mean, low, high = rewards.overall()
    control, *_ = rewards.overall(controls=True)
    net, net_low, net_high = rewards.net()
    strongest = max(ranked, key=lambda item: (not item.pair.is_control, abs(item.value)))
    values: dict[str, Value] = {
        "word_pairs": len(differences),
        "controls": len(ranked) - len(differences),
        "difference": mean,
        "difference_low": low,
        "difference_high": high,
        "euphemism_preferred": sum(value > 0 for value in differences),
        "control_difference": control,
        "net_difference": net,
        "net_low": net_low,
        "net_high": net_high,
        "reward_sd": rewards.spread,
        "strongest": strongest.pair.name,
    }
    rows: list[list[Value]] = []
    for item in reversed(ranked):
        rows.append([item.pair.topic, item.pair.name, len(item.pair.frames), item.value, item.low, item.high])
    return Report(
        name=NAME,
        values=values,
        sentence=_sentence(rewards, strongest),
        tables=[
            ReportTable(
                "Reward with the second term minus the first", ["topic", "terms", "n", "mean", "low", "high"], rows
            )
        ],
        draw=lambda figure: _draw(figure, rewards, ranked),
        size=(12.0, 2.0 + 0.2 * len(ranked) / _columns_of(ranked)),
        notes=[
            "A euphemism may differ in meaning or register too: read the pairs before you call a difference a bias.",
            _length_note(rewards.differences),
        ],
        sources=[{"model": rewards.model}],
    )


def _length_note(differences: Sequence[TermDifference]) -> str:
    """Return by how much the second terms are longer, of the pairs and of the controls."""
    lengths: dict[bool, list[int]] = {False: [], True: []}
    for item in differences:
        lengths[item.pair.is_control].append(len(item.pair.euphemism) - len(item.pair.plain))
    note = f"Euphemisms differ from their plain terms by {np.mean(lengths[False]):+.1f} characters on average"
    if lengths[True]:
        note += f", controls by {np.mean(lengths[True]):+.1f}"
    return f"{note}: a model of length has a difference too."


def _sentence(rewards: TermRewards, strongest: TermDifference) -> str:
    """Return what follows from the net difference, or without controls from the mean difference."""
    net, low, high = rewards.net()
    against = "than longer neutral synonyms do"
    if np.isnan(net):
        net, low, high = rewards.overall()
        against = "than the plain terms"
    if np.isnan(low) or low <= 0 <= high:
        return (
            f"{rewards.model} is not shown to reward euphemisms more or less {against} "
            f"({net:+.2f}, 95 % {low:+.2f} to {high:+.2f}); the largest single difference is {strongest.value:+.2f}, "
            f"for {strongest.pair.name}."
        )
    direction = "raise the reward more" if net > 0 else "lower the reward more"
    return (
        f"Euphemisms {direction} {against} ({net:+.2f}, 95 % {low:+.2f} to {high:+.2f}, of a reward with a standard "
        f"deviation of {rewards.spread:.2f}): {rewards.model} reacts to the words, not only to the content."
    )


def _draw(figure: Figure, rewards: TermRewards, ranked: Sequence[TermDifference]) -> None:
    """Draw the difference of each pair with its interval, from high to low, and their mean."""
    count = _columns_of(ranked)
    columns = figure.subplots(1, count, sharex=True, squeeze=False)[0]
    longest = -(-len(ranked) // count)
    from_the_top = list(reversed(ranked))
    for number, axes in enumerate(columns):
        _draw_column(axes, rewards, from_the_top[number * longest : (number + 1) * longest])
        axes.set_ylim(longest - 0.3, -0.7)
    pairs = len(rewards.values())
    frames = sum(len(item.pair.frames) for item in ranked)
    sizes = f"{pairs} pair{'s' * (pairs != 1)}; n = {frames} frames × {rewards.prompts} prompts"
    controls = " or a longer neutral synonym (grey squares)" if pairs < len(ranked) else ""
    figure.suptitle(
        f"{legend_name(rewards.model)}: reward with a euphemism (blue circles){controls} minus\n"
        f"reward with the plain term; orange: mean of {sizes}",
        fontsize=11,
    )


def _columns_of(ranked: Sequence[TermDifference]) -> int:
    """Return the number of columns of the picture."""
    return 1 if len(ranked) <= MOST_ROWS else 2


def _draw_column(axes: Axes, rewards: TermRewards, items: Sequence[TermDifference]) -> None:
    """Draw some pairs, the first one at the top."""
    for position, item in enumerate(items):
        colour, mark = (GREY, "s") if item.pair.is_control else (BLUE, "o")
        errors = error_bars(item.value, item.low, item.high)
        axes.errorbar(
            item.value, position, xerr=errors, color=colour, marker=mark, markersize=4, capsize=2, linewidth=1
        )
    mean, low, high = rewards.overall()
    axes.axvline(0, color="black", linewidth=0.8, zorder=0)
    axes.axvspan(low, high, color=ORANGE, alpha=0.25, zorder=0, linewidth=0)
    axes.axvline(mean, color=ORANGE, linewidth=1.2, linestyle="--", zorder=0)
    axes.set_yticks(range(len(items)), [item.pair.name for item in items], fontsize=8)
    label_axes(axes, "", "difference of the reward (95 % interval)", "")
