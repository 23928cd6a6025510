"""Backends that answer the stages: the hand-written material of this folder, or an OpenAI-compatible endpoint."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.pink.assembly import parse_dialogue
from rewardbench.builders.templates.pink.json_values import (
    JsonMapping,
    as_object,
    integer_field,
    list_field,
    objects_field,
    text_field,
    texts_field,
)
from rewardbench.builders.templates.pink.material import (
    FOLDER,
    MANNERS,
    DialogueTemplate,
    Subject,
    SubjectPair,
    Topic,
    fill,
    fill_turns,
    hash_text,
    parse_pair,
    parse_subject,
    read_topics,
)
from rewardbench.builders.templates.pink.plan import Outline
from rewardbench.errors import InputError
from rewardbench.settings import Endpoint

if TYPE_CHECKING:
    from rewardbench.scorers.judge.client import ChatClient

NAME_HEADS = """
    Am Bar Bel Bor Cal Cor Dan Dar Del Dor El Fal Fen Gal Gor Hal Hel Ist Jar Kal Kel Lor Mal Mar Mer Mol Nar Nel Or Pal
    Pel Quin Ral Ros Sel Sor Tal Tor Ul Val Ver Vor Wil Yar Zel Zor
""".split()
NAME_TAILS = """
    abin adora aggio amba andel anka aquin ardo asti avel edra ellin embo endis entha erio estin evra ibba idon ilka
    imora inda ipsen irga istel ivo obrin odel okka olmi ombra onda oril osta ovan ubra ulden umari undel urga ustin
