"""The server's side of a submission: where its files come from, what they are held against, and what is kept of it."""

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
from rewardbench.leaderboard.submissions import Agreement, Finding, agreement, check, draw, fields, items_for
from rewardbench.leaderboard.submissions.bounded import pack_untrusted
from rewardbench.leaderboard.submissions.checks import verdict_of
from rewardbench.leaderboard.submissions.peers import Peers
from rewardbench.leaderboard.submissions.pulls import earlier_pulls, read_pull
from rewardbench.models.fingerprint import versions
from rewardbench.results.scored import Scored, read_scored
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.store import HUB, open_store
from rewardbench.store.hub import HubStore
from rewardbench.store.local import INDEX, Entry, keys_of
from rewardbench.store.verdicts import make_verdict, summary_hash, verdict_place
from rewardbench.suites import load_known, load_suite
from rewardbench.types import Store, Suite


@dataclass(frozen=True)
class Asked:
    """What is to be verified, against what."""

    result: str
    store: str | None = None
    dataset: str | None = None
    protocol: str | None = None

    @property
    def pull_request(self) -> tuple[str, int] | None:
        """The dataset and number of a pull request, where it is one."""
        name, _, reference = self.result.removeprefix(HUB).partition("@refs/pr/")
        return (name, int(reference)) if self.result.startswith(HUB) and reference.isdecimal() else None


@dataclass(frozen=True)
class Verified:
    """A result with what was found."""

    path: Path
    key: str
    suite: Suite
    findings: list[Finding]

    @property
    def verdict(self) -> str:
        """passed, flagged or refused."""
        return verdict_of(self.findings)


@dataclass(frozen=True)
class Rerun:
    """What a sample gave when it was scored again, the seed that drew it, and what the re-run's model is."""

    agreement: Agreement
    seed: int
    per_section: int
    sample: int
    model: ModelSpec
    fingerprint: Mapping[str, Any]
    differs: tuple[str, ...]
    """Parts of the fingerprint in which the re-run is not what the manifest says."""

    @property
    def findings(self) -> list[Finding]:
        """What the re-run has against the result: other scores, or another model."""
        differs = [name for name in self.differs if name not in HARMLESS]
        other = f"its manifest names another {', '.join(differs)} than the re-run had" if differs else ""
        if not self.agreement.agrees:
            found = self.agreement
            what = f"the re-run gives other scores: {found.beyond} of {found.items} margins are off by more than noise"
            return [Finding("refused", what + (f"; {other}" if other else ""))]
        return [Finding("flagged", other)] if other else []


def verify(asked: Asked) -> Verified:
    """Check a result, or a pull request with one, and hold it against the store as it is now.

    Raises: InputError where it cannot be read, or its suite cannot.
    """
    pull = asked.pull_request
    path, key = read_pull(*pull) if pull else _from_disk(asked.result)
    pack_untrusted(path)  # what is read below was read within limits once
    suite = _suite(asked, path)
    place = asked.store or (f"{HUB}{pull[0]}" if pull else None)
    peers = Peers(open_store(place), path) if place else None
    return Verified(path, key, suite, list(_findings(path, suite, peers, pull, key)))


def verify_packed(entry: Entry, store: Store, before_each: Callable[[], None] = lambda: None) -> list[Finding]:
    """Check a result that is packed but nowhere yet, and hold it against the store that it is meant for.

    Nothing is written, neither the result nor the store's index.

    Args:
        entry: the summary and the table of scores.
        store: where it shall go.
        before_each: called before each stored result is read; raises InputError to end the check.

    Raises: InputError where its suite is none of ours, or the store cannot be read.
    """
    summary, table = entry
    with TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        path.write_text(results.dump(summary))
        results.table_path(path).write_bytes(table or b"")
        suite = load_known(str(summary["suite"]))
        peers = Peers(store, path, keep=False)
        return list(_findings(path, suite, peers, before_each=before_each))


def _findings(
    path: Path,
    suite: Suite,
    peers: Peers | None,
    pull: tuple[str, int] | None = None,
    key: str = "",
    before_each: Callable[[], None] = lambda: None,
) -> Iterator[Finding]:
    """Yield all that is wrong with a result; of one that is refused no more is asked."""
    sources: list[Iterator[Scored]] = [peers.others(suite)] if peers else []
    sources += [earlier_pulls(*pull, suite.name)] if pull else []
    others = _watched(chain.from_iterable(sources), before_each)
    findings = check(path, suite, others, peers.names if peers else ())
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


def _from_disk(result: str) -> tuple[Path, str]:
    path = Path(result)
    if not path.is_file():
        raise InputError(f"There is no result {result}: pass a .json file, or {HUB}org/name@refs/pr/N.")
    return path, path.stem


