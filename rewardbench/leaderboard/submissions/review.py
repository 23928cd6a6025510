"""Review a submission: read it from a file or a pull request, check it, re-score a sample, and add it to a store."""

from __future__ import annotations

import gc
import getpass
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
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
from rewardbench.leaderboard.sketches import publish_sketches
from rewardbench.leaderboard.submissions.bounded import pack_untrusted
from rewardbench.leaderboard.submissions.checks import ReviewFinding, check, verdict_of
from rewardbench.leaderboard.submissions.fresh_gap import find_gap, gap_figures, measure_gap
from rewardbench.leaderboard.submissions.owners import author_of, find_owner_doubts
from rewardbench.leaderboard.submissions.package import read_entry, write_entry
from rewardbench.leaderboard.submissions.peers import Peers
from rewardbench.leaderboard.submissions.pull_state import merge_comment
from rewardbench.leaderboard.submissions.pulls import earlier_pulls, read_pull
from rewardbench.leaderboard.submissions.rerun import Agreement, compare_rerun, draw_sample, items_for
from rewardbench.leaderboard.submissions.submission import Submission, read_submission
from rewardbench.models.fingerprint import versions
from rewardbench.results import JsonObject, PackedResult, SummaryJson
from rewardbench.results.scored import ModelScores
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.store import HUB, open_store
from rewardbench.store.base import Store
from rewardbench.store.hub import HubStore
from rewardbench.store.local import INDEX, keys_of
from rewardbench.store.verdicts import ALIKE, GAP, make_verdict, summary_hash, verdict_name
from rewardbench.suites import load_known, load_suite
from rewardbench.types import Estimate, Suite


@dataclass(frozen=True)
class SubmissionSource:
    """Where a submission is, and what it is checked against."""

    result: str
    """Path of a summary, or `hf://datasets/org/name@refs/pr/N`."""
    store: str | None = None
    """Store to compare it with; by default the dataset of the pull request."""
    dataset: str | None = None
    """Data of the suite, if it cannot be loaded by name."""
    protocol: str | None = None
    """Suite whose rules apply to `dataset`."""

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
    findings: list[ReviewFinding]

    @property
    def verdict(self) -> str:
        """One of passed, flagged and refused."""
        return verdict_of(self.findings)

    @property
    def alike(self) -> list[str]:
        """Names of the ranked models that the scores may be made from, sorted."""
        return sorted({name for finding in self.findings for name in finding.alike})


@dataclass(frozen=True)
class Rerun:
    """Outcome of scoring a sample again."""

    agreement: Agreement
    seed: int
    """Seed of the sample."""
    per_section: int
    sample: int
    """Number of items in the sample."""
    model: ModelSpec
    """The model that was run."""
    fingerprint: JsonObject
    """Fingerprint of that model."""
    differs: tuple[str, ...]
    """Parts of the fingerprint that differ from the manifest."""
    gap: tuple[Estimate, ...] = ()
    """Accuracy on the mirrors of the suite, on fresh ones, and the difference; empty if no fresh ones were scored."""

    @property
    def findings(self) -> list[ReviewFinding]:
        """Whether the re-run gave other scores, another model was run, or fresh mirrors are harder for the model."""
        differs = [name for name in self.differs if name not in HARMLESS]
        other_model = f"its manifest has another {', '.join(differs)} than the re-run" if differs else ""
        if not self.agreement.agrees:
            beyond, items = self.agreement.beyond, self.agreement.items
            reason = f"the re-run gives other scores: {beyond} of {items} margins differ by more than noise"
            return [ReviewFinding("refused", reason + (f"; {other_model}" if other_model else ""))]
        findings = [ReviewFinding("flagged", other_model)] if other_model else []
        return [*findings, *find_gap(self.gap)]


def review_submission(source: SubmissionSource) -> Review:
    """Check a result, or the result in a pull request, against its suite and the current results of the store.

    Raises:
        InputError: if it, its suite or the store cannot be read.
    """
    pull = source.pull_request
    submission, key = read_pull(*pull) if pull else _read_file(source.result)
    pack_untrusted(submission.path)  # reads the scores in a child process with limits, before this process does
    suite = _load_suite(source, submission)
    location = source.store or (f"{HUB}{pull[0]}" if pull else None)
    with _rare_garbage_collection():
        peers = Peers(open_store(location), submission) if location else None
        return Review(submission, key, suite, list(_findings(submission, suite, peers, pull, key)))


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Context manager: look for garbage seldom, since the rows of a store are many small objects, and no garbage."""
    thresholds = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _do_nothing() -> None:
    """Continue."""


def review_packed(
    entry: PackedResult, store: Store, before_each: Callable[[], None] = _do_nothing
) -> list[ReviewFinding]:
    """Check a packed result against the store that it would be added to. Nothing is written.

    Args:
        entry: the summary and the table of scores.
        store: the store.
        before_each: called before each stored result is read; may raise InputError to stop the check.

    Raises:
        InputError: if its suite is unknown, or the store cannot be read.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        write_entry(entry, path)
        submission = read_submission(path)
        suite = load_known(str(entry.summary["suite"]))
        peers = Peers(store, submission, save_index=False)
        return list(_findings(submission, suite, peers, before_each=before_each))


