"""The sides of scripts/benchmark: each scores the same completions and returns the seconds, without loading."""

from __future__ import annotations

import inspect
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench_job import Job, Unavailable
from bench_process import SeparateProcess
from bench_published_side import Published
from bench_work import chunks, padding, synchronize

from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WARM_UP = 4
"""Number of items that are scored before timing starts."""

Run = Callable[[int | None], list[float]]
"""Scores the completions of the first items, or of all if the argument is None."""


class Side(Protocol):
    """One way to score. `padding` is the number of padded positions per real token; None if zero or unknown."""

    name: str
    label: str
    same_ids: bool
    padding: float | None

    def run(self) -> tuple[float, list[float]]:
        """Score everything; return seconds, and one score per request."""

    def close(self) -> None:
        """Release processes and files."""


class InProcess:
    """A side that scores in this process."""

    same_ids = True
    padding: float | None = None

    def __init__(self, name: str, label: str, device: torch.device, run: Run) -> None:
        self.name, self.label, self._device, self._run = name, label, device, run
        run(WARM_UP)

    def run(self) -> tuple[float, list[float]]:
        """Score everything; the clock is read when the device has finished."""
        synchronize(self._device)
        start = time.perf_counter()
        scores = self._run(None)
        synchronize(self._device)
        return time.perf_counter() - start, scores

    def close(self) -> None:
        """Do nothing: only memory is in use."""


def scores_of(job: Job, count: int | None, cache: Cache | None = None) -> list[float]:
    """Score the first items of a job with the engine of this package; None scores all."""
    scores: list[float] = []
    for item in score(job.items[:count], job.scorer, cache=cache).items:
        scores += item.scores
    return scores


def ours(job: Job) -> InProcess:
    """Return this package's engine."""
    return InProcess("ours", "rewardbench (this version)", job.device, partial(scores_of, job))


def padded_ours(job: Job) -> InProcess:
    """Return this package's engine without sequence packing: padded batches of similar length."""
    if not any(is_packed(part) for part in job.parts):
        raise Unavailable("There is no side sorted: this model is not packed, so that ours already is that side.")

    def run(count: int | None) -> list[float]:
        layouts = [part.layout for part in job.parts]
        try:
            for part in job.parts:
                part.layout = replace(part.layout, packed=False)
            return scores_of(job, count)
        finally:
            for part, layout in zip(job.parts, layouts, strict=True):
                part.layout = layout

    return InProcess("sorted", "this version, prefixes not shared", job.device, run)


def is_packed(part: object) -> bool:
    """Return True if a scorer packs its batches."""
    return getattr(getattr(part, "layout", None), "packed", False)


def known_reference(job: Job) -> InProcess:
    """Return this package's engine for a second checkpoint: the log-probabilities of the reference are cached."""
    if not job.reference:
        raise Unavailable("There is no side known-reference for a classifier, which has no reference.")
    folder = tempfile.TemporaryDirectory()
    filled, copy = Path(folder.name, "filled.sqlite"), Path(folder.name, "copy.sqlite")
    with Cache(filled) as cache, job.scorer.stages[1] as reference:
        score(job.items, reference, cache=cache)

    def run(count: int | None) -> list[float]:
        copy.write_bytes(filled.read_bytes())
        with Cache(copy) as cache:
            return scores_of(job, count, cache)

    side = InProcess("known-reference", "this version, reference cached", job.device, run)
    side.close = folder.cleanup  # type: ignore[method-assign]
    return side


def texts_for(job: Job, tokenizer: PreTrainedTokenizerBase) -> tuple[list[str], bool]:
    """Return rendered texts for a tokenizer, and whether it encodes all of them to the token ids of the requests.

    A tokenizer that puts a BOS before every text gets the text without its BOS.
    """
    bos, texts, same_ids = tokenizer.bos_token or "", [], True
    for request in job.requests:
        text, without_bos = request.text, request.text.removeprefix(bos)
        ids = list(request.ids)
        if list(tokenizer(text)["input_ids"]) != ids:
            if list(tokenizer(without_bos)["input_ids"]) == ids:
                text = without_bos
            else:
                same_ids = False
        texts.append(text)
    return texts, same_ids


