"""Fees of several cases that numbered clauses raise and lower in turn; the twin has one detail of one case changed.

For example, in German:

    prompt: 1. Wenn der Band vorgemerkt war, steigt die Summe um 17 %. 2. ... Fall A: 3. März 2027 bis 9. Mai 2027,
        Tagessatz 3,47 €. Der Band war vorgemerkt. ... Wie viel ist das für alle Fälle zusammen?
    prompt b: the same with another daily rate, last day or fact in one case
    responses: the total of all cases only
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.languages.drafts import write_date
from rewardbench.builders.templates.hard.languages.policy import BookScene, join_conditions
from rewardbench.builders.templates.hard.languages.texts import (
    capitalize,
    fill_slots,
    make_content,
    read_texts,
    write_percent,
)
from rewardbench.types import Messages

CLAUSES = {3: 7, 4: 12}
CASES = {3: 3, 4: 6}
FACTS = {3: 4, 4: 5}
GAPS = {3: 0.03, 4: 0.003}
"""Largest difference of the two totals, as a share of the total."""
ATTEMPTS = 200
SUM, DAYS = -1, -2
"""In place of the position of a fact: conditions on the sum so far, in cents, and on the number of days."""


@dataclass(frozen=True)
class TariffClause:
    """A clause: conditions, each a position, a limit and whether it must be true or above; and what it does."""

    conditions: tuple[tuple[int, int, bool], ...]
    effect: str
    """`up` and `down` by tenths of a percent, or `plus` and `minus` a number of cents."""
    value: int


@dataclass(frozen=True)
class TariffCase:
    """A case: its days, the daily rate in cents, and whether each fact holds, by position."""

    start: date
    end: date
    rate: int
    facts: Mapping[int, bool]


def fee(case: TariffCase, clauses: Sequence[TariffClause]) -> int | None:
    """Return the fee of a case in cents, rounded down after every clause; None if a clause takes off all of it."""
    days = (case.end - case.start).days + 1
    cents = days * case.rate
    for clause in clauses:
        values = {SUM: cents, DAYS: days}
        if any((values.get(n, case.facts.get(n, 0)) > limit) != holds for n, limit, holds in clause.conditions):
            continue
        if clause.effect in ("plus", "minus"):
            cents += clause.value if clause.effect == "plus" else -clause.value
        else:
            cents = cents * (1000 + (clause.value if clause.effect == "up" else -clause.value)) // 1000
        if cents <= 0:
            return None
    return cents


def draw(language: str, rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror whose prompts differ in one detail of one case; only for rungs 3 and 4."""
    texts, policy = read_texts(language, "tariff"), read_texts(language, "policy")
    setting = rng.pick(texts["scenes"])
    scene = BookScene(**policy["scenes"][setting["base"]])
    facts = sorted(rng.sample(setting["facts"], FACTS[rung]))
    clauses: list[TariffClause] = []
    while len(clauses) < CLAUSES[rung]:
        clause = _draw_clause(rng, rung, facts, scene.leans, setting["relief"] == "up")
        if all(set(clause.conditions) != set(other.conditions) for other in clauses):
            clauses.append(clause)
    cases = [_draw_case(rng, facts) for _ in range(CASES[rung])]
    for _ in range(ATTEMPTS):
        changed = rng.number(0, len(cases) - 1)
        edit, twin = _change_case(rng, cases[changed])
        twins = [*cases[:changed], twin, *cases[changed + 1 :]]
        totals = _total(cases, clauses), _total(twins, clauses)
        if min(totals) and 0.0004 < abs(totals[0] - totals[1]) / max(totals) < GAPS[rung]:
            break
    else:
        raise Resample
    book = _render_book(rng, texts, policy, scene, clauses)
    prompts = _render_prompts(rng, language, scene, setting, book, (cases, twins))
    reply = rng.pick(texts["replies"])
    replies, halves = [], []
    for total in totals:
        replies.append(fill_slots(reply, x=_write_amount(texts, total)))
        halves.append({"total": _write_amount({"amount": texts["amount"].strip(" ₹€元")}, total)})
    edit = f"{edit} of case {changed + 1} changed"
    return make_content(edit, prompts, replies, "language-tariff", language, halves)


def _total(cases: Sequence[TariffCase], clauses: Sequence[TariffClause]) -> int:
    """Return the sum of all fees; 0 if a case has none."""
    fees = [fee(case, clauses) or 0 for case in cases]
    return sum(fees) if all(fees) else 0