def _suite(asked: Asked, path: Path) -> Suite:
    if asked.dataset:
        return load_suite(asked.dataset, protocol=asked.protocol)
    return load_known(str(fields.read(path)["suite"]))


HARMLESS = {"versions", "device", "dtype", "float32_matmul", "attn_implementation", "clock"}
"""Parts of a fingerprint in which an honest re-run may differ: they move scores within noise, not what was scored."""


def score_again(found: Verified, model: ModelSpec, per_section: int) -> Rerun:
    """Score a sample again, drawn by a seed of this moment; hold scores and fingerprint against what is stated."""
    seed = secrets.randbits(32)
    sample = draw(found.suite, per_section, seed)
    scorer = load_scorer(model)
    run = score(sample.items, scorer, noise=True)
    noise = 0.0 if is_exact(scorer.fingerprint) or run.noise is None else run.noise
    stated = {one.id: one.scores for one in read_scored(found.path).items}
    agreed = agreement(sample.items, stated, {one.id: one.scores for one in run.items}, noise)
    there, own = fields.read(found.path)["manifest"].get("fingerprint") or {}, scorer.fingerprint
    differs = tuple(sorted(name for name in there.keys() | own.keys() if there.get(name) != _plain(own.get(name))))
    return Rerun(agreed, seed, per_section, len(sample.items), model, own, differs)


def _plain(value: Any) -> Any:
    """Return a part of a fingerprint as it comes back from JSON."""
    return json.loads(json.dumps(value, default=str))


def with_rerun(found: Verified, again: Rerun) -> Verified:
    """Return a result with what its re-run found; one that agrees settles what waited for it."""
    settled = again.agreement.agrees and not again.findings
    kept = [one for one in found.findings if not (settled and one.until_rerun)]
    return replace(found, findings=[*kept, *again.findings])


def key_values(again: Rerun) -> dict[str, Any]:
    """The figures of a re-run as a script reads them."""
    found = again.agreement
    return {
        "rerun_seed": again.seed,
        "rerun_items": found.items,
        "rerun_typical_difference": f"{found.typical:.2e}",
        "rerun_tolerance": f"{found.tolerance:.2e}",
        "rerun_beyond": found.beyond,
        "rerun_flips_beyond": found.flips,
        "rerun_flips_within_noise": found.near,
        "rerun_stated_right_of_these": found.gained,
        "rerun_differs": ", ".join(again.differs) or "nothing",
        "rerun_agrees": "yes" if found.agrees else "no",
        "items_to_catch_1_percent": items_for(0.01),
        "items_to_catch_3_percent": items_for(0.03),
    }


def record(found: Verified, again: Rerun, store: str) -> str:
    """Keep what a re-run found of a result that is in a store: the badge, or that it failed. Return the file's name.

    A badge holds for this very summary and these scores. A failure takes the place of an earlier badge.

    Raises: InputError where the result is not in the store.
    """
    summary = results.read_summary(found.path)
    place = open_store(store)
    stored = {key: results.read_summary(place.path(key)) for key in keys_of(summary) if key in place.list()}
    passed = again.agreement.agrees
    mark = summary_hash if passed else _scores_hash
    key = next((key for key, there in stored.items() if mark(there) == mark(summary)), None)
    if key is None:
        raise InputError(f"The result is not in {store} as it is here, so no verdict can be kept there: add it first.")
    facts = {
        "rerun_model": again.model.model,
        "rerun_revision": again.model.revision,
        "rerun_weights": _plain(again.fingerprint.get("weights")),
        "by": place.user() if isinstance(place, HubStore) else _local_user(),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        **{name: str(value) for name, value in key_values(again).items()},
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


def merge(asked: Asked, found: Verified, replace: bool = False) -> str:
    """Add what was verified, to the byte, close its pull request, and renew the store's index; the dataset's address.

    The pull request itself is not merged: whoever opened it may have pushed something else since.

    Args:
        asked: the pull request.
        found: what was verified of it.
        replace: whether a result that is there, perhaps only since then, may be changed.

    Raises: InputError where one would be changed without that.
    """
    if not asked.pull_request:
        raise InputError("Only a pull request can be merged: pass hf://datasets/org/name@refs/pr/N.")
    name, number = asked.pull_request
    store = HubStore(name)
    summary, table = fields.read(found.path), results.table_path(found.path).read_bytes()
    (key,) = store.add([(summary, table)], f"Add {found.key} (pull request {number})", replace)
    store.close(number, f"Verified, and added as {key}.")
    refresh(store)
    store.save(INDEX, store.indexes()[0].read_bytes(), "Update the index")
    return f"{HUB}{name}"