def pipeline(job: Job, batch_size: int) -> InProcess:
    """Return the text classification pipeline of transformers, with batches in the order of the data, padded right."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(job.model, padding_side="right", truncation_side="left")
    options = {"dtype": getattr(torch, job.dtype)}
    model = transformers.AutoModelForSequenceClassification.from_pretrained(job.model, **options).eval()
    match_tokenizer(tokenizer, model)
    pipe = transformers.pipeline(
        "text-classification",
        model=model,
        tokenizer=tokenizer,
        device=job.device,
        batch_size=batch_size,
        function_to_apply="none",
    )
    texts, same_ids = texts_for(job, tokenizer)

    def run(count: int | None) -> list[float]:
        outputs = pipe(first_texts(texts, count), truncation=True, max_length=job.max_length)
        return [output["score"] for output in outputs]

    side = InProcess(f"pipeline@{batch_size}", f"transformers pipeline, batch {batch_size}", job.device, run)
    side.same_ids, side.padding = same_ids, padding(chunks(list(map(len, job.requests)), batch_size))
    return side


def first_texts(texts: Sequence[str], count: int | None) -> Sequence[str]:
    """Return the texts of the first items, which have two each; None returns all."""
    return texts if count is None else texts[: 2 * count]


def match_tokenizer(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Set a missing pad token, and remove inputs that the model does not accept."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    config = model.config.get_text_config()
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id
    accepted = inspect.signature(model.forward).parameters
    tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name in accepted]


@cache
def load_cross_encoder(folder: str, dtype: str, device: str, max_length: int) -> Any:
    """Return one model for all batch sizes that scores rendered texts.

    By default, CrossEncoder reads a list of texts as one pair, and renders texts with the chat template again.
    """
    import torch
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(
        folder,
        device=device,
        max_length=max_length,
        activation_fn=torch.nn.Identity(),
        model_kwargs={"dtype": getattr(torch, dtype)},
    )
    if not hasattr(model, "is_singular_input"):
        raise Unavailable("The sides cross-encoder need sentence-transformers 6 or newer.")
    model.is_singular_input = lambda inputs: False
    model[0].modality_config = {"text": model[0].modality_config["text"]}
    model.tokenizer.padding_side, model.tokenizer.truncation_side = "right", "left"
    match_tokenizer(model.tokenizer, model.model)
    return model


def cross_encoder(job: Job, batch_size: int) -> InProcess:
    """Return `CrossEncoder.predict` of sentence-transformers, which sorts texts by length."""
    if find_spec("sentence_transformers") is None:
        raise Unavailable(
            "sentence-transformers is missing: pip install sentence-transformers -c constraints.txt, or leave out "
            "the sides cross-encoder."
        )
    model = load_cross_encoder(job.model, job.dtype, str(job.device), job.max_length)
    texts, same_ids = texts_for(job, model.tokenizer)

    def run(count: int | None) -> list[float]:
        scores = model.predict(first_texts(texts, count), batch_size=batch_size, show_progress_bar=False)
        return list(map(float, scores))

    side = InProcess(f"cross-encoder@{batch_size}", f"CrossEncoder.predict, batch {batch_size}", job.device, run)
    by_text_length = sorted(zip(texts, job.requests, strict=True), key=lambda pair: -len(pair[0]))
    lengths = [len(request) for _, request in by_text_length]
    side.same_ids, side.padding = same_ids, padding(chunks(lengths, batch_size))
    return side


def in_separate_process(make_side: Callable[[Job, int], Side], unsupported: str, job: Job, batch_size: int) -> Side:
    """Return a side for classifiers, in a separate process.

    Raises:
        Unavailable: If the model is a policy.
    """
    if job.reference:
        raise Unavailable(f"There is no side {unsupported}.")
    return SeparateProcess(make_side, job, batch_size)


SIDES: dict[str, Callable[..., Side]] = {
    "ours": ours,
    "sorted": padded_ours,
    "known-reference": known_reference,
    "published": Published,
    "pipeline": partial(in_separate_process, pipeline, "pipeline for a policy: it scores only classifiers"),
    "cross-encoder": partial(in_separate_process, cross_encoder, "cross-encoder for a policy: it scores classifiers"),
}
DEFAULTS = ["ours", "sorted", "known-reference", "published@8", "published@64"]
DEFAULTS += ["pipeline@8", "cross-encoder@8", "cross-encoder@32"]
BATCH_SIZES = {"published": 8, "pipeline": 8, "cross-encoder": 32}
"""Batch size of a side that is named without one."""


def make_sides(names: Sequence[str] | None, job: Job) -> list[Side]:
    """Return the named sides, or without names all that can run here; print why the others cannot.

    Raises:
        Unavailable: If a named side cannot run here.
    """
    sides: list[Side] = []
    for name in names or DEFAULTS:
        try:
            sides.append(make_side(name, job))
        except Unavailable as reason:
            if names:
                for side in sides:
                    side.close()
                raise
            print(reason, file=sys.stderr)
    return sides


def make_side(name: str, job: Job) -> Side:
    """Return a side by its name.

    Raises:
        Unavailable: If there is no such side, or it cannot run here.
    """
    kind, batch_size = read_name(name)
    return SIDES[kind](job, batch_size) if batch_size else SIDES[kind](job)


def read_name(name: str) -> tuple[str, int | None]:
    """Return the kind of a side, and its batch size or None.

    >>> read_name("pipeline@16"), read_name("cross-encoder"), read_name("ours")
    (('pipeline', 16), ('cross-encoder', 32), ('ours', None))

    Raises:
        Unavailable: If there is no such side.
    """
    kind, _, text = name.partition("@")
    is_batch_size = kind in BATCH_SIZES and text.isdecimal() and int(text) > 0
    if kind not in SIDES or (text and not is_batch_size):
        raise Unavailable(f"There is no side {name!r}: it must be one of {', '.join(DEFAULTS)}, or another batch size.")
    return kind, int(text) if text else BATCH_SIZES.get(kind)
