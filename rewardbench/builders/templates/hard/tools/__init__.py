"""Tools: the right call for one request, and for its twin another call, other arguments, another order, or no call.

For example, "Take the parcel with the highest weight among those with size small. Set its place to cellar."
Between A and B, two parcels of the list swap their weights, so that X changes one parcel and Y another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Response, Rng
from rewardbench.builders.templates.hard.tools.tables import (
    KINDS,
    SIZES,
    ExpectedCall,
    RecordDesk,
    RecordDomain,
    TableRecord,
    UserRequest,
    call_for,
    draw_desk,
    draw_request,
    draw_value,
    selected,
)
from rewardbench.builders.templates.hard.tools.wording import (
    Wording,
    answering_response,
    asking_response,
    call_turn,
    calling_response,
    read_domains,
    result_turn,
    schemas,
)
from rewardbench.types import Message, Messages

DESKS, REQUESTS, SWAPS = 40, 30, 150
"""Random desks, random requests of each, and random swaps for each of these, that are tried."""
FIRST_SHOWN = 50
"""Number of the first call that shows details."""
MISSING = {1: 2, 2: 3, 3: 5, 4: 8}
"""Records, some of them missing, by rung."""
MOST_CALLS = 6
"""Calls of one response, at most."""
MOST_IDS = 4
"""Records that a response asks about, at most."""


@dataclass(frozen=True)
class Outcome:
    """What is right: some calls, or a text that contains some words."""

    calls: tuple[ExpectedCall, ...] = ()
    words: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the data of the verifier."""
        return {"calls": list(self.calls), "words": list(self.words)}


