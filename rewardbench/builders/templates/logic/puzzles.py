"""A puzzle's worlds, its claims in English and in Python at once, and the search for two that part at one claim."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, NamedTuple

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.types import Messages

World = dict[str, Any]
Frame = str | tuple[str, ...]
"""A prompt with places for claims: one turn; (system, user); or (user, assistant, user)."""

TRIES = 300
WHY = """
    I tried every other possibility and each of them breaks one of the statements.
    Every other possibility contradicts at least one thing you wrote.
    That is the only arrangement in which all the statements hold together.
    Go through the alternatives one at a time and each clashes with something given.
    Nothing else satisfies all of the conditions at once.
    I checked it against each line you gave, and no alternative survives.
    The conditions leave just this one possibility.
    Once you cross out whatever is ruled out, nothing else remains.
    All the clues agree with this, and with nothing else.
    It is the single case that meets everything you listed.
    Any change to it would violate one of the conditions.
    There is no second solution; I looked for one.
    Swap anything in it and some condition fails.
    You can check it clue by clue.
    I could not make any other version work.
    It follows from your statements without any guessing.
    Try to change one thing and you will run into one of the clues.
    Put it next to your statements and you will see that they all come true.
""".strip().splitlines()

HOW = """
    I went through all the possibilities, and one survives.
    Let me cross out whatever clashes with a statement.
    I took the statements one after the other and struck out what they forbid.
    Only one case agrees with every line.
    Taking all the conditions together, just one case is left.
    I tested every case against every clue.
    Everything else runs into a contradiction sooner or later.
    Working through the conditions, I am left with a single case.
    Each clue removes some possibilities, and all of them together leave one.
    I listed the cases and checked them against what you wrote.
    No guessing is needed here.
    By elimination one version is left.
    I tried the versions that looked likely, then all the others.
    Take the strictest clue first and the others fall into place.
    Your clues are just enough to settle it.
    It can be solved by crossing out.
""".strip().splitlines()


class Claim(NamedTuple):
    """One premise, in both tongues."""

    kind: str
    text: str
    holds: str


def claims(kind: str, text: str, holds: str, *slots: Sequence[Any]) -> list[Claim]:
    """The claim for every choice of one from each slot, all different; a single slot serves all the places.

    >>> claims("before", "{0} before {1}", "{0} < {1}", ["a", "b"])[0]
    Claim(kind='before', text='a before b', holds='a < b')
    """
    places = 1 + max(int(found) for found in re.findall(r"\{(\d)", text + holds))
    chosen = permutations(slots[0], places) if len(slots) == 1 else product(*slots)
    return [
        Claim(kind, text.format(*args), holds.format(*args)) for args in chosen if len(set(map(str, args))) == len(args)
    ]


@dataclass(frozen=True)
class Puzzle:
    """What could be the case before any claim is heard."""

    variables: Mapping[str, Sequence[Any]]
    base: str = "True"

    def holds(self, heard: Sequence[Claim]) -> str:
        """All that is known, as one Python expression."""
        return " and ".join([self.base, *(f"({claim.holds})" for claim in heard)])

    def worlds(self, expression: str) -> list[World]:
        """Those in which the expression is true, in the order of enumeration."""
        code = compile(expression, "<claims>", "eval")
        all_of_them = (dict(zip(self.variables, values, strict=True)) for values in product(*self.variables.values()))
        return [world for world in all_of_them if eval(code, dict(world))]


def parted(rng: Rng, puzzle: Puzzle, pool: Sequence[Claim], n: int) -> tuple[list[Claim], list[Claim]]:
    """Two lists of `n` claims that differ in one of a kind; each leaves one world, and no claim is idle."""
    possible = puzzle.worlds(puzzle.base)
    code = {claim: compile(claim.holds, "<claim>", "eval") for claim in pool}
    true = {claim: {k for k, world in enumerate(possible) if eval(code[claim], dict(world))} for claim in pool}

    def left(heard: Sequence[Claim]) -> set[int]:
        return set(range(len(possible))).intersection(*(true[claim] for claim in heard))

    def tight(heard: Sequence[Claim]) -> bool:
        return len(left(heard)) == 1 and all(len(left([*heard[:k], *heard[k + 1 :]])) > 1 for k in range(n))

    for _ in range(TRIES):
        a = rng.sample(pool, n)
        at = rng.number(0, n - 1)
        if not tight(a):
            continue
        for other in rng.sample(pool, len(pool)):
            b = [*a[:at], other, *a[at + 1 :]]
            if other.kind == a[at].kind and left(b) != left(a) and tight(b):
                return a, b
    raise Resample


def words(text: str) -> set[str]:
    """Distinct words and punctuation marks, lower-cased."""
    return set(re.findall(r"\w+|[^\w\s]", text.lower()))


def listing(names: Sequence[str], last: str = "and") -> str:
    """Names in prose.

    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def capital(text: str) -> str:
    """With a capital letter, as a sentence begins; the rest as it was.

    >>> capital("the Pope")
    'The Pope'
    """
    return text[:1].upper() + text[1:]