def _findings(
    submission: Submission,
    suite: Suite,
    peers: Peers | None,
    pull: tuple[str, int] | None = None,
    key: str = "",
    before_each: Callable[[], None] = _do_nothing,
) -> Iterator[ReviewFinding]:
    """Yield the problems of a submission; a refused one is not compared with the keys of the store.

    Args:
        submission: the submission.
        suite: its suite, in the current revision.
        peers: the results of the store, if there is one.
        pull: dataset and number of its pull request, if it is in one.
        key: its key in the pull request.
        before_each: called before each other result is read.
    """
    sources: list[Iterator[ModelScores]] = []
    if peers:
        sources.append(peers.others(suite, before_each))
    if pull:
        sources.append(earlier_pulls(*pull, suite.name))
    others = _with_callback(chain.from_iterable(sources), before_each)
    difficulty = peers.difficulty(suite, before_each) if peers else None
    findings = check(submission, suite, others, peers.names if peers else (), difficulty)
    yield from findings
    if peers is None or verdict_of(findings) == "refused":
        return
    if pull and peers.stored_row:
        stored = peers.stored_row.key
        yield ReviewFinding("flagged", f"{pull[0]} has this very result already, as {stored}: close the pull request")
    if pull:
        yield from find_owner_doubts(str(submission.record["model"]), author_of(*pull), peers.names)
    yield from peers.changes(key if pull else "")
    yield from peers.leads()


def _with_callback(others: Iterator[ModelScores], before_each: Callable[[], None]) -> Iterator[ModelScores]:
    """Yield the same results, and call `before_each` before each is read."""
    before_each()
    for other in others:
        yield other
        before_each()


def _read_file(result: str) -> tuple[Submission, str]:
    path = Path(result)
    if not path.is_file():
        raise InputError(f"There is no result {result}: pass a .json file, or {HUB}org/name@refs/pr/N.")
    return read_submission(path), path.stem


def _load_suite(source: SubmissionSource, submission: Submission) -> Suite:
    if source.dataset:
        return load_suite(source.dataset, protocol=source.protocol)
    return load_known(str(submission.record["suite"]))


HARMLESS = {"versions", "device", "dtype", "float32_matmul", "attn_implementation", "clock"}
"""Parts of a fingerprint that may differ in an honest re-run: they change scores by noise only."""


def score_again(review: Review, model: ModelSpec, per_section: int, fresh: bool = True) -> Rerun:
    """Score a new random sample, and compare its scores and the fingerprint with the submission.

    If the scores agree, as many fresh items are scored.

    Args:
        review: the review of the submission.
        model: the model to run.
        per_section: number of items of each section.
        fresh: whether newly generated mirrors are scored too, if the suite has generators.
    """
    seed = secrets.randbits(32)
    sample = draw_sample(review.suite, per_section, seed)
    scorer = load_scorer(model)
    run = score(sample.items, scorer, noise=True)
    noise = 0.0 if is_exact(scorer.fingerprint) or run.noise is None else run.noise
    stated = {item.id: item.scores for item in review.submission.scored.items}
    rescored = {item.id: item.scores for item in run.items}
    agreement = compare_rerun(sample.items, stated, rescored, noise)
    manifest = review.submission.record["manifest"]
    differs = _differing_parts(manifest.get("fingerprint") or {}, scorer.fingerprint)
    gap: tuple[Estimate, ...] = ()
    if fresh and agreement.agrees:
        gap = measure_gap(review.suite, review.submission.scored, scorer, len(sample.items), seed)
    return Rerun(agreement, seed, per_section, len(sample.items), model, scorer.fingerprint, differs, gap)


def _differing_parts(stated: JsonObject, rerun: JsonObject) -> tuple[str, ...]:
    """Return the names of the parts in which two fingerprints differ, sorted."""
    names = sorted(stated.keys() | rerun.keys())
    return tuple(name for name in names if stated.get(name) != _to_json(rerun.get(name)))


