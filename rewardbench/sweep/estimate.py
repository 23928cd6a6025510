"""Estimate what the pending rows of a sweep take, before anything is downloaded: tokens, bytes, hours and dollars."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rewardbench.engine.batching import spread
from rewardbench.errors import InputError, Unreachable
from rewardbench.hub import download_size, resolve_commit
from rewardbench.models.locate import FILES
from rewardbench.models.metadata import read_metadata
from rewardbench.models.spec import resolve
from rewardbench.paths import home_path
from rewardbench.settings import ModelSpec
from rewardbench.sweep.plan import SweepRow
from rewardbench.sweep.run import Sweep
from rewardbench.sweep.sources import RESOLVERS, has_files, sources_of
from rewardbench.types import Item, View

CHARACTERS_PER_TOKEN = 4.0
"""Of English text, by the usual tokenizers."""
SAMPLE = 1_000
"""Items whose characters are counted; the other items are assumed to be as long."""
UTILISATION = 0.4
"""Share of the measured speed of a matrix product that a forward pass reaches."""
BYTES_PER_PARAMETER = 2
"""Of checkpoints on the Hub, whose dtype is not known before they are downloaded."""
MATRIX = 1024
"""Rows and columns of the matrices that are multiplied to measure the speed of the device."""


@dataclass(frozen=True)
class RowEstimate:
    """What a row takes. A value is None if it is not known."""

    row: SweepRow
    state: str
    """done, pending, or why the row will fail."""
    items: int | None = None
    tokens: int | None = None
    """All texts of the suite, each in its context."""
    bytes: int | None = None
    """Files of the model and of its reference."""
    cost: float | None = None
    """Dollars, of a judge whose prices are known."""
    hours: float | None = None


def estimate_rows(sweep: Sweep) -> list[RowEstimate]:
    """Return an estimate for each row of a sweep whose stored rows are known (`find_stored`)."""
    estimates: list[RowEstimate] = []
    sizes = _measure_models([row.model for row in sweep.plan.rows])
    for row in sweep.plan.rows:
        outcome = sweep.outcomes.get(row)
        state = "pending" if outcome is None else "done" if outcome.status == "stored" else outcome.reason
        try:
            suite = sweep.suites.read(row.settings)
        except InputError as error:
            estimates.append(RowEstimate(row, str(error)))
            continue
        tokens, size = count_tokens(suite.items), sizes[row.model]
        hours = None if size is None or state != "pending" else _hours(row.model, size, tokens)
        estimates.append(
            RowEstimate(row, state, len(suite.items), tokens, size, _judge_cost(row.model, suite.items, tokens), hours)
        )
    return estimates


def count_tokens(items: Sequence[Item]) -> int:
    """Estimate the tokens of all completions in their contexts, by their characters."""
    characters = 0
    sample = spread(items, SAMPLE)
    for item in sample:
        prompt = sum(len(message["content"]) for message in item.prompt)
        for completion in item.completions:
            characters += prompt + sum(len(message["content"]) for message in completion)
    return round(characters * len(items) / max(1, len(sample)) / CHARACTERS_PER_TOKEN)


def _measure_models(specs: Sequence[ModelSpec]) -> dict[ModelSpec, int | None]:
    """Return the bytes of the files of each model, asking the Hub for several at the same time."""
    distinct = list(dict.fromkeys(specs))
    with ThreadPoolExecutor(RESOLVERS) as executor:
        return dict(zip(distinct, executor.map(_model_bytes, distinct), strict=True))


def _model_bytes(spec: ModelSpec) -> int | None:
    """Return the bytes of the files of a model and of its reference; None if they are not known."""
    if not has_files(spec):
        return None
    size = 0
    for name, revision in sources_of(resolve(spec)):
        folder = home_path(name)
        try:
            if folder.is_dir():
                size += sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
            else:
                size += download_size(name, resolve_commit("model", name, revision), FILES)
        except (InputError, OSError, Unreachable):
            return None
    return size


def _hours(spec: ModelSpec, size: int, tokens: int) -> float:
    """Estimate the hours of a forward pass over tokens: 2 operations a parameter, at the measured speed."""
    folder = Path(home_path(resolve(spec).model))
    parameters = read_metadata(folder).get("parameters") if folder.is_dir() else None
    count = parameters if isinstance(parameters, int) else size // BYTES_PER_PARAMETER
    return 2 * count * tokens / (_operations_per_second(spec.device) * UTILISATION) / 3600


@cache
def _operations_per_second(device: str | None) -> float:
    """Measure the speed of a matrix product on a device, in the dtype that models have there by default."""
    import torch

    from rewardbench.models.devices import pick_device

    place = pick_device(device)
    dtype = torch.float32 if place.type == "cpu" else torch.bfloat16
    matrix = torch.ones(MATRIX, MATRIX, device=place, dtype=dtype)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        (matrix @ matrix)[0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return float(2 * MATRIX**3 / min(seconds))


def _judge_cost(spec: ModelSpec, items: Sequence[Item], tokens: int) -> float | None:
    """Return the most that a judge costs on a suite, in dollars; None without prices."""
    judge = spec.judge
    endpoint = judge.endpoint if judge else None
    if judge is None or endpoint is None or (endpoint.input_price is None and endpoint.output_price is None):
        return None
    from rewardbench.scorers.judge.protocols import load_protocol

    protocol = load_protocol(judge.protocol, judge.prompts)
    repeats = judge.repeats or protocol.repeats
    answer = judge.max_tokens or protocol.sampling.max_tokens or 0
    sample = spread(items, SAMPLE)
    shown, requests = _shown_completions(protocol.view, judge.orders or protocol.orders, sample)
    prompt_tokens = tokens * shown / max(1, sum(len(item.completions) for item in sample))
    requests *= len(items) / max(1, len(sample))
    prices = (endpoint.input_price or 0.0, endpoint.output_price or 0.0)
    dollars = repeats * (prompt_tokens * prices[0] + requests * answer * prices[1]) / 1e6
    return min(dollars, endpoint.max_cost) if endpoint.max_cost else dollars


def _shown_completions(view: View, orders: int | None, items: Sequence[Item]) -> tuple[float, float]:
    """Return how many completions a judge is shown in all its requests, and the number of these requests."""
    from rewardbench.engine.views import expand

    shown = requests = 0
    for item in items:
        calls = expand(item, view, orders)
        requests += len(calls)
        shown += sum(len(call.shown) for call in calls)
    return shown, requests