OutcomePair = tuple[Outcome, Outcome]
"""What is right for prompt a and for prompt b."""


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Return a mirror with functions; its kind is random."""
    kind = rng.pick(KINDS)
    draws: Mapping[str, Callable[[Rng, int, RecordDomain], MirrorContent]] = {"answer": _answer, "missing": _missing}
    template = draws.get(kind, _swapped(kind))
    for _ in range(DESKS):
        with suppress(Resample):
            return template(rng, rung, rng.pick(read_domains()))
    raise Resample


def _swapped(kind: str) -> Callable[[Rng, int, RecordDomain], MirrorContent]:
    """Return a template whose prompts differ in two records that swap a value."""

    def template(rng: Rng, rung: int, domain: RecordDomain) -> MirrorContent:
        desk = draw_desk(rng, rung, domain)
        request, twin, name, outcomes = _find_twin(rng, rung, kind, desk)
        wording = Wording(rng, desk)
        prompts: list[Messages] = []
        for version in (desk, twin):
            prompts.append((*wording.opening_turns(version), wording.request_turn(request)))
        return _content(rng, rung, desk, f"{kind}: two records swap their {name}", prompts, outcomes)

    return template


def _find_twin(rng: Rng, rung: int, kind: str, desk: RecordDesk) -> tuple[UserRequest, RecordDesk, str, OutcomePair]:
    """Return a request, a desk with a swap that turns what is right, the field of the swap, and what is right.

    Raises:
        Resample: if no choice of many does.
    """
    for _ in range(REQUESTS):
        request = draw_request(rng, rung, kind, desk)
        outcome = _outcome(desk, request)
        if outcome is None:
            continue
        for _ in range(SWAPS if kind != "ask" or len(outcome.calls) == 1 else 0):
            first, second = rng.sample(range(len(desk.records)), 2)
            name = rng.pick(desk.fields)
            twin = desk.with_swap(first, second, name)
            other = _outcome(twin, request)
            if other is not None and _differ(kind, outcome, other):
                return request, twin, name, (outcome, other)
    raise Resample


def _differ(kind: str, outcome: Outcome, other: Outcome) -> bool:
    """Return True if two outcomes differ as the kind of mirror asks for."""
    if outcome == other:
        return False
    if kind == "ask":
        return bool(other.words)
    if other.words or outcome.words or len(outcome.calls) != len(other.calls):
        return False
    return kind != "function" or outcome.calls[0]["name"] != other.calls[0]["name"]


def _outcome(desk: RecordDesk, request: UserRequest) -> Outcome | None:
    """Return what is right for a request; None if the request is not clear, or beyond what a mirror should hold."""
    state = desk.state
    ids = selected(request.conditions, state)
    if request.kind == "order":
        return _order(desk, request, list(map(state.__getitem__, ids)))
    if request.kind == "ask" and 1 < len(ids) <= MOST_IDS:
        return Outcome(words=tuple(ids))
    if len(ids) != 1:
        return None
    record = state[ids[0]]
    change = request.change if request.test is None or request.test.met_by(record) else request.other_change
    call = call_for(desk, change, record)
    return Outcome((call,)) if call else None


def _order(desk: RecordDesk, request: UserRequest, records: list[TableRecord]) -> Outcome | None:
    """Return the calls for several records, the lowest figure first; None if they are too few, many or equal."""
    by_figure = {int(record[request.first]): record for record in records}
    if not 2 <= len(records) <= MOST_CALLS or len(by_figure) < len(records):
        return None
    calls: list[ExpectedCall] = []
    for figure in sorted(by_figure):
        call = call_for(desk, request.change, by_figure[figure])
        if call is None:
            return None
        calls.append(call)
    return Outcome(tuple(calls))


def _answer(rng: Rng, rung: int, domain: RecordDomain) -> MirrorContent:
    """Return a mirror in which the details of the record were shown before in one prompt only."""
    desk = draw_desk(rng, rung, domain)
    request = draw_request(rng, rung, "answer", desk)
    ids = selected(request.conditions, desk.state)
    if len(ids) != 1:
        raise Resample
    others = list(desk.state)
    others.remove(ids[0])
    others = rng.sample(others, SIZES[rung].shown)
    values = rng.sample(domain["detail"][1], len(others))
    wording = Wording(rng, desk)
    at = rng.number(0, len(others) - 1)
    prompts: list[Messages] = []
    for name in (ids[0], others[at]):
        shown = dict(zip([*others[:at], name, *others[at + 1 :]], values, strict=True))
        turns = [*wording.opening_turns(desk), *_shown_turns(domain, shown), wording.request_turn(request)]
        prompts.append(tuple(turns))
    fetch = Outcome(({"name": domain["show"], "arguments": {"id": ids[0]}},))
    outcomes = (Outcome(words=(ids[0], values[at])), fetch)
    return _content(rng, rung, desk, f"answer: the detail of {ids[0]} was shown / was not", prompts, outcomes)


def _shown_turns(domain: RecordDomain, values: Mapping[str, str]) -> list[Message]:
    """Return turns in which the details of some records, by id, are shown."""
    detail = domain["detail"][0]
    calls = _show_calls(domain, list(values))
    question = Message(role="user", content=f"What do the records say under {detail} for {', '.join(values)}?")
    turns = [question, call_turn("Looking.", calls, FIRST_SHOWN)]
    for number, (record, value) in enumerate(values.items(), FIRST_SHOWN):
        turns.append(result_turn(number, {"id": record, detail: value}))
    return [*turns, Message(role="assistant", content="That is what the records say. Anything else?")]


def _show_calls(domain: RecordDomain, ids: Sequence[str]) -> list[ExpectedCall]:
    return [{"name": domain["show"], "arguments": {"id": name}} for name in ids]


def _missing(rng: Rng, rung: int, domain: RecordDomain) -> MirrorContent:
    """Return a mirror in which some records are not on file; between the prompts, two records swap this."""
    desk = draw_desk(rng, 4, domain)
    ids: list[str] = []
    lines: list[str] = []
    options: list[tuple[ExpectedCall, ExpectedCall]] = []
    filters: list[tuple[str, str]] = []
    for field in filter(domain["texts"].__contains__, desk.fields):
        filters += product([field], domain["texts"][field])
    if len(filters) < MISSING[rung]:
        raise Resample
    numbers = rng.numbers(MISSING[rung], 11, 99)
    for number, (field, value) in zip(numbers, rng.sample(filters, len(numbers)), strict=True):
        ids.append(f"{domain['prefix']}-{number}")
        line, change = _line(rng, desk, ids[-1], field, value)
        lines.append(line)
        options.append((change, {"name": domain["find"], "arguments": {field: value}}))
    on_file = rng.sample([True, False, *(rng.chance() for _ in ids[2:])], len(ids))
    first = rng.pick([n for n, presence in enumerate(on_file) if presence])
    second = rng.pick([n for n, presence in enumerate(on_file) if not presence])
    other_file = list(on_file)
    other_file[first], other_file[second] = False, True
    wording = Wording(rng, desk)
    request = Message(role="user", content="\n".join(["Look these up first, then go line by line:", *lines]))
    prompts: list[Messages] = []
    outcomes: list[Outcome] = []
    for presence in (on_file, other_file):
        turns = [Message(role="system", content=wording.system), request]
        turns.append(call_turn("Looking them up.", _show_calls(domain, ids)))
        calls = []
        for number, (name, is_known) in enumerate(zip(ids, presence, strict=True)):
            turns.append(result_turn(number + 1, {"id": name, "status": "on file" if is_known else "not on file"}))
            calls.append(options[number][not is_known])
        prompts.append(tuple(turns))
        outcomes.append(Outcome(tuple(calls)))
    edit = f"missing: {ids[first]} is on file and {ids[second]} is not / the other way round"
    return _content(rng, rung, desk, edit, prompts, (outcomes[0], outcomes[1]))


def _line(rng: Rng, desk: RecordDesk, name: str, field: str, sought: str) -> tuple[str, ExpectedCall]:
    """Return a request about a record that may be missing, with the call if it is on file."""
    domain = desk.domain
    target = rng.pick(list(filter(domain["changes"].__contains__, desk.fields)))
    value = draw_value(rng, domain, target)
    text = f"{name}: set its {target} to {value}; if it is not on file, find the {domain['plural']} with {field} "
    call = {"name": domain["changes"][target], "arguments": {"id": name, target: value}}
    return f"{text}{sought} instead.", call


def _content(
    rng: Rng, rung: int, desk: RecordDesk, edit: str, prompts: Sequence[Messages], outcomes: OutcomePair
) -> MirrorContent:
    needed: list[str] = []
    for turn in (*prompts[0], *prompts[1]):
        for shown_call in turn.get("tool_calls", []):
            needed.append(shown_call["function"]["name"])
    for call in (*outcomes[0].calls, *outcomes[1].calls):
        needed.append(call["name"])
    return MirrorContent(
        edit=edit,
        a=prompts[0],
        b=prompts[1],
        x=_response(desk.domain, outcomes[0]),
        y=_response(desk.domain, outcomes[1]),
        check={"kind": "tools", "a": outcomes[0].to_json(), "b": outcomes[1].to_json()},
        tools=schemas(rng, SIZES[rung].functions, desk, needed),
    )


def _response(domain: RecordDomain, outcome: Outcome) -> Response:
    if outcome.calls:
        return calling_response(domain, outcome.calls)
    if len(outcome.words) == 2 and outcome.words[1] in domain["detail"][1]:
        return answering_response(domain, *outcome.words)
    return asking_response(domain, outcome.words)