def _to_json(value: object) -> Any:
    """Return a part of a fingerprint as it is after writing it to JSON and reading it back."""
    return json.loads(json.dumps(value, default=str))


def with_rerun(review: Review, rerun: Rerun) -> Review:
    """Return a review with the findings of a re-run; a re-run without findings resolves those that waited for it."""
    resolved = rerun.agreement.agrees and not rerun.findings
    findings = [finding for finding in review.findings if not (resolved and finding.until_rerun)]
    return replace(review, findings=[*findings, *rerun.findings])


def rerun_figures(rerun: Rerun) -> dict[str, object]:
    """Return the figures of a re-run, with the names by which they are printed and stored."""
    agreement = rerun.agreement
    return {
        "rerun_seed": rerun.seed,
        "rerun_items": agreement.items,
        "rerun_typical_difference": f"{agreement.typical:.2e}",
        "rerun_tolerance": f"{agreement.tolerance:.2e}",
        "rerun_beyond": agreement.beyond,
        "rerun_flips_beyond": agreement.flips,
        "rerun_flips_within_noise": agreement.near,
        "rerun_stated_right_of_these": agreement.gained,
        "rerun_differs": ", ".join(rerun.differs) or "nothing",
        "rerun_agrees": "yes" if agreement.agrees else "no",
        "items_to_catch_1_percent": items_for(0.01),
        "items_to_catch_3_percent": items_for(0.03),
        **gap_figures(rerun.gap),
    }


def record_verdict(review: Review, rerun: Rerun, location: str, own_rank: bool = False) -> str:
    """Store the verdict of a re-run on a stored result, and return the name of its file.

    A verdict applies to exactly this summary and these scores. A failed re-run replaces an earlier badge. A result
    whose scores may be made from those of earlier models has no rank of its own.

    Args:
        review: the review of the result.
        rerun: the re-run.
        location: the store.
        own_rank: the result has a rank of its own all the same: a maintainer has found that its model is another one.

    Raises:
        InputError: if the store does not have the result.
    """
    store = open_store(location)
    agrees = rerun.agreement.agrees
    key, stored = _find_stored(store, review.submission.record, summary_hash if agrees else _scores_hash)
    if stored is None:
        raise InputError(f"No verdict was recorded: {location} does not have this very result. Add it first.")
    details: dict[str, object] = {
        "rerun_model": rerun.model.model,
        "rerun_revision": rerun.model.revision,
        "rerun_weights": _to_json(rerun.fingerprint.get("weights")),
        "by": store.user() if isinstance(store, HubStore) else _local_user(),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        GAP: [asdict(estimate) for estimate in rerun.gap],
        ALIKE: [] if own_rank else review.alike,
    }
    for name, value in rerun_figures(rerun).items():
        details[name] = str(value)
    content = results.dump(make_verdict(stored, agrees, details), indent=2)
    name = verdict_name(key)
    store.save(name, content.encode(), f"{'Verify' if agrees else 'Record a failed re-run of'} {key}")
    return name


def _find_stored(
    store: Store, summary: SummaryJson, hash_of: Callable[[SummaryJson], str]
) -> tuple[str, SummaryJson | None]:
    """Return the key and the summary of the stored result with the same hash; None if there is none."""
    keys = store.list()
    for key in keys_of(summary):
        if key in keys:
            stored = results.read_summary(store.path(key))
            if hash_of(stored) == hash_of(summary):
                return key, stored
    return "", None


def _scores_hash(summary: SummaryJson) -> str:
    return str(summary.get(results.OUTPUTS_HASH))


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may have no user names
        return ""


def merge(source: SubmissionSource, review: Review, replace: bool = False) -> str:
    """Add the reviewed submission of a pull request to its dataset, close the pull request, and update the index.

    The pull request itself is not merged, since other commits may have been pushed to it meanwhile.

    Args:
        source: the pull request.
        review: its review.
        replace: whether stored results may change.

    Returns:
        The address of the dataset.

    Raises:
        InputError: if it is not a pull request, or, without `replace`, a stored result would change.
    """
    if not source.pull_request:
        raise InputError("Only a pull request can be merged: pass hf://datasets/org/name@refs/pr/N.")
    name, number = source.pull_request
    store = HubStore(name)
    submission = review.submission
    entry = read_entry(submission.path, submission.record)
    (key,) = store.add([entry], f"Add {review.key} (pull request {number})", replace)
    store.close(number, merge_comment(key))
    board = refresh(store)
    store.save(INDEX, store.indexes()[0].read_bytes(), "Update the index")
    publish_sketches(store, board.rows)
    return f"{HUB}{name}"
