"""Decide what facts determine: read the sentences of the prompt, and join what they allow sentence by sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

NAME = r"(?:the )?([a-z]+(?:-[a-z]+)?)"
MONTHS = "january february march april may june july august september".split()
SLOT = rf"(?:(?:floor|place|plot|carriage|chapter|table|shelf) (\d)|({'|'.join(MONTHS)}))"
EARLIER = r"(?:below|ahead of|before|left of|nearer to the engine than|above in the ranking)"
LATER = r"directly (?:above|behind|after|right of|below in the ranking)"
TEAM = r"(?:the )?(red|blue|green|attic|cellar|annexe|morning|noon|evening)(?: team| group)?"
TEAMS = ("red", "blue", "green", "attic", "cellar", "annexe", "morning", "noon", "evening")
COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
IRRELEVANT = r"\b(?:collects|grew up|is learning|has never liked|was once|is my)\b"

VERDICT_ONLY = r"whether it can be worked out|do these facts settle it|Is there exactly|only whether|is that settled by"

PartialWorld = dict[str, int]
PartialTest = Callable[[PartialWorld], bool | None]
"""Returns None as long as the values of a partial world do not decide."""
NamedTest = tuple[set[str], PartialTest]
"""A test with the names whose values it depends on."""


def _compare(names: Sequence[str], predicate: Callable[..., bool]) -> PartialTest:
    """Build a test of the values of some names."""

    def test(world: PartialWorld) -> bool | None:
        if any(name not in world for name in names):
            return None
        return predicate(*map(world.__getitem__, names))

    return test


def _implies(condition: PartialTest, conclusion: PartialTest) -> PartialTest:
    def test(world: PartialWorld) -> bool | None:
        first, second = condition(world), conclusion(world)
        if first is False or second is True:
            return True
        return None if first is None or second is None else False

    return test


def _any_of(tests: Sequence[PartialTest]) -> PartialTest:
    def test(world: PartialWorld) -> bool | None:
        results = [part(world) for part in tests]
        if True in results:
            return True
        return None if None in results else False

    return test


def _not(part: PartialTest) -> PartialTest:
    def test(world: PartialWorld) -> bool | None:
        result = part(world)
        return None if result is None else not result

    return test


class _Reader:
    """Reads the names, the values and the sentences of a prompt."""

    def __init__(self, text: str) -> None:
        self.text = text.lower()
        listed = re.search(r"\(in alphabetical order\): ([a-z, -]+)\.", self.text)
        if not listed:
            raise BrokenCheck("the prompt lists no names")
        self.names = [name.removeprefix("the ") for name in re.split(r", | and ", listed[1])]
        span = re.search(r"a whole number from (\d+) to (\d+)", self.text)
        self.teams = [team for team in TEAMS if re.search(rf"\b{team}\b", self.text)]
        self.is_order = not span and not self.teams
        if span:
            self.values = list(range(int(span[1]), int(span[2]) + 1))
        else:
            self.values = list(range(1, len(self.names if self.is_order else self.teams) + 1))

    def slot(self, number: str | None, month: str | None) -> int:
        """Return the value of a slot: its number, or the position of its month."""
        return int(number) if number else MONTHS.index(month or "") + 1

    def team(self, name: str) -> int:
        """Return the value of a team: its position among those of the prompt."""
        return self.teams.index(name) + 1

    def claims(self) -> list[NamedTest]:
        """Return the tests of all numbered sentences, each with the names that it depends on."""
        tests = []
        for sentence in re.findall(r"\[\d+\] ([^.]+)\.", self.text):
            if not re.search(IRRELEVANT, sentence):
                mentioned = {name for name in self.names if re.search(rf"\b{name}\b", sentence)}
                tests.append((mentioned or set(self.names), self.test(sentence)))
        if len(tests) < 2:
            raise BrokenCheck("the prompt has no numbered sentences")
        return tests

    def test(self, sentence: str) -> PartialTest:
        """Return the test that a sentence states."""
        sentence = sentence.lower().strip(" .")
        conditional = re.fullmatch(r"if (.+), then (.+)", sentence)
        if conditional:
            return _implies(self.test(conditional[1]), self.test(conditional[2]))
        for reader in (self._weighted, self._order, self._team, self._amount):
            test = reader(sentence)
            if test:
                return test
        raise BrokenCheck(f"cannot read {sentence!r}")

    def _weighted(self, sentence: str) -> PartialTest | None:
        """Read a sentence on the remainder of a weighted sum."""
        match = re.fullmatch(r"(\d+ times .+), divided by (\d+), leaves a remainder of (\d+)", sentence)
        if match is None:
            return None
        terms = re.findall(rf"(\d+) times (?:the [a-z ]*number|that) of {NAME}(?: plus |$)", match[1])
        if len(terms) != sentence.count(" times "):
            raise BrokenCheck(f"cannot read {sentence!r}")
        divisor, remainder = int(match[2]), int(match[3])
        weights = [int(weight) for weight, _ in terms]

        def leaves(*values: int) -> bool:
            products = (weight * value for weight, value in zip(weights, values, strict=True))
            return divmod(sum(products), divisor)[1] == remainder

        return _compare([name for _, name in terms], leaves)

    def _order(self, sentence: str) -> PartialTest | None:
        """Read a sentence on an order."""
        if match := re.fullmatch(rf"{NAME} [a-z]+ {LATER} {NAME}", sentence):
            return _compare(match.groups(), lambda b, a: b - a == 1)
        if match := re.fullmatch(rf"{NAME} [a-z]+ (?:somewhere )?{EARLIER} {NAME}", sentence):
            return _compare(match.groups(), lambda a, b: b > a)
        if match := re.fullmatch(rf"{NAME} and {NAME} (do not )?have neighbouring [a-z]+", sentence):
            wanted = match[3] is None
            return _compare([match[1], match[2]], lambda a, b: ((a - b) in (1, -1)) == wanted)
        if match := re.fullmatch(rf"there is exactly one [a-z]+ between those of {NAME} and {NAME}", sentence):
            return _compare(match.groups(), lambda a, b: (a - b) in (2, -2))
        if match := re.fullmatch(rf"{NAME} (?:does not have|did not get) {SLOT}", sentence):
            value = self.slot(match[2], match[3])
            return _compare([match[1]], lambda a: a != value)
        if match := re.fullmatch(rf"{NAME} (?:has|got) either {SLOT} or {SLOT}", sentence):
            values = (self.slot(match[2], match[3]), self.slot(match[4], match[5]))
            return _compare([match[1]], lambda a: a in values)
        if match := re.fullmatch(rf"{SLOT} (?:belongs|went) to {NAME} or to {NAME}", sentence):
            slot = self.slot(match[1], match[2])
            holders = (match[3], match[4])
            return _any_of([_compare([holders[0]], lambda a: a == slot), _compare([holders[1]], lambda a: a == slot)])
        return None

    def _team(self, sentence: str) -> PartialTest | None:
        """Read a sentence on groups."""
        if match := re.fullmatch(rf"{NAME} and {NAME} are (together|not together)", sentence):
            wanted = match[3] == "together"
            return _compare([match[1], match[2]], lambda a, b: (a == b) == wanted)
        if match := re.fullmatch(rf"{NAME} is not in {TEAM}", sentence):
            value = self.team(match[2])
            return _compare([match[1]], lambda a: a != value)
        if match := re.fullmatch(rf"{NAME} is in {TEAM} or in {TEAM}", sentence):
            values = (self.team(match[2]), self.team(match[3]))
            return _compare([match[1]], lambda a: a in values)
        if match := re.fullmatch(rf"exactly ([a-z]+) of them (?:is|are) in {TEAM}", sentence):
            value, number = self.team(match[2]), COUNTS[match[1]]
            return _compare(self.names, lambda *values: values.count(value) == number)
        return None

    def _amount(self, sentence: str) -> PartialTest | None:
        """Read a sentence on amounts."""
        if match := re.fullmatch(rf"{NAME} and {NAME} come to (\d+) together", sentence):
            total = int(match[3])
            return _compare([match[1], match[2]], lambda a, b: a + b == total)
        if match := re.fullmatch(rf"{NAME} has (\d+) more than {NAME}", sentence):
            difference = int(match[2])
            return _compare([match[1], match[3]], lambda a, b: a - b == difference)
        if match := re.fullmatch(rf"{NAME} has exactly twice as many as {NAME}", sentence):
            return _compare(match.groups(), lambda a, b: a == b + b)
        if match := re.fullmatch(rf"{NAME} has fewer than {NAME}", sentence):
            return _compare(match.groups(), lambda a, b: b > a)
        if match := re.fullmatch(rf"{NAME} has at (least|most) (\d+)", sentence):
            bound, is_lower = int(match[3]), match[2] == "least"
            return _compare([match[1]], lambda a: a >= bound if is_lower else a <= bound)
        if match := re.fullmatch(rf"{NAME} does not have exactly (\d+)", sentence):
            number = int(match[2])
            return _compare([match[1]], lambda a: a != number)
        if match := re.fullmatch(rf"{NAME} has an (even|odd) number", sentence):
            remainder = 1 if match[2] == "odd" else 0
            return _compare([match[1]], lambda a: a % 2 == remainder)
        return None


class _Search:
    """Finds all worlds: joins what each sentence allows, the one that adds the fewest names first."""

    def __init__(self, reader: _Reader) -> None:
        self.reader, self.claims = reader, reader.claims()
        self.follows = cache(self._follows)
        self.worlds: list[PartialWorld] = [{}]
        unread = list(self.claims)
        while unread:
            known = set(self.worlds[0]) if self.worlds else set(self.reader.names)
            sentence = min(unread, key=lambda claim: len(claim[0] - known))
            unread.remove(sentence)
            self._extend(sorted(sentence[0] - known))
            self.worlds = [world for world in self.worlds if sentence[1](world) is not False]
        self._extend([name for name in self.reader.names if self.worlds and name not in self.worlds[0]])

    def _follows(self, sentence: str) -> bool:
        """Return True if a sentence holds in every world."""
        return not self.exists(_not(self.reader.test(sentence)))

    def exists(self, *extra: PartialTest) -> bool:
        """Return True if a world meets all sentences and the extra tests."""
        return any(all(test(world) for test in extra) for world in self.worlds)

    def agrees(self, world: PartialWorld) -> bool:
        """Return True if a complete world meets all sentences."""
        values = list(world.values())
        is_complete = sorted(world) == sorted(self.reader.names) and set(values) <= set(self.reader.values)
        is_allowed = not self.reader.is_order or len(set(values)) == len(values)
        return is_complete and is_allowed and all(test(world) for _, test in self.claims)

    def _extend(self, names: Sequence[str]) -> None:
        """Give each of some names all values in turn."""
        for name in names:
            larger: list[PartialWorld] = []
            for world in self.worlds:
                for value in self.reader.values:
                    if not self.reader.is_order or value not in world.values():
                        larger.append({**world, name: value})
            self.worlds = larger


def _read_assignment(reader: _Reader, text: str) -> PartialWorld:
    """Return the values of an example: `the vet: floor 1; the baker: floor 2`."""
    world = {}
    for name, slot, month, team, amount in re.findall(rf"{NAME}: (?:{SLOT}|{TEAM}|(\d+))", text):
        if slot or month:
            world[name] = reader.slot(slot, month)
        else:
            world[name] = reader.team(team) if team else int(amount)
    return world


@lru_cache(maxsize=4)
def _search(text: str) -> _Search:
    return _Search(_Reader(text))


@lru_cache(maxsize=4)
def _possible(search: _Search) -> dict[str, bool]:
    """Return for each answer whether it is possible."""
    return {text: search.exists(test) for text, test in _question(search.reader).items()}


def _question(reader: _Reader) -> dict[str, PartialTest]:
    """Return each answer that the question allows, as it is written, with its test."""
    answers: dict[str, PartialTest] = {}
    if match := re.search(rf"\bwho (?:has|got) {SLOT}", reader.text):
        wanted = reader.slot(match[1], match[2])
        for name in reader.names:
            answers[name] = _compare([name], lambda a: a == wanted)
        return answers
    match = re.search(rf"which [a-z]+ (?:does|did|is) {NAME} (?:have|get|in)\b|how many does {NAME} have", reader.text)
    if not match:
        raise BrokenCheck("the prompt has no question")
    name = match[1] or match[2]
    noun = re.search(r"\bwhich (floor|place|plot|carriage|chapter|table|shelf)\b", reader.text)
    for position, value in enumerate(reader.values):
        if reader.teams:
            text = reader.teams[position]
        elif not reader.is_order:
            text = str(value)
        else:
            text = f"{noun[1]} {value}" if noun else MONTHS[position]
        answers[text] = _compare([name], lambda a, value=value: a == value)
    return answers


def _passes(cell: Cell) -> bool:
    search = _search(cell.prompt)
    response = cell.response.lower()
    for sentence in re.findall(r"^- (.+)$", response, re.MULTILINE):
        if not search.follows(sentence):
            return False
    example = re.search(r"^example: (.+)\.$", response, re.MULTILINE)
    if example and not search.agrees(_read_assignment(search.reader, example[1])):
        return False
    conclusion = response.split("\n\n")[-1]
    says_open = re.search(r"not enough|cannot|can't|open", response.split("\n")[0]) is not None
    if re.search(VERDICT_ONLY, cell.prompt):
        return says_open == (sum(_possible(search).values()) > 1)
    stated, possible = set(), set()
    for text, is_possible in _possible(search).items():
        if re.search(rf"\b{text}\b", conclusion):
            stated.add(text)
        if is_possible:
            possible.add(text)
    if not stated:
        raise BrokenCheck("the response names no answer")
    return stated == possible and says_open == (len(possible) > 1)


verify_enough_to_tell_again = cell_by_cell(_passes)