def pose(frame: Frame, heard: Sequence[Claim], **fields: object) -> Messages:
    """The prompt: claims as sentences {s}, lines {b}, numbered {n}, or a list within a sentence {l}."""
    texts = [claim.text for claim in heard]
    forms = {
        "s": " ".join(f"{capital(text)}." for text in texts),
        "b": "\n".join(f"- {text}" for text in texts),
        "n": "\n".join(f"{n}. {capital(text)}." for n, text in enumerate(texts, 1)),
        "l": "; ".join(texts),
    }
    turns = [turn.format(**forms, **fields) for turn in ((frame,) if isinstance(frame, str) else frame)]
    return chat(turns[1], system=turns[0]) if len(turns) == 2 else chat(*turns)


def half(puzzle: Puzzle, heard: Sequence[Claim], says: str, asks: Sequence[str]) -> dict[str, Any]:
    """The check of one half, with the worlds that its claims leave."""
    leaves: list[World] = []
    for world in puzzle.worlds(puzzle.holds(heard)):
        seen = {name: world[name] for name in asks or puzzle.variables}
        if seen not in leaves:
            leaves.append(seen)
    variables = {name: list(values) for name, values in puzzle.variables.items()}
    check = {"variables": variables, "holds": puzzle.holds(heard), "leaves": leaves, "says": says}
    return check | ({"asks": list(asks)} if asks else {})


def mirror(
    rng: Rng,
    puzzle: Puzzle,
    heard: tuple[Sequence[Claim], Sequence[Claim]],
    frames: Sequence[Frame],
    replies: Sequence[str],
    answer: Callable[[list[World]], str],
    asks: Sequence[str] = (),
    **fields: object,
) -> MirrorContent:
    """Both halves in one frame and one form of reply; `answer` puts the worlds that are left into words.

    Raises: Redraw where the answers are alike, where one stands in both responses, or where one prompt has a
    word that the other lacks.
    """
    frame, reply = rng.pick(frames), rng.pick(replies)
    fields |= {"why": rng.pick(WHY).strip(), "how": rng.pick(HOW).strip()}
    prompts = [pose(frame, claims, **fields) for claims in heard]
    answers = [answer(puzzle.worlds(puzzle.holds(claims))) for claims in heard]
    alike = {frozenset(words("\n".join(turn["content"] for turn in prompt))) for prompt in prompts}
    if answers[0] == answers[1] or len(alike) > 1:
        raise Resample
    x, y = (reply.format(answer=told, Answer=capital(told), **fields) for told in answers)
    if answers[0].lower() in y.lower() or answers[1].lower() in x.lower():
        raise Resample
    sides = [half(puzzle, claims, f"(?i){re.escape(told)}", asks) for claims, told in zip(heard, answers, strict=True)]
    texts = [[claim.text for claim in claims] for claims in heard]
    edit = " / ".join(next(one for one in mine if one not in other) for mine, other in (texts, texts[::-1]))
    return MirrorContent(edit, prompts[0], prompts[1], x, y, {"kind": "logic", "a": sides[0], "b": sides[1]})


def one_each(names: Sequence[str], places: Sequence[Any]) -> Puzzle:
    """Everything has a place of its own."""
    return Puzzle({name: list(places) for name in names}, f"len({{{', '.join(names)}}}) == {len(names)}")


def in_order(worlds: list[World], between: str = ", ") -> str:
    """The names by their place, first to last, of the one world there is.

    >>> in_order([{"b": 2, "a": 1}])
    'a, b'
    """
    (world,) = worlds
    return between.join(sorted(world, key=lambda name: world[name]))
