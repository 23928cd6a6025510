"""Change requests to what a server accepts: drop or rename parameters and roles that it rejects by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rewardbench.errors import InputError
from rewardbench.scorers.judge.transport.completions import ServerError

DROPPED = ("temperature", "top_p", "seed", "stop", "response_format", "max_tokens", "max_completion_tokens")
"""Parameters without which a request can be sent; max_tokens and max_completion_tokens replace each other first."""
LOGPROBS = ("top_logprobs", "logprobs")
SUBSTITUTES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
CODES = {"unsupported_parameter", "unsupported_value", "unknown_parameter", "extra_forbidden"}
REJECTION = re.compile(
    r"unsupported|not support|n't support|unrecognized|unrecognised|not allowed|not permitted|unexpected"
    r"|(?:unknown|invalid|extra) (?:parameter|argument|field|input|value|role)"
    r"|roles? (?:must|is not|are|\S+ is not)|only .{0,30}roles?",
    re.IGNORECASE,
)


class Adaptation:
    """What is changed in every request of a run."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        """The changes, as sentences."""
        self.rejects_logprobs = False
        self._dropped: set[str] = set()
        self._renamed: dict[str, str] = {}
        self._roles: dict[str, str] = {}

    def apply(self, body: Mapping[str, object]) -> Mapping[str, object]:
        """Return the request as the server accepts it."""
        if not self.notes:
            return body
        adapted: dict[str, object] = {}
        for name, value in body.items():
            if name not in self._dropped:
                adapted[self._renamed.get(name, name)] = value
        adapted["messages"] = self._adapt_messages(adapted.get("messages"))
        return adapted

    def learn(self, body: Mapping[str, object], error: ServerError) -> bool:
        """Record what the server rejects in a request; return True if the request can be sent again, changed.

        Args:
            body: of the request as it was sent.
            error: the answer to it.

        Raises:
            InputError: if the server rejects a role that the prompt cannot do without.
        """
        if error.code not in CODES and not REJECTION.search(error.message):
            return False
        if error.param.endswith("role") or (not error.param and re.search(r"\broles?\b", error.message, re.IGNORECASE)):
            return self._learn_role(body, error.message)
        name = _rejected_name(body, error)
        if name in LOGPROBS:
            self.rejects_logprobs = True
            return False
        if not name or name in self._dropped:
            return False
        if (substitute := SUBSTITUTES.get(name)) and name not in self._renamed.values():
            self._renamed[name] = substitute
            self._add_note(f"The server rejects {name}: {substitute} is sent instead.")
        else:
            original = next((old for old, new in self._renamed.items() if new == name), name)
            self._dropped.add(original)
            self._add_note(f"The server rejects {name}: requests are sent without it.")
        return True

    def _learn_role(self, body: Mapping[str, object], message: str) -> bool:
        role = _rejected_role(body, message)
        if not role or role in self._roles:
            return False
        if role == "developer":
            self._roles[role] = "system"
            self._add_note("The server rejects the role developer: it is sent as system.")
        elif role == "system":
            self._roles[role] = "user"
            self._add_note("The server rejects the role system: it is sent at the beginning of the user's message.")
        else:
            raise InputError(
                f"The server rejects the role {role}, which this judge protocol needs: serve the model with the chat "
                "template that it was published with."
            )
        return True

    def _add_note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _adapt_messages(self, messages: object) -> object:
        """Return the messages with other roles; a system message becomes the beginning of the user's next message."""
        if not self._roles or not isinstance(messages, Sequence):
            return messages
        adapted: list[Mapping[str, object]] = []
        prefix = ""
        for message in messages:
            role, content = message["role"], message["content"]
            while role in self._roles and self._roles[role] != "user":
                role = self._roles[role]
            if role in self._roles:
                prefix += f"{content}\n\n"
            elif role == "user" and prefix:
                adapted.append({**message, "content": f"{prefix}{content}"})
                prefix = ""
            else:
                adapted.append({**message, "role": role})
        if prefix:
            adapted.append({"role": "user", "content": prefix.strip()})
        return adapted


def _rejected_name(body: Mapping[str, object], error: ServerError) -> str:
    """Return the parameter of a request that an error names; an empty text if it names none that can be changed."""
    known = [name for name in (*DROPPED, *LOGPROBS) if name in body]
    if error.param in known:
        return error.param
    if error.param:
        return ""
    places: list[tuple[int, str]] = []
    for name in known:
        if match := re.search(rf"\b{name}\b", error.message):
            places.append((match.start(), name))
    return min(places, default=(0, ""))[1]


def _rejected_role(body: Mapping[str, object], message: str) -> str:
    """Return the role of a request that an error names first, or the only one that is not user or assistant."""
    messages = body.get("messages")
    roles: set[str] = set()
    for turn in messages if isinstance(messages, Sequence) else ():
        roles.add(str(turn.get("role")))
    roles -= {"user", "assistant"}
    places: list[tuple[int, str]] = []
    for role in roles:
        if match := re.search(rf"\b{re.escape(role)}\b", message, re.IGNORECASE):
            places.append((match.start(), role))
    if places:
        return min(places)[1]
    return roles.pop() if len(roles) == 1 else ""
