"""Load suites by name, and any other preference data by path or Hub id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from rewardbench.errors import InputError
from rewardbench.paths import data_dir
from rewardbench.settings import Inputs, Pairs
from rewardbench.suites.columns import list_names
from rewardbench.suites.data_row import BadRow, DataRow
from rewardbench.suites.in_memory import WHERE
from rewardbench.suites.lazy import LazySequence
from rewardbench.suites.registry import SUITES, SuiteSpec, find_spec, list_suites
from rewardbench.suites.rows import content_hash, read_table
from rewardbench.suites.sample import stratify
from rewardbench.suites.sources import Source, read_embedded, read_hub, read_source, read_version, reject_slice
from rewardbench.suites.stdin import STDIN
from rewardbench.suites.stream import stream_texts
from rewardbench.suites.yaml_suite import check_columns, check_names, hash_rules, is_suite_file, read_suite_file
from rewardbench.types import Item, Rule, Suite

__all__ = [
    "SUITES",
    "Pairs",
    "SuiteSpec",
    "list_suites",
    "load_embedded",
    "load_inputs",
    "load_known",
    "load_suite",
    "stream_texts",
    "suite_folder",
    "suite_of_rows",
]


def load_suite(
    dataset: str = "core",
    *,
    split: str | None = None,
    revision: str | None = None,
    subset: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    sample_seed: int = 0,
    protocol: str | None = None,
    scores_only: bool = False,
    as_json: bool = False,
    pairs: Pairs | None = None,
    by_row: bool = False,
) -> Suite:
    """Load a named suite, or the preference data in a file, a folder, a glob, a Hub dataset or standard input ("-").

    A part of a suite says so in its revision; notes on the data are in its `note`.

    Args:
        dataset: a suite's name (which takes precedence over a folder of that name: write ./core for the folder), or a
            file, folder, glob, Hub id or "-".
        split: the split, instead of the suite's; a file has no splits.
        revision: the Hub revision, instead of the suite's; local data has no revisions.
        subset: one subset, or one configuration of a dataset that has several.
        limit: number of items from the start; items that share a group with them are kept as well.
        sample: number of items of a random sample, each subset in proportion and groups complete; see `stratify`.
        sample_seed: random seed of the sample.
        protocol: the suite whose columns and rules apply to other data, such as a local copy.
        scores_only: read `messages` without a preference, even if there are preference columns.
        as_json: read a file as JSON, whatever its name.
        pairs: the items of a prompt with several scored completions: best-worst (default), all or best-of-n.
        by_row: make an item of each row, also of one with a single response; .jsonl and .parquet are read on access.

    Raises:
        InputError: if the data cannot be found, read or scored.
    """
    spec = _find_protocol(protocol) if protocol else find_spec(dataset)
    if spec and spec.local and not protocol:
        raise InputError(f"{spec.name} has no dataset on the Hub: pass --dataset FILE --protocol {spec.name}.")
    reject_slice(split)
    if is_file := is_suite_file(dataset):
        if protocol:
            raise InputError(f"{dataset} is a suite file with its own rules: leave out --protocol.")
        spec, dataset = read_suite_file(dataset)
        revision = revision or spec.revision
    if spec and not (protocol or is_file):
        source = _read_known(spec, split, revision, subset)
        if as_json:
            source = replace(source, notes=(*source.notes, f"--load_json has no effect on {spec.name}."))
        suite = _build(spec, source, scores_only, pairs, pin=source.commit)
    else:
        spec = spec or SuiteSpec(name=_display_name(dataset))
        source = _read_like_embedded(spec, dataset, split) or read_source(
            dataset, _requested_splits(spec, split), revision, subset, ".json" if as_json else None, by_row
        )
        source = source if split else _without_split_notes(source)
        suite = _build(spec, source, scores_only, pairs, partial=split is not None, by_row=by_row)
    suite = _select(suite, split if source.rows[0][0] else None, None if source.config else subset, limit)
    return _draw_sample(suite, sample, sample_seed)


def _without_split_notes(source: Source) -> Source:
    """Remove notes on --split: the splits are the suite's, not an option of the user."""
    notes = [note for note in source.notes if not note.startswith("--split ")]
    return replace(source, notes=tuple(notes))


def load_inputs(inputs: Inputs, **options: Any) -> Suite:
    """Load the data that settings name.

    Args:
        inputs: the dataset, and which part of it.
        options: other options of `load_suite`.

    Raises:
        InputError: if the dataset cannot be found or read.
    """
    return load_suite(
        inputs.dataset,
        split=inputs.split,
        subset=inputs.subset,
        revision=inputs.dataset_revision,
        protocol=inputs.protocol,
        pairs=inputs.pairs,
        **options,
    )


