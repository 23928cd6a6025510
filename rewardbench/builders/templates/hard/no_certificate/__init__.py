"""Decision problems without a short certificate: exact sums, packing, colouring, routes and covers.

The prompts differ in one number, pair or skill, so that an arrangement exists for one of them only. Both responses
describe near misses that hold for both prompts; they differ in the verdict and, if the user wants to see a solution, in
the last attempt. For example:

    prompt a: ... drill (37), saw (41), pump (78) ... exactly 115 kg ...
    prompt b: the same with exactly 114 kg
    response x, right for a: Yes ... 2) drill, pump - exactly right ...
    response y, right for b: No ... 2) saw, pump - 119 ...
"""

from __future__ import annotations

import tomllib
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rewardbench.builders.draw import RUNGS, MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.no_certificate.attempts import Arrangement, near_misses_of, solution_of
from rewardbench.builders.templates.hard.no_certificate.problems import FAMILIES, ProblemPair, ProblemScene, draw_pair
from rewardbench.types import Messages
from rewardbench.verifiers.hard.no_certificate import DecisionProblem, left_over

ATTEMPTS = (2, 4, 5, 5)
"""Attempts in a response at each rung."""
HIDDEN = (0.0, 0.0, 1.0, 1.0)
"""Share of the mirrors at each rung in which the user does not want to see a solution."""
LARGE_FAMILIES = ("sum", "sum", "bins")
"""Families of the last rung, as often as they are drawn: nothing but a search decides them, and a program is fast."""
ROUNDS = 8
"""Pairs of problems that are tried if one has too few near misses."""


@dataclass(frozen=True)
class _Texts:
    """The scenes, a description of the search for each family, and the phrases of prompts and responses."""

    scenes: tuple[ProblemScene, ...]
    method: dict[str, list[str]]
    words: dict[str, list[str]]


@cache
def _texts() -> _Texts:
    content = tomllib.loads(Path(__file__).with_name("scenes.toml").read_text(encoding="utf-8"))
    scenes = [ProblemScene(**fields) for fields in content["scene"]]
    return _Texts(tuple(scenes), content["method"], content["words"])


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror of a decision problem."""
    family = rng.pick(tuple(FAMILIES) if rung < max(RUNGS) else LARGE_FAMILIES)
    scene = rng.pick([scene for scene in _texts().scenes if scene.family == family])
    pair, near_misses = _draw_problems(rng, scene, rung)
    is_hidden = rng.chance(HIDDEN[rung - 1])
    attempts = near_misses if is_hidden else [*near_misses[:-1], solution_of(rng, pair.solvable)]
    prompt_a, prompt_b = _prompts(rng, scene, pair, rng.pick(_texts().words["only" if is_hidden else "plan"]))
    method = rng.pick(_texts().method[family])
    if family in ("bins", "colour"):
        method += f" (A bar separates one {scene.group} from the next.)"
    x, y = _responses(rng, method, "hidden" if is_hidden else "last", pair, (attempts, near_misses))
    check = {"kind": "no-certificate", "a": pair.solvable.to_json(), "b": pair.unsolvable.to_json()}
    return MirrorContent(pair.edit, prompt_a, prompt_b, x, y, check)


def _draw_problems(rng: Rng, scene: ProblemScene, rung: int) -> tuple[ProblemPair, list[Arrangement]]:
    """Draw a solvable and an unsolvable problem, and near misses of both."""
    for _ in range(ROUNDS):
        pair = draw_pair(rng, scene, rung - 1)
        with suppress(Resample):
            return pair, near_misses_of(rng, pair, ATTEMPTS[rung - 1])
    raise Resample


def _prompts(rng: Rng, scene: ProblemScene, pair: ProblemPair, request: str) -> tuple[Messages, Messages]:
    """Write both prompts in one layout; `request` says whether a solution is wanted."""
    layout, form = rng.number(0, 2), rng.number(0, 3)
    before, after = rng.pick(scene.before), rng.pick(scene.after)

    def prompt(decision: DecisionProblem) -> Messages:
        listing = f"{before}\n\n{_listing(scene, decision, layout)}"
        question = after.format(size=decision.target, groups=decision.groups)
        question += f" {request}" if question.endswith(("?", ".")) else f"\n{request}"
        if form == 0:
            return chat(f"{question}\n\n{listing}")
        if form == 1:
            return chat(listing, "Thanks, I have the list. What is the question?", question)
        return chat(f"{listing}\n\n{question}")

    return prompt(pair.solvable), prompt(pair.unsolvable)


def _listing(scene: ProblemScene, decision: DecisionProblem, layout: int) -> str:
    """List the numbers, pairs or skills in one of three layouts."""
    if decision.pairs:
        names = f"All {len(decision.names)}: {', '.join(decision.names)}."
        return f"{names} {scene.linked}:\n{_pair_list(decision, layout)}"
    values = map(", ".join, decision.skills) if decision.skills else map(str, decision.weights)
    rows = list(zip(decision.names, values, strict=True))
    if layout == 0:
        return "\n".join(f"- {name}: {value} {scene.unit}".rstrip() for name, value in rows)
    if layout == 1:
        separator = "; " if decision.skills else ", "
        listing = separator.join(f"{name} ({value})" for name, value in rows)
        return f"{listing} [{scene.unit}]" if scene.unit else listing
    head = f"| name | {scene.unit or 'can do'} |\n|---|---|\n"
    return head + "\n".join(f"| {name} | {value} |" for name, value in rows)


def _pair_list(decision: DecisionProblem, layout: int) -> str:
    """List the pairs by line, in one line, or by their first name."""
    if layout == 0:
        return "\n".join(map("- {0[0]} / {0[1]}".format, decision.pairs))
    if layout == 1:
        return ", ".join(map("+".join, decision.pairs))
    partners: dict[str, list[str]] = {}
    for left, right in decision.pairs:
        partners.setdefault(left, []).append(right)
    lines = ["(each pair is listed once, under one of the two)"]
    for name, others in partners.items():
        lines.append(f"- {name}: {', '.join(others)}")
    return "\n".join(lines)


def _responses(
    rng: Rng, method: str, closings: str, pair: ProblemPair, attempts: tuple[list[Arrangement], list[Arrangement]]
) -> tuple[str, str]:
    """Write the responses that say yes and no, with the attempts of each."""
    words = _texts().words
    opening, closing = rng.number(0, len(words["yes"]) - 1), rng.number(0, 2)
    lead = rng.pick(words["lead"])

    def response(verdict: str, decision: DecisionProblem, arrangements: list[Arrangement]) -> str:
        lines = []
        for n, groups in enumerate(arrangements, 1):
            lines.append(f"{n}) {' | '.join(map(', '.join, groups))} - {left_over(decision, groups)}")
        listing = "\n".join(lines)
        last = words[f"{closings}_{verdict}"][closing]
        return f"{words[verdict][opening]} {method}\n\n{lead}\n{listing}\n\n{last}"

    return response("yes", pair.solvable, attempts[0]), response("no", pair.unsolvable, attempts[1])
