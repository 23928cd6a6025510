"""A callback that scores a model on a suite while it is trained, for trainers of transformers and TRL."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import TrainerCallback

from rewardbench.chat import Chat
from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.forward.packed import choose_layout
from rewardbench.models.layers import is_encoder
from rewardbench.models.limits import length_limit
from rewardbench.results import assemble
from rewardbench.results.report import slug
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.classifier import Classifier
from rewardbench.scorers.logprobs import LogProbs
from rewardbench.settings import check_at_least_one
from rewardbench.store import LocalStore
from rewardbench.suites import load_suite
from rewardbench.suites.sample import stratify
from rewardbench.types import BatchTraits, Messages, Result, Suite, TokenRequest, Tools

if TYPE_CHECKING:
    from transformers import (
        PreTrainedModel,
        PreTrainedTokenizerBase,
        Trainer,
        TrainerControl,
        TrainerState,
        TrainingArguments,
    )

_logger = logging.getLogger(__name__)
LOG_PREFIX = "eval_rewardbench"
FOLDER = "rewardbench"
"""Folder in the trainer's output_dir: a result for each step that was scored, and the best model."""
MODEL_NAME = "the model in training"


class RewardBenchCallback(TrainerCallback):
    """Scores a fixed, stratified sample of a suite every few steps, and logs the scores with the trainer.

    A model with one label is scored as a classifier; a causal model by the change of its log-probabilities since
    training began, which is DPO's implicit reward for β = 1 (β changes no decision). All processes score, so that
    sharded models work; only the first one writes. `rewardbench compare` and `gate` read the result of each step.

        trainer = RewardTrainer(...)
        trainer.add_callback(RewardBenchCallback(trainer, every=500))

    Args:
        trainer: trainer whose model, tokenizer and log are used.
        every: steps between two evaluations; the first and the last step are always evaluated.
        dataset: name of a suite, a file, a folder or a Hub id.
        items: number of items in the sample.
        seed: random seed of the sample.
        keep_best: save the model to `rewardbench/best` whenever its score is the highest so far; if no step exceeds the
            model before training, a warning says so.
        floor: stop training if the score, after reaching this value, falls significantly below it.
        batch_tokens: maximum padded tokens per batch; None is measured.
    """

    def __init__(
        self,
        trainer: Trainer,
        every: int = 500,
        dataset: str = "core",
        items: int = 256,
        seed: int = 0,
        keep_best: bool = True,
        floor: float | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        self.trainer, self.every, self.keep_best, self.floor = trainer, every, keep_best, floor
        self.batch_tokens = batch_tokens
        check_at_least_one(self, "every", "batch_tokens")
        self.suite: Suite = stratify(load_suite(dataset), items, seed)
        self.best: float | None = None
        """Highest score so far."""
        self.best_step: int | None = None
        self.seconds = 0.0
        """Seconds spent on evaluation so far."""
        self._start = 0.0
        self._reached_floor = False
        self._scorer: BaseScorer | None = None
        self._last_step = -1

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PreTrainedModel | None = None,
        **kwargs: object,
    ) -> None:
        """Score the model before training: the first point of the curve, and the reference of a policy."""
        assert model is not None
        self._start = time.perf_counter()
        self._scorer = live_scorer(model, _tokenizer_of(self.trainer), getattr(args, "max_length", None))
        self._evaluate(args, state, control, model)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PreTrainedModel | None = None,
        **kwargs: object,
    ) -> None:
        """Score at every multiple of `every`, and at the last step."""
        assert model is not None
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self._evaluate(args, state, control, model)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Log why there is no best model, if there is none."""
        if self.keep_best and self.best_step == 0 and state.is_world_process_zero:
            folder = Path(str(args.output_dir), FOLDER)
            _logger.warning(
                "%s was not written: no step had a higher score on %s than the model before training (%.4f). The "
                "result of each step is in %s.",
                folder / "best",
                self.suite.name,
                self.best,
                folder,
            )

    @property
    def overhead(self) -> float:
        """Return the seconds spent on evaluation per second of training."""
        return self.seconds / max(1e-9, time.perf_counter() - self._start - self.seconds)

    def _evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: PreTrainedModel
    ) -> None:
        """Score the sample once per step, store the result, and log it."""
        step = state.global_step
        if step == self._last_step:
            return
        assert self._scorer is not None
        start, self._last_step = time.perf_counter(), step
        with _evaluation_mode(model):
            item_scores = score(self.suite.items, self._scorer, batch_tokens=self.batch_tokens).items
        manifest = {"training": {"step": step}}
        result = assemble(self.suite, f"step-{step:06d}", self._scorer.model_type, item_scores, manifest)
        self._record(result, args, state, control)
        self.seconds += time.perf_counter() - start
        self.trainer.log({**log_values(result), f"{LOG_PREFIX}_overhead": self.overhead})

    def _record(self, result: Result, args: TrainingArguments, state: TrainerState, control: TrainerControl) -> None:
        """Store the result, save the model if it is the best so far, and stop if the score fell below the floor."""
        value, folder = result.score.value or 0.0, Path(str(args.output_dir), FOLDER)
        if state.is_world_process_zero:
            LocalStore(folder).put(result, self.suite)
        if self.best is None or value > self.best:
            self.best, self.best_step = value, state.global_step
            if self.keep_best and state.global_step > 0:
                self.trainer.save_model(str(folder / "best"))  # in all processes, since shards are gathered
        if self.floor is not None:
            self._reached_floor |= value >= self.floor
            if self._reached_floor and result.score.high is not None and result.score.high < self.floor:
                control.should_training_stop = True


def log_values(result: Result) -> dict[str, float]:
    """Return what is logged: the score with its interval, the accuracy, the turn accuracy if any, and each section."""
    values = {"": result.score.value, "_low": result.score.low, "_high": result.score.high}
    values["_accuracy"] = result.accuracy.value
    for total in result.turns[:1]:
        values["_turn"] = total.value
    for section in result.mirrors or result.sections:
        values[f"_{slug(section.name)}"] = section.value
    return {f"{LOG_PREFIX}{name}": value for name, value in values.items() if value is not None}


def _tokenizer_of(trainer: Trainer) -> PreTrainedTokenizerBase:
    """Return the trainer's tokenizer.

    Raises:
        InputError: if it has none.
    """
    tokenizer: PreTrainedTokenizerBase | None = getattr(trainer, "processing_class", None)
    if tokenizer is None or not hasattr(tokenizer, "apply_chat_template"):
        raise InputError("The trainer has no tokenizer: pass it processing_class.")
    return tokenizer


def live_scorer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None
) -> BaseScorer:
    """Return a scorer of a model in memory, whose weights may change between calls.

    Args:
        model: a classifier with one label, or a causal language model.
        tokenizer: its tokenizer, with a chat template.
        max_length: maximum tokens per text; None is the model's limit.
    """
    limit = length_limit(model, tokenizer, max_length)
    is_classifier = getattr(model.config, "num_labels", 0) == 1 and model.get_output_embeddings() is None  # type: ignore[no-untyped-call]
    chat = Chat(tokenizer, None, limit, "left", spans=not is_classifier, name=MODEL_NAME)
    with _evaluation_mode(model):
        if not is_classifier:
            policy = LogProbs(model, chat, MODEL_NAME)
            return _PolicyChange(policy.with_layout(*choose_layout(policy, may_pack=True)))
        scorer = Classifier(model, chat, MODEL_NAME)
        return scorer.with_layout(*choose_layout(scorer, may_pack=not is_encoder(model.config)))


class _PolicyChange(BaseScorer):
    """Scores a policy in training by the change of each log-probability since its first evaluation."""

    model_type = "DPO"

    def __init__(self, policy: LogProbs) -> None:
        self.policy, self.name, self.model = policy, policy.name, policy.model
        self.initial: dict[bytes, float] = {}
        """The first log-probability of each request, by its key."""

    @property
    def fingerprint(self) -> Mapping[str, object]:
        return {**self.policy.fingerprint, "kind": self.model_type}

    @property
    def traits(self) -> BatchTraits:
        return self.policy.traits

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        return self.policy.prepare(prompt, completion, rendered, tools)

    def run(self, requests: Sequence[TokenRequest]) -> list[float]:
        changes = []
        for request, logprob in zip(requests, self.policy.run_forward(requests), strict=True):
            changes.append(logprob - self.initial.setdefault(request.key, logprob))
        return changes


@contextmanager
def _evaluation_mode(model: PreTrainedModel) -> Iterator[None]:
    """Context manager: put the model in evaluation mode."""
    is_training = model.training
    model.eval()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        model.train(is_training)
