"""Verifiers for `tools`: whether a response makes the right calls, or none where none is due.

The first program validates calls against the schemas of the functions and compares them with the expected ones. The
second builds a small backend from the conversation (the list, earlier calls and their results), reads the request, runs
the calls of the response, and compares what they did with what the request asks for.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from rewardbench.types import Message, Tools
from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

Schema = Mapping[str, Any]
ParsedCall = tuple[str, dict[str, Any]]
"""Name and arguments."""
RecordState = dict[str, dict[str, Any]]
"""Records by id."""

TYPES: Mapping[str, type] = {"string": str, "integer": int, "object": dict, "array": list, "boolean": bool}


def calls_of(messages: Sequence[Message]) -> list[ParsedCall]:
    """Return the calls of messages; arguments may be an object or its JSON text."""
    calls: list[ParsedCall] = []
    for message in messages:
        for call in message.get("tool_calls", []):
            arguments = call["function"]["arguments"]
            parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
            calls.append((call["function"]["name"], parsed))
    return calls


def fits_schema(value: object, schema: Schema) -> bool:
    """Return True if a JSON value fits a schema: type, enum, range, properties and required ones.

    >>> fits_schema({"n": 0}, {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}})
    False
    """
    expected = TYPES[schema["type"]]
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        return False
    if value not in schema.get("enum", [value]):
        return False
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return False
    if not isinstance(value, dict):
        return True
    properties = schema.get("properties", {})
    if not set(schema.get("required", [])) <= set(value):
        return False
    return all(name in properties and fits_schema(item, properties[name]) for name, item in value.items())


def is_valid(call: ParsedCall, tools: Tools) -> bool:
    """Return True if there is a function of this name, and the arguments fit its schema."""
    name, arguments = call
    for tool in tools:
        if tool["function"]["name"] == name:
            return fits_schema(arguments, tool["function"]["parameters"])
    return False


def calls_as_expected(cell: Cell) -> bool:
    """Return True if the calls of a response are valid and the expected ones, or if its text answers without any."""
    expected = [(call["name"], dict(call["arguments"])) for call in cell.check["calls"]]
    for call in expected:
        if not is_valid(call, cell.tools):
            raise BrokenCheck(f"the expected call {call} does not fit the functions")
    calls = calls_of(cell.calls)
    if calls or expected:
        return calls == expected and all(is_valid(call, cell.tools) for call in calls)
    return all(word in cell.response for word in cell.check["words"])


# The second program.

CONDITIONS = re.compile(r"\bwith (?!the )(.+)$")
CONDITION = re.compile(
    r"any (?P<not>\w+) but (?P<other>[\w-]+)|(?P<amount>over|under) (?P<count>\d+) (?P<counted>\w+)"
    r"|(?P<name>\w+) (?P<bound>over |under )?(?P<value>[\w-]+)"
)
BEST = re.compile(r"with the (highest|lowest|most|fewest) (\w+)")
SETTING = re.compile(r"set (?:its|their) (\w+) to ([\w-]+)", re.IGNORECASE)
STEP = re.compile(r"(raise|lower) its (\w+) by (\d+)", re.IGNORECASE)
FALLBACK = re.compile(
    r"^(\S+): set its (\w+) to ([\w-]+); if it is not on file, find the .+? with (\w+) ([\w-]+) instead", re.M
)


def _scalar(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


class SimulatedBackend:
    """The records as a conversation leaves them, and what its functions do by their descriptions."""

    def __init__(self, cell: Cell) -> None:
        self.descriptions: dict[str, str] = {}
        for tool in cell.tools:
            self.descriptions[tool["function"]["name"]] = tool["function"]["description"]
        self.state: RecordState = {}
        self.details: dict[str, str] = {}
        self.known: dict[str, bool] = {}
        self.journal: list[tuple[str, ...]] = []
        """What was done: the verb of the description and the record or filter."""
        pending: dict[str, ParsedCall] = {}
        for message in cell.messages:
            for call, parsed in zip(message.get("tool_calls", []), calls_of([message]), strict=True):
                pending[call["id"]] = parsed
            if message["role"] == "tool":
                self._replay(pending.pop(message["tool_call_id"]), json.loads(message["content"]))

    def _replay(self, call: ParsedCall, result: list[dict[str, Any]] | dict[str, Any]) -> None:
        """Take over what the result of an earlier call shows or means."""
        if isinstance(result, list):
            for record in result:
                self.state[record["id"]] = record
        elif "status" in result:
            self.known[result["id"]] = result["status"] == "on file"
        elif "id" in result:
            name = result.pop("id")
            (self.details[name],) = result.values()
        elif "error" not in result:
            self.run(call)
            self.journal.clear()

    def run(self, call: ParsedCall) -> None:
        """Run a call."""
        name, arguments = call
        words = self.descriptions[name].split()
        if words[0] == "Set":
            self.state.setdefault(arguments["id"], {"id": arguments["id"]})[words[2]] = arguments[words[2]]
            self.journal.append(("set", arguments["id"], words[2], str(arguments[words[2]])))
        elif words[0] == "Remove":
            self.state.pop(arguments["id"], None)
            self.journal.append(("remove", arguments["id"]))
        elif words[0] == "Show":
            self.journal.append(("show", arguments["id"]))
        elif words[0] == "Find":
            ((field, value),) = arguments.items()
            self.journal.append(("find", field, str(value)))
        else:
            self.journal.append(("other", name))

    def matches(self, text: str) -> list[dict[str, Any]]:
        """Return the records that a description in words means."""
        described = CONDITIONS.search(text)
        conditions = re.split(r", | and ", described[1]) if described else []
        records: list[dict[str, Any]] = []
        for record in self.state.values():
            if all(_meets(record, condition) for condition in conditions):
                records.append(record)
        best = BEST.search(text)
        if best is None or not records:
            return records
        ranked = sorted(records, key=itemgetter(best[2]), reverse=best[1] in ("highest", "most"))
        _, tied = next(groupby(ranked, key=itemgetter(best[2])))
        return list(tied)


def _meets(record: Mapping[str, Any], text: str) -> bool:
    """Return True if a record meets a condition in words.

    Raises:
        BrokenCheck: if the condition cannot be read.
    """
    match = CONDITION.fullmatch(text)
    if match is None:
        raise BrokenCheck(f"{text!r} is a condition that cannot be read")
    if match["not"]:
        return bool(record[match["not"]] != _scalar(match["other"]))
    figure, value = record[match["name"] or match["counted"]], _scalar(match["value"] or match["count"])
    relation = (match["bound"] or match["amount"] or "").strip()
    if relation == "over":
        return bool(figure > value)
    return bool(figure < value) if relation == "under" else bool(figure == value)


def _wanted(text: str, record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the journal line that an order in words stands for."""
    step, setting = STEP.search(text), SETTING.search(text)
    if step:
        sign = 1 if step[1].lower() == "raise" else -1
        return ("set", record["id"], step[2], str(record[step[2]] + sign * int(step[3])))
    if setting:
        return ("set", record["id"], setting[1], setting[2])
    if "remove" in text.lower():
        return ("remove", record["id"])
    raise BrokenCheck(f"{text!r} asks for nothing that can be read")