def suite_of_rows(
    rows: Sequence[DataRow],
    *,
    subset: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    sample_seed: int = 0,
    protocol: str | None = None,
    scores_only: bool = False,
    pairs: Pairs | None = None,
) -> Suite:
    """Build a suite from rows in memory; see `load_suite` for the options.

    Raises:
        InputError: if no row can be scored.
    """
    spec = _find_protocol(protocol) if protocol else SuiteSpec(name="memory")
    source = Source(rows=[("", row) for row in rows], where=WHERE)
    suite = _select(_build(spec, source, scores_only, pairs), None, subset, limit)
    return _draw_sample(suite, sample, sample_seed)


def _draw_sample(suite: Suite, sample: int | None, seed: int) -> Suite:
    return suite if sample is None else stratify(suite, sample, seed)


def _find_protocol(name: str) -> SuiteSpec:
    """Return the suite of that name; raise InputError if there is none."""
    spec = find_spec(name)
    if spec is None:
        raise InputError(f"There is no protocol {name!r}: it must be one of {', '.join(list_suites())}.")
    return spec


def load_known(name: str, may_build: bool = True) -> Suite:
    """Load a suite by name only, for names from untrusted input: no path is opened, and no other dataset.

    Args:
        name: of the suite.
        may_build: False to reject suites that are built at first use, which takes minutes.

    Raises:
        InputError: if the name is unknown, or the suite cannot be read, or may not be built.
    """
    spec = find_spec(name)
    if spec is None or spec.local:
        public = [suite for suite in list_suites() if suite not in SUITES or not SUITES[suite].local]
        raise InputError(f"{name[:60]!a} is not a public suite: pass one of {', '.join(public)}.")
    if spec.build and not may_build:
        raise InputError(f"Results on {spec.name} are not checked here: check them with rewardbench verify.")
    return load_embedded(spec.name) if spec.embedded else load_suite(spec.name)


@lru_cache(maxsize=8)
def load_embedded(name: str) -> Suite:
    """Load a suite that is part of an installed package; cached."""
    return load_suite(name)


def embedded_version(spec: SuiteSpec) -> str:
    """Return the version of a suite that is part of an installed package, without loading it."""
    return read_version(suite_folder(spec))


def _display_name(dataset: str) -> str:
    """Return the display name of other data: the file or folder name, or the full Hub id."""
    if dataset == STDIN:
        return "stdin"
    path = Path(dataset).expanduser()
    return path.resolve().name if path.exists() else dataset


def _requested_splits(spec: SuiteSpec, split: str | None) -> Sequence[str]:
    return (split,) if split else spec.splits


def suite_folder(spec: SuiteSpec) -> Path:
    """Return the folder of the rows of a suite that is part of a package; one that is not stored is built first."""
    if spec.build:
        module, _, function = spec.build.partition(":")
        return Path(getattr(import_module(module), function)(spec.name))
    return Path(spec.folder) if spec.folder else data_dir() / spec.name


def _read_known(spec: SuiteSpec, split: str | None, revision: str | None, config: str | None) -> Source:
    if spec.hub:
        return read_hub(spec.hub, _requested_splits(spec, split), revision or spec.revision, config)
    if split and split not in spec.sections:
        raise InputError(f"{spec.name} has no split {split}: it has {', '.join(spec.sections)}.")
    source = read_embedded(suite_folder(spec), _requested_splits(spec, split) or tuple(spec.sections))
    notes = (f"--dataset_revision has no effect on {spec.name}, which comes with this package.",) if revision else ()
    return replace(source, notes=notes)


def _read_like_embedded(spec: SuiteSpec, dataset: str, split: str | None) -> Source | None:
    """Read a folder with the layout of an embedded suite: one file per section (some may be missing), and a VERSION."""
    folder = Path(dataset).expanduser()
    stems: list[str] = []
    for stem in spec.sections:
        if split in (None, stem) and (folder / f"{stem}.jsonl").is_file():
            stems.append(stem)
    return read_embedded(folder, stems) if stems and (folder / "VERSION").is_file() else None


def _build(
    spec: SuiteSpec,
    source: Source,
    scores_only: bool,
    pairs: Pairs | None,
    pin: str = "",
    partial: bool = False,
    by_row: bool = False,
) -> Suite:
    """Build a suite from rows; its revision is the pin, or else a hash of its content (after an embedded version)."""
    if spec.columns:
        check_columns(spec, source.rows, source.where)
    published = spec.name in SUITES
    table = read_table(_parse_rows(spec, source.rows), source.where, scores_only, pairs, published, by_row)
    items, survey = table.items, table.survey
    content = content_hash(survey.watch(items))
    step_rules = _step_rules(survey.step_sections, spec.rules)
    version = f"{source.version}+" if source.version else "sha256:"
    rules_hash = ""
    if spec.checked:
        rules_hash = hash_rules(spec)
        for sentence in check_names(spec, _subset_names(items), partial):
            survey.remark(sentence)
    return Suite(
        name=spec.name,
        revision=pin or version + content + rules_hash,
        items=items,
        rules={**_file_rules(spec, source, items), **spec.rules, **step_rules},
        section_weights=_section_weights(spec, items),
        headline=spec.headline,
        cluster_by=spec.cluster_by,
        breakdowns=spec.breakdowns,
        source=source.where + _describe_part(spec, source),
        note=" ".join([*source.notes, *survey.notes()]),
    )


