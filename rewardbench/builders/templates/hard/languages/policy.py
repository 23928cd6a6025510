"""A rule book with exceptions and precedence, and a case; the twin prompt has one fact of the case turned round.

For example, in German:

    prompt: 1. Grundsätzlich gilt: Der Preis wird erstattet. 2. Wenn der Bon fehlt, wird der Preis nicht erstattet. ...
        Anwendbar ist ... Es entscheidet die höchste Nummer. Der Fall: ... a: Der Bon liegt vor. b: Der Bon fehlt.
    responses: the decision, the clause that decides, and which clauses apply
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.languages.texts import (
    capitalize,
    fill_slots,
    make_content,
    pick_some,
    read_texts,
)
from rewardbench.types import Messages

CLAUSES = {1: 4, 2: 7}
FACTS = {1: 4, 2: 6}
ATTEMPTS = 300
FRAMES = ("decision", "deciding", "applies", "fails")
"""Sentences of a response, by which its verifier reads it."""

CaseFacts = tuple[int, ...]
"""Value of each fact of a case: 0 or 1, or the number of a numeric fact."""


@dataclass(frozen=True)
class BookScene:
    """What a rule book is about."""

    openings: list[str]
    """Sentences that introduce the rule book."""
    cases: list[str]
    """Sentences that open the case."""
    asides: list[str]
    """Facts of the case that no clause mentions."""
    decisions: list[list[str]]
    """Refusal and approval: each as a main clause, and after a condition."""
    facts: list[list[str]]
    """Of each fact: as a condition, true and false; as a statement, false and true."""
    numbers: list[list[str]]
    """Of each numeric fact: condition above and up to `{n}`; statement with `{n}`."""
    ranges: list[list[int]]
    """Smallest and largest value, and step, of each numeric fact."""
    leans: str
    """Of each fact, then of each number: whether it is a natural reason to approve (+), to refuse (-), or neither."""


@dataclass(frozen=True)
class BookLiteral:
    """A condition on one fact."""

    fact: int
    holds: bool
    """Whether the fact must be true, or its number above the limit; else it must be false, or up to the limit."""
    limit: int = 0

    def is_met(self, facts: CaseFacts) -> bool:
        """Return True if the condition holds of the facts."""
        return (facts[self.fact] > self.limit) == self.holds


@dataclass(frozen=True)
class BookClause:
    """A clause that decides, or that excludes another clause."""

    conditions: tuple[BookLiteral, ...]
    exception: BookLiteral | None = None
    approves: bool = False
    excludes: int | None = None
    """Position of the clause that it excludes; None if it decides."""

    def is_met(self, facts: CaseFacts) -> bool:
        """Return True if all conditions hold of the facts, and the exception does not."""
        excepted = self.exception is not None and self.exception.is_met(facts)
        return not excepted and all(condition.is_met(facts) for condition in self.conditions)


@dataclass(frozen=True)
class BookOutcome:
    """The result of a rule book for a case."""

    approves: bool
    deciding: int
    """Position of the clause that decides."""
    applicable: tuple[int, ...]
    """Positions of the clauses that apply."""


def decide_case(clauses: Sequence[BookClause], facts: CaseFacts, highest: bool) -> BookOutcome:
    """Apply a rule book to a case.

    Args:
        clauses: in order; at least one has no conditions and is not excluded. A clause excludes only earlier ones.
        facts: the case.
        highest: whether the highest number has precedence; else the lowest.
    """
    applicable: list[int] = []
    excluded = set()
    for n in reversed(range(len(clauses))):
        if n not in excluded and clauses[n].is_met(facts):
            applicable.insert(0, n)
            excluded.add(clauses[n].excludes)
    ranked = applicable[::-1] if highest else applicable
    deciding = next(n for n in ranked if clauses[n].excludes is None)
    return BookOutcome(clauses[deciding].approves, deciding, tuple(applicable))


def draw(language: str, rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror whose prompts differ in one fact of the case; only for rungs 1 and 2."""
    texts = read_texts(language, "policy")
    scene = BookScene(**rng.pick(texts["scenes"]))
    highest = rng.chance()
    positions = sorted(rng.sample(range(len(scene.facts) + len(scene.numbers)), FACTS[rung]))
    for _ in range(ATTEMPTS):
        facts = _draw_facts(rng, scene)
        clauses = _draw_clauses(rng, rung, scene, positions, highest)
        flipped, other = _flip(rng, scene, positions, facts)
        outcomes = decide_case(clauses, facts, highest), decide_case(clauses, other, highest)
        if _is_contrast(rung, outcomes):
            break
    else:
        raise Resample
    cases = _render_cases(rng, scene, positions, (facts, other), texts["space"])
    prompts = _render_prompts(rng, texts, scene, _render_book(rng, texts, scene, clauses), cases, highest)
    replies = _render_replies(rng, texts, scene, len(clauses), outcomes)
    halves = []
    for outcome in outcomes:
        refusal, approval = scene.decisions[0][0], scene.decisions[1][0]
        decision, opposite = (approval, refusal) if outcome.approves else (refusal, approval)
        data = {"decision": decision, "opposite": opposite, "clause": outcome.deciding + 1, "clauses": len(clauses)}
        data["applicable"] = [n + 1 for n in outcome.applicable]
        data["frames"] = {name: texts[name] for name in FRAMES}
        halves.append(data)
    edit = f"fact {flipped + 1} of the case turned round"
    return make_content(edit, prompts, replies, "language-policy", language, halves)


