"""First verifier of amended amounts: apply the events that were not taken back, and compare the amounts of names.

An entry of the list is a name and an amount; new amounts are rounded down. An event is a JSON list; [] changes nothing.

    ["percent", p]          every amount changes by p percent
    ["parity", p, q]        odd amounts change by p percent, even ones by q percent
    ["below", k]            each amount gets one k-th of the one below it, the last of the first; all from before
    ["lower", p, q]         amounts above an odd amount change by p percent, others by q; the last looks at the first
    ["above", limit, k]     amounts above the limit are divided by k
    ["under", limit, k]     amounts below the limit are multiplied by k
    ["places", i, j]        the entries in two places swap; places count from 1
    ["move", name, i]       the entry is taken out and put back as number i
    ["sort", "up" | "down"]     smallest or largest at the top
    ["reverse", i, j]       the entries in places i to j in reverse order
    ["trade", name, name2]  two names swap amounts
    ["set", name, amount]
    ["strike", k]           the k-th message before this one counts as never sent
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

Listed = tuple[tuple[str, int], ...]
"""Names and amounts, from top to bottom."""
AmountEvent = Sequence[str | int]


def standing(events: Sequence[AmountEvent]) -> list[AmountEvent]:
    """Return the events that were not taken back, in order."""
    remaining: list[AmountEvent] = []
    for event in events:
        if event and event[0] == "strike":
            remaining[-int(event[1])] = ()
            event = ()
        remaining.append(event)
    return list(filter(None, remaining))


def apply_event(entries: Listed, event: AmountEvent) -> Listed:
    """Return the list after one event.

    Raises:
        BrokenCheck: if a sort meets equal amounts, or there is no such operation.
    """
    operation, *arguments = event
    if operation in NEW_AMOUNTS:
        amounts = [amount for _, amount in entries]
        changed = NEW_AMOUNTS[str(operation)](amounts, *arguments)
        return tuple((name, amount) for (name, _), amount in zip(entries, changed, strict=True))
    if operation in NEW_ORDERS:
        return tuple(NEW_ORDERS[str(operation)](list(entries), *arguments))
    amounts_by_name = dict(entries)
    if operation == "set":
        amounts_by_name[str(arguments[0])] = int(arguments[1])
    elif operation == "trade":
        first, second = map(str, arguments)
        amounts_by_name[first], amounts_by_name[second] = amounts_by_name[second], amounts_by_name[first]
    else:
        raise BrokenCheck(f"no operation {operation!r}")
    return tuple(amounts_by_name.items())


def replay_amounts(entries: Listed, events: Sequence[AmountEvent]) -> list[Listed]:
    """Return the list at first and after each event that was not taken back."""
    states = [entries]
    for event in standing(events):
        states.append(apply_event(states[-1], event))
    return states


def _percent(amounts: list[int], percent: int) -> list[int]:
    return _parity(amounts, percent, percent)


def _parity(amounts: list[int], odd: int, even: int) -> list[int]:
    return [amount * (100 + (odd if amount % 2 else even)) // 100 for amount in amounts]


def _below(amounts: list[int], part: int) -> list[int]:
    lower = [*amounts[1:], amounts[0]]
    return [amount + neighbour // part for amount, neighbour in zip(amounts, lower, strict=True)]


def _lower(amounts: list[int], odd: int, even: int) -> list[int]:
    percents = [odd if amount % 2 else even for amount in [*amounts[1:], amounts[0]]]
    return [amount * (100 + percent) // 100 for amount, percent in zip(amounts, percents, strict=True)]


def _above(amounts: list[int], limit: int, divisor: int) -> list[int]:
    return [amount // divisor if amount > limit else amount for amount in amounts]


def _under(amounts: list[int], limit: int, factor: int) -> list[int]:
    return [amount * factor if amount < limit else amount for amount in amounts]


NEW_AMOUNTS: Mapping[str, Callable[..., list[int]]] = {
    "percent": _percent,
    "parity": _parity,
    "below": _below,
    "lower": _lower,
    "above": _above,
    "under": _under,
}
Order = list[tuple[str, int]]


def _places(entries: Order, first: int, second: int) -> Order:
    entries[first - 1], entries[second - 1] = entries[second - 1], entries[first - 1]
    return entries


def _move(entries: Order, name: str, place: int) -> Order:
    entry = (name, dict(entries)[name])
    entries.remove(entry)
    entries.insert(place - 1, entry)
    return entries


def _sort(entries: Order, direction: str) -> Order:
    if len(set(dict(entries).values())) < len(entries):
        raise BrokenCheck("the order of equal amounts is open")
    return sorted(entries, key=lambda entry: entry[1], reverse=direction == "down")


def _reverse(entries: Order, first: int, last: int) -> Order:
    return entries[: first - 1] + entries[first - 1 : last][::-1] + entries[last:]


NEW_ORDERS: Mapping[str, Callable[..., Order]] = {"places": _places, "move": _move, "sort": _sort, "reverse": _reverse}


def _is_largest(cell: Cell) -> bool:
    """Return True if the name that a response puts first has the largest amount of the names asked about.

    The check has the `list`, the `events`, and `verdicts`: for each sentence of either response the name that it puts
    first and the others, or an empty list for a sentence that states no result.
    """
    unread, verdicts = cell.response, []
    for sentence, verdict in sorted(cell.check["verdicts"].items(), key=lambda pair: -len(pair[0])):
        if sentence in unread:
            unread = unread.replace(sentence, " ", 1)
            verdicts += [verdict] if verdict else []
    if unread.strip() or len(verdicts) != 1:
        raise BrokenCheck(f"{len(verdicts)} verdicts, and {unread.strip()[:80]!r} is unknown")
    entries = tuple((str(name), int(amount)) for name, amount in cell.check["list"])
    amounts = dict(replay_amounts(entries, cell.check["events"])[-1])
    leader, *others = verdicts[0]
    return all(amounts[leader] > amounts[other] for other in others)


verify_amounts = cell_by_cell(_is_largest)
