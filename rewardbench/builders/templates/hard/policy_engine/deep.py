"""Deep policies: the clause that decides hangs on a long chain of clauses that switch each other off.

Two rules are candidates. The one that goes first is the end of a chain whose last link depends on one fact, so
that this fact turns its fate. Everything else that is attached to a clause leaves its fate as it is: a clause whose
condition is not met, or a chain of an even number of clauses that apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.verifiers.hard.policy_engine import Clause, Facts, holds

CONDITION_TRIES = 300
TURNING = "turning"


@dataclass(frozen=True)
class DepthSize:
    """What a rung with deep policies draws."""

    chain: int
    """Clauses in the chain above each of the two candidates, at least."""
    rules: int
    """Rules besides clause 1 and the candidates."""
    sides: int
    """Even chains that are attached and change nothing."""
    unmet: int
    """Attached clauses whose condition is not met."""


DEPTHS = {3: DepthSize(7, 6, 6, 5), 4: DepthSize(11, 11, 14, 10)}


@dataclass(eq=False)
class PolicyNode:
    """A clause before it has its number."""

    condition: Clause
    target: PolicyNode | None = None
    verdict: str = ""
    number: int = 0
    is_firm: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the clause as policies hold it."""
        fields = {"n": self.number, **self.condition}
        if self.target is not None:
            return {**fields, "kind": "off", "target": self.target.number}
        return {**fields, "kind": "rule", "verdict": self.verdict, "firm": self.is_firm}


@dataclass
class PolicyForest:
    """Rules with the clauses that switch them off, and these with theirs."""

    rng: Rng
    draw_condition: Callable[[], Clause]
    terms: Mapping[str, Clause]
    versions: tuple[Facts, Facts]
    """The facts of both prompts."""
    nodes: list[PolicyNode] = field(default_factory=list)

    def condition(self, wanted: bool | str) -> Clause:
        """Return a condition that is met in both prompts, in none, or (`TURNING`) in one of them.

        Raises:
            Resample: if many draws give none.
        """
        for _ in range(CONDITION_TRIES):
            condition = self.draw_condition()
            first, second = (holds(condition, facts, self.terms) for facts in self.versions)
            if (first != second) if wanted == TURNING else (first == second == wanted):
                return condition
        raise Resample

    def add_rule(self, verdict: str, is_met: bool = True) -> PolicyNode:
        """Add a rule."""
        self.nodes.append(PolicyNode(self.condition(is_met), verdict=verdict))
        return self.nodes[-1]

    def add_chain(self, target: PolicyNode, conditions: Sequence[bool | str]) -> list[PolicyNode]:
        """Add clauses of which the first switches off `target`, and each other the one before it."""
        links: list[PolicyNode] = []
        for wanted in conditions:
            target = PolicyNode(self.condition(wanted), target)
            links.append(target)
        self.nodes += links
        return links

    def add_neutral(self, tree: list[PolicyNode], size: DepthSize) -> None:
        """Attach clauses that change nothing, most of them to the nodes of `tree`."""
        for _ in range(size.sides):
            target = self.rng.pick(tree if self.rng.chance(0.8) else self.nodes)
            links = self.add_chain(target, [True] * self.rng.pick((2, 2, 4)))
            if target in tree:
                tree += links
        for _ in range(size.unmet):
            self.add_chain(self.rng.pick(self.nodes), [False])


def draw_deep_clauses(rng: Rng, rung: int, forest: PolicyForest, order: str) -> list[dict[str, Any]]:
    """Return the clauses of a policy in which one of two candidates decides, as the turning fact has it."""
    size = DEPTHS[rung]
    verdicts = rng.sample(["allow", "decline"], 2)
    first, second = map(forest.add_rule, verdicts)
    tree = [first, *forest.add_chain(first, [*[True] * (size.chain + rng.number(0, 1)), TURNING])]
    forest.add_chain(second, [True] * (size.chain + size.chain % 2))
    ahead: list[PolicyNode] = []
    behind: list[PolicyNode] = []
    for _ in range(size.rules):
        rule = forest.add_rule(rng.pick(verdicts), rng.chance(0.75))
        is_ahead = rng.chance(0.7)
        (ahead if is_ahead else behind).append(rule)
        if is_ahead or rng.chance():
            forest.add_chain(rule, [True] * rng.pick((1, 3, 3)))
    forest.add_neutral(tree, size)
    at = rng.number(0, len(ahead))
    ranking = [*ahead[:at], first, *ahead[at:], second, *behind]
    _number(rng, forest, ranking, rng.number(0, 3), order)
    default = {"n": 1, "kind": "rule", "when": [], "any": False, "verdict": rng.pick(verdicts), "firm": False}
    return [default, *(node.to_json() for node in sorted(forest.nodes, key=attrgetter("number")))]


def _number(rng: Rng, forest: PolicyForest, ranking: Sequence[PolicyNode], firm: int, order: str) -> None:
    """Give each node a number, so that the rules rank as in `ranking`, of which the first ones are firm."""
    numbers = rng.sample(range(2, len(forest.nodes) + 2), len(forest.nodes))
    for is_firm, rules in ((True, ranking[:firm]), (False, ranking[firm:])):
        places = sorted((numbers.pop() for _ in rules), reverse=order == "highest")
        for node, number in zip(rules, places, strict=True):
            node.number, node.is_firm = number, is_firm
    for node in forest.nodes:
        if node.target is not None:
            node.number = numbers.pop()
