"""Review a submission: read it from a file or a pull request, check it, score a sample again, and add it to a store."""

from __future__ import annotations

import getpass
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rewardbench import results
from rewardbench.engine.loop import score
from rewardbench.engine.noise import is_exact
from rewardbench.errors import InputError
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.submissions import Agreement, Finding, agreement, check, draw, items_for
from rewardbench.leaderboard.submissions.bounded import pack_untrusted
from rewardbench.leaderboard.submissions.checks import verdict_of
from rewardbench.leaderboard.submissions.peers import Peers
from rewardbench.leaderboard.submissions.pulls import earlier_pulls, read_pull
from rewardbench.leaderboard.submissions.submission import Submission, read_submission
from rewardbench.models.fingerprint import versions
from rewardbench.results.scored import Scored
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.store import HUB, open_store
from rewardbench.store.base import Store
from rewardbench.store.hub import HubStore
from rewardbench.store.local import INDEX, Entry, keys_of
from rewardbench.store.verdicts import make_verdict, summary_hash, verdict_place
from rewardbench.suites import load_known, load_suite
from rewardbench.types import Suite


@dataclass(frozen=True)
class SubmissionSource:
    """Where a submission is, and what it is checked against."""

    result: str
    """The path of a summary, or `hf://datasets/org/name@refs/pr/N`."""
    store: str | None = None
    dataset: str | None = None
    protocol: str | None = None

    @property
    def pull_request(self) -> tuple[str, int] | None:
        """The dataset and number of a pull request; None for a file."""
        name, _, reference = self.result.removeprefix(HUB).partition("@refs/pr/")
        return (name, int(reference)) if self.result.startswith(HUB) and reference.isdecimal() else None


@dataclass(frozen=True)
class Review:
    """A submission with the findings of its checks."""

    submission: Submission
    key: str
    suite: Suite
    findings: list[Finding]

    @property
    def verdict(self) -> str:
        """One of passed, flagged and refused."""
        return verdict_of(self.findings)


@dataclass(frozen=True)
class Rerun:
    """The outcome of scoring a sample again: the seed that drew it, and the model that scored it."""

    agreement: Agreement
    seed: int
    per_section: int
    sample: int
    model: ModelSpec
    fingerprint: Mapping[str, Any]
    differs: tuple[str, ...]
    """Parts of the fingerprint in which the re-run differs from the manifest."""

    @property
    def findings(self) -> list[Finding]:
        """What speaks against the result: other scores, or another model."""
        differs = [name for name in self.differs if name not in HARMLESS]
        other = f"its manifest names another {', '.join(differs)} than the re-run had" if differs else ""
        if not self.agreement.agrees:
            beyond, items = self.agreement.beyond, self.agreement.items
            reason = f"the re-run gives other scores: {beyond} of {items} margins are off by more than noise"
            return [Finding("refused", reason + (f"; {other}" if other else ""))]
        return [Finding("flagged", other)] if other else []


def verify(source: SubmissionSource) -> Review:
    """Check a result, or a pull request with one, against its suite and against the store as it is now.

    Raises: InputError if it, its suite or the store cannot be read.
    """
    pull = source.pull_request
    submission, key = read_pull(*pull) if pull else _from_disk(source.result)
    pack_untrusted(submission.path)  # reads the scores in a child process with limits, before this process does
    suite = _suite(source, submission)
    place = source.store or (f"{HUB}{pull[0]}" if pull else None)
    peers = Peers(open_store(place), submission) if place else None
    return Review(submission, key, suite, list(_findings(submission, suite, peers, pull, key)))


def verify_packed(entry: Entry, store: Store, before_each: Callable[[], None] = lambda: None) -> list[Finding]:
    """Check a packed result that is in no store yet, against the store that it is meant for.

    Nothing is written, neither the result nor the store's index.

    Args:
        entry: the summary and the table of scores.
        store: the store that it is meant for.
        before_each: called before each stored result is read; raises InputError to end the check.

    Raises: InputError if its suite is not known here, or the store cannot be read.
    """
    summary, table = entry
    with TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        path.write_text(results.dump(summary))
        results.table_path(path).write_bytes(table or b"")
        submission = read_submission(path)
        suite = load_known(str(summary["suite"]))
        peers = Peers(store, submission, keep=False)
        return list(_findings(submission, suite, peers, before_each=before_each))


def _findings(
    submission: Submission,
    suite: Suite,
    peers: Peers | None,
    pull: tuple[str, int] | None = None,
    key: str = "",
    before_each: Callable[[], None] = lambda: None,
) -> Iterator[Finding]:
    """Yield all that is wrong with a submission; a refused one is not compared with the keys of the store."""
    sources: list[Iterator[Scored]] = [peers.others(suite)] if peers else []
    sources += [earlier_pulls(*pull, suite.name)] if pull else []
    others = _watched(chain.from_iterable(sources), before_each)
    findings = check(submission, suite, others, peers.names if peers else ())
    yield from findings
    if peers is None or verdict_of(findings) == "refused":
        return
    if pull and peers.own:
        yield Finding("flagged", f"it is in {pull[0]} already, to the byte, as {peers.own.key}: close the pull request")
    yield from peers.changes(key if pull else "")
    yield from peers.leads()


def _watched(others: Iterator[Scored], before_each: Callable[[], None]) -> Iterator[Scored]:
    """Yield the same results; call `before_each` before each is read."""
    before_each()
    for other in others:
        yield other
        before_each()


