"""Compare a published result with a fresh run, and find the setting under which the two agree.

The items that differ most, and others at random, are scored again with one setting changed at a time: chat template,
BOS and EOS tokens, truncation, position, dtype, padding and others. If none explains the difference, pairs of
settings are tried, the nearest first.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from rich.console import Console

from rewardbench.chat import common_prefix
from rewardbench.console.strict_json import to_plain
from rewardbench.console.terminal import make_console
from rewardbench.doctor.agreement import (
    EXACT,
    ROUNDING,
    ItemScoreList,
    ScoreAgreement,
    measure_agreement,
    printed_rounding,
    row_differences,
    same_decision,
    scale_of,
    stored_dtype,
)
from rewardbench.doctor.candidates import list_candidates, merge_options
from rewardbench.doctor.published import PairedRow, load_data, pair_rows, read_published
from rewardbench.doctor.search import CauseSearch
from rewardbench.doctor.trials import Trial, Trials, worst_first
from rewardbench.engine.loop import prepare
from rewardbench.errors import InputError
from rewardbench.evaluation import run
from rewardbench.scorers import load_scorer
from rewardbench.scorers.base import BaseScorer
from rewardbench.settings import CheckedOptions, Settings, check_at_least_one
from rewardbench.types import Request, Suite


@dataclass(frozen=True)
class ReproduceSettings(CheckedOptions):
    """Settings of a reproduction."""

    run: Settings
    """The model, and how it is run; an empty dataset stands for the data that the published result names."""
    published: str
    max_items: int = 32
    """Items on which settings are tried."""
    seed: int = 0
    tolerance: float | None = None
    """Largest accepted difference of a score; None: by the dtype and the size of the published scores."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_one(self, "max_items")


@dataclass(frozen=True)
class DifferingItem:
    """An item whose fresh scores differ from the published ones."""

    id: str
    subset: str
    published: tuple[float, ...]
    fresh: tuple[float, ...]
    max_abs_diff: float
    same_decision: bool


@dataclass(frozen=True)
class Reproduction:
    """How far a run reproduces a published result, and the setting that explains the difference."""

    model: str
    suite: str
    published: str
    agreement: ScoreAgreement
    tolerance: float
    published_dtype: str
    """The coarsest dtype of which every published score is a number."""
    verdict: str
    is_reproduced: bool
    cause: Trial | None = None
    trials: tuple[Trial, ...] = ()
    differing: tuple[DifferingItem, ...] = ()
    """The largest differences first."""
    notes: tuple[str, ...] = ()
    paired: Mapping[str, int] = field(default_factory=dict)
    """Number of rows that were paired with items by id, by text and by position, and of those that were not."""

    @property
    def exit_code(self) -> int:
        """Return 0 if the run reproduces the published scores, else 1."""
        return int(not self.is_reproduced)

    def key_values(self) -> dict[str, int | float | str]:
        """Return figures by name; `cause` is empty if none was found."""
        tried = [trial for trial in self.trials if trial.agreement is not None]
        return {
            **self.agreement.key_values(),
            "differing": len(self.differing),
            "tolerance": self.tolerance,
            "published_dtype": self.published_dtype,
            "reproduced": "yes" if self.is_reproduced else "no",
            "cause": self.cause.describe() if self.cause else "",
            "options": (merge_options(self.cause.settings) or "") if self.cause else "",
            "tried": len(tried),
        }

    def to_json(self) -> object:
        """Return everything as plain JSON values; null for a number that is not finite."""
        trials = []
        for trial in self.trials:
            figures = asdict(trial.agreement) if trial.agreement else None
            trials.append({"settings": trial.describe(), "agreement": figures, "problem": trial.problem})
        return to_plain(
            {
                "verdict": self.verdict,
                **self.key_values(),
                "exit_code": self.exit_code,
                "model": self.model,
                "suite": self.suite,
                "published": self.published,
                "paired": self.paired,
                "differing_items": list(map(asdict, self.differing)),
                "trials": trials,
                "notes": self.notes,
            }
        )


