"""The sides of a benchmark: each scores the same completions and says how long that took; loading does not count."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from bench_apart import Apart
from bench_job import Job, Unavailable
from bench_work import chunks, padding, synchronize

from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score

WORKER = Path(__file__).with_name("bench_incumbent.py")
WARM = 4
"""Items scored before the first pass that is timed."""


class Side(Protocol):
    """One way to score. `padding` is padded positions for each real token; None where there are none or not known."""

    name: str
    label: str
    same_ids: bool
    padding: float | None

    def once(self) -> tuple[float, list[float]]:
        """Score everything: seconds, and a score for each request."""

    def close(self) -> None:
        """Give back what is held."""


class Here:
    """A side that scores in this process."""

    same_ids = True
    padding: float | None = None

    def __init__(self, name: str, label: str, device: Any, run: Callable[[int | None], list[float]]) -> None:
        self.name, self.label, self._device, self._run = name, label, device, run
        run(WARM)

    def once(self) -> tuple[float, list[float]]:
        """The clock is read when the device is done."""
        synchronize(self._device)
        start = time.perf_counter()
        scores = self._run(None)
        synchronize(self._device)
        return time.perf_counter() - start, scores

    def close(self) -> None:
        """Nothing is held but memory."""


def ours(job: Job) -> Here:
    """This package's engine."""

    def run(first: int | None) -> list[float]:
        return [value for item in score(job.items[:first], job.scorer).items for value in item.scores]

    return Here("ours", "rewardbench (this version)", job.device, run)


def padded_ours(job: Job) -> Here:
    """This package's engine with prefix sharing switched off: batches of similar length, padded."""
    if not any(getattr(part, "packed", False) for part in job.parts):
        raise Unavailable("There is no side sorted: ours shares no prefixes with this model, and is that side itself.")

    def run(first: int | None) -> list[float]:
        before = [part.packed for part in job.parts]
        try:
            for part in job.parts:
                part.packed = False
            return [value for item in score(job.items[:first], job.scorer).items for value in item.scores]
        finally:
            for part, packed in zip(job.parts, before, strict=True):
                part.packed = packed

    return Here("sorted", "this version, prefixes not shared", job.device, run)


def known_reference(job: Job) -> Here:
    """This package's engine as for the second checkpoint of a run: the reference's log-probabilities are cached."""
    if not job.reference:
        raise Unavailable("There is no side known-reference for a classifier: it has none.")
    folder = tempfile.TemporaryDirectory()
    filled, copy = (Path(folder.name) / name for name in ("filled.sqlite", "copy.sqlite"))
    with Cache(filled) as cache, job.scorer.stages[1] as reference:
        score(job.items, reference, cache=cache)

    def run(first: int | None) -> list[float]:
        copy.write_bytes(filled.read_bytes())
        with Cache(copy) as cache:
            return [value for item in score(job.items[:first], job.scorer, cache=cache).items for value in item.scores]

    side = Here("known-reference", "this version, reference cached", job.device, run)
    side.close = folder.cleanup  # type: ignore[method-assign]
    return side


def texts_for(job: Job, tokenizer: Any) -> tuple[list[str], bool]:
    """Rendered texts from which this tokenizer makes the ids that ours has, and whether it does so for all of them.

    A tokenizer that puts a BOS before every text gets the text without its own.
    """
    bos, texts, same = tokenizer.bos_token or "", [], True
    for request in job.requests:
        forms = (request.text, request.text.removeprefix(bos))
        right = [text for text in forms if list(tokenizer(text)["input_ids"]) == list(request.ids)]
        texts.append(right[0] if right else request.text)
        same = same and bool(right)
    return texts, same


