"""Who answers the stages: the material in this folder, or any endpoint that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.pink.material import (
    HERE,
    MANNERS,
    Frame,
    Pair,
    Thing,
    Topic,
    fill,
    fill_turns,
    parse_pair,
    read_topics,
)
from rewardbench.errors import InputError

HEADS = """
    Am Bar Bel Bor Cal Cor Dan Dar Del Dor El Fal Fen Gal Gor Hal Hel Ist Jar Kal Kel Lor Mal Mar Mer Mol Nar Nel Or Pal
    Pel Quin Ral Ros Sel Sor Tal Tor Ul Val Ver Vor Wil Yar Zel Zor
""".split()
TAILS = """
    abin adora aggio amba andel anka aquin ardo asti avel edra ellin embo endis entha erio estin evra ibba idon ilka
    imora inda ipsen irga istel ivo obrin odel okka olmi ombra onda oril osta ovan ubra ulden umari undel urga ustin
""".split()
"""Names of training draws: a head and a tail."""


class Backend(Protocol):
    """Answers requests. What it answers may depend on nothing but stage, request and key."""

    @property
    def identity(self) -> str:
        """Whatever can change an answer, in a word; no secret in it."""

    async def answer(self, stage: str, request: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        """The answer of a stage, in the shape that `check_answer` wants; `key` seeds what is random in it."""


@dataclass(frozen=True)
class TemplateBackend:
    """Answers from topics written by hand; offline, and the same on every machine."""

    topics: tuple[Topic, ...]

    @classmethod
    def of(cls, *paths: Path) -> TemplateBackend:
        """From topic files, or with none given from those that come with the package."""
        return cls(read_topics(paths or None))

    @property
    def identity(self) -> str:
        """Changes with the material."""
        return f"template:{hashlib.sha256(repr(self.topics).encode()).hexdigest()[:12]}"

    async def answer(self, stage: str, request: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        """What the material holds for a request."""
        makers: Mapping[str, Callable[[Mapping[str, Any], Rng], Mapping[str, Any]]] = {
            "topics": self._topics,
            "pairs": self._pairs,
            "plans": self._plans,
            "dialogues": self._dialogues,
            "critique": self._critique,
            "revision": self._revision,
        }
        return makers[stage](request, Rng(key))

    def _topic(self, name: str) -> Topic:
        return next(topic for topic in self.topics if topic.name == name)

    def _topics(self, request: Mapping[str, Any], rng: Rng) -> Mapping[str, Any]:
        return {
            "topics": [topic.name for topic in self.topics if (topic.pool == "train") == (request["pool"] == "train")]
        }

    def _pairs(self, request: Mapping[str, Any], rng: Rng) -> Mapping[str, Any]:
        pairs = self._topic(request["topic"]).pairs
        return {"pairs": [pair.to_json() for pair in (invent(pairs, rng) if request["pool"] != "suite" else pairs)]}

    def _plans(self, request: Mapping[str, Any], rng: Rng) -> Mapping[str, Any]:
        frames = self._topic(request["topic"]).frames
        outlines = (
            {"turns": len(frame.turns), "text": f"frame {n}", "manner": frame.manner} for n, frame in enumerate(frames)
        )
        return {"plans": list(outlines)}

    def _frame(self, request: Mapping[str, Any]) -> tuple[Frame, Mapping[str, str]]:
        names = {"x": request["x"]["name"], "y": request["y"]["name"], "kind": request["kind"]}
        return self._topic(request["topic"]).frames[request["frame"]], names

    def _dialogues(self, request: Mapping[str, Any], rng: Rng) -> Mapping[str, Any]:
        frame, names = self._frame(request)
        phrasing = request["phrasing"] if frame.even else 0
        original = fill(frame.both_x, names) if request["praises"] else reply(frame, names, phrasing)
        return {"turns": fill_turns(frame.turns, names), "original": original}

    def _critique(self, request: Mapping[str, Any], rng: Rng) -> Mapping[str, Any]:
        return {"faults": [f"{text!r} at {start} is named" for start, _, text in request["mentions"]]}

    def _revision(self, request: Mapping[str, Any], rng: Rng) -> Mapping[str, Any]:
        frame, names = self._frame(request)
        turned = {**names, "x": names["y"], "y": names["x"]}
        return {"revision": reply(frame, turned, 1 - (request["phrasing"] if frame.even else 0))}


def reply(frame: Frame, names: Mapping[str, str], phrasing: int) -> str:
    """The frame's first or second phrasing, about the thing called x in `names`."""
    return fill(frame.on_y, {**names, "y": names["x"]}) if phrasing else fill(frame.on_x, names)