def _draw_clause(rng: Rng, rung: int, facts: Sequence[int], leans: str, relief_is_up: bool) -> TariffClause:
    """Draw a clause; facts that are a natural reason to approve bring relief, which is a higher or a lower sum."""
    conditions = []
    balance = 0
    for n in rng.sample([*facts, SUM, DAYS], rng.pick((1, 1, 2))):
        limit = {SUM: rng.number(4011, 29989), DAYS: rng.number(31, 89)}.get(n, 0)
        holds = rng.chance()
        conditions.append((n, limit, holds))
        lean = {"+": 1, "-": -1}.get(leans[n], 0) if n >= 0 else 0
        balance += lean if holds else -lean
    is_relief = rng.chance() if balance == 0 else balance > 0
    increases = is_relief == relief_is_up
    if rng.chance(0.25):
        return TariffClause(tuple(conditions), "plus" if increases else "minus", _uneven(rng.number(203, 1997)))
    value = _uneven(rng.number(3, 29)) * 10 if rung < 4 else _uneven(rng.number(31, 289))
    return TariffClause(tuple(conditions), "up" if increases else "down", value)


def _uneven(number: int) -> int:
    """Return the number, or the next one if it ends in 0 and is easy to calculate with."""
    return number + (number % 10 == 0)


def _draw_case(rng: Rng, facts: Sequence[int]) -> TariffCase:
    start = date(rng.pick((2027, 2028)), 1, 1) + timedelta(days=rng.number(0, 210))
    rate = rng.number(137, 489)
    holds = {fact: rng.chance() for fact in facts}
    return TariffCase(start, start + timedelta(days=rng.number(24, 118)), rate, holds)


def _change_case(rng: Rng, case: TariffCase) -> tuple[str, TariffCase]:
    """Return what is changed, and the case with one detail changed."""
    kind = rng.pick(("daily rate", "last day", "fact"))
    if kind == "daily rate":
        return kind, replace(case, rate=case.rate + rng.pick((-9, -3, -2, -1, 1, 2, 3, 9)))
    if kind == "last day":
        return kind, replace(case, end=case.end + timedelta(days=rng.pick((-2, -1, 1, 2))))
    fact = rng.pick(list(case.facts))
    return kind, replace(case, facts={**case.facts, fact: not case.facts[fact]})


def _write_amount(texts: Mapping[str, Any], cents: int) -> str:
    return fill_slots(texts["amount"], x=cents // 100, c=f"{cents % 100:02}")


def _render_book(
    rng: Rng, texts: Mapping[str, Any], policy: Mapping[str, Any], scene: BookScene, clauses: Sequence[TariffClause]
) -> str:
    lines = []
    for number, clause in enumerate(clauses, 1):
        conditions = []
        for n, limit, holds in clause.conditions:
            if n == SUM:
                conditions.append(fill_slots(texts["sums"][1 - holds], x=_write_amount(texts, limit)))
            elif n == DAYS:
                conditions.append(fill_slots(texts["days"][1 - holds], n=limit))
            else:
                conditions.append(scene.facts[n][1 - holds])
        joined = join_conditions(conditions, policy["and"])
        amount = _write_amount(texts, clause.value)
        line = fill_slots(rng.pick(texts["effects"][clause.effect]), conditions=joined, x=amount)
        line = fill_slots(line, p=write_percent(texts, clause.value))
        lines.append(f"{number}. {capitalize(line)}")
    return "\n".join(lines)


def _render_prompts(
    rng: Rng,
    language: str,
    scene: BookScene,
    setting: Mapping[str, Any],
    book: str,
    both: tuple[Sequence[TariffCase], Sequence[TariffCase]],
) -> list[Messages]:
    texts, policy = read_texts(language, "tariff"), read_texts(language, "policy")
    opening, convention = rng.pick(setting["openings"]), rng.pick(texts["conventions"])
    question, note, form = rng.pick(texts["questions"]), rng.pick(policy["notes"]), rng.number(0, 1)
    orders = [rng.sample(list(case.facts), len(case.facts)) for case in both[0]]
    layout = rng.number(0, 2)
    prompts = []
    for cases in both:
        lines = []
        for letter, case, order in zip(texts.get("letters", "ABCDEF")[: len(cases)], cases, orders, strict=True):
            dates = {"start": write_date(language, case.start, form), "end": write_date(language, case.end, form)}
            header = fill_slots(texts["case"], x=letter, rate=_write_amount(texts, case.rate), **dates)
            lines.append(policy["space"].join([header, *(scene.facts[n][2 + case.facts[n]] for n in order)]))
        block = "\n".join(lines)
        if layout == 0:
            prompts.append(chat(f"{block}\n\n{question}", system=f"{opening}\n\n{book}\n\n{convention}"))
        elif layout == 1:
            prompts.append(chat(f"{opening}\n\n{book}\n\n{convention}\n\n{block}\n\n{question}"))
        else:
            prompts.append(chat(f"{opening}\n{convention}\n\n{book}", note, f"{block}\n\n{question}"))
    return prompts
