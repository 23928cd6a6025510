"""Read what a run cost from its result: tokens, calls, parameters, money, and the time in the ledger of a judge."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from os import PathLike, fspath
from pathlib import Path
from typing import Literal, cast

import numpy as np

from rewardbench import results
from rewardbench.analysis.figures import short_name
from rewardbench.analysis.judge_cost.counts import flops
from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError
from rewardbench.results.remote import local_result
from rewardbench.results.scored import ModelScores
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, View

IDLE_SECONDS = 60.0
"""A longer pause between two answers in the ledger is taken to be between two runs."""
WARM_UP = 8
"""Items that are scored before the time is measured."""
RunKind = Literal["reward model", "judge"]


@dataclass(frozen=True)
class RunUsage:
    """What one run used; None where the result does not say."""

    label: str
    model: str
    kind: RunKind
    decisions: int
    """Items of the run."""
    calls: int | None
    """Forward passes of a reward model, one a completion; answers of a judge."""
    read_tokens: int | None
    written_tokens: int
    """Tokens that the judge generated: decode steps."""
    parameters: float | None
    dollars: float | None
    seconds: float | None
    view: View
    """pairwise: a judge that compares two completions."""
    orders: int
    """Orders in which a pairwise judge sees a pair."""

    @property
    def tokens(self) -> int | None:
        """Tokens read and generated."""
        return None if self.read_tokens is None else self.read_tokens + self.written_tokens

    def per_thousand(self, amount: float | None) -> float | None:
        """Return an amount for 1,000 decisions; None if it is unknown."""
        return None if amount is None or not self.decisions else 1000 * amount / self.decisions

    def per_call(self, amount: float | None) -> float | None:
        """Return an amount for one call; None if it is unknown."""
        return None if amount is None or not self.calls else amount / self.calls

    @property
    def flops(self) -> float | None:
        """Floating-point operations, 2 · parameters · tokens."""
        if self.tokens == 0:
            return 0.0
        if self.tokens is None or self.parameters is None:
            return None
        return flops(self.parameters, self.tokens)


def read_usage(result: ComparedResult, scored: ModelScores) -> RunUsage:
    """Return what a run used, as far as its manifest says."""
    manifest = read_manifest(result, scored)
    run, model = _mapping(manifest, "run"), _mapping(manifest, "model")
    judge = _mapping(run, "judge")
    protocol = _mapping(_mapping(manifest, "fingerprint"), "protocol")
    view = str(protocol.get("view") or "pointwise")
    usage = RunUsage(
        label=short_name(scored.model),
        model=scored.model,
        kind="judge" if judge or scored.protocol else "reward model",
        decisions=len(scored.items),
        calls=_count(run, "requests"),
        read_tokens=_count(run, "tokens"),
        written_tokens=0,
        parameters=_amount(model, "parameters"),
        dollars=None,
        seconds=None,
        view=cast("View", view if view in ("pointwise", "pairwise", "listwise") else "pointwise"),
        orders=1 if protocol.get("orders") == 1 else 2,
    )
    if not judge:
        return usage
    return replace(
        usage,
        label=f"{usage.label} ({judge.get('protocol')})",
        calls=_count(judge, "requests"),
        read_tokens=_count(judge, "prompt_tokens"),
        written_tokens=_count(judge, "completion_tokens") or 0,
        dollars=_amount(judge, "cost"),
    )


def read_manifest(result: ComparedResult, scored: ModelScores) -> Mapping[str, object]:
    """Return the manifest of a result; empty if it has none."""
    manifest = getattr(result, "manifest", None)
    if isinstance(manifest, Mapping):
        return manifest
    return results.read_manifest(local_result(fspath(result)) if isinstance(result, str | PathLike) else scored.path)


def _mapping(record: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}


def _amount(record: Mapping[str, object], name: str) -> float | None:
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        return None
    return float(value)


def _count(record: Mapping[str, object], name: str) -> int | None:
    amount = _amount(record, name)
    return None if amount is None else int(amount)


def read_assignments(values: Sequence[str], option: str) -> dict[str, float]:
    """Read values such as `tiny-rm=95.5` of an option that is repeated.

    Raises:
        InputError: if one is not a name, an equals sign and a number above 0.
    """
    amounts: dict[str, float] = {}
    for value in values:
        name, _, number = value.rpartition("=")
        try:
            amounts[name] = float(number)
        except ValueError:
            amounts[name] = -1.0
        if not name or not 0 < amounts[name] < float("inf"):
            raise InputError(f"--{option} {value} is not MODEL=NUMBER with a number above 0, such as tiny-rm=95.5.")
    return amounts


def ledger_seconds(path: Path | None, model: str, answers: int) -> float | None:
    """Return the seconds that a judge took for its answers, from the times at which the ledger stored them.

    Pauses of more than a minute are left out. The requests of a run overlap, so this is the time of the run with its
    concurrency, not the latency of a request.

    Args:
        path: the ledger; None: that of the cache.
        model: the judge.
        answers: number of answers of the run; the time is scaled to it.

    Returns:
        The seconds; None if the ledger has fewer than two answers of the model.
    """
    from rewardbench.scorers.judge.ledger import Ledger, default_ledger_path

    path = path or default_ledger_path()
    if not path.is_file():
        return None
    with Ledger(path) as ledger:
        times = np.sort(ledger.times(model))
    gaps = np.diff(times)
    gaps = gaps[gaps <= IDLE_SECONDS]
    return float(gaps.mean() * answers) if len(gaps) else None


def measure_seconds(spec: ModelSpec, items: Sequence[Item]) -> float:
    """Return the seconds in which a model scores items on this machine, after a warm-up, without the score cache.

    Raises:
        InputError: if the items have no texts, or the model cannot be loaded.
    """
    from rewardbench.engine.loop import score
    from rewardbench.scorers import load_scorer

    texts = [completion[0]["content"] for item in items for completion in item.completions if completion]
    if not items or not all(texts):
        raise InputError(
            "The result has no texts to measure the time with: score it with its texts, or pass --seconds."
        )
    scorer = load_scorer(spec, cache=False)
    score(items[:WARM_UP], scorer)
    start = time.perf_counter()
    score(items, scorer)
    return time.perf_counter() - start
