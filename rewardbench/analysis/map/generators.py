"""Generators of texts: templates offline, a local language model, or any endpoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rewardbench.analysis.map.domains import Domain, MapCell, category_weights
from rewardbench.analysis.map.endpoint import PREFIX, ChatEndpoint
from rewardbench.analysis.map.grammar import Genome, Grammar
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    from rewardbench.scorers.judge.local.decoding import Decoder
    from rewardbench.scorers.judge.local.prompt_chat import PromptChat

LOCAL = "hf:"
"""Prefix of the folder of a local language model."""
MAX_CHARACTERS = 20_000
"""Longer texts are cut."""


@dataclass(frozen=True)
class GeneratedText:
    """A generated text, and the genome of its templates; None for a language model."""

    text: str
    genome: Genome | None = None


@dataclass(frozen=True)
class MapRequest:
    """A request for a text.

    Attributes:
        seed: of all random choices.
        target: the cell that is asked for; None: the generator chooses.
        parent: text that is changed; None: a new text.
        source: cell of the parent.
    """

    seed: int
    target: MapCell | None = None
    parent: GeneratedText | None = None
    source: MapCell | None = None


class TextGenerator(Protocol):
    """Generates texts; each depends on its request only."""

    @property
    def identity(self) -> object:
        """JSON values that change with anything that can change a text; they contain no secret."""

    def generate(self, requests: Sequence[MapRequest]) -> list[GeneratedText]:
        """Return a text for each request; an empty one if the generator gave none."""


class TemplateGenerator:
    """Generates from the templates of the domain, offline; the same on every machine."""

    def __init__(self, domain: Domain) -> None:
        self._grammar = Grammar(domain)
        self._rows, self._columns = domain.rows.names, domain.columns.names
        self._row_weights, self._column_weights = category_weights(domain.rows), category_weights(domain.columns)
        self.identity: object = ["template", domain.digest]

    def generate(self, requests: Sequence[MapRequest]) -> list[GeneratedText]:
        """Return a text for each request."""
        return list(map(self._generate, requests))

    def _generate(self, request: MapRequest) -> GeneratedText:
        rng = np.random.default_rng(request.seed)
        cell = request.target or self._free_cell(rng)
        if request.parent is None or request.parent.genome is None:
            genome = Genome(cell, request.seed)
        else:
            genome = self._grammar.mutate(request.parent.genome, cell, rng)
        text, _ = self._grammar.render(genome)
        return GeneratedText(text, genome)

    def _free_cell(self, rng: np.random.Generator) -> MapCell:
        row = rng.choice(len(self._rows), p=self._row_weights)
        column = rng.choice(len(self._columns), p=self._column_weights)
        return self._rows[int(row)], self._columns[int(column)]


def write_request(domain: Domain, request: MapRequest) -> str:
    """Return what a language model is asked for."""
    texts = domain.content.requests
    if request.target is None:
        return texts.free
    if request.parent is None:
        return domain.request(texts.target, request.target)
    form = texts.rewrite if request.source == request.target else texts.move
    return domain.request(form, request.target, request.parent.text)


def clean_answer(text: str) -> str:
    r"""Return an answer without code fences, white space at its ends, and lone surrogates, which no file can hold.

    >>> clean_answer("```\nOne line.\n```\n")
    'One line.'
    """
    valid = text.strip()[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
    return re.sub(r"^```\w*\n|\n?```$", "", valid).strip()


def cut_lines(text: str, domain: Domain, target: MapCell | None) -> str:
    r"""Cut a text to the number of lines that its target allows; blank lines do not count.

    >>> from rewardbench.analysis.map.domains import load_domain
    >>> cut_lines("one\n\ntwo\nthree\nfour", load_domain("poems"), ("haiku", "dark"))
    'one\n\ntwo\nthree'
    """
    if target is None:
        return text
    for attribute, name in zip(domain.content.attribute, target, strict=True):
        rule = attribute.rule(name)
        lines = text.split("\n")
        filled = [number for number, line in enumerate(lines, 1) if line.strip()]
        count = min(len(filled), rule.lines[1]) if rule.lines else len(filled)
        count -= count % rule.line_multiple
        if 0 < count < len(filled):
            text = "\n".join(lines[: filled[count - 1]])
    return text


class EndpointGenerator:
    """Generates by a language model at an endpoint."""

    def __init__(self, domain: Domain, endpoint: ChatEndpoint, temperature: float) -> None:
        self._domain, self._endpoint, self._temperature = domain, endpoint, temperature
        self.identity: object = [endpoint.identity, temperature]

    def generate(self, requests: Sequence[MapRequest]) -> list[GeneratedText]:
        """Return a text for each request."""
        questions: list[str] = []
        seeds: list[int] = []
        for request in requests:
            questions.append(write_request(self._domain, request))
            seeds.append(request.seed)
        max_tokens = self._domain.content.max_tokens
        answers = self._endpoint.complete(questions, seeds, self._temperature, max_tokens)
        drafts: list[GeneratedText] = []
        for request, answer in zip(requests, answers, strict=True):
            drafts.append(GeneratedText(cut_lines(clean_answer(answer or ""), self._domain, request.target)))
        return drafts


class LocalGenerator:
    """Generates by a language model of a local folder, in batches; the seed of a text decides its sampling.

    Raises:
        InputError: if the folder has no causal language model with a chat template.
    """

    def __init__(self, domain: Domain, folder: str, temperature: float, batch_size: int) -> None:
        self._domain, self._batch_size = domain, batch_size
        self._chat, self._decoder, digest = _load_decoder(folder, temperature)
        self.identity: object = ["hf", digest, temperature]

    def generate(self, requests: Sequence[MapRequest]) -> list[GeneratedText]:
        """Return a text for each request; the longest prompts first, so that a batch has prompts of like lengths."""
        from rewardbench.scorers.judge.local.decoding import GenerationRequest
        from rewardbench.scorers.judge.local.outcomes import decode
        from rewardbench.types import Message

        prompts: list[GenerationRequest] = []
        for request in requests:
            message = Message(role="user", content=write_request(self._domain, request))
            prompt = self._chat.prompt_request((message,))
            prompts.append(GenerationRequest(prompt, self._domain.content.max_tokens, request.seed))
        order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index].request))
        drafts = [GeneratedText("")] * len(prompts)
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            for index, answer in zip(batch, self._decoder.generate([prompts[n] for n in batch]), strict=True):
                text = decode(self._chat.tokenizer, answer.ids, skip_special_tokens=True)
                drafts[index] = GeneratedText(cut_lines(clean_answer(text), self._domain, requests[index].target))
        return drafts


def _load_decoder(folder: str, temperature: float) -> tuple[PromptChat, Decoder, str]:
    """Load a causal language model.

    Returns:
        The renderer of its prompts, its decoder, and a digest of weights and tokenizer.
    """
    from rewardbench.models.families import choose_template
    from rewardbench.models.load import load_weights, open_checkpoint
    from rewardbench.scorers.judge.local.decoding import Decoder, Sampler
    from rewardbench.scorers.judge.local.load import take_generation_settings
    from rewardbench.scorers.judge.local.prompt_chat import PromptChat

    spec = ModelSpec(folder)
    loaded = load_weights(open_checkpoint(spec, kind="causal"), spec)
    template, _ = choose_template(None, folder, loaded.folder, loaded.config)
    chat = PromptChat(loaded.tokenizer, template, loaded.max_length, folder)
    stop_ids, _ = take_generation_settings(loaded.model, chat)
    decoder = Decoder(loaded.model, loaded.tokenizer, Sampler(temperature), stop_ids)
    digest = blake2b(repr(sorted(loaded.fingerprint.items())).encode(), digest_size=6).hexdigest()
    return chat, decoder, digest


def load_generator(text: str, domain: Domain, temperature: float, batch_size: int) -> TextGenerator:
    """Load a generator by its name: `template`, `hf:FOLDER` or `openai:URL#MODEL`.

    Raises:
        InputError: if there is no such generator, or it cannot be loaded.
    """
    if text == "template":
        return TemplateGenerator(domain)
    if text.startswith(LOCAL) and len(text) > len(LOCAL):
        return LocalGenerator(domain, text.removeprefix(LOCAL), temperature, batch_size)
    if text.startswith(PREFIX):
        return EndpointGenerator(domain, ChatEndpoint(text), temperature)
    raise InputError(f"There is no generator {text!r}: name template, hf:FOLDER or openai:URL#MODEL.")