def _from_disk(result: str) -> tuple[Submission, str]:
    path = Path(result)
    if not path.is_file():
        raise InputError(f"There is no result {result}: pass a .json file, or {HUB}org/name@refs/pr/N.")
    return read_submission(path), path.stem


def _suite(source: SubmissionSource, submission: Submission) -> Suite:
    if source.dataset:
        return load_suite(source.dataset, protocol=source.protocol)
    return load_known(str(submission.record["suite"]))


HARMLESS = {"versions", "device", "dtype", "float32_matmul", "attn_implementation", "clock"}
"""Parts of a fingerprint in which an honest re-run may differ: they move scores within noise, not what was scored."""


def score_again(review: Review, model: ModelSpec, per_section: int) -> Rerun:
    """Score a sample again, drawn by a seed of this moment; compare scores and fingerprint with the submission."""
    seed = secrets.randbits(32)
    sample = draw(review.suite, per_section, seed)
    scorer = load_scorer(model)
    run = score(sample.items, scorer, noise=True)
    noise = 0.0 if is_exact(scorer.fingerprint) or run.noise is None else run.noise
    stated = {item.id: item.scores for item in review.submission.scored.items}
    rescored = {item.id: item.scores for item in run.items}
    agreed = agreement(sample.items, stated, rescored, noise)
    manifest = review.submission.record["manifest"]
    differs = _differences(manifest.get("fingerprint") or {}, scorer.fingerprint)
    return Rerun(agreed, seed, per_section, len(sample.items), model, scorer.fingerprint, differs)


def _differences(stated: Mapping[str, Any], rerun: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the parts in which two fingerprints differ, sorted."""
    names = sorted(stated.keys() | rerun.keys())
    return tuple(name for name in names if stated.get(name) != _plain(rerun.get(name)))


def _plain(value: Any) -> Any:
    """Return a part of a fingerprint as it comes back from JSON."""
    return json.loads(json.dumps(value, default=str))


def with_rerun(review: Review, rerun: Rerun) -> Review:
    """Return a review with the findings of its re-run; one that agrees settles the findings that waited for it."""
    settled = rerun.agreement.agrees and not rerun.findings
    findings = [finding for finding in review.findings if not (settled and finding.until_rerun)]
    return replace(review, findings=[*findings, *rerun.findings])


def key_values(rerun: Rerun) -> dict[str, Any]:
    """Return the figures of a re-run by the names under which they are printed and stored."""
    agreed = rerun.agreement
    return {
        "rerun_seed": rerun.seed,
        "rerun_items": agreed.items,
        "rerun_typical_difference": f"{agreed.typical:.2e}",
        "rerun_tolerance": f"{agreed.tolerance:.2e}",
        "rerun_beyond": agreed.beyond,
        "rerun_flips_beyond": agreed.flips,
        "rerun_flips_within_noise": agreed.near,
        "rerun_stated_right_of_these": agreed.gained,
        "rerun_differs": ", ".join(rerun.differs) or "nothing",
        "rerun_agrees": "yes" if agreed.agrees else "no",
        "items_to_catch_1_percent": items_for(0.01),
        "items_to_catch_3_percent": items_for(0.03),
    }


def record(review: Review, rerun: Rerun, store: str) -> str:
    """Store the verdict of a re-run on a result that is in a store; return the name of the file.

    A badge holds for this very summary and these scores. A failure takes the place of an earlier badge.

    Raises: InputError if the result is not in the store.
    """
    summary = review.submission.record
    place = open_store(store)
    stored = {key: results.read_summary(place.path(key)) for key in keys_of(summary) if key in place.list()}
    passed = rerun.agreement.agrees
    mark = summary_hash if passed else _scores_hash
    key = next((key for key, record in stored.items() if mark(record) == mark(summary)), None)
    if key is None:
        raise InputError(f"The result is not in {store} as it is here, so no verdict can be kept there: add it first.")
    facts = {
        "rerun_model": rerun.model.model,
        "rerun_revision": rerun.model.revision,
        "rerun_weights": _plain(rerun.fingerprint.get("weights")),
        "by": place.user() if isinstance(place, HubStore) else _local_user(),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        **{name: str(value) for name, value in key_values(rerun).items()},
    }
    name = verdict_place(key)
    content = results.dump(make_verdict(stored[key], passed, facts), indent=2)
    place.save(name, content.encode(), f"{'Verify' if passed else 'Record a failed re-run of'} {key}")
    return name


def _scores_hash(summary: Mapping[str, Any]) -> str:
    return str(summary.get(results.OUTPUTS_HASH))


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may know no names
        return ""


def merge(source: SubmissionSource, review: Review, replace: bool = False) -> str:
    """Add a checked submission, to the byte; close its pull request, and renew the store's index.

    The pull request itself is not merged: whoever opened it may have pushed something else since.

    Args:
        source: the pull request.
        review: the submission in it, checked.
        replace: whether a result that is there, perhaps only since then, may be changed.

    Returns: the address of the dataset.

    Raises: InputError if it is no pull request, or would change a result without `replace`.
    """
    if not source.pull_request:
        raise InputError("Only a pull request can be merged: pass hf://datasets/org/name@refs/pr/N.")
    name, number = source.pull_request
    store = HubStore(name)
    submission = review.submission
    table = results.table_path(submission.path).read_bytes()
    (key,) = store.add([(submission.record, table)], f"Add {review.key} (pull request {number})", replace)
    store.close(number, f"Verified, and added as {key}.")
    refresh(store)
    store.save(INDEX, store.indexes()[0].read_bytes(), "Update the index")
    return f"{HUB}{name}"