def _file_rules(spec: SuiteSpec, source: Source, items: Sequence[Item]) -> dict[str, Rule]:
    """Return the rules of an embedded suite's subsets: the section of each is that of its file."""
    rules: dict[str, Rule] = {}
    if not spec.sections:
        return rules
    subsets = [item.subset for item in items]
    if spec.expand:  # a row gives several items
        subsets = [str(row.get("subset")) for _, row in source.rows]
    for (split, _), subset in zip(source.rows, subsets, strict=True):
        if split in spec.sections:
            rules[subset] = Rule(spec.sections[split], weight=1.0 if spec.equal_subsets else None)
    return rules


def _step_rules(sections: Mapping[str, str], rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """Return the rules of subsets of solutions with labelled steps; a suite file may name their sections."""
    step_rules: dict[str, Rule] = {}
    for subset, section in sections.items():
        rule = rules.get(subset, Rule(section))
        step_rules[subset] = replace(rule, credit="first_error")
    return step_rules


def _parse_rows(spec: SuiteSpec, rows: Sequence[tuple[str, DataRow]]) -> Sequence[DataRow]:
    """Convert rows to the columns that rows.py knows; a row that the suite's converter cannot read is a BadRow."""
    if isinstance(rows, LazySequence) and not spec.expand:
        return rows.map(lambda n, split_and_row: _parse_row(spec, split_and_row[1], split_and_row[0]))
    parsed: list[DataRow] = []
    for split, row in rows:
        for expanded in _expand_row(spec, row):
            parsed.append(_parse_row(spec, expanded, split))
    return parsed


def _parse_row(spec: SuiteSpec, row: DataRow, split: str) -> DataRow:
    if isinstance(row, BadRow):
        return row
    try:
        return spec.parse(row, split)
    except (InputError, RecursionError) as error:
        return BadRow({}, _reason(error))


def _expand_row(spec: SuiteSpec, row: DataRow) -> Sequence[DataRow]:
    try:
        return spec.expand(row) if spec.expand else [row]
    except (InputError, RecursionError) as error:
        return [BadRow({}, _reason(error))]


def _reason(error: Exception) -> str:
    return "a value is nested too deep" if isinstance(error, RecursionError) else str(error).rstrip(".")


def _describe_part(spec: SuiteSpec, source: Source) -> str:
    """Describe which configuration and split of other data was selected, since `datasets` may choose by file names."""
    parts = {f"configuration {source.config}": None} if source.config else {}
    if not (spec.splits or spec.sections or isinstance(source.rows, LazySequence)):  # one large file has no splits
        for split, _ in source.rows:
            if split:
                parts[f"split {split}"] = None
    return f" ({', '.join(parts)})" if parts else ""


def _section_weights(spec: SuiteSpec, items: Sequence[Item]) -> Mapping[str, float]:
    """Return the suite's section weights; none if all sections that are present have weight 0."""
    if not spec.section_weights:
        return {}
    for subset in _subset_names(items):
        section = spec.rules[subset].section if subset in spec.rules else subset
        if spec.section_weights.get(section, 1.0):
            return spec.section_weights
    return {}


def _subset_names(items: Sequence[Item]) -> set[str]:
    return {item.subset for item in items}


def _select(suite: Suite, split: str | None, subset: str | None, limit: int | None) -> Suite:
    """Select a part of a suite, and record it in the revision; a file has no splits.

    Raises:
        InputError: if nothing is left.
    """
    if limit is not None and limit < 1:
        raise InputError(f"The limit is {limit}: at least 1 item must remain.")
    revision = suite.revision
    for name, value in (("split", split), ("subset", subset), ("limit", limit)):
        if value:
            revision += f"+{name}={value}"
    if revision == suite.revision:
        return suite
    items = suite.items if subset is None else tuple(item for item in suite.items if item.subset == subset)
    if not items:
        names = list_names(_subset_names(suite.items))
        raise InputError(f"{suite.name} has no subset {subset}: it has {names}.")
    if limit is not None:
        groups = {item.group for item in items[:limit]} - {""}
        items = tuple(item for n, item in enumerate(items) if n < limit or item.group in groups)
    subsets = _subset_names(items)
    rules = {name: rule for name, rule in suite.rules.items() if name in subsets}
    return replace(suite, items=items, rules=rules, revision=revision)
