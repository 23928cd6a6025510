"""A callback for trainers of transformers and TRL: the benchmark's curve beside the loss, while a model is trained."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
from rewardbench.settings import refuse_less_than_one
from rewardbench.store import LocalStore
from rewardbench.suites import load_suite
from rewardbench.suites.sample import stratify
from rewardbench.types import BatchTraits, Messages, Result, Suite, TokenRequest

KEY = "eval_rewardbench"
FOLDER = "rewardbench"
"""Below the trainer's output_dir: a result for each step that was scored, and the best model."""


class RewardBenchCallback(TrainerCallback):
    """Scores a fixed, stratified sample of a suite every so many steps, and logs to whatever the trainer logs to.

    A model with one label is scored as a classifier; a causal one by how much likelier its completions became than
    before training, which is DPO's implicit reward (β moves no decision). Every process scores, so that sharded models
    work; the first one alone writes. Each step leaves a result that `rewardbench compare` and `gate` read.

        trainer = RewardTrainer(...)
        trainer.add_callback(RewardBenchCallback(trainer, every=500))

    Args:
        trainer: whose model, tokenizer and log are used.
        every: steps between two scores; the last step is scored too.
        dataset: a suite's name, a file, a folder or a Hub id.
        items: size of the sample.
        seed: of the sample.
        keep_best: whether the model is saved under `rewardbench/best` whenever its score is the highest so far.
        floor: training stops when the score, once it has reached this, is below it beyond doubt.
        batch_tokens: tokens a batch may hold; found by itself where None.
    """

    def __init__(
        self,
        trainer: Any,
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
        refuse_less_than_one(self, "every", "batch_tokens")
        self.suite: Suite = stratify(load_suite(dataset), items, seed)
        self.best: float | None = None
        self.best_step: int | None = None
        self.seconds = 0.0
        """Spent here so far."""
        self._began = 0.0
        self._reached = False
        self._scorer: Any = None
        self._last = -1

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        """Score the model as it comes: the curve's first point, and what a policy is measured against."""
        self._began = time.perf_counter()
        self._scorer = live_scorer(model, _tokenizer_of(self.trainer), getattr(args, "max_length", None))
        self._score(args, state, control, model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        """Score at every multiple of `every`, and at the last step."""
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self._score(args, state, control, model)

    @property
    def overhead(self) -> float:
        """Seconds spent here for each second of training proper."""
        return self.seconds / max(1e-9, time.perf_counter() - self._began - self.seconds)

    def _score(self, args: Any, state: Any, control: Any, model: Any) -> None:
        if state.global_step == self._last:
            return
        start, self._last = time.perf_counter(), state.global_step
        with _evaluating(model):
            found = score(self.suite.items, self._scorer, batch_tokens=self.batch_tokens).items
        step = state.global_step
        told = {"training": {"step": step}}
        result = assemble(self.suite, f"step-{step:06d}", self._scorer.model_type, found, told)
        self._watch(result, args, state, control)
        self.seconds += time.perf_counter() - start
        self.trainer.log({**figures(result), f"{KEY}_overhead": self.overhead})

    def _watch(self, result: Result, args: Any, state: Any, control: Any) -> None:
        """Keep the result, and the model where it is the best so far; stop where it has fallen through the floor."""
        value, folder = result.score.value or 0.0, Path(args.output_dir, FOLDER)
        if state.is_world_process_zero:
            LocalStore(folder).put(result, self.suite)
        if self.best is None or value > self.best:
            self.best, self.best_step = value, state.global_step
            if self.keep_best and state.global_step > 0:
                self.trainer.save_model(str(folder / "best"))  # by all processes: shards are gathered
        if self.floor is not None:
            self._reached |= value >= self.floor
            if self._reached and result.score.high is not None and result.score.high < self.floor:
                control.should_training_stop = True


def figures(result: Result) -> dict[str, float]:
    """What is logged: the score with its interval, the accuracy, and each section."""
    named = {"": result.score.value, "_low": result.score.low, "_high": result.score.high}
    named["_accuracy"] = result.accuracy.value
    named |= {f"_{slug(one.name)}": one.value for one in result.mirrors or result.sections}
    return {f"{KEY}{name}": value for name, value in named.items() if value is not None}


def _tokenizer_of(trainer: Any) -> Any:
    tokenizer = getattr(trainer, "processing_class", None)
    if not hasattr(tokenizer, "apply_chat_template"):
        raise InputError("The trainer has no tokenizer: pass it processing_class.")
    return tokenizer


def live_scorer(model: Any, tokenizer: Any, max_length: int | None = None) -> BaseScorer:
    """Return a scorer of a model that is in memory, and may change under it."""
    limit = length_limit(model, tokenizer, max_length)
    classifier = getattr(model.config, "num_labels", 0) == 1 and model.get_output_embeddings() is None
    chat = Chat(tokenizer, None, limit, "left", spans=not classifier, name="the model in training")
    with _evaluating(model):
        if not classifier:
            policy = LogProbs(model, chat, "the model in training")
            return _Drift(policy.with_layout(*choose_layout(policy, may_pack=True)))
        scorer = Classifier(model, chat, "the model in training")
        return scorer.with_layout(*choose_layout(scorer, may_pack=not is_encoder(model.config)))


class _Drift(BaseScorer):
    """A policy in training: how much likelier each completion became since it was first scored."""

    model_type = "DPO"

    def __init__(self, policy: LogProbs) -> None:
        self.policy, self.name, self.model = policy, policy.name, policy.model
        self.before: dict[bytes, float] = {}

    @property
    def fingerprint(self) -> dict[str, Any]:
        return {**self.policy.fingerprint, "kind": self.model_type}

    @property
    def traits(self) -> BatchTraits:
        return self.policy.traits

    def prepare(self, prompt: Messages, *args: Any, **kwargs: Any) -> TokenRequest:
        return self.policy.prepare(prompt, *args, **kwargs)

    def run(self, requests: Sequence[TokenRequest]) -> list[float]:
        values = self.policy.run(requests)
        return [value - self.before.setdefault(r.key, value) for r, value in zip(requests, values, strict=True)]


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Within, the model is in evaluation mode."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
