"""Train a TopK sparse autoencoder with sparsify's SparseCoder, in bounded memory; compare two dictionaries.

The module and its loss (fraction of variance unexplained) are sparsify's, the loop is ours: sparsify's Trainer takes
token sequences of one length and runs the model in every step, for each seed again; and it sets torch's precision of
float32 products for the whole process, which would move the scores of the model.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardbench.analysis.features.activation_file import ActivationRows
from rewardbench.analysis.features.dictionary import SparseDictionary
from rewardbench.errors import InputError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

BATCH = 512
"""Rows of a training step."""
CHECKS = 12
"""How often features without activations are replaced, in the first part of training."""
REPLACED_UNTIL = 0.7
"""Share of the training after which no feature is replaced."""
SINK = 10.0
"""Multiple of the median norm above which a state is an attention sink, which is left out."""


@dataclass(frozen=True)
class TrainingPlan:
    """Sizes of an autoencoder and of its training."""

    features: int
    k: int
    steps: int
    seed: int


@dataclass(frozen=True)
class Moments:
    """What training needs to know of the rows: limit of norms, mean [width], and standard deviation of a number."""

    norm_limit: float
    mean: NDArray[np.float64]
    deviation: float


def check_installed() -> None:
    """Check that sparsify is installed.

    Raises:
        InputError: if it is not.
    """
    if find_spec("sparsify") is None:
        raise InputError("Features need sparsify: pip install 'rewardbench[features]'.")


@contextmanager
def single_thread() -> Iterator[None]:
    """Context manager: torch computes in one thread, so that sums have one order on every machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def measure_rows(rows: ActivationRows) -> Moments:
    """Measure norms, mean and spread of rows, without attention sinks.

    Raises:
        InputError: if the activations are not finite, or all equal.
    """
    norms = np.concatenate([np.linalg.norm(block, axis=1) for _, block in rows.blocks()])
    if not np.isfinite(norms).all():
        raise InputError(
            "The layer has activations that are not finite: pass another --layer, or --torch_dtype float32."
        )
    limit = float(SINK * np.median(norms)) or math.inf
    total, squares, count = np.zeros(rows.width), 0.0, 0
    for _, block in rows.blocks():
        exact = _without_sinks(block, limit).astype(np.float64)
        total += exact.sum(axis=0)
        squares += float((exact**2).sum())
        count += len(exact)
    mean = total / count
    variance = (squares / count - float(mean @ mean)) / rows.width
    if variance <= 1e-12:
        raise InputError("All activations of the layer are equal, so there are no features: pass another --layer.")
    return Moments(limit, mean, math.sqrt(variance))


