"""A rule by which the rows of a table change the points of two columns' entries, and who has the most in the end.

Each step uses the points of that moment, drops fractions or depends on an odd number, so that no row can be left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.prompts import capitalize, join_words
from rewardbench.builders.templates.hard.grounded.scribe import Statement
from rewardbench.builders.templates.hard.grounded.table import FIGURES, TIME, Rows, Setting, read_texts
from rewardbench.builders.templates.hard.leaders import draw_leaders
from rewardbench.verifiers.hard.points import SIDES, PointsRule, final_points

STEPS = {
    4: (("grow",), ("percent",), ("part",), ("trade", "half")),
    5: (("grow",), ("percent",), ("part",), ("trade",), ("half",)),
}
"""The operations of a rule with this number of steps; of alternatives, one is drawn."""
PARTS = {3: "a third", 4: "a quarter", 6: "a sixth", 7: "a seventh", 8: "an eighth", 9: "a ninth"}


@dataclass(frozen=True)
class League:
    """The points of the entries of two columns."""

    rule: PointsRule
    text: str
    """The rule in words, for the prompt."""
    leaders: Sequence[str]
    """For each table, the entry that ends with the most points of them all."""

    def statement(self, rng: Rng, setting: Setting, table: int) -> Statement:
        """Write who leads after the rows of a table, and how that was worked out."""
        texts, leader = read_texts("points")["report"], self.leaders[table]
        names = join_words(rng.sample(self.leaders, len(self.leaders)))
        sentence = rng.pick(texts["leads"]).format(names=names, leader=leader)
        method = rng.pick(texts["method"]).format(**setting.names())
        others = [name for name in self.leaders if name != leader]
        return Statement("leads", f"{sentence} {method}", ["leads", self.rule, leader, others])


def draw_league(rng: Rng, setting: Setting, tables: Sequence[Rows], steps: int, passes: int, by_time: bool) -> League:
    """Draw a rule, and entries of which another one leads in each table.

    Args:
        rng: random choices.
        setting: the world.
        tables: the rows of each prompt.
        steps: number of steps for each row.
        passes: how often all rows are gone through.
        by_time: whether the rows are taken in the order of their times.

    Raises:
        Resample: if no such entries turn up, or times are equal.
    """
    times = [row[TIME] for row in tables[0]]
    if by_time and len(set(times)) < len(times):
        raise Resample
    rule = (rng.number(1050, 4950), "time" if by_time else "list", passes, _draw_steps(rng, steps))
    points = [final_points(table, rule) for table in tables]
    leaders = draw_leaders(rng, points)
    return League(rule, _describe(rng, setting, rule, rng.sample(leaders, len(leaders))), leaders)


def _draw_steps(rng: Rng, count: int) -> list[list[str | int]]:
    columns = rng.sample(FIGURES, len(FIGURES))
    steps: list[list[str | int]] = []
    for alternatives in rng.sample(STEPS[count], count):
        operation = rng.pick(alternatives)
        side, other = rng.sample(SIDES, 2)
        step: list[str | int] = [operation, side]
        if operation != "grow":
            step.append(other)
        if operation in ("grow", "percent"):
            step.append(columns.pop())
        if operation == "part":
            step.append(rng.pick(list(PARTS)))
        steps.append(step)
    return steps


def _describe(rng: Rng, setting: Setting, rule: PointsRule, names: Sequence[str]) -> str:
    """Write the rule, and the wish to know which entry leads."""
    texts = read_texts("points")
    start, order, passes, steps = rule
    fields = setting.names() | {name: setting.header(name) for name in (*SIDES, *FIGURES, TIME)}
    noun = fields["noun"]
    fields |= {"first": fields["who"], "second": fields["place"], "start": str(start)}
    fields |= {"a_noun": f"an {noun}" if noun[0] in "aeiou" else f"a {noun}", "names": join_words(names)}
    clauses = [_clause(rng, setting, step) for step in steps]
    fields["passes"] = str(passes)
    names_of_parts = ["intros", f"order_{order}", *(["passes"] if passes > 1 else []), "labels"]
    parts = [rng.pick(texts[name]).format(**fields) for name in names_of_parts]
    mark = rng.pick(("({}) ", "{}. ", "{}) ", ""))
    if mark:
        body = "\n"
        for n, clause in enumerate(clauses, 1):
            body += f"{mark.format(n)}{capitalize(clause)}.\n"
    else:
        body = " first, " + "; then, ".join(clauses) + ". "
    ending = [rng.pick(texts[name]).format(**fields) for name in ("limits", "asks")]
    return " ".join(parts) + body + " ".join(ending)


def _clause(rng: Rng, setting: Setting, step: Sequence[str | int]) -> str:
    """Write a step, with A and B for the entries of the two columns."""
    operation, side, *arguments = step
    letters = dict(zip(SIDES, "AB", strict=True))
    x = letters[str(side)]
    fields = {"x": x, "y": "AB".replace(x, "")}
    if operation in ("grow", "percent"):
        fields["c"] = setting.header(str(arguments[-1]))
    if operation == "part":
        fields["k"] = PARTS[int(arguments[-1])]
    return str(rng.pick(read_texts("points")["steps"][operation])).format(**fields)