def does_what_is_asked(cell: Cell) -> bool:
    """Return True if running the calls of a response, or its text, does what the last turn of the user asks for."""
    request = ""
    for message in cell.messages:
        request = message["content"] if message["role"] == "user" else request
    backend = SimulatedBackend(cell)
    goal = _goal(request, copy.deepcopy(backend), cell.response)
    calls = calls_of(cell.calls)
    if isinstance(goal, bool):
        return goal and not calls
    if not calls:
        return False
    ids = set(backend.state) | set(backend.known)
    for name, arguments in calls:
        if name not in backend.descriptions or arguments.get("id", next(iter(ids))) not in ids:
            return False
        backend.run((name, arguments))
    return backend.journal == goal


def _goal(request: str, backend: SimulatedBackend, reply: str) -> list[tuple[str, ...]] | bool:
    """Return the journal that is asked for; if no call is due, whether the reply is right."""
    fallbacks = FALLBACK.findall(request)
    if fallbacks:
        goal: list[tuple[str, ...]] = []
        for name, field, value, other, sought in fallbacks:
            goal.append(("set", name, field, value) if backend.known[name] else ("find", other, sought))
        return goal
    if "Go through all" in request:
        description, _, order = request.partition(", in order of ")
        field = order.partition(",")[0]
        ranked = sorted(backend.matches(description), key=itemgetter(field))
        return [_wanted(order, record) for record in ranked]
    subject = re.search(r"(?:Take|It's about|I mean|Look at) (.+?)\. (.+)", request)
    if subject is None:
        raise BrokenCheck("the request cannot be read")
    records = backend.matches(subject[1])
    if not records:
        raise BrokenCheck("the request fits no record")
    if len(records) > 1:
        mentioned = set(re.findall(r"\b[A-Z]-\d+", reply))
        return mentioned == {record["id"] for record in records} and reply.endswith("?")
    return _single_goal(subject[2], records[0], backend, reply)


def _single_goal(
    order: str, record: Mapping[str, Any], backend: SimulatedBackend, reply: str
) -> list[tuple[str, ...]] | bool:
    """Return the same for a request about one record."""
    test = re.search(r"If its (\w+) is ([\w-]+), (.+?); if not, (.+)", order)
    if test:
        return [_wanted(test[3] if record[test[1]] == _scalar(test[2]) else test[4], record)]
    if re.search(r"What does it say under|I need to know its|What do the records say under", order):
        value = backend.details.get(record["id"])
        return [("show", record["id"])] if value is None else value in reply and record["id"] in reply
    return [_wanted(order, record)]


verify_tools = cell_by_cell(calls_as_expected)
verify_tools_by_execution = cell_by_cell(does_what_is_asked)
