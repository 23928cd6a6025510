"""Policy engine: numbered clauses with exceptions and precedence, and a case of which one fact turns the decision.

For example, ten rules of a lending desk; in A the borrower "has left a deposit", in B she "has not". X cites the
clause that lets the book go, Y the one that holds it back. The fact is in neither clause: it turns an exception.
At the upper rungs the clauses change a count of points, round after round, and its final size decides.
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.hard.policy_engine.points import draw_points_case
from rewardbench.builders.templates.hard.policy_engine.points_wording import PointsWording
from rewardbench.builders.templates.hard.policy_engine.policy import draw_case
from rewardbench.builders.templates.hard.policy_engine.wording import CaseWording, read_domains


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Return a mirror whose prompts differ in one fact."""
    domain = rng.pick(read_domains())
    has_points = rung >= 3
    draw_a_case = draw_points_case if has_points else draw_case
    case = draw_a_case(rng, rung, domain["facts"], [tuple(quantity) for quantity in domain["quantities"]])
    desk = (PointsWording if has_points else CaseWording)(rng, rung, domain, case)
    checks = {}
    for side, facts in (("a", case.facts), ("b", case.other_facts)):
        checks[side] = {
            "policy": case.policy,
            "facts": facts,
            "labels": {"allow": domain["allow"], "decline": domain["decline"]},
        }
    wordings = [f"{rng.number(0, 2**30)}"] * 2 if rung < 3 else [f"{rng.number(0, 2**30)}" for _ in "xy"]
    return MirrorContent(
        edit=f"{case.flipped}: {_yes(case.facts[case.flipped])} / {_yes(case.other_facts[case.flipped])}",
        a=desk.prompt(case.facts),
        b=desk.prompt(case.other_facts),
        x=desk.response(Rng(wordings[0]), case.facts),
        y=desk.response(Rng(wordings[1]), case.other_facts),
        check={"kind": "policy-points" if has_points else "policy-engine", **checks},
    )


def _yes(value: bool | int) -> str:
    return "yes" if value else "no"
