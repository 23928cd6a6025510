"""Records, requests about them, and what a request comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rewardbench.builders.draw import Resample, Rng

RecordDomain = Mapping[str, Any]
"""A desk of `domains.toml`."""
FieldValue = str | int
TableRecord = dict[str, FieldValue]
ExpectedCall = dict[str, Any]
"""`name` and `arguments` of a function."""

KINDS = ("argument", "function", "ask", "answer", "missing", "order")


@dataclass(frozen=True)
class TableSize:
    """Amounts to draw at one rung."""

    records: int
    fields: int
    conditions: int
    updates: int
    """Changes earlier in the conversation."""
    functions: int
    shown: int
    """Records of which the details were shown."""


SIZES = {
    1: TableSize(4, 3, 1, 0, 3, 1),
    2: TableSize(9, 5, 2, 2, 6, 2),
    3: TableSize(18, 6, 2, 4, 10, 3),
    4: TableSize(32, 7, 3, 8, 14, 4),
}


@dataclass(frozen=True)
class RecordCondition:
    """What a record must have to be meant."""

    field: str
    relation: str
    """is, is not, is over, is under, highest or lowest; the last two choose among the records that meet the others."""
    value: FieldValue = 0

    def met_by(self, record: TableRecord) -> bool:
        """Return True if a record meets it by itself."""
        value = record[self.field]
        if self.relation in ("is", "is not"):
            return (value == self.value) == (self.relation == "is")
        return int(value) > int(self.value) if self.relation == "is over" else int(value) < int(self.value)


@dataclass(frozen=True)
class Change:
    """What to do with a record: set a field, or add `increment` to it; without a field, remove it."""

    field: str = ""
    value: FieldValue = 0
    increment: int = 0


@dataclass(frozen=True)
class Update:
    """A change of one record earlier in the conversation; a failed one has no effect."""

    record: str
    field: str
    value: FieldValue
    failed: bool


@dataclass(frozen=True)
class UserRequest:
    """What the user asks for in the last turn."""

    kind: str
    conditions: tuple[RecordCondition, ...]
    change: Change
    other_change: Change = field(default_factory=Change)
    """Of kind function: what to do if `test` does not hold."""
    test: RecordCondition | None = None
    first: str = ""
    """Of kind order: the field whose lowest value comes first."""


@dataclass(frozen=True)
class RecordDesk:
    """A table of records with the conversation so far."""

    domain: RecordDomain
    fields: tuple[str, ...]
    records: tuple[TableRecord, ...]
    updates: tuple[Update, ...]

    @property
    def state(self) -> dict[str, TableRecord]:
        """The records by id after the updates."""
        state = {str(record["id"]): dict(record) for record in self.records}
        for update in self.updates:
            if not update.failed:
                state[update.record][update.field] = update.value
        return state

    def with_swap(self, first: int, second: int, name: str) -> RecordDesk:
        """Return a copy in which two records have swapped their values of a field."""
        records = [dict(record) for record in self.records]
        records[first][name], records[second][name] = records[second][name], records[first][name]
        return replace(self, records=tuple(records))


def draw_desk(rng: Rng, rung: int, domain: RecordDomain) -> RecordDesk:
    """Return a table and earlier updates of a rung's size."""
    size = SIZES[rung]
    changeable = rng.sample(sorted(domain["changes"]), 2)
    texts, numbers = sorted(domain["texts"]), sorted(domain["numbers"])
    fields = [rng.pick(texts), rng.pick(numbers), *changeable]
    others = rng.sample([*texts, *numbers], len(texts) + len(numbers))
    fields = list(dict.fromkeys([*fields, *others]))[: max(size.fields, 4)]
    ids = rng.numbers(size.records, 11, 99)
    columns: dict[str, Sequence[FieldValue]] = {}
    for name in fields:
        columns[name] = _draw_values(rng, domain, name, size.records)
    records: list[TableRecord] = []
    order = rng.sample(fields, len(fields))
    for n, number in enumerate(ids):
        record: TableRecord = {"id": f"{domain['prefix']}-{number}"}
        for name in order:
            record[name] = columns[name][n]
        records.append(record)
    updates: list[Update] = []
    for n in range(size.updates):
        name = rng.pick(changeable)
        update = Update(str(rng.pick(records)["id"]), name, draw_value(rng, domain, name), n > 0 and rng.chance(0.3))
        updates.append(update)
    return RecordDesk(domain, tuple(order), tuple(records), tuple(updates))


