"""Second verifier of amended plans: reads the user's messages, and follows each slot backwards from the last one.

It uses nothing of the check. For each slot it looks for the last message that has an effect on it: an entry settles the
slot, a swap or a copy continues with another slot, and a retraction continues before the message that it takes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

FIRST_LINE = re.compile(r"^(?:- )?(.+?)(?:: | = | → )(.+)$")
NO_ENTRY = "empty"

PATTERNS: tuple[tuple[str, str], ...] = (
    ("set", r"change (?P<s>S) to (?P<v>[^.]+?),? please"),
    ("set", r"for (?P<s>S) i'd rather have (?P<v>[^.]+)"),
    ("set", r"let's make it (?P<v>[^.]+) for (?P<s>S)"),
    ("set", r"(?P<s>S) is (?P<v>[^.]+) from now on"),
    ("set", r"put down (?P<v>[^.]+) for (?P<s>S)"),
    ("set", r"new entry for (?P<s>S): (?P<v>[^.]+)"),
    ("set", r"correction for (?P<s>S), that should be (?P<v>[^.]+)"),
    ("clear", r"leave (?P<s>S) empty"),
    ("clear", r"take out what we have for (?P<s>S) and put nothing in its place"),
    ("clear", r"cancel (?P<s>S), it stays open"),
    ("swap", r"swap (?P<s>S) and (?P<s2>S)"),
    ("swap", r"(?P<s>S) and (?P<s2>S) trade entries"),
    ("swap", r"what we have for (?P<s>S) moves to (?P<s2>S), and the other way round"),
    ("copy", r"(?P<s>S) gets the same entry that (?P<s2>S) has at this moment"),
    ("copy", r"copy the current entry of (?P<s2>S) over to (?P<s>S)"),
    (
        "rotate",
        r"rotate three: the entry of (?P<s>S) goes to (?P<s2>S), that of (?P=s2) goes to (?P<s3>S), and that of"
        r" (?P=s3) goes to (?P=s)",
    ),
    (
        "rotate",
        r"round robin, please: (?P<s>S) hands its entry to (?P<s2>S), (?P=s2) to (?P<s3>S), and (?P=s3) to (?P=s)",
    ),
    ("back", r"for (?P<s>S), restore the entry that it had just before the current one"),
    ("back", r"(?P<s>S) goes back to its previous entry"),
    ("undo", r"undo everything that i changed in my last message"),
    ("undo", r"scratch my last message"),
    ("undo", r"wait, no\. take back what my last message changed"),
    ("undo", r"sorry, pretend i never sent my last message"),
    ("undo_both", r"take back my last two messages, both of them"),
    ("undo_both", r"undo both of my last two messages"),
    ("undo_both", r"pretend that i never sent my last two messages"),
    ("undo2", r"scratch the last but one message of mine; the last one counts"),
    ("undo2", r"keep what my last message changed, but undo the message before it"),
    ("talk", r"somebody wants .+ for (?P<s>S), and i said no"),
    ("talk", r"i was about to change (?P<s>S) to .+\. i won't"),
    ("talk", r".+ came up for (?P<s>S), but we leave that as it is"),
    ("talk", r"my brother thinks (?P<s>S) ought to be .+\. he has no say, so no change"),
)
"""Messages in lower case without their full stop; S is any slot."""
TALK = (
    "sorry for all", "one moment", "i'm back", "this takes", "my phone", "are you still", "it has started",
    "just so you know", "everyone talks",
)  # fmt: skip

UNDONE = {"undo": 2, "undo_both": 3}
"""Messages to go back from a retraction of all that the last ones changed."""
NUMBERS = {"twelve": 12}
ANY = re.compile(r"any (\w+) of the (?:current )?entries")

Effect = tuple[str, tuple[str, ...], str]
"""Operation, slots and value."""


class History:
    """The plan of a conversation's first message, and the effects of each later message."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.first: dict[str, str] = {}
        for line in re.split(r"\n|; ", messages[0]):
            match = FIRST_LINE.fullmatch(line)
            if match:
                self.first[match[1].lower()] = match[2].lower()
        slots = "|".join(sorted({re.sub(r"\d+", r"\\d+", re.escape(slot)) for slot in self.first}, reverse=True))
        self.patterns: list[tuple[str, re.Pattern[str]]] = []
        for name, text in PATTERNS:
            self.patterns.append((name, re.compile(text.replace("S)", f"{slots})"))))
        self.effects = list(map(self._read, messages[1:]))

    def _read(self, message: str) -> list[Effect]:
        """Return the effects of a message.

        Raises:
            BrokenCheck: if it cannot be read.
        """
        text = message.lower().rstrip(".")
        if text.startswith(TALK):
            return []
        single = self._match(text)
        if single:
            return [single]
        effects = []
        for sentence in re.split(r"\. (?:then|and|also): |(?<=please)\. ", text):
            effect = self._match(sentence)
            if not effect:
                raise BrokenCheck(f"cannot read {sentence!r}")
            effects.append(effect)
        return effects

    def _match(self, sentence: str) -> Effect | None:
        for name, pattern in self.patterns:
            match = pattern.fullmatch(sentence)
            if match:
                groups = match.groupdict()
                slots = tuple(groups[key] for key in ("s", "s2", "s3") if groups.get(key))
                return name, slots, groups.get("v") or ""
        return None

    def entry(self, slot: str, turn: int) -> str:
        """Return the entry of a slot after a message; message -1 is the first."""
        while turn >= 0:
            operation = self.effects[turn][0][0] if self.effects[turn] else ""
            if operation in UNDONE:
                turn -= UNDONE[operation]
            elif operation == "undo2":
                turn -= 3 if self._effect_on(slot, turn - 2) else 1
            else:
                effect = self._effect_on(slot, turn)
                if effect is None:
                    turn -= 1
                elif effect[0] in ("set", "clear"):
                    return effect[2] or NO_ENTRY
                elif effect[0] == "back":
                    turn = self._last_set(slot, turn - 1) - 1
                else:
                    slot, turn = self._source(effect, slot), turn - 1
        return self.first[slot]

    def _effect_on(self, slot: str, turn: int) -> Effect | None:
        """Return the effect of a message on a slot, if any."""
        for effect in self.effects[turn]:
            name, slots, _ = effect
            if name != "talk" and slot in (slots[:1] if name == "copy" else slots):
                return effect
        return None

    def _last_set(self, slot: str, turn: int) -> int:
        """Return the message that made the current entry of a slot."""
        while turn >= 0:
            operation = self.effects[turn][0][0] if self.effects[turn] else ""
            if operation in UNDONE:
                turn -= UNDONE[operation]
            elif operation == "undo2" and self._effect_on(slot, turn - 2):
                turn -= 3
            else:
                effect = self._effect_on(slot, turn)
                if effect and effect[0] == "set":
                    return turn
                if effect:
                    raise BrokenCheck(f"the current entry of {slot} was not put down directly")
                turn -= 1
        raise BrokenCheck(f"{slot} never changed")

    @staticmethod
    def _source(effect: Effect, slot: str) -> str:
        """Return the slot whose entry a slot takes over."""
        name, slots, _ = effect
        place = slots.index(slot)
        return slots[1] if name == "copy" else slots[place - 1]