def pipeline(job: Job, batch: int) -> Here:
    """The text classification pipeline of transformers, in the order of the data, padded on the right."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(job.model, padding_side="right", truncation_side="left")
    options = {"dtype": getattr(torch, job.dtype)}
    model = transformers.AutoModelForSequenceClassification.from_pretrained(job.model, **options).eval()
    fit(tokenizer, model)
    pipe = transformers.pipeline(
        "text-classification",
        model=model,
        tokenizer=tokenizer,
        device=job.device,
        batch_size=batch,
        function_to_apply="none",
    )
    texts, same = texts_for(job, tokenizer)

    def run(first: int | None) -> list[float]:
        some = texts if first is None else texts[: 2 * first]
        return [found["score"] for found in pipe(some, truncation=True, max_length=job.max_length)]

    side = Here(f"pipeline@{batch}", f"transformers pipeline, batch {batch}", job.device, run)
    side.same_ids, side.padding = same, padding(chunks([len(r) for r in job.requests], batch))
    return side


def fit(tokenizer: Any, model: Any) -> None:
    """Give a pad token to those that name none, and leave out inputs that the model does not take."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    config = model.config.get_text_config()
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id
    taken = inspect.signature(model.forward).parameters
    tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name in taken]


@cache
def load_cross_encoder(folder: str, dtype: str, device: str, max_length: int) -> Any:
    """One model for all batch sizes, which takes rendered texts as they are.

    By itself it takes a list of texts for one pair, and puts texts through the chat template a second time.
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
    fit(model.tokenizer, model.model)
    return model


def cross_encoder(job: Job, batch: int) -> Here:
    """`CrossEncoder.predict` of sentence-transformers, which sorts by length."""
    if find_spec("sentence_transformers") is None:
        raise Unavailable(
            "sentence-transformers is missing: pip install sentence-transformers -c constraints.txt, or leave out "
            "the sides cross-encoder."
        )
    model = load_cross_encoder(job.model, job.dtype, str(job.device), job.max_length)
    texts, same = texts_for(job, model.tokenizer)

    def run(first: int | None) -> list[float]:
        some = texts if first is None else texts[: 2 * first]
        found = model.predict(some, batch_size=batch, show_progress_bar=False)
        return [float(value) for value in found]

    side = Here(f"cross-encoder@{batch}", f"CrossEncoder.predict, batch {batch}", job.device, run)
    lengths = [len(r) for _, r in sorted(zip(texts, job.requests, strict=True), key=lambda pair: -len(pair[0]))]
    side.same_ids, side.padding = same, padding(chunks(lengths, batch))
    return side


class Incumbent:
    """The published package, in a process of its own that stays alive between passes."""

    same_ids = False
    """It may put another BOS before a text, and another EOS behind."""

    def __init__(self, job: Job, batch: int) -> None:
        if not job.anchor:
            raise Unavailable(
                "The published package needs an environment of its own: python -m venv incumbent && incumbent/bin/pip "
                "install 'rewardbench==0.1.4' 'trl<0.16', then pass --anchor incumbent/bin/python."
            )
        if job.device.type not in ("cpu", "cuda"):
            raise Unavailable(f"The published package runs on a CPU or a CUDA device, not on {job.device.type}.")
        self.name, self.padding = f"incumbent@{batch}", incumbent_padding(job, batch)
        self._folder = tempfile.TemporaryDirectory()
        self._errors = Path(self._folder.name, "errors")
        self._process = start_worker(job, self._errors)
        version = self._ask({**worker_job(job), "batch_size": batch})["version"]
        self.label = f"rewardbench {version}, batch {batch}"

    def once(self) -> tuple[float, list[float]]:
        """It reads its own clock, so that the way to it does not count."""
        answer = self._ask("again")
        return answer["seconds"], [value for pair in answer["scores"] for value in pair]

    def _ask(self, message: Any) -> Any:
        try:
            print(json.dumps(message), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError):  # it is dead, and its last words say why
            self._process.wait()
            last = ([line for line in self._errors.read_text().splitlines() if line.strip()] or ["no message"])[-1]
            raise Unavailable(f"The published package failed: {last.strip()}") from None

    def close(self) -> None:
        """End the worker, which holds nothing that needs an orderly end."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was not sent any more
                pipe.close()
        self._folder.cleanup()


