"""Arguments from statements on who comes, what is open, which lamp is lit; only a search in cases decides them.

The prompts differ in one place of one premise, and the responses in the verdict. For example:

    prompt a: ... 4. Of Ana, Bo, Chen, Dina and Emeka, exactly two come. ... Conclusion: Chen comes.
    prompt b: the same with "exactly three come"
    response x, right for a: Valid: the conclusion follows. ...
    response y, right for b: Not valid: the conclusion does not follow. ...
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.prompts import capitalize, join_words
from rewardbench.builders.templates.hard.valid_or_not.premises import Premise, PremisePair, draw_premises
from rewardbench.types import Messages

PREMISE_SIZES = {3: (5, 6), 4: (6, 7)}
"""Numbers of names in a premise that counts, at the rungs with arguments."""
NAMES = {3: 16, 4: 22}
"""Number of names at each of these rungs."""
CASE_SHARES = (0.0, 0.5)
"""Shares of the premises of the form "if ..., then ..."."""
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six")


@dataclass(frozen=True)
class ArgumentWorld:
    """A situation: what the names are, and what may be true of them."""

    intro: list[str]
    yes: str
    no: str
    plural: str
    items: str = ""

    def clause(self, literal: str, is_denied: bool = False) -> str:
        """Return a literal, or its opposite, as a clause: `Ana comes`."""
        is_true = literal.startswith("-") == is_denied
        return f"{literal.lstrip('-')} {self.yes if is_true else self.no}"


@cache
def _texts() -> tuple[tuple[ArgumentWorld, ...], Mapping[str, Sequence[str]]]:
    content = tomllib.loads(Path(__file__).with_name("arguments.toml").read_text(encoding="utf-8"))
    worlds = [ArgumentWorld(**fields) for fields in content["world"]]
    return tuple(worlds), content["words"]


def draw_argument(rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror of an argument."""
    worlds, _ = _texts()
    world = rng.pick(worlds)
    names = rng.sample(world.items.split(", "), NAMES[rung]) if world.items else rng.people(NAMES[rung])
    pair = draw_premises(rng, names, PREMISE_SIZES[rung], rng.pick(CASE_SHARES))
    forms = [rng.number(0, 3) for _ in pair.valid]
    sentences = [list(map(partial(_sentence, world), premises, forms)) for premises in (pair.valid, pair.invalid)]
    prompts = _prompts(rng, world, sentences, world.clause(pair.conclusion))
    fixed = sorted(set(names) - _changed_names(pair))
    x, y = _responses(rng, rng.sample(fixed, 4))
    edit = next(f"{left} / {right}" for left, right in zip(*sentences, strict=True) if left != right)
    check = {"kind": "valid-or-not", "a": _check(world, pair.valid, pair), "b": _check(world, pair.invalid, pair)}
    return MirrorContent(edit, *prompts, x, y, check)


def _changed_names(pair: PremisePair) -> set[str]:
    """Return the names of the premise that differs, and of the conclusion."""
    literals = [pair.conclusion]
    for left, right in zip(pair.valid, pair.invalid, strict=True):
        if left != right:
            literals += [*left.literals, *right.literals]
    return {literal.lstrip("-") for literal in literals}


def _sentence(world: ArgumentWorld, premise: Premise, form: int) -> str:
    """Write a premise in one of four forms."""
    if premise.is_case:
        return _case_sentence(world, premise.literals, form)
    listing, (first, *others) = join_words(premise.literals), premise.counts
    verb = world.plural
    if premise.is_parity:
        amount = "an odd number" if first else "an even number"
    elif not others:
        amount = f"exactly {NUMBERS[first]}"
        verb = world.yes if first == 1 else world.plural
    else:
        amount = f"at least {NUMBERS[first]}" if first else f"at most {NUMBERS[others[-1]]}"
    return f"Of {listing}, {amount} {verb}." if form < 2 else f"{capitalize(amount)} of {listing} {verb}."


def _case_sentence(world: ArgumentWorld, literals: Sequence[str], form: int) -> str:
    """Write that at least one of three literals is true."""
    u, v, w = map(world.clause, literals)
    not_u, not_v, not_w = map(partial(world.clause, is_denied=True), literals)
    if form == 0:
        return f"If {not_u} and {not_v}, then {w}."
    if form == 1:
        return f"If {not_u}, then {v} or {w}."
    if form == 2:
        return f"It can't be that {not_u}, {not_v} and {not_w} all at once."
    return f"{capitalize(u)}, or {v}, or {w}."


def _prompts(
    rng: Rng, world: ArgumentWorld, sentences: Sequence[Sequence[str]], conclusion: str
) -> tuple[Messages, Messages]:
    """Write both prompts in one layout."""
    _, words = _texts()
    question, wish, note, claim = (rng.pick(words[key]) for key in ("question", "wish", "note", "conclusion"))
    style, form, intro = rng.pick(("{}. {}", "- {1}", "({}) {}", "S{}: {}")), rng.number(0, 2), rng.pick(world.intro)
    claim = claim.format(f"{capitalize(conclusion)}.")

    def prompt(statements: Sequence[str]) -> Messages:
        listing = "\n".join([intro, *map(style.format, range(1, len(statements) + 1), statements)])
        if form == 0:
            return chat(f"{question} {wish}\n\n{listing}\n\n{note}\n\n{claim}")
        if form == 1:
            return chat(
                f"{listing}\n\n{note}", "I have the statements. What is to be decided?", f"{claim}\n{question} {wish}"
            )
        return chat(f"{listing}\n\n{claim}\n\n{note} {question} {wish}")

    return prompt(sentences[0]), prompt(sentences[1])


def _responses(rng: Rng, names: Sequence[str]) -> tuple[str, str]:
    """Write the responses that the argument is valid, and that it is not."""
    _, words = _texts()
    opening, closing = rng.number(0, len(words["valid"]) - 1), rng.number(0, len(words["closing_valid"]) - 1)
    steps = [rng.pick(words[key]) for key in ("start", "split", "force")]
    method = " ".join(steps).format(*names)
    caution = rng.pick(words["caution"])

    def response(verdict: str) -> str:
        return f"{words[verdict][opening]}\n\n{method}\n\n{caution} {words[f'closing_{verdict}'][closing]}"

    return response("valid"), response("invalid")


def _check(world: ArgumentWorld, premises: Sequence[Premise], pair: PremisePair) -> dict[str, object]:
    return {
        "premises": list(map(Premise.to_json, premises)),
        "conclusion": pair.conclusion,
        "clauses": [world.yes, world.no],
    }