def _without_sinks(rows: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
    usable: NDArray[np.float32] = rows[np.linalg.norm(rows, axis=1) <= limit]
    return usable


def train(
    rows: ActivationRows,
    plan: TrainingPlan,
    device: torch.device | str = "cpu",
    progress: Callable[[], None] | None = None,
) -> SparseDictionary:
    """Train a dictionary; the same seed gives the same weights on a CPU with a fixed number of threads.

    Args:
        rows: the activations.
        plan: sizes and seed.
        device: where the autoencoder is trained.
        progress: called after each step.

    Returns:
        The dictionary, on the device, in the scale of the rows.
    """
    import torch

    with redirect_stdout(io.StringIO()):  # sparsify prints on import
        from sparsify import SparseCoder, SparseCoderConfig  # type: ignore[import-untyped]

    moments = measure_rows(rows)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        coder = SparseCoder(rows.width, SparseCoderConfig(num_latents=plan.features, k=plan.k)).to(device)
    trainer = _CoderTrainer(coder, plan)
    batches = _batches(rows, moments, np.random.default_rng(plan.seed))
    for step in range(plan.steps):
        trainer.step(torch.from_numpy(next(batches)).to(device), step)
        if progress:
            progress()
    mean = torch.from_numpy(moments.mean.astype(np.float32)).to(device)
    scale = moments.deviation
    return SparseDictionary(
        encoder=coder.encoder.weight.detach() / scale,
        bias=coder.encoder.bias.detach().clone(),
        decoder=coder.W_dec.detach() * scale,
        centre=coder.b_dec.detach() * scale + mean,
        k=plan.k,
        norm_limit=moments.norm_limit,
    )


def _batches(rows: ActivationRows, moments: Moments, generator: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Yield batches [rows, width] with mean 0 and variance 1, for ever."""
    mean = moments.mean.astype(np.float32)
    while True:
        for _, block in rows.blocks(generator):
            usable = _without_sinks(block, moments.norm_limit)
            order = generator.permutation(len(usable))
            for start in range(0, max(1, len(usable) - BATCH + 1), BATCH):
                batch = usable[np.sort(order[start : start + BATCH])]
                if len(batch):
                    yield (batch - mean) / np.float32(moments.deviation)


class _CoderTrainer:
    """The training loop of one SparseCoder: Adam, warm-up, linear decay, and replacement of unused features."""

    def __init__(self, coder: Any, plan: TrainingPlan) -> None:
        import torch

        self.coder, self.plan = coder, plan
        self.parameters = (coder.encoder.weight, coder.encoder.bias, coder.W_dec, coder.b_dec)
        rate = 4e-4 / math.sqrt(plan.features / 2**14)
        self.optimizer = torch.optim.Adam(self.parameters, lr=rate)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.generator = torch.Generator().manual_seed(plan.seed)
        self.uses = torch.zeros(plan.features)
        self.every = max(1, plan.steps // CHECKS)

    def _rate(self, step: int) -> float:
        return min(1.0, (step + 1) / (0.05 * self.plan.steps), (self.plan.steps - step) / (0.3 * self.plan.steps))

    def step(self, batch: torch.Tensor, step: int) -> None:
        """Train on a batch [rows, width], with mean 0 and variance 1."""
        output = self.coder(batch)
        output.fvu.backward()
        self.coder.remove_gradient_parallel_to_decoder_directions()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.coder.set_decoder_norm_to_unit_norm()
        self.schedule.step()
        is_used = (output.latent_acts.detach() > 0).float().flatten().cpu()
        self.uses.index_add_(0, output.latent_indices.flatten().cpu(), is_used)
        if (step + 1) % self.every == 0:
            if step < REPLACED_UNTIL * self.plan.steps:
                self._replace_unused(batch)
            self.uses.zero_()

    def _replace_unused(self, batch: torch.Tensor) -> None:
        """Point each feature that was never active at the error of a badly reconstructed row.

        SparseCoder passes no gradient to the encoder rows of inactive features, so these would never come back.
        """
        import torch

        unused = (self.uses == 0).nonzero().flatten()
        if not len(unused):
            return
        with torch.no_grad():
            errors = batch - self.coder(batch).sae_out
            weights = errors.pow(2).sum(dim=1).cpu() + 1e-12
            picked = torch.multinomial(weights, len(unused), replacement=True, generator=self.generator)
            directions = torch.nn.functional.normalize(errors[picked.to(errors.device)], dim=1)
            unused = unused.to(errors.device)
            self.coder.W_dec[unused] = directions
            self.coder.encoder.weight[unused] = directions * self.coder.encoder.weight.norm(dim=1).mean()
            self.coder.encoder.bias[unused] = 0.0
            for parameter in self.parameters[:3]:
                state = self.optimizer.state[parameter]
                state["exp_avg"][unused] = 0.0
                state["exp_avg_sq"][unused] = 0.0


def match_directions(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pair directions one to one, with the largest sum of cosines (Hungarian algorithm).

    Args:
        first: [n, width].
        second: [m, width].

    Returns:
        Indices in `first`, indices in `second`, and cosines, each [min(n, m)].
    """
    from scipy.optimize import linear_sum_assignment

    cosines = _unit_rows(first) @ _unit_rows(second).T
    rows, columns = linear_sum_assignment(cosines, maximize=True)
    return rows, columns, cosines[rows, columns]


def mean_cosine(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return the mean cosine of matched directions: MCC, and PW-MCC of two seeds (arXiv 2505.20254); NaN for none."""
    if not len(first) or not len(second):
        return math.nan
    return float(match_directions(first, second)[2].mean())


def _unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    exact = rows.astype(np.float64)
    unit: NDArray[np.float64] = exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-12)
    return unit
