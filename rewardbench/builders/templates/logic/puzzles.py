"""Puzzles whose answers are found by enumeration, and the mirrors of two puzzles that differ in one claim.

A claim is a premise in English and as a Python expression. A puzzle has variables with their possible values; a world
is one assignment of values. `contrasting_claims` searches for two lists of claims that differ in one, such that each
list leaves one world; `make_mirror` asks about both. In the check of a mirror, a verifier enumerates the worlds again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, NamedTuple

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, capitalize, to_messages, turns_of
from rewardbench.types import Messages

World = dict[str, Any]
"""A value for each variable."""
ReadAnswer = Callable[[list[World]], str]
"""Puts the worlds that the claims leave into words."""

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
    """One premise, in English and as a Python expression over the variables of the puzzle."""

    kind: str
    text: str
    expression: str


def claims(kind: str, text: str, expression: str, *slots: Sequence[object]) -> list[Claim]:
    """Return the claims for all ways to fill the places {0}, {1}, ... of a text with different values.

    Args:
        kind: of the claims; the differing claims of a mirror are of the same kind.
        text: the claim in English, with places.
        expression: the claim in Python, with the same places.
        *slots: the possible values of each place; a single slot serves all places.

    >>> claims("before", "{0} before {1}", "{0} < {1}", ["a", "b"])[0]
    Claim(kind='before', text='a before b', expression='a < b')
    """
    num_places = 1 + max(map(int, re.findall(r"\{(\d)", text + expression)))
    fillings = permutations(slots[0], num_places) if len(slots) == 1 else product(*slots)
    filled = []
    for values in fillings:
        if len(set(map(str, values))) == len(values):
            filled.append(Claim(kind, text.format(*values), expression.format(*values)))
    return filled


@dataclass(frozen=True)
class Puzzle:
    """The worlds that are possible before any claim."""

    variables: Mapping[str, Sequence[Any]]
    """The possible values of each variable."""
    base: str = "True"
    """A Python expression that is true in every possible world."""

    def expression(self, premises: Sequence[Claim]) -> str:
        """Return the base and all premises as one Python expression."""
        return " and ".join([self.base, *(f"({claim.expression})" for claim in premises)])

    def worlds(self, expression: str) -> list[World]:
        """Return the worlds in which the expression is true, in the order of enumeration."""
        code = compile(expression, "<claims>", "eval")
        true_worlds = []
        for values in product(*self.variables.values()):
            world = dict(zip(self.variables, values, strict=True))
            if eval(code, dict(world)):
                true_worlds.append(world)
        return true_worlds

    def solve(self, premises: Sequence[Claim]) -> list[World]:
        """Return the worlds that the premises leave."""
        return self.worlds(self.expression(premises))


def one_to_one(names: Sequence[str], values: Sequence[object]) -> Puzzle:
    """Return a puzzle in which each name has a value of its own."""
    return Puzzle({name: list(values) for name in names}, f"len({{{', '.join(names)}}}) == {len(names)}")


def contrasting_claims(rng: Rng, puzzle: Puzzle, pool: Sequence[Claim], n: int) -> tuple[list[Claim], list[Claim]]:
    """Return two lists of `n` claims that differ in one claim, of the same kind, and leave different worlds.

    Each list leaves exactly one world, and without any of its claims more than one.

    Raises:
        Resample: if none is found in TRIES tries.
    """
    possible = puzzle.worlds(puzzle.base)
    true_in = {claim: _worlds_where(claim, possible) for claim in pool}

    def remaining(premises: Sequence[Claim]) -> set[int]:
        return set(range(len(possible))).intersection(*(true_in[claim] for claim in premises))

    def is_minimal(premises: Sequence[Claim]) -> bool:
        if len(remaining(premises)) != 1:
            return False
        return all(len(remaining([*premises[:k], *premises[k + 1 :]])) > 1 for k in range(n))

    for _ in range(TRIES):
        a = rng.sample(pool, n)
        position = rng.number(0, n - 1)
        if not is_minimal(a):
            continue
        for replacement in rng.sample(pool, len(pool)):
            b = [*a[:position], replacement, *a[position + 1 :]]
            if replacement.kind == a[position].kind and remaining(b) != remaining(a) and is_minimal(b):
                return a, b
    raise Resample


def _worlds_where(claim: Claim, possible: Sequence[World]) -> set[int]:
    """Return the indices of the worlds in which a claim is true."""
    code = compile(claim.expression, "<claim>", "eval")
    return {k for k, world in enumerate(possible) if eval(code, dict(world))}


def render_prompt(template: PromptTemplate, premises: Sequence[Claim], **fields: object) -> Messages:
    """Return a prompt with premises.

    Args:
        template: with a place for the premises: as sentences {s}, as a bulleted list {b}, as a numbered list {n}, or
            within a sentence {l}.
        premises: the claims.
        **fields: contents of its other places.
    """
    texts = [claim.text for claim in premises]
    sentences = [f"{capitalize(text)}." for text in texts]
    forms = {
        "s": " ".join(sentences),
        "b": "\n".join(f"- {text}" for text in texts),
        "n": "\n".join(f"{n}. {sentence}" for n, sentence in enumerate(sentences, 1)),
        "l": "; ".join(texts),
    }
    return to_messages([turn.format(**forms, **fields) for turn in turns_of(template)])


def make_check(puzzle: Puzzle, premises: Sequence[Claim], pattern: str, query: Sequence[str]) -> dict[str, object]:
    """Return the data with which a verifier checks the responses to one prompt.

    Args:
        puzzle: the puzzle.
        premises: the claims in the prompt.
        pattern: regular expression that a right response matches.
        query: variables that the question is about; empty: all.
    """
    solutions: list[World] = []
    for world in puzzle.solve(premises):
        solution = {name: world[name] for name in query or puzzle.variables}
        if solution not in solutions:
            solutions.append(solution)
    check: dict[str, object] = {
        "variables": {name: list(values) for name, values in puzzle.variables.items()},
        "holds": puzzle.expression(premises),
        "leaves": solutions,
        "says": pattern,
    }
    if query:
        check["asks"] = list(query)
    return check


def make_mirror(
    rng: Rng,
    puzzle: Puzzle,
    premises: tuple[Sequence[Claim], Sequence[Claim]],
    prompts: Sequence[PromptTemplate],
    replies: Sequence[str],
    answer: ReadAnswer,
    query: Sequence[str] = (),
    **fields: object,
) -> MirrorContent:
    """Return a mirror: one prompt template with either premises, and one reply template with either answer.

    Args:
        rng: picks the prompt template and the reply template.
        puzzle: the puzzle.
        premises: the claims in prompt `a`, and those in prompt `b`.
        prompts: prompt templates (see `render_prompt`).
        replies: reply templates, with places {answer}, or {Answer} at the start of a sentence, and {why} or {how}.
        answer: puts the worlds that the premises leave into words.
        query: variables that the question is about; empty: all.
        **fields: contents of the other places of prompts and replies.

    Raises:
        Resample: if the answers are equal, if one occurs in both responses, or if a prompt has a word that the other
            lacks.
    """
    prompt, reply = rng.pick(prompts), rng.pick(replies)
    fields |= {"why": rng.pick(WHY).strip(), "how": rng.pick(HOW).strip()}
    a, b = (render_prompt(prompt, side, **fields) for side in premises)
    answer_a, answer_b = (answer(puzzle.solve(side)) for side in premises)
    if answer_a == answer_b or _vocabulary(a) != _vocabulary(b):
        raise Resample
    x = reply.format(answer=answer_a, Answer=capitalize(answer_a), **fields)
    y = reply.format(answer=answer_b, Answer=capitalize(answer_b), **fields)
    if answer_a.lower() in y.lower() or answer_b.lower() in x.lower():
        raise Resample
    check = {
        "kind": "logic",
        "a": make_check(puzzle, premises[0], f"(?i){re.escape(answer_a)}", query),
        "b": make_check(puzzle, premises[1], f"(?i){re.escape(answer_b)}", query),
    }
    edit = f"{_first_new_text(premises[0], premises[1])} / {_first_new_text(premises[1], premises[0])}"
    return MirrorContent(edit, a, b, x, y, check)


def _vocabulary(prompt: Messages) -> set[str]:
    """Return the distinct words and punctuation marks of a prompt, in lower case."""
    text = "\n".join(turn["content"] for turn in prompt)
    return set(re.findall(r"\w+|[^\w\s]", text.lower()))


def _first_new_text(premises: Sequence[Claim], other_premises: Sequence[Claim]) -> str:
    other_texts = [claim.text for claim in other_premises]
    return next(claim.text for claim in premises if claim.text not in other_texts)


def names_in_order(worlds: list[World]) -> list[str]:
    """Return the names by their values, smallest first, in the only world.

    >>> names_in_order([{"b": 2, "a": 1}])
    ['a', 'b']
    """
    (world,) = worlds
    return sorted(world, key=lambda name: world[name])


def in_order(worlds: list[World]) -> str:
    """Answer with all names by their values.

    >>> in_order([{"b": 2, "a": 1}])
    'a, b'
    """
    return ", ".join(names_in_order(worlds))


def name_in_place(index: int) -> ReadAnswer:
    """Return an answer with the name at this position of the order, counted from 0."""
    return lambda worlds: names_in_order(worlds)[index]


def name_with(value: object) -> ReadAnswer:
    """Return an answer with the name that has this value in the first world."""
    return lambda worlds: next(name for name in worlds[0] if worlds[0][name] == value)


def value_of(variable: str) -> ReadAnswer:
    """Return an answer with the value of a variable in the first world."""
    return lambda worlds: str(worlds[0][variable])
