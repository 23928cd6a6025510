"""Import published results: tables of scores, and the files of the results repositories of rewardbench 0.1.

Figures of a table have no per-item scores and no intervals; they are imported as published, and get that badge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.types import PUBLISHED
from rewardbench.metrics import leaderboard_score, section_means
from rewardbench.results import JsonObject, PackedResult, SummaryJson, stated
from rewardbench.results.schema import is_number, is_share
from rewardbench.results.scored import read_scored
from rewardbench.results.types import EstimateJson
from rewardbench.suites.registry import REWARD_BENCH_2, SUITES
from rewardbench.types import Estimate

TABLES = {"v1": "reward-bench", "v2": "reward-bench-2"}
"""Suite of each table, by its name in the file."""
PUBLISHED_RESULTS = "published results"
PRIOR = "Prior Sets (0.5 weight)"
"""Name of a section in the tables."""
TOLERANCE = 1.5e-4
"""Maximum difference of a published score from the mean of its sections, which are rounded to four decimals."""


def read_published(path: Path) -> list[PackedResult]:
    """Read the results in a table, or in a copy of a results repository of rewardbench 0.1.

    Args:
        path: a JSON file `{"v1" or "v2": [[model, type, {"Score": x, section: y}], ...]}`, or a folder with
            `eval-set/org/model.json` and perhaps `eval-set-scores`, `pref-sets` and `pref-sets-scores`.

    Raises:
        InputError: if it is neither.
    """
    entries = list(_read_folder(path) if path.is_dir() else _read_table(path))
    if not entries:
        raise InputError(f"{path} has no published results: `rewardbench import --help` describes what can be read.")
    for entry in entries:
        _reject_hidden(path, entry.summary)
    return entries


def _reject_hidden(path: Path, summary: SummaryJson) -> None:
    """Reject names with invisible characters.

    Raises:
        InputError: if there is one.
    """
    figures = summary["sections"] + summary["subsets"]
    names = [figure["name"] for figure in figures]
    for text in (summary["model"], summary["model_type"], *names):
        if stated.has_hidden(text) or "\n" in text or "\t" in text:
            raise InputError(f"The name {ascii(text)[:80]} in {path} has invisible characters: correct it.")


def _read_table(path: Path) -> Iterator[PackedResult]:
    tables = results.read_object(path, PUBLISHED_RESULTS)
    for name, rows in tables.items():
        if name not in TABLES or not isinstance(rows, list):
            raise InputError(
                f"{path} is not a table of published scores: it has {name!r}, but the known names are "
                f"{', '.join(TABLES)}."
            )
        for n, row in enumerate(rows):
            try:
                model, kind, shares = row
                sections = {str(section): _to_share(value) for section, value in shares.items()}
                score = sections.pop("Score")
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                raise InputError(f"{path}, row {n + 1} of {name}, is not [model, type, {{Score: x, ...}}].") from error
            yield _totals_only(str(model), str(kind), TABLES[name], score, sections, {}, path.name)


def _read_folder(folder: Path) -> Iterator[PackedResult]:
    """Yield a result for each model, with items if the folder has their scores."""
    for path in sorted(folder.glob("eval-set/**/*.json")):
        name = path.relative_to(folder / "eval-set")
        items = folder / "eval-set-scores" / name
        prior = folder / "pref-sets" / name
        if items.is_file():
            yield _with_items(items)
        else:
            yield _from_subsets(path, results.read_object(prior, PUBLISHED_RESULTS) if prior.is_file() else {})


def _from_subsets(path: Path, prior: JsonObject) -> PackedResult:
    """Return a result whose sections and score are computed from figures of subsets by the rules of the suite.

    Args:
        path: file with the figures.
        prior: figures on the prior sets, if any.
    """
    record = results.read_object(path, PUBLISHED_RESULTS)
    subsets: dict[str, float] = {}
    for name, value in {**prior, **record}.items():
        if is_number(value):
            subsets[name] = _to_share(value)
    suite = "reward-bench-2" if subsets.keys() <= set(REWARD_BENCH_2) else "reward-bench"
    rules = dict(SUITES[suite].rules)
    if prior:
        rules |= SUITES["preference-test-sets"].rules
    known = {name: value for name, value in subsets.items() if name in rules}
    if not known:
        raise InputError(f"{path} has no figure of a subset of {suite}.")
    means = section_means(known, {name: rules[name] for name in known}, dict.fromkeys(known, 1))
    sections = {name: mean for name, mean in means.items() if mean is not None}
    score = _score_of(suite, sections) or 0.0
    model, model_type = str(record.get("model")), str(record.get("model_type"))
    return _totals_only(model, model_type, suite, score, sections, known, path.name)


def _score_of(suite: str, sections: Mapping[str, float]) -> float | None:
    """Return the score of a suite from its sections."""
    if suite == "reward-bench":
        return leaderboard_score(sections)
    return sum(sections.values()) / len(sections) if sections else None


def _totals_only(
    model: str,
    model_type: str,
    suite: str,
    score: float,
    sections: Mapping[str, float],
    subsets: Mapping[str, float],
    source: str,
) -> PackedResult:
    """Return a result without per-item scores and without intervals.

    Args:
        model: name of the model.
        model_type: kind of reward model.
        suite: name of the suite.
        score: the headline score.
        sections: value of each section.
        subsets: value of each subset.
        source: name of the file that the figures are from.
    """
    rules = SUITES[suite].rules
    section_names = [name.replace(PRIOR, "Prior Sets") for name in sections]
    subset_sections = [rules[name].section if name in rules else name for name in subsets]
    summary: SummaryJson = {
        "schema": results.SCHEMA,
        "suite": suite,
        "revision": PUBLISHED,
        "model": model,
        "model_type": model_type,
        "num_prompts": 0,
        "accuracy": None,
        "score": _figure("score", score),
        "accuracy_estimate": _figure("accuracy", None),
        "sections": list(map(_figure, section_names, sections.values(), section_names)),
        "subsets": list(map(_figure, subsets, subsets.values(), subset_sections)),
        "mirrors": [],
        "gap": [],
        "extra_results": dict(subsets),
        "manifest": {"published": {"source": source, "score": score}},
        results.OUTPUTS_HASH: None,
    }
    return PackedResult(summary, None)


def _figure(name: str, value: float | None, section: str = "") -> EstimateJson:
    return cast("EstimateJson", asdict(Estimate(name, 0, value, section=section)))


def _with_items(path: Path) -> PackedResult:
    """Convert the columns of rewardbench 0.1 to a result, recomputed from its per-item scores."""
    scored = read_scored(path)
    record = results.read_object(path, PUBLISHED_RESULTS)
    manifest = {
        "published": {"source": path.name},
        "model": {"model": scored.model, "chat_template": record.get("chat_template")},
    }
    model_type = str(record.get("model_type") or "")
    result = results.assemble(scored.suite, scored.model, model_type, scored.items, manifest)
    return results.pack_result(results.to_summary(result), results.to_rows(result, scored.suite))


def _to_share(value: object) -> float:
    """Return a share as a float.

    Raises:
        ValueError: if it is not a share.
    """
    if is_number(value) and is_share(value):
        return float(value)
    raise ValueError(f"{value!r} is not a share")


def find_inconsistent(entries: Sequence[PackedResult]) -> list[str]:
    """Return a line for each model whose published score differs from the score of its published sections."""
    lines: list[str] = []
    for summary, table, _ in entries:
        score = summary["score"]["value"]
        if table is not None or score is None:
            continue
        sections = {section["name"]: section["value"] or 0.0 for section in summary["sections"]}
        expected = _score_of(summary["suite"], sections)
        if expected is None or abs(expected - score) > TOLERANCE:
            computed = "nothing" if expected is None else f"{expected:.4f}"
            lines.append(
                f"{summary['model']} ({summary['suite']}): {score:.4f} published, {computed} from its sections"
            )
    return lines
