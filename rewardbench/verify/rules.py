"""A submission and what is known in, findings out: the fields, the suite, the items, the arithmetic, the copies."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from rewardbench import columns, results
from rewardbench.board import AGREES
from rewardbench.metrics import measure
from rewardbench.scored import Scored, read_scored
from rewardbench.scorers.identity import digest
from rewardbench.store.local import Entry
from rewardbench.suites import load_known
from rewardbench.types import InputError, Suite
from rewardbench.verify import summary as fields
from rewardbench.verify.copies import ALIKE, resemblance

Kind = Literal["refused", "flagged"]


@dataclass(frozen=True)
class Finding:
    """What is wrong: refused where it cannot be so, flagged where a person has to look."""

    kind: Kind
    what: str


def check(path: Path, suite: Suite, others: Iterable[Scored] = (), names: Iterable[str] = ()) -> list[Finding]:
    """All that is wrong with the result at `path`, in the order in which it was looked for.

    Args:
        path: of its summary, with the table of its scores beside it.
        suite: the data that it should be of, in the revision that is in force.
        others: results of the same suite, from whom it may be copied.
        names: of the models that are there already.

    Raises: InputError where it cannot be read at all.
    """
    told = refuse_broken(path)
    found = [Finding("refused", what) for what in fields.complaints(told)]
    if found:
        return found
    found = [Finding("refused", what) for what in _of_the_suite(told, suite)]
    if found:
        return found
    scored = read_scored(path)
    wrong = [*_items(scored, suite), *_scores(scored), *_fingerprint(told)]
    if not wrong:
        wrong += _arithmetic(told, scored, suite)
    found = [Finding("refused", what) for what in wrong]
    flagged = (*_copies(told, scored, others), *_lookalikes(told, names))
    return found + [Finding("flagged", what) for what in flagged]


def check_packed(entry: Entry, others: Iterable[Scored] = (), names: Iterable[str] = ()) -> list[Finding]:
    """The same of a result that is packed but nowhere yet, against the suite that it names.

    Raises: InputError where that is none of ours.
    """
    summary, table = entry
    suite = load_known(str(summary["suite"]))
    with TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        path.write_text(results.dump(summary))
        results.table_path(path).write_bytes(table or b"")
        return check(path, suite, others, names)


def refuse_broken(path: Path) -> dict[str, Any]:
    """The summary of a result whose two files are whole and of a size that a result has.

    Raises: InputError where they are not.
    """
    told = fields.read(path)
    rows = [place for place in (results.outputs_path(path), results.table_path(path)) if place.is_file()]
    for place in rows:
        size, most = place.stat().st_size, columns.MOST_BYTES * (1 if place.suffix == ".parquet" else 8)
        if size > most:
            raise InputError(f"{place.name} has {size:,} bytes, and scores have at most {most:,}: it was not read.")
    content = rows[0].read_bytes() if rows else b""
    if hashlib.sha256(content).hexdigest() != told.get(results.OUTPUTS_HASH):
        raise InputError(f"The scores beside {path.name} are not those that its {results.OUTPUTS_HASH} names.")
    return told


def _of_the_suite(told: Mapping[str, Any], suite: Suite) -> Iterator[str]:
    if told["suite"] != suite.name:
        yield f"it is of the suite {ascii(told['suite'])[:60]}, not of {suite.name}"
    elif told["revision"] != suite.revision:
        stated = ascii(told["revision"])[1:-1][:80]
        yield f"it is of {suite.name}@{stated}, and {suite.revision[:40]} is in force: score it again"


def _items(scored: Scored, suite: Suite) -> Iterator[str]:
    """The ids must be exactly the suite's, once, with as many completions, subsets and groups as there."""
    wanted = {item.id: item for item in suite.items}
    counts = Counter(item.id for item in scored.suite.items)
    missing, foreign = sorted(wanted.keys() - counts.keys()), sorted(counts.keys() - wanted.keys())
    if missing:
        yield f"{len(missing)} items of the suite are missing, such as {missing[0]!a}"
    if foreign:
        yield f"{len(foreign)} items are not in the suite, such as {ascii(foreign[0])[:60]}"
    for item, found in zip(scored.suite.items, scored.items, strict=True):
        own = wanted.get(item.id)
        if own is None:
            continue
        if len(found.scores) != len(own.completions) or item.num_correct != own.num_correct:
            given = f"{len(found.scores)} scores, {item.num_correct} of right completions"
            yield f"item {own.id} has {given}, unlike the suite"
            return
        if (item.subset, item.group) != (own.subset, own.group):
            yield f"item {own.id} stands in another subset or group than in the suite"
            return


