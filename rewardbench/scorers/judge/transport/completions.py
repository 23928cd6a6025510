"""Read the JSON of chat completions: answers, errors, and the names of models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter

from rewardbench.errors import InputError
from rewardbench.scorers.judge.answers import Answer, TokenLogprob

DETAIL_CHARACTERS = 300
"""Maximum characters of an error message of the server."""

MAX_TOKENS = 2**40
"""Maximum tokens in the usage that a server reports; a larger number is ignored."""

LEAST_LOGPROB = -9999.0
"""What servers send instead of minus infinity, which JSON does not have."""


@dataclass(frozen=True)
class ServerError:
    """An error as servers describe it in JSON; parts that are missing are empty."""

    message: str
    param: str = ""
    code: str = ""


def encode_body(body: Mapping[str, object]) -> bytes:
    """Return the bytes of a request: compact JSON, fields sorted by name, `?` for a lone surrogate.

    Fields inside a field keep their order: a JSON schema gives the order in which an answer is generated.

    Raises:
        InputError: if a value has no form in JSON.
    """
    ordered = {name: body[name] for name in sorted(body)}
    try:
        text = json.dumps(ordered, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError) as error:
        raise InputError(f"A request to the judge cannot be written as JSON: {error}.") from error
    return text.encode("utf-8", "replace")


def read_completion(text: str) -> Answer:
    """Read the first choice of a chat completion.

    Raises:
        ValueError: if the text is not JSON, or has no choice; says what is wrong.
    """
    try:
        response = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("the response is not JSON") from None
    if _mapping(response).get("error"):
        raise ValueError(read_error(text).message)
    choices = _mapping(response).get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("the response has no choices")
    choice, usage = choices[0], _mapping(response.get("usage"))
    message = _mapping(choice.get("message"))
    return Answer(
        text=_text(message.get("content")),
        reasoning=_text(message.get("reasoning_content")) or _text(message.get("reasoning")),
        finish_reason=_text(choice.get("finish_reason")),
        refusal=_text(message.get("refusal")),
        logprobs=_read_logprobs(choice.get("logprobs")),
        model=_text(response.get("model")),
        system_fingerprint=_text(response.get("system_fingerprint")),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
    )


def read_error(text: str) -> ServerError:
    """Read the body of an error in the formats of OpenAI, vLLM and FastAPI; other bodies are the message."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return ServerError(text.strip())
    if isinstance(body, list) and body:
        body = body[0]
    fields = _mapping(body)
    error = fields.get("error", fields)
    if isinstance(error, str):
        return ServerError(error)
    error, detail = _mapping(error), fields.get("detail")
    if isinstance(detail, str):
        return ServerError(detail)
    if isinstance(detail, list) and detail:
        return _read_fastapi(_mapping(detail[0]))
    return ServerError(_text(error.get("message")) or text.strip(), _text(error.get("param")), _text(error.get("code")))


def _read_fastapi(entry: Mapping[str, object]) -> ServerError:
    """Read where in the body an error is, and what is wrong."""
    place = entry.get("loc")
    names = [str(name) for name in place if name != "body"] if isinstance(place, list) else []
    message = f"{'.'.join(names)}: {_text(entry.get('msg'))}"
    return ServerError(message, names[0] if names else "", _text(entry.get("type")))


def is_same_model(requested: str, answered: str) -> bool:
    """Return True if a response names the model of the request, or a dated version of it.

    >>> is_same_model("gpt-4o", "gpt-4o-2024-08-06"), is_same_model("gpt-4o", "gpt-4o-mini")
    (True, False)
    """
    if not answered:
        return True
    names = []
    for name in (requested, answered):
        last = name.lower().rstrip("/").rpartition("/")[2]
        names.append(last.partition(":")[0].removesuffix("-latest"))
    version = names[1].removeprefix(names[0])
    return version != names[1] and re.fullmatch(r"(?:[-@][v\d][-.\d]*)?", version) is not None


def _read_logprobs(value: object) -> tuple[TokenLogprob, ...] | None:
    entries = _mapping(value).get("content")
    if not isinstance(entries, list):
        return None
    tokens: list[TokenLogprob] = []
    for entry in map(_mapping, entries):
        listed = entry.get("top_logprobs")
        alternatives = list(map(_read_token, listed)) if isinstance(listed, list) else []
        alternatives.sort(key=itemgetter(1), reverse=True)
        tokens.append(TokenLogprob(*_read_token(entry), tuple(alternatives)))
    return tuple(tokens)


def _read_token(value: object) -> tuple[str, float]:
    """Return the text and the log-probability of a token."""
    entry = _mapping(value)
    logprob = entry.get("logprob")
    if isinstance(logprob, bool) or not isinstance(logprob, int | float):
        logprob = LEAST_LOGPROB
    if not LEAST_LOGPROB < logprob < -LEAST_LOGPROB:
        logprob = LEAST_LOGPROB
    return _text(entry.get("token")), float(logprob)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Return a text, or the joined text parts of a list of contents; otherwise an empty text."""
    if isinstance(value, list):
        return "".join(_text(_mapping(part).get("text")) for part in value)
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_TOKENS else 0
