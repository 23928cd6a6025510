"""The server's side of a submission: where its files come from, what they are held against, and what is kept of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rewardbench import columns, results
from rewardbench.board import refresh
from rewardbench.engine.noise import is_exact
from rewardbench.engine.score import score
from rewardbench.scored import Scored, read_scored
from rewardbench.scorers import load_scorer
from rewardbench.scorers.loading import ModelSpec
from rewardbench.store import HUB, open_store
from rewardbench.store.hub import HubStore
from rewardbench.store.local import INDEX, MOST_SUMMARY, VERDICTS, keys_of, refuse_reserved
from rewardbench.suites import load_known, load_suite
from rewardbench.types import InputError, Store, Suite
from rewardbench.verify import Agreement, Finding, agreement, check, draw, items_for
from rewardbench.verify import summary as fields
from rewardbench.verify.bounded import pack_untrusted
from rewardbench.verify.rules import verdict_of
from rewardbench.verify.summary import is_clean_name


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
    """What a sample gave when it was scored again, and the seed that drew it."""

    agreement: Agreement
    seed: int
    per_section: int
    sample: int


def verify(asked: Asked) -> Verified:
    """Look a result, or a pull request with one, through.

    Raises: InputError where it cannot be read, or its suite cannot.
    """
    path, key = _from_pull_request(asked) if asked.pull_request else _from_disk(asked.result)
    pack_untrusted(path)  # what is read below was read within limits once
    suite = _suite(asked, path)
    found = check(path, suite, _others(asked, suite, path), _names(asked))
    return Verified(path, key, suite, found)


def _from_disk(result: str) -> tuple[Path, str]:
    path = Path(result)
    if not path.is_file():
        raise InputError(f"There is no result {result}: pass a .json file, or {HUB}org/name@refs/pr/N.")
    return path, path.stem


def _from_pull_request(asked: Asked) -> tuple[Path, str]:
    """The files of a pull request that adds one result, and nothing else.

    Raises: InputError for one that touches anything else, takes another's place, or is larger than a result can be.
    """
    name, number = asked.pull_request or ("", 0)
    proposed, merged = HubStore(name, f"refs/pr/{number}"), HubStore(name)
    proposed.refresh()
    merged.refresh()
    base = proposed.base()
    changed = sorted(file for file, blob in proposed.files.items() if base.get(file) != blob)
    gone = sorted(base.keys() - proposed.files.keys())
    keys = {file.rpartition(".")[0] for file in changed}
    key = next(iter(keys), "")
    if gone or len(keys) != 1 or {file.rpartition(".")[2] for file in changed} != {"json", "parquet"}:
        told = ", ".join(ascii(file) for file in [*changed, *gone][:6])
        raise InputError(f"Pull request {number} must add one result and touch nothing else, but it changes {told}.")
    if not is_clean_name(key):
        raise InputError(f"Pull request {number} adds {key!a:.60}, which is no place for a result: org/model.json is.")
    refuse_reserved(key)
    for kind, most in (("json", MOST_SUMMARY), ("parquet", columns.MOST_BYTES)):
        if proposed.sizes[f"{key}.{kind}"] > most:
            raise InputError(f"{key}.{kind} has {proposed.sizes[f'{key}.{kind}']:,} bytes, at most {most:,} are read.")
    path = proposed.path(key)
    summary = fields.read(path)
    if key not in keys_of(summary):
        raise InputError(f"Pull request {number} adds {key}, and {str(summary['model'])!a:.60} does not belong there.")
    if f"{key}.json" in merged.files and _identity(merged, key) != results.identity(summary):
        raise InputError(f"Pull request {number} would replace {key}, which is the result of another model.")
    return path, key


def _identity(store: HubStore, key: str) -> str:
    return results.identity(results.read_summary(store.path(key)))


def _suite(asked: Asked, path: Path) -> Suite:
    if asked.dataset:
        return load_suite(asked.dataset, protocol=asked.protocol)
    return load_known(str(fields.read(path)["suite"]))


def _home(asked: Asked) -> Store | None:
    """The store that a result is held against, if any."""
    where = asked.store or (f"{HUB}{asked.pull_request[0]}" if asked.pull_request else None)
    return open_store(where) if where else None


def _names(asked: Asked) -> list[str]:
    home = _home(asked)
    return [row.model for row in refresh(home).rows] if home else []


def _others(asked: Asked, suite: Suite, path: Path) -> Iterator[Scored]:
    home = _home(asked)
    if home is None:
        return
    own = fields.read(path)
    for row in refresh(home).of(suite.name):
        if row.ids and not _is_the_same(results.read_summary(home.path(row.key)), own):
            yield read_scored(home.path(row.key))


def _is_the_same(there: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether what is there is this very result, to be verified once more."""
    same = all(there.get(name) == own.get(name) for name in ("model", results.OUTPUTS_HASH))
    return same and results.identity(there) == results.identity(own)


def score_again(found: Verified, model: ModelSpec, per_section: int) -> Rerun:
    """Score a sample again, drawn by a seed of this moment, and hold it against what was stated."""
    seed = secrets.randbits(32)
    sample = draw(found.suite, per_section, seed)
    scorer = load_scorer(model)
    run = score(sample.items, scorer, noise=True)
    noise = 0.0 if is_exact(scorer.fingerprint) or run.noise is None else run.noise
    stated = {one.id: one.scores for one in read_scored(found.path).items}
    agreed = agreement(sample.items, stated, {one.id: one.scores for one in run.items}, noise)
    return Rerun(agreed, seed, per_section, len(sample.items))


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
        "rerun_agrees": "yes" if found.agrees else "no",
        "items_to_catch_1_percent": items_for(0.01),
        "items_to_catch_3_percent": items_for(0.03),
    }


def record(found: Verified, again: Rerun, store: str) -> str:
    """Keep the badge of a result that was scored again; it holds for these very scores."""
    summary = results.read_summary(found.path)
    place = open_store(store)
    there = {key: place.path(key) for key in keys_of(summary) if key in place.list()}
    key = next((key for key, path in there.items() if _is_the_same(results.read_summary(path), summary)), None)
    if key is None:
        raise InputError(f"The result is not in {store} yet, so its badge cannot be kept there: add it first.")
    told = {
        "badge": "verified",
        results.OUTPUTS_HASH: summary[results.OUTPUTS_HASH],
        "date": datetime.now(UTC).date().isoformat(),
        **{name: str(value) for name, value in key_values(again).items()},
    }
    name = f"{VERDICTS}{key}.json"
    place.save(name, results.dump(told, indent=2).encode(), f"Verify {key}")
    return name


def merge(asked: Asked, found: Verified) -> str:
    """Add what was verified, to the byte, close its pull request, and renew the store's index; the dataset's address.

    The pull request itself is not merged: whoever opened it may have pushed something else since.
    """
    if not asked.pull_request:
        raise InputError("Only a pull request can be merged: pass hf://datasets/org/name@refs/pr/N.")
    name, number = asked.pull_request
    store = HubStore(name)
    summary, table = fields.read(found.path), results.table_path(found.path).read_bytes()
    (key,) = store.add([(summary, table)], f"Add {found.key} (pull request {number})")
    store.close(number, f"Verified, and added as {key}.")
    refresh(store)
    store.save(INDEX, store.indexes()[0].read_bytes(), "Update the index")
    return f"{HUB}{name}"
