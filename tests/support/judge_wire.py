"""HTTP of a fake judge: errors, answers and streams in OpenAI's format, and a connection that can break."""

import asyncio
import json
import math
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email.utils import formatdate

from judge_answers import Question, Reply, count_tokens, logprobs_of, messages_of, tokens_of
from judge_behaviour import CONTENT_FAULTS, Behaviour

REFUSAL = "I'm sorry, but I can't help with that."
PROVIDER_ERROR = {"error": {"message": "Provider returned error", "code": 502}}
CREATED = 1_790_000_000
"""Time of creation in every answer, so that two runs get the same bytes."""


class Refused(Exception):
    """A response in OpenAI's error format; `seconds` is what its Retry-After asks for."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        kinds = {401: "authentication_error", 429: "requests", 500: "server_error", 503: "server_error"}
        kind = "insufficient_quota" if code == "insufficient_quota" else kinds.get(status, "invalid_request_error")
        self.status, self.code = status, code or str(status)
        self.content = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        self.headers: dict[str, str] = {}
        self.seconds = 0.0


class Gone(Exception):
    """The connection is closed, by the client (`gone`) or by the server (the name of the fault)."""


class Connection:
    """The connection of one request.

    Args:
        connections: the open connections of uvicorn, to close a socket below ASGI.
        scope: the ASGI scope of the request.
        receive: the ASGI function that waits for the client.
        send: the ASGI function that sends to it.
    """

    def __init__(self, connections, scope, receive, send) -> None:
        self.connections, self.scope, self.receive, self.send = connections, scope, receive, send

    async def read(self) -> bytes:
        """Return the body of the request. Raises: Gone if the client closes the connection before its end."""
        parts = []
        unfinished = True
        while unfinished:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Gone("gone")
            parts.append(message.get("body", b""))
            unfinished = message.get("more_body", False)
        return b"".join(parts)

    async def wait(self, seconds: float) -> None:
        """Sleep. Raises: Gone if the client closes the connection meanwhile."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.wait_for_close()
        except TimeoutError:
            return
        raise Gone("gone")

    async def wait_for_close(self) -> None:
        """Return when the connection is closed."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def drop(self, fault: str, reset: bool = False) -> None:
        """Close the socket, in order or by TCP reset. Raises: Gone, always."""
        client = tuple(self.scope["client"])
        for connection in list(self.connections):
            if connection.client == client:
                if reset:  # lingering for 0 seconds makes the kernel send RST
                    raw = connection.transport.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.transport.abort()
        await self.wait_for_close()
        raise Gone(fault)

    async def send_start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and the headers."""
        pairs = [(name.encode(), text.encode()) for name, text in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})

    async def send_bytes(self, content: bytes, unfinished: bool = False) -> None:
        """Send bytes of the body."""
        await self.send({"type": "http.response.body", "body": content, "more_body": unfinished})

    async def send_json(self, content: object, status: int, headers: Mapping[str, str]) -> None:
        """Send a complete JSON response."""
        encoded = json.dumps(content).encode()
        fixed = {"content-type": "application/json", "content-length": str(len(encoded))}
        await self.send_start(status, fixed | headers)
        await self.send_bytes(encoded)

    async def send_page(self, status: int) -> None:
        """Send the HTML page of a proxy."""
        page = f"<html><head><title>{status} Bad Gateway</title></head><body>nginx</body></html>".encode()
        await self.send_start(status, {"content-type": "text/html", "content-length": str(len(page))})
        await self.send_bytes(page)

    async def send_answer(self, answer: Mapping[str, object], fault: str, seconds: float) -> None:
        """Send an answer at once, or in the way of a transport fault that stalls for `seconds`."""
        encoded = json.dumps(PROVIDER_ERROR if fault == "error_body" else answer).encode()
        middle = len(encoded) // 2
        if fault == "truncated_json":
            encoded = encoded[:middle]
        headers = {"content-type": "application/json", "content-length": str(len(encoded))}
        await self.send_start(200, headers | {"x-request-id": str(answer["id"])})
        if fault in ("cut", "stalled"):
            await self.send_bytes(encoded[:middle], unfinished=True)
            encoded = encoded[middle:]
        await self.interrupt(fault, seconds)
        await self.send_bytes(encoded)

    async def send_stream(self, chunks: list[Mapping[str, object]], fault: str, seconds: float) -> None:
        """Send an answer as server-sent events, or in the way of a transport fault that stalls for `seconds`."""
        events = [event_of(chunk) for chunk in chunks] + [b"data: [DONE]\n\n"]
        middle = max(1, (len(events) - 2) // 2)
        remaining: list[bytes] = []
        if fault in ("cut", "stalled", "truncated_json", "unfinished_stream", "error_body"):
            events, remaining = events[:middle], events[middle:]
        if fault == "truncated_json":
            events[-1] = events[-1][: len(events[-1]) // 2]
        if fault == "error_body":
            events.append(event_of(PROVIDER_ERROR))
        headers = {"content-type": "text/event-stream; charset=utf-8", "x-request-id": str(chunks[0]["id"])}
        await self.send_start(200, headers)
        for event in events:
            await self.send_bytes(event, unfinished=True)
        await self.interrupt(fault, seconds)
        await self.send_bytes(b"".join(remaining) if fault == "stalled" else b"")

    async def interrupt(self, fault: str, seconds: float) -> None:
        """Close the connection, or wait, in the middle of a response where the fault demands it."""
        if fault == "cut":
            await self.drop(fault)
        if fault == "stalled":
            await self.wait(seconds)


def event_of(chunk: Mapping[str, object]) -> bytes:
    """Return a chunk as a server-sent event."""
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def check_key(behaviour: Behaviour, authorization: str) -> None:
    """Raise a 401 if the key is not the accepted one."""
    key = authorization.removeprefix("Bearer ")
    if behaviour.api_key and key != behaviour.api_key:
        shown = key if behaviour.echo_key or len(key) < 8 else f"{key[:3]}{'*' * (len(key) - 7)}{key[-4:]}"
        raise Refused(401, f"Incorrect API key provided: {shown}.", "invalid_api_key")


def rate_limit_error(seconds: float, form: str) -> Refused:
    """Return a 429 with the seconds to wait in a form of RETRY_AFTER_FORMS."""
    error = Refused(429, "Rate limit reached for requests.", "rate_limit_exceeded")
    error.seconds = 0.0 if form == "none" else seconds
    error.headers |= {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": f"{seconds:.3f}s"}
    if form == "seconds":
        error.headers["retry-after"] = f"{seconds:.4f}".rstrip("0").rstrip(".")
    elif form == "date":
        error.headers["retry-after"] = formatdate(math.ceil(time.time() + seconds), usegmt=True)
    elif form == "milliseconds":
        error.headers["retry-after-ms"] = str(math.ceil(1000 * seconds))
    return error


def raise_status(fault: str, behaviour: Behaviour) -> None:
    """Raise the HTTP error of a transport fault, if it is one."""
    if fault == "rate_limited":
        raise rate_limit_error(behaviour.retry_after, behaviour.retry_after_form)
    if fault == "out_of_quota":
        raise Refused(429, "You exceeded your current quota, please check your plan.", "insufficient_quota")
    if fault == "unavailable":
        raise Refused(503, "The engine is currently overloaded, please try again later.")
    if fault == "server_error":
        raise Refused(500, "The server had an error while processing your request.")


def check_parameters(behaviour: Behaviour, body: Mapping[str, object]) -> None:
    """Raise a 400 or 404 for a model, role, parameter or prompt that this server refuses."""
    model = body.get("model")
    if behaviour.models and model not in behaviour.models:
        raise Refused(404, f"The model `{model}` does not exist or you do not have access to it.", "model_not_found")
    messages = messages_of(body)
    for index, (role, _) in enumerate(messages):
        if behaviour.roles and role not in behaviour.roles:
            supported = ", ".join(f"'{name}'" for name in behaviour.roles)
            message = f"Invalid value: '{role}'. Supported values are: {supported}."
            raise Refused(400, message, "invalid_value", f"messages[{index}].role")
    for name in behaviour.refuses:
        setting = body.get(name)
        if name in ("temperature", "top_p"):
            if setting not in (None, 1):
                message = f"Unsupported value: '{name}' does not support {setting} with this model. "
                raise Refused(400, message + "Only the default (1) value is supported.", "unsupported_value", name)
        elif name in body:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise Refused(400, message, "unsupported_parameter", name)
    if (body.get("top_logprobs") or 0) > behaviour.max_top_logprobs:
        message = f"Invalid value for 'top_logprobs': must be at most {behaviour.max_top_logprobs}."
        raise Refused(400, message, "integer_above_max_value", "top_logprobs")
    words = sum(count_tokens(text) for _, text in messages)
    if behaviour.context_length and words > behaviour.context_length:
        message = f"This model's maximum context length is {behaviour.context_length} tokens. "
        raise Refused(400, message + f"Your messages have {words} tokens.", "context_length_exceeded", "messages")


def completion(
    behaviour: Behaviour, question: Question, digest: str, faults: set[str]
) -> tuple[dict[str, object], dict[str, int]]:
    """Return the JSON object that answers a request, and its usage, which the object may lack."""
    body = question.body
    number = int(body.get("n") or 1)
    choices = []
    for index in range(number):
        sampled = replace(question, sample=question.sample * number + index)
        choices.append(choice_of(behaviour, sampled, index, faults))
    model = body.get("model")
    answer = {
        "id": f"chatcmpl-{digest}",
        "object": "chat.completion",
        "created": CREATED,
        "model": f"another-{model}" if "wrong_model" in faults else model,
        "choices": choices,
        "system_fingerprint": f"fp_{behaviour.seed}",
    }
    usage = usage_of(body, choices)
    if "no_usage" not in faults:
        answer["usage"] = usage
    return answer, usage


def usage_of(body: Mapping[str, object], choices: list[dict[str, object]]) -> dict[str, int]:
    """Return the token counts: words of the messages, and of contents, refusals and thoughts."""
    prompt = sum(count_tokens(text) for _, text in messages_of(body))
    generated = 0
    for choice in choices:
        texts = {**choice["message"], "role": ""}
        generated += sum(map(count_tokens, texts.values()))
    return {"prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated}


def choice_of(behaviour: Behaviour, question: Question, index: int, faults: set[str]) -> dict[str, object]:
    """Return one choice of an answer, with its content and format faults."""
    reply = behaviour.decide(question)
    if isinstance(reply, str):
        reply = Reply(reply)
    thoughts = f"At first sight: {reply.contrary or reply.content} Let me check again."
    content_fault = next(iter(faults.intersection(CONTENT_FAULTS)), "")
    reply, finish = spoil(behaviour, question, reply, content_fault)
    message = {"role": "assistant", "content": reply.content, "refusal": None}
    if content_fault == "refusal":
        message["refusal"] = REFUSAL
    if "reasoning" in faults:
        message[behaviour.reasoning_field] = thoughts
    if "think" in faults and reply.content is not None:
        reply = replace(reply, content=f"<think>\n{thoughts}\n</think>\n\n{reply.content}")
    tokens = tokens_of(reply.content or "")
    limit = question.body.get("max_completion_tokens") or question.body.get("max_tokens") or len(tokens)
    if limit < len(tokens):
        tokens, finish = tokens[:limit], "length"
        reply = replace(reply, content="".join(tokens))
    message["content"] = reply.content
    choice = {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
    if question.body.get("logprobs") and "no_logprobs" not in faults:
        top = int(question.body.get("top_logprobs") or 0)
        entries = logprobs_of(reply, tokens, top, hide_unlikely="missing_token" in faults)
        if behaviour.end_token and finish == "stop":
            entries += logprobs_of(Reply(None), [behaviour.end_token], top)
        choice["logprobs"] = {"content": entries, "refusal": None}
    return choice


def spoil(behaviour: Behaviour, question: Question, reply: Reply, fault: str) -> tuple[Reply, str]:
    """Return the answer that a content fault turns a reply into, and its finish_reason."""
    if not fault:
        return reply, "stop"
    number = question.draw("text of the fault")
    if fault == "malformed":
        return Reply(behaviour.malformed_texts[int(number * len(behaviour.malformed_texts))]), "stop"
    if fault == "both_verdicts":
        return Reply(f"{reply.content}\nThen again: {reply.contrary or reply.content}"), "stop"
    if fault == "empty":
        return Reply((None, "", "  \n")[int(number * 3)]), "stop"
    if fault == "refusal":
        return Reply(None), "stop"
    if fault == "content_filter":
        return Reply(""), "content_filter"
    words = (reply.content or "").split()
    if number < 0.5:
        words = words[:-1]
    return Reply(" ".join([*words, "Moreover, the"])), "length"


def chunks_of(answer: Mapping[str, object], body: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield an answer as the chunks of a stream: role, thoughts, content by words, finish_reason, usage."""
    base = {name: answer[name] for name in ("id", "created", "model", "system_fingerprint")}
    base["object"] = "chat.completion.chunk"
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    if with_usage:
        base["usage"] = None
    for choice in answer["choices"]:
        for delta, entries, finish in deltas_of(choice):
            logprobs = {"content": entries, "refusal": None} if entries else None
            part = {"index": choice["index"], "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            yield {**base, "choices": [part]}
    if with_usage and "usage" in answer:
        yield {**base, "choices": [], "usage": answer["usage"]}


def deltas_of(choice: Mapping[str, object]) -> Iterator[tuple[dict[str, str], list[object], str | None]]:
    """Yield the deltas of a choice, with the logprobs and the finish_reason that go with each."""
    message = dict(choice["message"])
    tokens = tokens_of(message.pop("content") or "")
    entries = list((choice["logprobs"] or {}).get("content", []))
    yield {"role": message.pop("role"), "content": ""}, [], None
    for name, text in message.items():
        if text is not None:
            yield {name: text}, [], None
    for position, token in enumerate(tokens):
        yield {"content": token}, entries[position : position + 1], None
    yield {}, entries[len(tokens) :], choice["finish_reason"]