""".split()
"""An invented name is a head and a tail."""


class Backend(Protocol):
    """Answers requests; an answer may depend only on stage, request and key."""

    @property
    def identity(self) -> str:
        """A text that changes with anything that can change an answer; it contains no secret."""

    async def answer(self, stage: str, request: JsonMapping, key: str) -> JsonMapping:
        """Return the answer of a stage, in the form that `check_answer` requires; `key` seeds random choices."""


@dataclass(frozen=True)
class DialogueRequest:
    """A request for a dialogue, or for its revision."""

    topic: str
    dialogue_index: int
    outline: Outline
    kind: str
    x: Subject
    y: Subject
    praises: bool
    phrasing: int

    def values(self) -> dict[str, str]:
        """Return what the places of the dialogue are filled with."""
        return {"x": self.x.name, "y": self.y.name, "kind": self.kind}

    def to_json(self) -> JsonMapping:
        """Return the form in which backends receive it."""
        return {
            "topic": self.topic,
            "frame": self.dialogue_index,
            "outline": asdict(self.outline),
            "kind": self.kind,
            "x": self.x.to_json(),
            "y": self.y.to_json(),
            "praises": self.praises,
            "phrasing": self.phrasing,
        }

    @classmethod
    def from_json(cls, request: JsonMapping) -> DialogueRequest:
        """Read what `to_json` returned."""
        return cls(
            topic=text_field(request, "topic"),
            dialogue_index=integer_field(request, "frame"),
            outline=parse_outline(as_object(request.get("outline"))),
            kind=text_field(request, "kind"),
            x=parse_subject(request.get("x")),
            y=parse_subject(request.get("y")),
            praises=request.get("praises") is True,
            phrasing=integer_field(request, "phrasing"),
        )


@dataclass(frozen=True)
class TemplateBackend:
    """Answers from hand-written topics, offline; the same on every machine."""

    topics: tuple[Topic, ...]

    @classmethod
    def from_files(cls, *paths: Path) -> TemplateBackend:
        """Read topic files; without paths those of the package."""
        return cls(read_topics(paths or None))

    @property
    def identity(self) -> str:
        """A text that changes with the topics."""
        return f"template:{hashlib.sha256(hash_text(self.topics).encode()).hexdigest()[:12]}"

    async def answer(self, stage: str, request: JsonMapping, key: str) -> JsonMapping:
        """Return the material for a request."""
        answers: Mapping[str, Callable[[JsonMapping, Rng], JsonMapping]] = {
            "topics": self._topics,
            "pairs": self._pairs,
            "plans": self._plans,
            "dialogues": self._dialogue,
            "critique": self._critique,
            "revision": self._revision,
        }
        return answers[stage](request, Rng(key))

    def _topic(self, request: JsonMapping) -> Topic:
        return next(topic for topic in self.topics if topic.name == request["topic"])

    def _topics(self, request: JsonMapping, rng: Rng) -> JsonMapping:
        pool = "train" if request["pool"] == "train" else "suite"
        return {"topics": [topic.name for topic in self.topics if topic.pool == pool]}

    def _pairs(self, request: JsonMapping, rng: Rng) -> JsonMapping:
        pairs: Sequence[SubjectPair] = self._topic(request).pairs
        if request["pool"] != "suite":
            pairs = invent_names(pairs, rng)
        return {"pairs": [pair.to_json() for pair in pairs]}

    def _plans(self, request: JsonMapping, rng: Rng) -> JsonMapping:
        plans = []
        for n, dialogue in enumerate(self._topic(request).dialogues):
            takes_side = not dialogue.is_neutral
            outline = Outline(len(dialogue.turns), f"frame {n}", dialogue.manner, takes_side)
            plans.append(asdict(outline))
        return {"plans": plans}

    def _dialogue(self, request: JsonMapping, rng: Rng) -> JsonMapping:
        fields = DialogueRequest.from_json(request)
        dialogue = self._topic(request).dialogues[fields.dialogue_index]
        original = original_reply(dialogue, fields.values(), fields.phrasing, fields.praises)
        return {"turns": fill_turns(dialogue.turns, fields.values()), "original": original}

    def _critique(self, request: JsonMapping, rng: Rng) -> JsonMapping:
        faults = []
        for mention in cast(list[list[object]], request["mentions"]):
            start, _, text = mention
            faults.append(f"{text!r} at {start} is named")
        return {"faults": faults}

    def _revision(self, request: JsonMapping, rng: Rng) -> JsonMapping:
        fields = DialogueRequest.from_json(request)
        dialogue = self._topic(request).dialogues[fields.dialogue_index]
        return {"revision": revised_reply(dialogue, fields.values(), fields.phrasing)}


def original_reply(dialogue: DialogueTemplate, values: Mapping[str, str], phrasing: int, praises: bool) -> str:
    """Return the reply on x, with praise for y or in one of two phrasings.

    Args:
        dialogue: the dialogue that the reply ends.
        values: what its places are filled with.
        phrasing: 0 for the reply written on x, 1 for the reply written on y; 0 if the user names only one of them.
        praises: whether the reply praises y.
    """
    if praises:
        return fill(dialogue.both_x, values)
    if phrasing and dialogue.is_neutral:
        return fill(dialogue.on_y, {**values, "y": values["x"]})
    return fill(dialogue.on_x, values)


def revised_reply(dialogue: DialogueTemplate, values: Mapping[str, str], phrasing: int) -> str:
    """Return the reply on y, in the phrasing that the original reply does not have."""
    if phrasing and dialogue.is_neutral:
        return fill(dialogue.on_x, {**values, "x": values["y"]})
    return fill(dialogue.on_y, values)


def invent_names(pairs: Sequence[SubjectPair], rng: Rng) -> list[SubjectPair]:
    """Return the pairs under invented names, with or without capital as before, and without aliases."""
    heads = rng.sample(NAME_HEADS, 2 * len(pairs))
    tails = rng.sample(NAME_TAILS, 2 * len(pairs))
    invented = []
    for n, pair in enumerate(pairs):
        first = _renamed(pair.first, heads[2 * n] + tails[2 * n])
        second = _renamed(pair.second, heads[2 * n + 1] + tails[2 * n + 1])
        invented.append(SubjectPair(first, second, pair.kind, definite=pair.definite))
    return invented


def _renamed(subject: Subject, name: str) -> Subject:
    return Subject(name.lower() if subject.name.islower() else name)


@dataclass(frozen=True)
class OpenAIBackend:
    """Answers from a chat completions endpoint; the key comes from OPENAI_API_KEY and goes nowhere else.

    A request that fails is repeated up to `tries` times, after a random pause of at most `pause` seconds, then twice
    that, and so on. An answer that is not the required JSON is asked for again with another seed, up to `tries` times.
    """

    url: str
    model: str
    temperature: float = 0.8
    timeout: float = 120.0
    tries: int = 4
    pause: float = 1.0

    @property
    def identity(self) -> str:
        """Host, model, temperature and a hash of the prompts."""
        parts = urlsplit(self.url)
        prompts_hash = hashlib.sha256((FOLDER / "prompts.toml").read_bytes()).hexdigest()[:8]
        return f"openai:{parts.hostname}{parts.path}:{self.model}:{self.temperature}:{prompts_hash}"

    async def answer(self, stage: str, request: JsonMapping, key: str) -> JsonMapping:
        """Return the endpoint's answer.

        Raises:
            InputError: if the endpoint cannot be used, or gives no valid answer in `tries` requests.
        """
        reason = ""
        for attempt in range(self.tries):
            answer = await self._client.complete(self._body(stage, request, key, attempt), attempt)
            reason = answer.detail
            if answer.failure is not None:
                break
            try:
                return check_answer(stage, json.loads(answer.text))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                reason = f"an answer that does not parse: {error}"
        raise InputError(f"The endpoint {self.identity} gave no {stage} in {self.tries} tries; the last time {reason}.")

    async def close(self) -> None:
        """Close the connections; further answers open new ones."""
        client: ChatClient | None = self.__dict__.pop("_client", None)
        if client is not None:
            await client.close()

    @cached_property
    def _client(self) -> ChatClient:
        from rewardbench.scorers.judge.client import ChatClient
        from rewardbench.scorers.judge.ledger import IN_MEMORY, Ledger

        endpoint = Endpoint(self.url, timeout=self.timeout, max_retries=self.tries - 1)
        return ChatClient(endpoint, Ledger(IN_MEMORY), pause=self.pause)

    def _body(self, stage: str, request: JsonMapping, key: str, attempt: int) -> JsonMapping:
        prompts = tomllib.loads((FOLDER / "prompts.toml").read_text(encoding="utf-8"))
        return {
            "model": self.model,
            "temperature": self.temperature,
            "seed": (int(key[:7], 16) + attempt) % 2**31,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": prompts[stage].strip()},
                {"role": "user", "content": json.dumps(request, ensure_ascii=False)},
            ],
        }


def parse_outline(value: JsonMapping) -> Outline:
    """Read an outline from JSON.

    Raises:
        ValueError: if a field is missing or has another type; so do the functions below.
    """
    fields = {"manner": "plain", **value}
    if fields["manner"] not in MANNERS:
        raise ValueError(f"there is no manner {fields['manner']!r}")
    return Outline(
        turns=integer_field(fields, "turns"),
        text=text_field(fields, "text"),
        manner=text_field(fields, "manner"),
        takes_side=fields.get("takes_side") is not False,
    )


def parse_outlines(answer: JsonMapping) -> list[Outline]:
    """Read the outlines of the answer of the stage "plans"."""
    return list(map(parse_outline, objects_field(answer, "plans")))


def parse_pairs(answer: JsonMapping) -> list[SubjectPair]:
    """Read the pairs of the answer of the stage "pairs"."""
    return list(map(parse_pair, list_field(answer, "pairs")))


ANSWER_PARSERS: Mapping[str, Callable[[JsonMapping], object]] = {
    "topics": lambda answer: texts_field(answer, "topics"),
    "pairs": parse_pairs,
    "plans": parse_outlines,
    "dialogues": parse_dialogue,
    "critique": lambda answer: texts_field(answer, "faults"),
    "revision": lambda answer: text_field(answer, "revision"),
}


def check_answer(stage: str, answer: object) -> JsonMapping:
    """Return the answer if it has the form of its stage.

    Raises:
        ValueError: if it has another form.
    """
    content = as_object(answer)
    ANSWER_PARSERS[stage](content)
    return content