def invent(pairs: Sequence[Pair], rng: Rng) -> list[Pair]:
    """The same pairs under invented names, capital or not as before, without aliases and traps."""
    heads, tails = rng.sample(HEADS, 2 * len(pairs)), rng.sample(TAILS, 2 * len(pairs))
    names = [head + tail for head, tail in zip(heads, tails, strict=True)]

    def renamed(thing: Thing, name: str) -> Thing:
        return Thing(name.lower() if thing.name.islower() else name)

    twos = zip(pairs, names[::2], names[1::2], strict=True)
    return [
        Pair(renamed(pair.one, one), renamed(pair.other, other), pair.kind, definite=pair.definite)
        for pair, one, other in twos
    ]


@dataclass(frozen=True)
class OpenAIBackend:
    """Answers from a chat completions endpoint; the key comes from OPENAI_API_KEY and goes nowhere else.

    Answers of 429 and 5xx, timeouts, and what is not the JSON asked for are tried again, `tries` times in all, after
    `pause` seconds, then twice that, and so on.
    """

    url: str
    model: str
    temperature: float = 0.8
    timeout: float = 120.0
    tries: int = 4
    pause: float = 1.0

    @property
    def identity(self) -> str:
        """Host, model, temperature and prompts."""
        parts = urlsplit(self.url)
        told = hashlib.sha256((HERE / "prompts.toml").read_bytes()).hexdigest()[:8]
        return f"openai:{parts.hostname}{parts.path}:{self.model}:{self.temperature}:{told}"

    async def answer(self, stage: str, request: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        """Raises InputError when the endpoint refuses, or has no fit answer after all tries."""
        import httpx

        said = "nothing"
        async with httpx.AsyncClient(timeout=self.timeout, headers=self._headers()) as client:
            for attempt in range(self.tries):
                await asyncio.sleep(self.pause * (2**attempt - 1) if attempt else 0)
                try:
                    response = await client.post(
                        f"{self.url.rstrip('/')}/chat/completions", json=self._body(stage, request, key, attempt)
                    )
                except httpx.TransportError as error:
                    said = type(error).__name__
                    continue
                if response.status_code == 429 or response.status_code >= 500:
                    said = f"status {response.status_code}"
                    continue
                if response.status_code != 200:
                    raise InputError(f"The endpoint {self.identity} refuses: status {response.status_code}.")
                try:
                    return check_answer(stage, json.loads(response.json()["choices"][0]["message"]["content"]))
                except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
                    said = f"an answer that does not parse: {error}"
        raise InputError(f"The endpoint {self.identity} gave no {stage} in {self.tries} tries; the last time {said}.")

    def _headers(self) -> dict[str, str]:
        secret = os.environ.get("OPENAI_API_KEY", "")
        return {"Authorization": f"Bearer {secret}"} if secret else {}

    def _body(self, stage: str, request: Mapping[str, Any], key: str, attempt: int) -> dict[str, Any]:
        prompts = tomllib.loads((HERE / "prompts.toml").read_text(encoding="utf-8"))
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


def check_answer(stage: str, answer: Any) -> Mapping[str, Any]:
    """The answer itself where it has the shape of its stage; else ValueError, KeyError or TypeError."""
    if not isinstance(answer, dict):
        raise ValueError("it is no JSON object")
    if stage == "pairs":
        list(map(parse_pair, answer["pairs"]))
    elif stage == "plans":
        _need(all(isinstance(plan["turns"], int) and isinstance(plan["text"], str) for plan in answer["plans"]))
        _need(all(plan.get("manner", "plain") in MANNERS for plan in answer["plans"]))
    elif stage == "revision":
        _need(isinstance(answer["revision"], str))
    else:
        _need(_texts(answer[{"topics": "topics", "dialogues": "turns", "critique": "faults"}[stage]]))
        _need(stage != "dialogues" or isinstance(answer["original"], str))
    return answer


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _need(held: bool) -> None:
    if not held:
        raise ValueError("a field has the wrong type")