def reproduce(settings: ReproduceSettings, console: Console | None = None) -> Reproduction:
    """Score the items of a published result, compare, and search for the setting that explains a difference.

    Args:
        settings: the published result and the run.
        console: where progress bars are drawn; stderr by default.

    Raises:
        InputError: if the result, the data or the model cannot be read, or no row belongs to an item.
    """
    console = console or make_console(stderr=True)
    run_settings, spec = settings.run, settings.run.model
    published = read_published(settings.published, spec.model)
    suite = load_data(
        published,
        run_settings.dataset or None,
        split=run_settings.split,
        subset=run_settings.subset,
        revision=run_settings.dataset_revision,
        protocol=run_settings.protocol,
        pairs=run_settings.pairs,
    )
    pairing = pair_rows(published, suite)
    rows, notes = _scored_rows(pairing.rows[: run_settings.limit], settings.published)
    notes = [*pairing.notes(), *notes, *([suite.note] if suite.note else [])]
    scorer = load_scorer(spec)
    scores = _score(rows, suite, scorer, run_settings, console)
    dtype = stored_dtype(rows)
    strict = rounding = settings.tolerance
    if strict is None or rounding is None:
        strict = max(EXACT * scale_of(rows), printed_rounding(rows))
        rounding = max(strict, ROUNDING.get(dtype, 0.0) * scale_of(rows))
    report = Reproduction(
        model=spec.model,
        suite=suite.name,
        published=settings.published,
        agreement=measure_agreement(rows, scores, strict),
        tolerance=strict,
        published_dtype=dtype,
        verdict="",
        is_reproduced=False,
        differing=tuple(_differing(rows, scores, strict)),
        paired={
            "id": pairing.by_id,
            "text": pairing.by_text,
            "position": pairing.by_position,
            "none": pairing.unpaired,
        },
    )
    if report.agreement.complete:
        verdict = f"The published scores are reproduced: {_figures(report.agreement)}."
        return replace(report, verdict=verdict, is_reproduced=True, notes=tuple(notes))
    sample = _sample(rows, scores, settings.max_items, settings.seed)
    notes += _text_notes(sample[0], scorer)
    candidates = list_candidates(scorer, rows, published.chat_template)
    other_dtype = _other_dtype(dtype, str(scorer.fingerprint.get("dtype") or "float32"))
    trials = Trials(spec, scorer, sample, rows, strict, rounding)
    del scorer  # the trials free it when they load the model in another way
    search = CauseSearch(trials, candidates, other_dtype, console)
    return _conclude(replace(report, notes=tuple(notes)), search, rounding, bool(candidates))


def _other_dtype(published: str, run: str) -> str | None:
    """Return the dtype of the published scores if it is not the run's and one of the two rounds; else None."""
    return published if published != run and {published, run} & ROUNDING.keys() else None


def _score(
    rows: Sequence[PairedRow], suite: Suite, scorer: BaseScorer, settings: Settings, console: Console
) -> list[tuple[float, ...]]:
    """Return the fresh scores of rows."""
    items = tuple(row.item for row in rows)
    part = replace(suite, items=items, revision=f"{suite.revision}+published")
    result, _ = run(replace(settings, dataset=suite.name, limit=None), console, suite=part, scorer=scorer)
    return [item_scores.scores for item_scores in result.items]


def _scored_rows(rows: Sequence[PairedRow], path: str) -> tuple[list[PairedRow], list[str]]:
    """Return the rows with published scores, and a note if there are others.

    Raises:
        InputError: if there are none, or all scores are decisions (0, 0.5 and 1).
    """
    scored = [row for row in rows if all(map(math.isfinite, row.scores))]
    if not scored:
        raise InputError(f"{path} has no scores of the items of the dataset.")
    _reject_decisions(scored, path)
    count = len(rows) - len(scored)
    return scored, [f"{count} published rows have no score."] if count else []


def _reject_decisions(rows: Sequence[PairedRow], path: str) -> None:
    if all(sorted(row.scores) in ([0.0, 1.0], [0.5, 0.5]) for row in rows):
        raise InputError(f"{path} has decisions but no scores: compare the decisions with rewardbench compare.")


def _differing(rows: Sequence[PairedRow], scores: ItemScoreList, tolerance: float) -> Iterator[DifferingItem]:
    """Yield the items that differ, those with the largest differences first."""
    differences = row_differences(rows, scores)
    for index in worst_first(rows, scores):
        row, values = rows[index], scores[index]
        if differences[index] <= tolerance:
            return
        yield DifferingItem(
            id=row.item.id,
            subset=row.item.subset,
            published=row.scores,
            fresh=values,
            max_abs_diff=differences[index],
            same_decision=same_decision(row, values),
        )


