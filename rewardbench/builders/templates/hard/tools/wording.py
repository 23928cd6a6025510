"""Texts of desks: rules, the conversation with its calls and results, requests, and responses."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.draw import Rng
from rewardbench.builders.prompts import capitalize, join_words
from rewardbench.builders.templates.hard.tools.tables import (
    Change,
    ExpectedCall,
    FieldValue,
    RecordCondition,
    RecordDesk,
    RecordDomain,
    UserRequest,
)
from rewardbench.types import Message, Messages

INTRODUCTIONS = (
    "You work at {desk} and have functions for the records.",
    "Assistant for {desk}. You read and change records by calling functions.",
    "This is the back office of {desk}; the staff write to you, you call the functions.",
    "You are the record keeper of {desk}.",
)
RULES = (
    (
        "If a request is for one {entity} but several fit, call nothing: name all that fit, and ask which is meant.",
        "Where one {entity} is asked for and more than one fits, make no call; list the ids that fit and ask back.",
    ),
    (
        "Do not fetch what a result in this chat already shows: answer from it, without a call.",
        "Answer from the results in this chat where they hold the answer. Call the function that shows it only if not.",
    ),
    (
        "Several calls in one message run in the order in which they are written.",
        "Calls in one message are carried out one after another, in the order listed.",
    ),
    (
        "Functions that set a figure take the new figure, not the difference.",
        "A figure is always set to its final value; there is no function that adds or subtracts.",
    ),
    (
        "A result with an error means that nothing was changed.",
        "After an error everything is as it was before the call.",
    ),
    (
        "Make the calls that were asked for, and no others.",
        "Make no more calls than the request needs.",
    ),
)
LISTINGS = (
    "Morning! Which {plural} do we have?",
    "give me the list of {plural} please",
    "Can you pull up the {plural}?",
    "I need all {plural} on the screen.",
)
UPDATES = (
    "Set the {field} of {id} to {value}.",
    "the {field} of {id} should be {value}, please",
    "Could you change the {field} of {id} to {value}?",
    "For {id}, please make the {field} {value}.",
)
OPENERS = ("Next one. ", "", "ok, now this: ", "Something else. ", "And now this. ", "One more, then I'm off. ")
SUBJECTS = ("Take {}.", "It's about {}.", "I mean {}.", "Look at {}.")
ENDINGS = ("", " Thanks!", " That's all.", " Please do it now.")
DETAILS = (
    "What does it say under {detail}?",
    "I need to know its {detail}.",
    "What do the records say under {detail}?",
)


@cache
def read_domains() -> list[RecordDomain]:
    """Return the desks of `domains.toml`."""
    path = Path(__file__).with_name("domains.toml")
    return list(tomllib.loads(path.read_text(encoding="utf-8"))["domains"])


def schemas(rng: Rng, count: int, desk: RecordDesk, needed: Sequence[str]) -> list[dict[str, Any]]:
    """Return the functions of a desk, in random order: those that are needed, and others up to `count`."""
    domain = desk.domain
    entity, plural, detail = domain["entity"], domain["plural"], domain["detail"][0]
    filters = {name: _field_schema(domain, name) for name in desk.fields if name in domain["texts"]}
    functions = {
        domain["find"]: _function(domain["find"], f"Find {plural} by any of the fields, or list all.", filters, ()),
        domain["show"]: _function(domain["show"], f"Show the {detail} of one {entity}.", {"id": _ID}, ("id",)),
        domain["remove"]: _function(domain["remove"], f"Remove one {entity} for good.", {"id": _ID}, ("id",)),
    }
    for name in domain["changes"]:
        properties = {"id": _ID, name: _field_schema(domain, name)}
        function = domain["changes"][name]
        functions[function] = _function(function, f"Set the {name} of one {entity}.", properties, ("id", name))
    for name, description in domain["extras"]:
        functions[name] = _function(name, description, {"note": {"type": "string"}}, ())
    required = [name for name in functions if name in (domain["find"], domain["show"], *needed)]
    others = [name for name in functions if name not in required]
    names = required + rng.sample(others, len(others))[: max(0, count - len(required))]
    return [functions[name] for name in rng.sample(names, len(names))]


_ID = {"type": "string", "description": "The id, as in the list."}


def _field_schema(domain: RecordDomain, name: str) -> dict[str, Any]:
    if name in domain["texts"]:
        return {"type": "string", "enum": list(domain["texts"][name])}
    low, high = domain["numbers"][name]
    return {"type": "integer", "minimum": low, "maximum": high}


def _function(name: str, description: str, properties: Mapping[str, object], required: Sequence[str]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": dict(properties), "required": list(required)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def system_text(rng: Rng, domain: RecordDomain) -> str:
    """Return the system message: whose desk it is, and the rules for calls."""
    values = {"desk": domain["desk"], "entity": domain["entity"]}
    rules: list[str] = []
    for wordings in rng.sample(RULES, len(RULES)):
        rules.append(rng.pick(wordings).format(**values))
    separator = rng.pick((" ", "\n- ", "\n"))
    return separator.join([rng.pick(INTRODUCTIONS).format(**values), *rules])


def call_turn(content: str, calls: Sequence[ExpectedCall], first: int = 1) -> Message:
    """Return an assistant message with calls, whose ids count from `first`."""
    tool_calls: list[dict[str, Any]] = []
    for n, call in enumerate(calls, first):
        tool_calls.append({"id": f"call_{n}", "type": "function", "function": call})
    return Message(role="assistant", content=content, tool_calls=tool_calls)


def result_turn(number: int, value: object) -> Message:
    """Return the result of the call of this number."""
    return Message(role="tool", content=json.dumps(value, ensure_ascii=False), tool_call_id=f"call_{number}")


class Wording:
    """The choices of words of one mirror, the same for both prompts."""

    def __init__(self, rng: Rng, desk: RecordDesk) -> None:
        self.domain = desk.domain
        self.system = system_text(rng, desk.domain)
        self.listing = rng.pick(LISTINGS).format(plural=desk.domain["plural"])
        self.updates: list[str] = []
        for update in desk.updates:
            text = rng.pick(UPDATES).format(field=update.field, id=update.record, value=update.value)
            self.updates.append(text)
        self.opener, self.subject = rng.pick(OPENERS), rng.pick(SUBJECTS)
        self.ending, self.detail = rng.pick(ENDINGS), rng.pick(DETAILS).format(detail=desk.domain["detail"][0])

    def opening_turns(self, desk: RecordDesk) -> list[Message]:
        """Return the conversation before the last request: the list, then earlier updates with their results."""
        turns = [
            Message(role="system", content=self.system),
            Message(role="user", content=self.listing),
            call_turn("Fetching the list.", [{"name": self.domain["find"], "arguments": {}}]),
            result_turn(1, list(desk.records)),
            Message(role="assistant", content="The list is here. What can I do?"),
        ]
        for number, (update, text) in enumerate(zip(desk.updates, self.updates, strict=True), 2):
            arguments = {"id": update.record, update.field: update.value}
            call = {"name": self.domain["changes"][update.field], "arguments": arguments}
            result = {"error": "record is locked"} if update.failed else {"ok": True}
            reply = "That did not work, the record is locked." if update.failed else "Done."
            turns += [
                Message(role="user", content=text),
                call_turn("One moment.", [call], number),
                result_turn(number, result),
                Message(role="assistant", content=reply),
            ]
        return turns

    def request_turn(self, request: UserRequest) -> Message:
        """Return the last turn of the user."""
        if request.kind == "order":
            plural = self.domain["plural"]
            lowest = "fewest" if self._is_count(request.first) else "lowest"
            text = f"Go through all {plural} with {self._describe(request.conditions)}, "
            text += f"in order of {request.first}, {lowest} first, and "
            text += _change(request.change, "their", "them") + "."
        else:
            text = self.subject.format(self._selection(request.conditions)) + " "
            if request.kind == "answer":
                text += self.detail
            elif request.test is not None:
                text += f"If its {request.test.field} is {request.test.value}, {_change(request.change)}; "
                text += f"if not, {_change(request.other_change)}."
            else:
                text += capitalize(_change(request.change)) + "."
        ending = "" if request.kind == "answer" else self.ending
        return Message(role="user", content=f"{self.opener}{text}{ending}")

    def _selection(self, conditions: Sequence[RecordCondition]) -> str:
        plain = [condition for condition in conditions if condition.relation not in ("highest", "lowest")]
        parts = [f"the {self.domain['entity']}"]
        for condition in conditions:
            if condition not in plain:
                relation = condition.relation
                if self._is_count(condition.field):
                    relation = "most" if relation == "highest" else "fewest"
                parts.append(f"with the {relation} {condition.field}")
        if plain:
            among = "among those " if len(parts) > 1 else ""
            parts.append(f"{among}with {self._describe(plain)}")
        return " ".join(parts)

    def _describe(self, conditions: Sequence[RecordCondition]) -> str:
        """Return what records have, such as "over 4 stamps, colour green and any carrier but van"."""
        texts: list[str] = []
        for condition in conditions:
            name, relation, value = condition.field, condition.relation, condition.value
            if relation == "is not":
                texts.append(f"any {name} but {value}")
            elif relation == "is":
                texts.append(f"{name} {value}")
            else:
                bound = relation.removeprefix("is ")
                texts.append(f"{bound} {value} {name}" if self._is_count(name) else f"{name} {bound} {value}")
        return join_words(texts)

    def _is_count(self, name: str) -> bool:
        """Return True if a field is a number of objects, such as stamps."""
        return name in self.domain["numbers"] and name.endswith("s") and name != "dues"


def _change(change: Change, possessive: str = "its", pronoun: str = "it") -> str:
    if not change.field:
        return f"remove {pronoun} for good"
    if change.increment:
        verb = "raise" if change.increment > 0 else "lower"
        return f"{verb} {possessive} {change.field} by {abs(change.increment)}"
    return f"set {possessive} {change.field} to {change.value}"


def calling_response(domain: RecordDomain, calls: Sequence[ExpectedCall]) -> Messages:
    """Return a response that says what it does and makes the calls."""
    sentences: list[str] = []
    for call in calls:
        arguments = dict(call["arguments"])
        record: FieldValue = arguments.pop("id", "")
        if call["name"] == domain["remove"]:
            sentences.append(f"I'll remove {record}.")
        elif call["name"] == domain["show"]:
            sentences.append(f"I'll look up the {domain['detail'][0]} of {record}.")
        else:
            ((name, value),) = arguments.items()
            search = f"I'll look for the {domain['plural']} with {name} {value}."
            sentences.append(f"I'll set the {name} of {record} to {value}." if record else search)
    return (call_turn(" ".join(sentences), calls, 90),)


def asking_response(domain: RecordDomain, ids: Sequence[str]) -> str:
    """Return a response that asks which record is meant."""
    return f"More than one {domain['entity']} fits: {join_words(ids)}. Which one do you mean?"


def answering_response(domain: RecordDomain, record: str, value: str) -> str:
    """Return a response that answers from a result."""
    return f"The {domain['detail'][0]} entry of {record} says: {value}."