def _draw_values(rng: Rng, domain: RecordDomain, name: str, count: int) -> Sequence[FieldValue]:
    """Return a value for each record; numbers differ."""
    if name in domain["numbers"]:
        low, high = domain["numbers"][name]
        if high - low + 1 >= count:
            return rng.numbers(count, low, high)
    return [draw_value(rng, domain, name) for _ in range(count)]


def draw_value(rng: Rng, domain: RecordDomain, name: str) -> FieldValue:
    """Return a value of a field."""
    if name in domain["texts"]:
        return str(rng.pick(domain["texts"][name]))
    low, high = domain["numbers"][name]
    return rng.number(low, high)


def draw_request(rng: Rng, rung: int, kind: str, desk: RecordDesk) -> UserRequest:
    """Return a request of a kind.

    Raises:
        Resample: if both changes of a request are of one field.
    """
    texts, numbers = desk.domain["texts"], desk.domain["numbers"]
    text_fields = list(filter(texts.__contains__, desk.fields))
    number_fields = list(filter(numbers.__contains__, desk.fields))
    conditions: list[RecordCondition] = []
    for name in rng.sample(desk.fields, min(SIZES[rung].conditions, len(desk.fields) - 1)):
        if name in texts:
            relation = "is" if rng.chance(0.7) else "is not"
            conditions.append(RecordCondition(name, relation, rng.pick(texts[name])))
        else:
            value = rng.pick(desk.records)[name]
            conditions.append(RecordCondition(name, rng.pick(("is over", "is under")), value))
    if kind in ("argument", "function", "answer") and rng.chance(0.5 if rung < 3 else 0.8):
        best = rng.pick(number_fields)
        if best not in {condition.field for condition in conditions}:
            conditions.append(RecordCondition(best, rng.pick(("highest", "lowest"))))
    change = _draw_change(rng, rung, desk)
    if kind == "order":
        first = rng.pick(number_fields)
        return UserRequest(kind, tuple(conditions[: max(1, rung - 1)]), replace(change, increment=0), first=first)
    if kind != "function":
        return UserRequest(kind, tuple(conditions), change)
    name = rng.pick(text_fields)
    test = RecordCondition(name, "is", rng.pick(texts[name]))
    other = _draw_change(rng, rung, desk)
    if other.field == change.field:
        raise Resample
    return UserRequest(kind, tuple(conditions), change, other, test)


def _draw_change(rng: Rng, rung: int, desk: RecordDesk) -> Change:
    domain = desk.domain
    if rng.chance(0.15):
        return Change()
    name = rng.pick(list(filter(domain["changes"].__contains__, desk.fields)))
    if name in domain["numbers"] and rung >= 2 and rng.chance(0.6):
        return Change(name, increment=rng.number(2, 9) * rng.pick((1, -1)))
    return Change(name, draw_value(rng, domain, name))


def selected(conditions: Sequence[RecordCondition], state: Mapping[str, TableRecord]) -> list[str]:
    """Return the ids of the records that conditions mean, in the order of the table."""
    ids = list(state)
    for condition in conditions:
        if condition.relation in ("highest", "lowest"):
            ids = _extreme(condition, state, ids)
        else:
            ids = [name for name in ids if condition.met_by(state[name])]
    return ids


def _extreme(condition: RecordCondition, state: Mapping[str, TableRecord], ids: Sequence[str]) -> list[str]:
    """Return the ids with the highest or the lowest figure."""
    figures = {name: int(state[name][condition.field]) for name in ids}
    if not figures:
        return []
    best = max(figures.values()) if condition.relation == "highest" else min(figures.values())
    return [name for name, figure in figures.items() if figure == best]


def call_for(desk: RecordDesk, change: Change, record: TableRecord) -> ExpectedCall | None:
    """Return the call that makes a change; None if nothing changes, a figure is out of range, or it was locked."""
    domain, locked = desk.domain, {update.record for update in desk.updates if update.failed}
    if record["id"] in locked:
        return None
    if not change.field:
        return {"name": domain["remove"], "arguments": {"id": record["id"]}}
    current = record[change.field]
    value = int(current) + change.increment if change.increment else change.value
    low, high = domain["numbers"].get(change.field, (0, 0))
    if value == current or (isinstance(value, int) and not low <= value <= high):
        return None
    return {"name": domain["changes"][change.field], "arguments": {"id": record["id"], change.field: value}}