def start_worker(job: Job, errors: Path) -> Any:
    """The other Python, waiting for its job. Raises: Unavailable where there is none."""
    pipe, command = subprocess.PIPE, [job.anchor, str(WORKER)]
    try:
        with errors.open("w") as file:
            return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=file, text=True, env=own_environment(job))
    except OSError as error:
        raise Unavailable(f"There is no Python at --anchor {job.anchor}: {error.strerror}.") from error


def own_environment(job: Job) -> dict[str, str]:
    """This process's environment, without what would lead another Python to packages of ours."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
    return environment | ({"CUDA_VISIBLE_DEVICES": ""} if job.device.type == "cpu" else {})


def worker_job(job: Job) -> dict[str, Any]:
    """The job in plain values."""
    rows = [
        {
            "prompt": [dict(message) for message in item.prompt],
            "chosen": item.completions[0][0]["content"],
            "rejected": item.completions[1][0]["content"],
        }
        for item in job.items
    ]
    plain = {name: getattr(job, name) for name in ("model", "reference", "dtype", "threads", "max_length")}
    return {**plain, "device": str(job.device), "rows": rows}


def incumbent_padding(job: Job, batch: int) -> float:
    """It pads chosen and rejected texts of a batch apart; those of a policy together."""
    lengths = [len(r) for r in job.requests]
    if job.reference:
        return padding(chunks(lengths, 2 * batch))
    return padding([*chunks(lengths[::2], batch), *chunks(lengths[1::2], batch)])


def apart(make: Callable[[Job, int], Side], not_for: str, job: Job, batch: int) -> Side:
    """A side that scores classifiers, in a process of its own. Raises: Unavailable for a policy."""
    if job.reference:
        raise Unavailable(f"There is no side {not_for}.")
    return Apart(make, job, batch)


SIDES: dict[str, Callable[..., Side]] = {
    "ours": ours,
    "sorted": padded_ours,
    "known-reference": known_reference,
    "incumbent": Incumbent,
    "pipeline": partial(apart, pipeline, "pipeline for a policy: it knows only classifiers"),
    "cross-encoder": partial(apart, cross_encoder, "cross-encoder for a policy: it scores classifiers"),
}
DEFAULTS = ["ours", "sorted", "known-reference", "incumbent@8", "incumbent@64"]
DEFAULTS += ["pipeline@8", "cross-encoder@8", "cross-encoder@32"]
BATCH = {"incumbent": 8, "pipeline": 8, "cross-encoder": 32}
"""What a side takes if it is named without a batch size."""


def make_sides(names: Sequence[str] | None, job: Job) -> list[Side]:
    """The sides that were asked for, or all that can run here; of the others is said why not.

    Raises: Unavailable for one that was asked for.
    """
    made: list[Side] = []
    for name in names or DEFAULTS:
        try:
            made.append(make_side(name, job))
        except Unavailable as reason:
            if names:
                for side in made:
                    side.close()
                raise
            print(reason, file=sys.stderr)
    return made


def make_side(name: str, job: Job) -> Side:
    """A side by its name. Raises: Unavailable."""
    kind, batch = read_name(name)
    return SIDES[kind](job, batch) if batch else SIDES[kind](job)


def read_name(name: str) -> tuple[str, int | None]:
    """The kind of a side, and its batch size where it has one.

    >>> read_name("pipeline@16"), read_name("cross-encoder"), read_name("ours")
    (('pipeline', 16), ('cross-encoder', 32), ('ours', None))

    Raises: Unavailable.
    """
    kind, _, batch = name.partition("@")
    if kind not in SIDES or (batch and not (kind in BATCH and batch.isdecimal() and int(batch))):
        raise Unavailable(f"There is no side {name!r}: it must be one of {', '.join(DEFAULTS)}, or another batch size.")
    return kind, int(batch) if batch else BATCH.get(kind)
