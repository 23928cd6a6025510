"""First verifier of amended plans: fold the events of all turns, and compare every slot with the response.

An event is a list of its operation and its slots:

    ["set", slot, value], ["clear", slot], ["swap", slot, slot2], ["copy", slot, source], ["rotate", slot, slot2, slot3]
    ["back", slot]    the slot's entry before the last turn that changed it
    ["undo"]          the plan before the previous turn
    ["undo2"]         what the turn before the previous one changed, as it was before
    ["undo_both"]     the plan before the previous two turns
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

Event = Sequence[str]
Changes = Sequence[Event]
"""The events of one message; they concern different slots."""
Entries = dict[str, str]

EMPTY = ""
TAKEN_BACK = ("undo", "undo2", "undo_both", "back")
"""Operations that refer to earlier turns."""


class Replay:
    """The state of a plan after each turn."""

    def __init__(self, plan: Mapping[str, str]) -> None:
        self.states: list[Entries] = [dict(plan)]
        self.changed: list[frozenset[str]] = []
        """The slots that each turn changed."""

    @property
    def plan(self) -> Entries:
        """The plan after the last turn."""
        return self.states[-1]

    def last_change(self, slot: str) -> int | None:
        """Return the number of the last turn that changed a slot; None if no turn did."""
        for turn in range(len(self.changed) - 1, -1, -1):
            if slot in self.changed[turn]:
                return turn
        return None

    def apply(self, turn: Changes) -> None:
        """Append the state after one turn."""
        plan = dict(self.plan)
        for operation, *slots in turn:
            self._change(plan, operation, slots)
        self.changed.append(frozenset(slot for slot in plan if plan[slot] != self.plan[slot]))
        self.states.append(plan)

    def _change(self, plan: Entries, operation: str, slots: list[str]) -> None:
        before = self.plan
        if operation == "set":
            plan[slots[0]] = slots[1]
        elif operation == "clear":
            plan[slots[0]] = EMPTY
        elif operation == "copy":
            plan[slots[0]] = before[slots[1]]
        elif operation in ("swap", "rotate"):
            for slot, target in zip(slots, [*slots[1:], slots[0]], strict=True):
                plan[target] = before[slot]
        elif operation == "undo":
            plan.update(self.states[-2])
        elif operation == "undo_both":
            plan.update(self.states[-3])
        elif operation == "undo2":
            for slot in self.changed[-2]:
                plan[slot] = self.states[-3][slot]
        elif operation == "back":
            turn = self.last_change(slots[0])
            if turn is None:
                raise BrokenCheck(f"{slots[0]} never changed")
            plan[slots[0]] = self.states[turn][slots[0]]
        else:
            raise BrokenCheck(f"no operation {operation!r}")


def fold(plan: Mapping[str, str], turns: Sequence[Changes]) -> Replay:
    """Apply all turns to a plan."""
    replay = Replay(plan)
    for turn in turns:
        replay.apply(turn)
    return replay


def _is_final_plan(cell: Cell) -> bool:
    """Return True if the response has the final entries of as many slots as are wanted.

    The check has the `plan`, the `turns`, the number of `wanted` entries, and `entries`: slot and value of each
    sentence or line of either response, or an empty list for a sentence without an entry.
    """
    stated: Entries = {}
    unread = cell.response
    for sentence, entry in sorted(cell.check["entries"].items(), key=lambda pair: -len(pair[0])):
        if sentence in unread:
            unread = unread.replace(sentence, " ", 1)
            if entry:
                stated[entry[0]] = entry[1]
    if unread.strip():
        raise BrokenCheck(f"no entry for {unread.strip()[:80]!r}")
    final = fold(cell.check["plan"], cell.check["turns"]).plan
    return len(stated) == cell.check["wanted"] and stated.items() <= final.items()


verify_retractions = cell_by_cell(_is_final_plan)