def _sample(rows: Sequence[PairedRow], scores: ItemScoreList, count: int, seed: int) -> list[PairedRow]:
    """Return rows for trials: half of them those that differ most, half random, in turn."""
    order = worst_first(rows, scores)
    worst = order[: (count + 1) // 2]
    others = order[len(worst) :]
    drawn = random.Random(seed).sample(others, min(count - len(worst), len(others)))
    indices: list[int] = []
    for position, index in enumerate(worst):
        indices += [index, *drawn[position : position + 1]]
    return [rows[index] for index in indices]


def _text_notes(row: PairedRow, scorer: BaseScorer) -> list[str]:
    """Return a note if the published text of a row differs from that of this run, with the first difference."""
    requests: tuple[Request, ...] = prepare(row.item, scorer).by_completion
    if not (row.texts and requests) or row.item.rendered:
        return []
    published, fresh = row.texts[0], requests[0].text
    start = common_prefix(published, fresh)
    if start == max(len(published), len(fresh)):
        return []
    excerpts = [text[max(0, start - 10) : start + 30] for text in (published, fresh)]
    return [
        f"The published text of item {row.item.id} differs from this run's from character {start} on: "
        f"{excerpts[0]!r} is published, and this run reads {excerpts[1]!r}."
    ]


def _conclude(report: Reproduction, search: CauseSearch, rounding: float, has_settings: bool) -> Reproduction:
    """Search for the cause of the differences, and say what was found."""
    start = f"The published scores are not reproduced: {_figures(report.agreement)}"
    if not has_settings:
        return replace(report, verdict=f"{start}. This kind of model has no settings to try.")
    cause = search.start()
    if cause is None and report.agreement.max_abs_diff <= rounding:
        verdict = (
            f"The published scores are reproduced within the rounding of {report.published_dtype}: "
            f"{_figures(report.agreement)}."
        )
        return replace(report, verdict=verdict, is_reproduced=True, trials=tuple(search.tried))
    cause = cause or search.search()
    report = replace(report, trials=tuple(search.tried))
    nearest = search.nearest()
    if cause is None and nearest.agreement and nearest.agreement.complete and nearest is not search.baseline:
        cause = nearest  # within the rounding of the published dtype
    if cause is None or cause.agreement is None:
        return replace(report, verdict=f"{start}, and no cause was found. {_what_was_tried(report, nearest)}")
    reproduced = f"The published scores are reproduced to {cause.agreement.max_abs_diff:.2g}"
    as_run = f"not with the settings of this run ({_figures(report.agreement)})"
    if not (cause.settings or cause.conversion):
        verdict = f"{reproduced} with batch size 1, {as_run}: batches round differently in this dtype."
    else:
        verdict = f"{reproduced} with {cause.describe()}, {as_run}: {_advice(cause)}"
        same = [setting.text for setting in search.same_as(cause)]
        if same:
            verdict += f" On these items, {' and '.join(same)} would be the same."
    return replace(report, verdict=verdict, cause=cause)


def _figures(agreement: ScoreAgreement) -> str:
    """Return the main figures of an agreement in words."""
    flips = agreement.decisions - agreement.equal_decisions
    decisions = f", {flips} of {agreement.decisions} decisions differ" if agreement.decisions else ""
    return f"max |Δ| {agreement.max_abs_diff:.2g} on {agreement.items} items{decisions}"


def _advice(cause: Trial) -> str:
    """Return what to do about a cause."""
    options = [setting.option for setting in cause.settings if setting.option]
    fixed = [setting.text for setting in cause.settings if not setting.option]
    sentences = [f"pass {' '.join(options)}"] if options else []
    if fixed and options:
        sentences.append(f"for {' and '.join(fixed)}, rewardbench has no option")
    elif fixed:
        sentences.append("rewardbench has no option for it")
    if cause.conversion == "the sign reversed":
        sentences.append("the published scores or those of this model are costs (higher_is_better in a head spec)")
    elif cause.conversion:
        sentences.append(f"{cause.conversion} is what was published")
    return "; ".join(sentences) + "."


def _what_was_tried(report: Reproduction, nearest: Trial) -> str:
    """Return the number of settings that were tried by aspect, and the nearest."""
    aspects: dict[str, None] = {}
    count = 0
    for trial in report.trials:
        if trial.agreement is not None:
            count += 1
            aspects.update({setting.aspect: None for setting in trial.settings})
    sentence = f"Tried {count} combinations of {', '.join(aspects) or 'no aspect'}"
    if nearest.screened is not None:
        figures = nearest.agreement or nearest.screened
        sentence += (
            f"; the nearest, {nearest.describe()}, agrees on {figures.within} of {figures.items} items, with a median "
            f"|Δ| of {figures.median_abs_diff:.2g}"
        )
    hint = ""
    if report.published_dtype == "float16":
        hint = " The scores are float16 numbers: rewardbench 0.1 also loaded models in 8 bits, which is not tried."
    return f"{sentence}.{hint}"
