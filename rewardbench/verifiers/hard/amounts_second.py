"""Second verifier of amended amounts: reads the user's messages, crosses out what was taken back, and calculates.

It uses nothing of the check. Names have their exact amounts as fractions, which a message rounds down in the end, and
their places as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import floor

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

FIRST_LINE = re.compile(r"^(?:- |\d+[.)] )?([A-Za-z][A-Za-z ]*?)(?:: | = )(\d+)$")
RIGHT_BELOW = r"number right below them go up by"
BENEATH = r"each entry looks at the amount below it: if that is"
PERCENT = r"(?P<p>\d+) percent"
LOWER = r"(?P<q>\d+) percent"
PATTERNS: tuple[tuple[str, str], ...] = (
    ("up", rf"raise every amount by {PERCENT}"),
    ("up", rf"all amounts go up by {PERCENT}"),
    ("up", rf"add {PERCENT} to each amount"),
    ("down", rf"cut every amount by {PERCENT}"),
    ("down", rf"all amounts go down by {PERCENT}"),
    ("down", rf"take {PERCENT} off each amount"),
    ("odd up", rf"amounts that are odd numbers now go up by {PERCENT}, even ones go down by {LOWER}"),
    ("odd up", rf"raise the odd amounts by {PERCENT} and cut the even ones by {LOWER}"),
    ("even up", rf"amounts that are even numbers now go up by {PERCENT}, odd ones go down by {LOWER}"),
    ("even up", rf"raise the even amounts by {PERCENT} and cut the odd ones by {LOWER}"),
    ("beneath odd up", rf"amounts that have an odd {RIGHT_BELOW} {PERCENT}, all others go down by {LOWER}"),
    ("beneath odd up", rf"{BENEATH} odd, it goes up by {PERCENT}, if even, down by {LOWER}"),
    ("beneath even up", rf"amounts that have an even {RIGHT_BELOW} {PERCENT}, all others go down by {LOWER}"),
    ("beneath even up", rf"{BENEATH} even, it goes up by {PERCENT}, if odd, down by {LOWER}"),
    ("below", r"add to each amount a (?P<k>\w+) of the amount right below it"),
    ("below", r"each entry gets a (?P<k>\w+) of the amount below it on top"),
    ("above", r"amounts above (?P<v>\d+) shrink to a (?P<k>\w+) of what they are"),
    ("above", r"whatever is above (?P<v>\d+) is cut to a (?P<k>\w+)"),
    ("under", r"amounts below (?P<v>\d+) are (?P<m>\w+)"),
    ("under", r"whatever is below (?P<v>\d+) gets (?P<m>\w+)"),
    ("places", r"swap the entries in places (?P<i>\d+) and (?P<j>\d+)"),
    ("places", r"the entries in place (?P<i>\d+) and place (?P<j>\d+) change places"),
    ("move", r"take (?P<s>NAME) out of the list and put it back in as number (?P<i>\d+)"),
    ("move", r"move (?P<s>NAME) to place (?P<i>\d+), and let the others close the gap"),
    ("ascending", r"sort the list by amount, the smallest at the top"),
    ("ascending", r"put the list in order of amount, smallest first"),
    ("descending", r"sort the list by amount, the largest at the top"),
    ("descending", r"put the list in order of amount, largest first"),
    ("reverse", r"turn the part from place (?P<i>\d+) to place (?P<j>\d+) upside down"),
    ("reverse", r"reverse the order of places (?P<i>\d+) to (?P<j>\d+)"),
    ("trade", r"(?P<s>NAME) and (?P<s2>NAME) trade amounts, but keep their places"),
    ("trade", r"without moving them, exchange the amounts of (?P<s>NAME) and (?P<s2>NAME)"),
    ("set", r"make it (?P<v>\d+) for (?P<s>NAME)"),
    ("set", r"new figure for (?P<s>NAME): (?P<v>\d+)"),
    ("strike 1", r"scratch my last message"),
    ("strike 1", r"sorry, pretend i never sent my last message"),
    ("strike 1", r"wait, no\. forget my last message"),
    ("strike 2", r"do as if i had never sent the message before my last one\. my last one still counts"),
    ("strike 2", r"scratch the last but one message of mine; the last one counts, as it would have without it"),
    (
        "strike",
        r"counting back, the message before this one is number 1\. do as if i had never sent number (?P<k>\d+); the"
        r" later ones count as they would have without it",
    ),
    (
        "strike",
        r"count my messages backwards, with number 1 for the one just before this: number (?P<k>\d+) is void as if"
        r" never sent, and what came after it applies without it",
    ),
    ("talk", r"somebody wants everything \d+ percent lower, and i said no"),
    ("talk", r"i was about to sort the list again\. i won't"),
    ("talk", r"NAME at \d+\? that came up, but we leave it as it is"),
    ("talk", r"my brother would double NAME\. he has no say, so no change"),
    (
        "talk",
        r"(?:sorry for all|one moment|i'm back|this takes|my phone|are you still|it has started|just so you know"
        r"|everyone talks).*",
    ),
)
"""Messages in lower case without their full stop; NAME is any name of the list."""
PARTS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5}
FACTORS = {"doubled": 2, "tripled": 3, "quadrupled": 4}
VERDICTS = (
    r"Of (?P<names>.+), the largest amount is that of (?P<leader>.+)",
    r"Among (?P<names>.+), it is (?P<leader>.+) that has the most",
    r"Comparing (?P<names>.+), I see the largest amount at (?P<leader>.+)",
    r"As for (?P<names>.+), (?P<leader>.+) ends with the most",
)
AmountCommand = tuple[str, dict[str, str]]
"""What a message does, and the words that say so."""


class Stock:
    """The amounts and the places of all names."""

    def __init__(self, first: Sequence[tuple[str, int]]) -> None:
        self.amounts = {name: Fraction(amount) for name, amount in first}
        self.places = {name: place for place, (name, _) in enumerate(first, 1)}

    def carry_out(self, kind: str, words: dict[str, str]) -> None:
        """Change amounts or places as a message says."""
        if kind in ("places", "move", "ascending", "descending", "reverse"):
            self._order(kind, words)
            return
        before = dict(self.amounts)
        if kind == "trade":
            self.amounts[words["s"]], self.amounts[words["s2"]] = before[words["s2"]], before[words["s"]]
        elif kind == "set":
            self.amounts[words["s"]] = Fraction(words["v"])
        else:
            at_place = {place: name for name, place in self.places.items()}
            for name, amount in before.items():
                lower = at_place.get(self.places[name] + 1, at_place[1])
                self.amounts[name] = Fraction(floor(self._changed(kind, words, amount, before[lower])))

    @staticmethod
    def _changed(kind: str, words: dict[str, str], amount: Fraction, lower: Fraction) -> Fraction:
        """Return an amount, not yet rounded, after a message about all amounts."""
        gain, loss = 1 + Fraction(words.get("p", "0")) / 100, 1 - Fraction(words.get("q", "0")) / 100
        if kind == "up":
            return amount * gain
        if kind == "down":
            return amount * (2 - gain)
        if kind.endswith(("odd up", "even up")):
            decisive = lower if kind.startswith("beneath") else amount
            is_even = floor(decisive / 2) * 2 == decisive
            return amount * (gain if is_even == kind.endswith("even up") else loss)
        if kind == "below":
            return amount + lower / PARTS[words["k"]]
        if kind == "above":
            return amount / PARTS[words["k"]] if amount > int(words["v"]) else amount
        return amount * FACTORS[words["m"]] if amount < int(words["v"]) else amount

    def _order(self, kind: str, words: dict[str, str]) -> None:
        """Change places as a message says.

        Raises:
            BrokenCheck: if a sort meets equal amounts.
        """
        if kind.endswith("scending") and len(set(self.amounts.values())) < len(self.amounts):
            raise BrokenCheck("a sort meets equal amounts")
        i, j = int(words.get("i", "0")), int(words.get("j", "0"))
        places = dict(self.places)
        for name, place in self.places.items():
            if kind == "places":
                places[name] = {i: j, j: i}.get(place, place)
            elif kind == "reverse":
                places[name] = i + j - place if i <= place <= j else place
            elif kind == "move":
                places[name] = _shifted(place, self.places[words["s"]], i)
            else:
                smaller = sum(amount < self.amounts[name] for amount in self.amounts.values())
                places[name] = smaller + 1 if kind == "ascending" else len(places) - smaller
        self.places = places


def _shifted(place: int, start: int, end: int) -> int:
    """Return the place of an entry after another one has moved from one place to another."""
    if place == start:
        return end
    if start < place <= end:
        return place - 1
    return place + 1 if end <= place < start else place


def _read_list(message: str) -> list[tuple[str, int]]:
    entries = []
    for line in re.split(r"\n|; ", message):
        match = FIRST_LINE.match(line)
        if match:
            entries.append((match[1].lower(), int(match[2])))
    return entries


def _read_commands(messages: Sequence[str], names: Sequence[str]) -> list[AmountCommand]:
    """Return what each message does, in order, without what was taken back.

    Raises:
        BrokenCheck: if a message cannot be read.
    """
    alternatives = "|".join(sorted(names, key=len, reverse=True))
    patterns = [(kind, re.compile(text.replace("NAME", f"(?:{alternatives})"))) for kind, text in PATTERNS]
    commands: list[AmountCommand] = []
    for message in messages:
        text = message.lower().rstrip(".")
        matches = [(kind, match) for kind, pattern in patterns if (match := pattern.fullmatch(text))]
        if len(matches) != 1:
            raise BrokenCheck(f"{message!r} has {len(matches)} readings")
        commands.append((matches[0][0], matches[0][1].groupdict()))
    crossed_out = set()
    for n, (kind, words) in enumerate(commands):
        if kind.startswith("strike"):
            crossed_out |= {n, n - int(words.get("k") or kind.split()[1])}
    return [command for n, command in enumerate(commands) if n not in crossed_out]


@lru_cache(maxsize=2)
def _final_amounts(messages: tuple[str, ...]) -> dict[str, Fraction]:
    first = _read_list(messages[0])
    if len(first) < 2:
        raise BrokenCheck("the first message has no list")
    sheet = Stock(first)
    for kind, words in _read_commands(messages[1:], list(sheet.amounts)):
        if kind != "talk":
            sheet.carry_out(kind, words)
    return sheet.amounts


def _names_the_largest(cell: Cell) -> bool:
    """Return True if the name that a response puts first has the largest amount of those that it compares."""
    *messages, _ = [turn["content"] for turn in cell.messages if turn["role"] == "user"]
    amounts = _final_amounts(tuple(messages))
    verdicts = []
    for sentence in re.split(r"(?<=\.)\s+", cell.response):
        for pattern in VERDICTS:
            match = re.fullmatch(pattern, sentence.rstrip("."))
            if match:
                verdicts.append(match)
    if len(verdicts) != 1:
        raise BrokenCheck(f"the response has {len(verdicts)} verdicts")
    group = {name: amounts[name] for name in re.split(r", | and ", verdicts[0]["names"].lower())}
    best = group.pop(verdicts[0]["leader"].lower())
    return bool(group) and max(group.values()) < best


verify_amounts_again = cell_by_cell(_names_the_largest)
