"""Collect what the page of a model shows: estimates, a comparison, analyses, misses and the manifest."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rewardbench import results
from rewardbench.analysis.registry import ANALYSES, AnalysisRow
from rewardbench.analysis.report import Report, ReportTable
from rewardbench.comparison.compare import Comparison, compare
from rewardbench.errors import InputError
from rewardbench.metrics import SuiteEstimates, summarize
from rewardbench.paths import home_path
from rewardbench.results.browse import ScoredItem, select
from rewardbench.results.scored import ModelScores, read_scored
from rewardbench.results.types import JsonObject, object_field
from rewardbench.types import Metric

ON_THE_PAGE = ("calibration", "bias")
"""Analyses that the page runs on every result, in this order; those that need a model are read from their files."""
MOST_PICTURE_BYTES = 300_000
"""Largest picture of an included analysis."""


@dataclass(frozen=True)
class IncludedReport:
    """A report that an earlier `rewardbench analyze` wrote.

    Attributes:
        report: its values, tables, sentence and notes.
        picture: its picture as a `data:` URI; empty if there is none.
    """

    report: Report
    picture: str


@dataclass(frozen=True)
class SuiteContent:
    """What the page shows of one result.

    Attributes:
        scored: the scores and the items.
        estimates: estimates recomputed from the scores.
        comparison: the difference to the baseline's result on the suite; None without one.
        reports: the analyses `ON_THE_PAGE` that fit the data.
        omitted: why an analysis is missing, by its name.
        misses: the items with the lowest margins among those that are wrong.
        num_missed: number of wrong items.
        num_labelled: number of items that count.
        facts: what decided the scores, by name.
    """

    scored: ModelScores
    estimates: SuiteEstimates
    comparison: Comparison | None
    reports: Sequence[Report]
    omitted: Mapping[str, str]
    misses: Sequence[ScoredItem]
    num_missed: int
    num_labelled: int
    facts: Mapping[str, str]


@dataclass(frozen=True)
class PageContent:
    """The content of a page: a model, its suites, and reports that were included."""

    model: str
    suites: Sequence[SuiteContent]
    included: Sequence[IncludedReport]


def collect(
    paths: Sequence[str], baselines: Sequence[str] = (), include: Sequence[str] = (), num_misses: int = 20
) -> PageContent:
    """Collect the content of a page.

    Args:
        paths: results of one model, one for each suite.
        baselines: results of another model; each is compared on the suite that both have.
        include: JSON files that `rewardbench analyze` wrote, such as those of analyses that need a model.
        num_misses: number of missed items to show for each suite.

    Raises:
        InputError: if a file cannot be read, the results are of several models, or a baseline fits none of them.
    """
    scored_suites = list(map(read_scored, paths))
    models = sorted({scored.model for scored in scored_suites})
    if not models:
        raise InputError("There is no result: pass the .json that rewardbench writes.")
    if len(models) > 1:
        raise InputError(
            f"The results are of {len(models)} models ({', '.join(models)}): pass results of one model, and those of "
            "the other as --baseline."
        )
    by_suite = _pair_baselines(scored_suites, baselines)
    suites = [_collect_suite(scored, by_suite.get(scored.suite.name), num_misses) for scored in scored_suites]
    return PageContent(models[0], suites, list(map(read_report, include)))


def _pair_baselines(scored_suites: Sequence[ModelScores], paths: Sequence[str]) -> dict[str, ModelScores]:
    """Return the result of the baseline on each suite that the model has a result of.

    Raises:
        InputError: if a baseline is of another suite than all results.
    """
    names = {scored.suite.name for scored in scored_suites}
    by_suite: dict[str, ModelScores] = {}
    for path in paths:
        baseline = read_scored(path)
        if baseline.suite.name not in names:
            raise InputError(
                f"The baseline {path} is of the suite {baseline.suite.name or 'without a name'}, and the results are "
                f"of {', '.join(sorted(names))}: pass a result of the same suite."
            )
        by_suite[baseline.suite.name] = baseline
    return by_suite


def _collect_suite(scored: ModelScores, baseline: ModelScores | None, num_misses: int) -> SuiteContent:
    missed_items = select(scored, errors=True)
    estimates = summarize(scored.suite, scored.items)
    reports, omitted = run_analyses(scored)
    metric: Metric | None = "turn" if estimates.turns else None
    return SuiteContent(
        scored=scored,
        estimates=estimates,
        comparison=compare(baseline, scored, metric) if baseline else None,
        reports=reports,
        omitted=omitted,
        misses=missed_items[:num_misses],
        num_missed=len(missed_items),
        num_labelled=sum(item.is_labelled for item in scored.suite.items),
        facts=_facts(scored),
    )


def run_analyses(scored: ModelScores) -> tuple[list[Report], dict[str, str]]:
    """Run the analyses `ON_THE_PAGE` on the scores of a model.

    Returns:
        The reports, and by name of an analysis why it does not fit these scores.
    """
    reports: list[Report] = []
    omitted: dict[str, str] = {}
    for name in ON_THE_PAGE:
        try:
            reports.append(_run(_row(name), scored))
        except InputError as error:
            omitted[name] = str(error).replace(str(scored.path), scored.path.name)
    return reports, omitted


def _row(name: str) -> AnalysisRow:
    return next(row for row in ANALYSES if row.name == name)


def _run(row: AnalysisRow, scored: ModelScores) -> Report:
    return row.load().analyze([scored], row.options_type()())


def read_report(path: str) -> IncludedReport:
    """Read a report that `rewardbench analyze` wrote, with the picture beside it.

    Raises:
        InputError: if the file is not such a report.
    """
    place = home_path(path)
    content = results.read_object(place, "a report")
    try:
        report = _parse_report(content)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not a report: pass a JSON file that rewardbench analyze wrote.") from error
    return IncludedReport(report, _picture(place))


def _parse_report(content: JsonObject) -> Report:
    tables: list[ReportTable] = []
    for table in content["tables"]:  # type: ignore[attr-defined]
        rows = table["rows"]
        columns = list(rows[0]) if rows else []
        tables.append(ReportTable(str(table["title"]), columns, [[row[name] for name in columns] for row in rows]))
    return Report(
        name=str(content["analysis"]),
        values=dict(object_field(content, "values")),  # type: ignore[arg-type]
        sentence=str(content["sentence"]),
        tables=tables,
        notes=[str(note) for note in content["notes"]],  # type: ignore[attr-defined]
    )


def _picture(path: Path) -> str:
    """Return the PNG beside a report as a `data:` URI; empty if there is none, or it is too large."""
    picture = path.with_suffix(".png")
    if not picture.is_file() or picture.stat().st_size > MOST_PICTURE_BYTES:
        return ""
    content = picture.read_bytes()
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return ""
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


def _facts(scored: ModelScores) -> dict[str, str]:
    """Return what decided the scores: suite, revision, and the fingerprint of the model, one line each."""
    suite = scored.suite
    facts = {"suite": f"{suite.name or 'unnamed'}@{suite.revision}", "kind of model": scored.model_type or "unknown"}
    if scored.protocol:
        facts["judge protocol"] = scored.protocol
    if scored.fingerprint:
        facts["fingerprint"] = scored.fingerprint
    manifest = results.read_manifest(scored.path)
    return facts | dict(_flatten(object_field(manifest, "fingerprint")))


def _flatten(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value of nested objects with its names, joined by dots; empty values are left out.

    >>> dict(_flatten({"versions": {"torch": "2.6"}, "dtype": "float32", "clock": None}))
    {'versions.torch': '2.6', 'dtype': 'float32'}
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        elif value not in (None, "", []):
            yield f"{prefix}{name}", str(value)


def without_pictures(content: PageContent) -> PageContent:
    """Return the content without pictures, for a page that would be too large with them."""
    suites: list[SuiteContent] = []
    for suite in content.suites:
        suites.append(replace(suite, reports=[replace(report, draw=None) for report in suite.reports]))
    included = [IncludedReport(report.report, "") for report in content.included]
    return PageContent(content.model, suites, included)