def _is_contrast(rung: int, outcomes: tuple[BookOutcome, BookOutcome]) -> bool:
    """Return True if the decisions and the deciding clauses differ, and several clauses apply to both cases."""
    first, second = outcomes
    is_rich = min(len(first.applicable), len(second.applicable)) >= min(rung + 1, 4)
    return is_rich and first.approves != second.approves and first.deciding != second.deciding


def _draw_clauses(rng: Rng, rung: int, scene: BookScene, candidates: Sequence[int], highest: bool) -> list[BookClause]:
    """Draw clauses; the one without conditions has the least precedence."""
    n = CLAUSES[rung]
    base = 0 if highest else n - 1
    clauses: list[BookClause] = []
    shapes = set()
    while len(clauses) < n:
        if len(clauses) == base:
            clauses.append(BookClause((), approves=rng.chance()))
            continue
        size = rng.pick((1, 1, 2))
        with_exception = rung > 1 and rng.chance(0.4)
        positions = rng.sample(list(candidates), size + with_exception)
        literals = []
        for fact in positions:
            literals.append(_draw_literal(rng, scene, fact))
        exception = literals[-1] if with_exception else None
        targets = [k for k, clause in enumerate(clauses) if k != base and clause.excludes is None]
        excludes = rng.pick(targets) if rung > 1 and targets and rng.chance(0.22) else None
        conditions = tuple(literals[:size])
        clause = BookClause(conditions, exception, _draw_decision(rng, scene, conditions), excludes)
        shape = frozenset(clause.conditions)
        if shape not in shapes:
            shapes.add(shape)
            clauses.append(clause)
    return clauses


def _draw_literal(rng: Rng, scene: BookScene, fact: int) -> BookLiteral:
    if fact < len(scene.facts):
        return BookLiteral(fact, rng.chance())
    low, high, step = scene.ranges[fact - len(scene.facts)]
    return BookLiteral(fact, rng.chance(), rng.number(low + step, high - step, step))


def _draw_decision(rng: Rng, scene: BookScene, conditions: Sequence[BookLiteral]) -> bool:
    """Draw the decision to which most of the conditions are a natural reason."""
    balance = 0
    for condition in conditions:
        weight = {"+": 1, "-": -1}.get(scene.leans[condition.fact], 0)
        balance += weight if condition.holds else -weight
    return rng.chance() if balance == 0 else balance > 0


def _draw_value(rng: Rng, scene: BookScene, fact: int) -> int:
    if fact < len(scene.facts):
        return int(rng.chance())
    low, high, step = scene.ranges[fact - len(scene.facts)]
    return rng.number(low, high, step)


def _draw_facts(rng: Rng, scene: BookScene) -> CaseFacts:
    return tuple(_draw_value(rng, scene, fact) for fact in range(len(scene.facts) + len(scene.numbers)))


def _flip(rng: Rng, scene: BookScene, positions: Sequence[int], facts: CaseFacts) -> tuple[int, CaseFacts]:
    """Return the position of a fact, and the facts with another value there."""
    fact = rng.pick(positions)
    value = 1 - facts[fact] if fact < len(scene.facts) else _draw_value(rng, scene, fact)
    return fact, (*facts[:fact], value, *facts[fact + 1 :])


def _render_literal(scene: BookScene, literal: BookLiteral) -> str:
    if literal.fact < len(scene.facts):
        return scene.facts[literal.fact][0 if literal.holds else 1]
    frame = scene.numbers[literal.fact - len(scene.facts)][0 if literal.holds else 1]
    return frame.replace("{n}", str(literal.limit))


