"""Import published results: tables of scores, and the files of the repositories of rewardbench 0.1.

A table's figures have no items behind them and no interval; they are marked as published, and stand as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.metrics import leaderboard_score, rule_of, section_means
from rewardbench.results import stated
from rewardbench.results.schema import is_share
from rewardbench.results.scored import read_scored
from rewardbench.store.local import Entry
from rewardbench.suites.registry import REWARD_BENCH_2, SUITES
from rewardbench.types import Estimate

TABLES = {"v1": "reward-bench", "v2": "reward-bench-2"}
PUBLISHED = "published"
"""The revision of figures of which nothing more is known."""
PUBLISHED_RESULTS = "published results"
PRIOR = "Prior Sets (0.5 weight)"


def read_published(path: Path) -> list[Entry]:
    """Read the results in a table, or in a folder laid out as the repositories of rewardbench 0.1 are.

    A table is a JSON file `{"v1" or "v2": [[model, type, {"Score": x, section: y}], ...]}`; a folder has
    `eval-set/org/model.json`, and may have `eval-set-scores`, `pref-sets` and `pref-sets-scores`.

    Raises: InputError for anything else.
    """
    entries = list(_folder(path) if path.is_dir() else _table(path))
    if not entries:
        raise InputError(f"{path} holds no published results: see `rewardbench import --help` for what is read.")
    for summary, _ in entries:
        _refuse_hidden(path, summary)
    return entries


def _refuse_hidden(path: Path, summary: Mapping[str, Any]) -> None:
    """Reject a name that holds invisible characters. Raises: InputError."""
    texts = [
        summary["model"],
        summary["model_type"],
        *(figure["name"] for figure in summary["sections"] + summary["subsets"]),
    ]
    hidden = next((text for text in texts if stated.has_hidden(text) or "\n" in text or "\t" in text), None)
    if hidden is not None:
        raise InputError(f"{path} names {ascii(hidden)[:80]}, which holds invisible characters: correct that name.")


def _table(path: Path) -> Iterator[Entry]:
    tables = results.read_object(path, PUBLISHED_RESULTS)
    for name, rows in tables.items():
        if name not in TABLES or not isinstance(rows, list):
            raise InputError(
                f"{path} is no table of published scores: it has {name!r}, and {', '.join(TABLES)} are known."
            )
        for n, row in enumerate(rows):
            try:
                model, kind, shares = row
                values = {str(section): _share(value) for section, value in shares.items()}
                score = values.pop("Score")
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                raise InputError(f"{path}, row {n + 1} of {name}, is not [model, type, {{Score: x, ...}}].") from error
            yield _bare(str(model), str(kind), TABLES[name], score, values, {}, path.name)


def _folder(folder: Path) -> Iterator[Entry]:
    """Yield a result for each model: with its items if the folder has their scores, else with its figures alone."""
    for path in sorted(folder.glob("eval-set/**/*.json")):
        name = path.relative_to(folder / "eval-set")
        items = folder / "eval-set-scores" / name
        prior = folder / "pref-sets" / name
        yield (
            _with_items(items)
            if items.is_file()
            else _subsets(path, results.read_object(prior, PUBLISHED_RESULTS) if prior.is_file() else {})
        )


def _subsets(path: Path, prior: Mapping[str, Any]) -> Entry:
    """Figures of subsets: sections and score follow by the suite's own rules."""
    record = results.read_object(path, PUBLISHED_RESULTS)
    subsets = {key: _share(value) for key, value in {**prior, **record}.items() if _is_number(value)}
    suite = "reward-bench-2" if subsets.keys() <= set(REWARD_BENCH_2) else "reward-bench"
    rules = {**SUITES[suite].rules, **(SUITES["preference-test-sets"].rules if prior else {})}
    known = {name: value for name, value in subsets.items() if name in rules}
    if not known:
        raise InputError(f"{path} has no figure of a subset that {suite} knows.")
    sections = section_means(known, {name: rules[name] for name in known}, dict.fromkeys(known, 1))
    present = {name: value for name, value in sections.items() if value is not None}
    score = leaderboard_score(present) if suite == "reward-bench" else sum(present.values()) / len(present)
    return _bare(
        str(record.get("model")), str(record.get("model_type")), suite, score or 0.0, present, known, path.name
    )


def _bare(
    model: str,
    kind: str,
    suite: str,
    score: float,
    sections: Mapping[str, float],
    subsets: Mapping[str, float],
    source: str,
) -> Entry:
    """Return a summary whose figures have neither items nor intervals."""
    named = {name.replace(PRIOR, "Prior Sets"): value for name, value in sections.items()}

    def figure(name: str, value: float | None, section: str = "") -> dict[str, Any]:
        return asdict(Estimate(name, 0, value, section=section))

    rules = SUITES[suite].rules
    return {
        "schema": results.SCHEMA,
        "suite": suite,
        "revision": PUBLISHED,
        "model": model,
        "model_type": kind,
        "num_prompts": 0,
        "accuracy": None,
        "score": figure("score", score),
        "accuracy_estimate": figure("accuracy", None),
        "sections": [figure(name, value, name) for name, value in named.items()],
        "subsets": [
            figure(name, value, rules[name].section if name in rules else name) for name, value in subsets.items()
        ],
        "mirrors": [],
        "gap": [],
        "extra_results": dict(subsets),
        "manifest": {"published": {"source": source, "score": score}},
        results.OUTPUTS_HASH: None,
    }, None


def _with_items(path: Path) -> Entry:
    """Convert the column lists of rewardbench 0.1 to a result, recomputed from its items."""
    scored = read_scored(path)
    record = results.read_object(path, PUBLISHED_RESULTS)
    result = results.assemble(
        scored.suite,
        scored.model,
        str(record.get("model_type") or ""),
        scored.items,
        {
            "published": {"source": path.name},
            "model": {"model": scored.model, "chat_template": record.get("chat_template")},
        },
    )
    rows = [
        results.to_row(item, item_scores, rule_of(scored.suite, item.subset))
        for item, item_scores in zip(scored.suite.items, scored.items, strict=True)
    ]
    return results.sealed(results.to_json(result), rows)


def _share(value: Any) -> float:
    """Return a share as a float. Raises: ValueError for any other value."""
    if not is_share(value):
        raise ValueError(f"{value!r} is no share")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def exceptions(entries: Sequence[Entry]) -> list[str]:
    """Return the models whose published score does not follow from their published sections, to four decimals."""
    odd = []
    for summary, table in entries:
        if table is not None or summary["score"]["value"] is None:
            continue
        sections = {section["name"]: section["value"] for section in summary["sections"]}
        v1 = summary["suite"] == "reward-bench"
        counted = leaderboard_score(sections) if v1 else sum(sections.values()) / len(sections) if sections else None
        score = summary["score"]["value"]
        if counted is None or abs(counted - score) > 1.5e-4:
            by = "nothing" if counted is None else f"{counted:.4f}"
            odd.append(f"{summary['model']} ({summary['suite']}): {score:.4f} published, {by} by its sections")
    return odd