def _scores(scored: Scored) -> Iterator[str]:
    """Finite where no reason says why not, and not all the same."""
    finite: list[float] = []
    for one in scored.items:
        bad = [score for score in one.scores if not isfinite(score)]
        if bad and not one.reason:
            yield f"item {ascii(one.id)[:60]} has the score {bad[0]}, and no reason for it"
            return
        finite += [score for score in one.scores if isfinite(score)]
    if any(abs(score) > 1e12 for score in finite):
        yield f"a score is {max(finite, key=abs):.3g}, which no model gives"
    if len(set(finite)) < 2:
        yield "all scores are the same"
    elif all(len(set(one.scores)) == 1 for one in scored.items):
        yield "within every item all scores are the same"


def _arithmetic(told: Mapping[str, Any], scored: Scored, suite: Suite) -> Iterator[str]:
    """Every stated figure must follow from the items, by the suite's own rules."""
    found = measure(suite, scored.items)
    total = found.totals[found.headline]
    stated = {"score": told["score"]["value"]}
    counted = {"score": total.value if total else None}
    for kind, means in (("sections", found.pair), ("mirrors", found.mirror), ("subsets", found.subsets)):
        stated |= {f"{kind}, {one['name']}": one["value"] for one in told[kind]}
        counted |= {f"{kind}, {name}": mean.value if mean else None for name, mean in means.items()}
    for name in [*stated, *(counted.keys() - stated.keys())]:
        one, other = stated.get(name), counted.get(name)
        if (one is None) != (other is None) or (one is not None and other is not None and abs(one - other) > AGREES):
            yield f"{ascii(name)[1:-1][:60]} is stated as {_said(one)}, and the items give {_said(other)}"


def _said(share: Any) -> str:
    return f"{share:.6f}" if isinstance(share, int | float) else "nothing"


def _fingerprint(told: Mapping[str, Any]) -> Iterator[str]:
    """The hash must be that of what it names, which must be there."""
    manifest = told["manifest"]
    fingerprint = manifest.get("fingerprint")
    if not isinstance(fingerprint, dict) or not fingerprint:
        yield "its manifest has no fingerprint: what gave these scores is not known"
    elif manifest.get("fingerprint_sha256") != digest(fingerprint):
        yield "its fingerprint_sha256 is not that of its fingerprint"


def _copies(told: Mapping[str, Any], scored: Scored, others: Iterable[Scored]) -> Iterator[str]:
    """Scores that are another's, and models that say to be one that is there already."""
    own = told["manifest"].get("fingerprint_sha256")
    for other in others:
        alike = resemblance(scored, other)
        if own and own == other.fingerprint:
            same = "the same scores as" if alike >= ALIKE else "other scores than"
            yield f"it has the fingerprint of {other.model}, which is there already, and {same} that"
        elif other.model == scored.model:
            yield f"there is another model named {other.model} already"
        elif alike >= ALIKE:
            yield f"its scores are those of {other.model} but for noise (correlation {alike:.5f})"


def _lookalikes(told: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    """A name that the eye takes for another's."""
    own = told["model"]
    for name in names:
        if name != own and _seen(name) == _seen(own):
            yield f"its name is easily taken for that of {name}"


_ALIKE = str.maketrans("0o1li|_.", "oollll--")


def _seen(name: str) -> str:
    return name.lower().replace("rn", "m").replace("vv", "w").translate(_ALIKE)


def verdict_of(findings: Sequence[Finding]) -> str:
    """refused, flagged or passed.

    >>> verdict_of([Finding("flagged", "x")]), verdict_of([])
    ('flagged', 'passed')
    """
    kinds = {one.kind for one in findings}
    return "refused" if "refused" in kinds else "flagged" if kinds else "passed"