def _render_book(rng: Rng, texts: Mapping[str, list[str]], scene: BookScene, clauses: Sequence[BookClause]) -> str:
    frames = {name: pick_some(rng, texts[name], 2) for name in ("base", "clause", "exclusion", "exception")}
    lines = []
    for n, clause in enumerate(clauses):
        main, inverted = scene.decisions[int(clause.approves)]
        conditions = []
        for condition in clause.conditions:
            conditions.append(_render_literal(scene, condition))
        joined = join_conditions(conditions, texts["and"])
        if not conditions:
            line = fill_slots(rng.pick(frames["base"]), main=main)
        elif clause.excludes is None:
            line = fill_slots(rng.pick(frames["clause"]), main=main, inverted=inverted, conditions=joined)
        else:
            line = fill_slots(rng.pick(frames["exclusion"]), target=clause.excludes + 1, conditions=joined)
        if clause.exception is not None:
            line += fill_slots(rng.pick(frames["exception"]), condition=_render_literal(scene, clause.exception))
        lines.append(f"{n + 1}. {capitalize(line)}")
    return "\n".join(lines)


def join_conditions(conditions: Sequence[str], separators: Sequence[str]) -> str:
    """Join conditions; the second separator is before the last one."""
    if len(conditions) < 2:
        return "".join(conditions)
    return separators[0].join(conditions[:-1]) + separators[1] + conditions[-1]


def _render_cases(
    rng: Rng, scene: BookScene, positions: Sequence[int], both: tuple[CaseFacts, CaseFacts], space: str
) -> tuple[str, str]:
    """Return the case with either facts, in the same order; the space is between sentences."""
    order: list[int | str] = rng.sample([*positions, *rng.sample(scene.asides, 2)], len(positions) + 2)
    opening = rng.pick(scene.cases)
    cases = []
    for values in both:
        sentences = [opening]
        for position in order:
            if isinstance(position, str):
                sentences.append(position)
            elif position < len(scene.facts):
                sentences.append(scene.facts[position][2 + values[position]])
            else:
                frame = scene.numbers[position - len(scene.facts)][2]
                sentences.append(frame.replace("{n}", str(values[position])))
        cases.append(space.join(sentences))
    return cases[0], cases[1]


def _render_prompts(
    rng: Rng,
    texts: Mapping[str, Any],
    scene: BookScene,
    book: str,
    cases: tuple[str, str],
    highest: bool,
) -> list[Messages]:
    opening, question, note = rng.pick(scene.openings), rng.pick(texts["questions"]), rng.pick(texts["notes"])
    space = texts["space"]
    convention = space.join([rng.pick(texts["conventions"]), rng.pick(texts["highest" if highest else "lowest"])])
    layout = rng.number(0, 3)
    prompts = []
    for case in cases:
        if layout == 0:
            prompts.append(chat(f"{case}{space}{question}", system=f"{opening}\n\n{book}\n\n{convention}"))
        elif layout == 1:
            prompts.append(chat(f"{opening}\n\n{book}\n\n{convention}\n\n{case}{space}{question}"))
        elif layout == 2:
            prompts.append(chat(case, note, f"{opening}\n\n{convention}\n\n{book}\n\n{question}"))
        else:
            prompts.append(chat(f"{opening}\n{convention}\n\n{book}", note, f"{case}\n\n{question}"))
    return prompts


def _render_replies(
    rng: Rng, texts: Mapping[str, list[str]], scene: BookScene, n: int, outcomes: Sequence[BookOutcome]
) -> list[str]:
    """Render the outcomes, with the status of each of the `n` clauses."""
    decision, deciding = rng.pick(texts["decision"]), rng.pick(texts["deciding"])
    applies, fails = rng.sample(texts["applies"], 3), rng.sample(texts["fails"], 3)
    bridge, closing = rng.pick(texts["bridges"]), rng.pick(texts["closings"])
    replies = []
    for outcome in outcomes:
        main = scene.decisions[int(outcome.approves)][0]
        lines = [fill_slots(decision, main=main), fill_slots(deciding, n=outcome.deciding + 1), "", bridge]
        for k in range(n):
            frames = applies if k in outcome.applicable else fails
            lines.append(fill_slots(frames[k % 3], n=k + 1))
        replies.append("\n".join([*lines, "", closing]))
    return replies