def _any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern of any of some phrases, the longest first."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(phrases, key=len, reverse=True)))})(?!\w)")


def _stated(response: str, slots: Iterable[str], values: Iterable[str]) -> dict[str, str]:
    """Return the entry of each slot in a response, which has one slot and one entry in a sentence or line.

    Raises:
        BrokenCheck: if a sentence or line has several slots, or no entry, or several.
    """
    names, entries = _any_of(slots), _any_of(values)
    plan: dict[str, str] = {}
    for part in re.split(r"\n|(?<=\.) ", response.lower()):
        named = names.findall(part)
        if not named:
            continue
        stated = set(entries.findall(names.sub(" ", part)))
        if len(named) != 1 or len(stated) != 1 or named[0] in plan:
            raise BrokenCheck(f"cannot read {part!r}")
        plan[named[0]] = stated.pop()
    return plan


@lru_cache(maxsize=2)
def _read_history(messages: tuple[str, ...]) -> History:
    return History(messages)


def _is_current(cell: Cell) -> bool:
    """Return True if the response has the entries of as many slots as the request wants; else of all."""
    *messages, request = [turn["content"] for turn in cell.messages if turn["role"] == "user"]
    history = _read_history(tuple(messages))
    values = {NO_ENTRY, *history.first.values()}
    for effects in history.effects:
        values.update(value for _, _, value in effects if value)
    last = len(history.effects) - 1
    stated = _stated(cell.response, history.first, values)
    wanted = ANY.search(request)
    count = NUMBERS[wanted[1]] if wanted else len(history.first)
    return len(stated) == count and all(history.entry(slot, last) == entry for slot, entry in stated.items())


verify_retractions_again = cell_by_cell(_is_current)
