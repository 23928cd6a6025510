"""Programs whose output turns on the semantics of their language; twins differ in one token.

At the lower rungs a program is a sequence of fragments (see `fragments`), and the responses go through it step by step.
At the upper rungs a loop of 14 to 60 rounds of exact arithmetic follows the fragments (see `long`), and only one number
is printed, which depends on all of them. Each response is right for its own program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import Template as Places

from rewardbench.builders.draw import MirrorContent, Resample, Rng, SquareContent
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.what_prints.cpp_traps import CPP
from rewardbench.builders.templates.hard.what_prints.fragments import (
    TOKEN,
    Fragment,
    ProgramLanguage,
    ProgramState,
    fill,
)
from rewardbench.builders.templates.hard.what_prints.java_traps import JAVA
from rewardbench.builders.templates.hard.what_prints.javascript_traps import JAVASCRIPT
from rewardbench.builders.templates.hard.what_prints.long import LongProgram, draw_long
from rewardbench.builders.templates.hard.what_prints.python_traps import PYTHON
from rewardbench.builders.templates.hard.what_prints.wording import (
    ASKS,
    ENDINGS,
    LIST_NAMES,
    NUMBER_NAMES,
    OPENINGS,
    OTHER_NAMES,
    STEPS,
    SYSTEMS,
)
from rewardbench.types import Messages

DIALECTS = {"python": PYTHON, "javascript": JAVASCRIPT, "java": JAVA, "cpp": CPP}
FRAGMENTS = {1: 2, 2: 3}
"""Number of fragments of a program by rung, where it has no long loop."""
ELEMENTS = {1: 5, 2: 6}
"""Number of elements of the list by rung."""
ALIKE, ALIKE_IN_SQUARES = 90, 6
"""The outputs of programs with a long loop agree by this modulus: in their last digit and in their sum of digits."""
LARGEST = 10**6
"""Largest number with which a fragment may begin."""
FEWEST, MOST = 4, 15
"""Bounds of the number of elements with which a fragment may begin."""
Names = list[dict[str, str]]
"""The names of the variables in each fragment."""


@dataclass(frozen=True)
class TracedProgram:
    """What the twins of a mirror or a square share: all but the variants of the fragments."""

    language: str
    fragments: Sequence[Fragment]
    variants: Sequence[int]
    names: Names
    start: ProgramState
    wording: Sequence[str]
    question: str
    system: str

    @property
    def dialect(self) -> ProgramLanguage:
        """The language's frame and fragments."""
        return DIALECTS[self.language]

    def flipped(self, places: Sequence[int]) -> list[int]:
        """Return the variants, the other ones at these places."""
        return [1 - variant if n in places else variant for n, variant in enumerate(self.variants)]


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a language, fragments and the place of the token that differs.

    Raises:
        Resample: if both programs print the same, or a number becomes too large.
    """
    if rung not in FRAGMENTS:
        return _draw_long_mirror(rng, rung)
    plan = _draw_plan(rng, rung)
    place = rng.number(0, len(plan.fragments) - 1)
    prompts, responses, checks = _render_all(plan, [(), (place,)])
    return MirrorContent(
        edit=_describe(plan, [place]),
        a=prompts[0],
        b=prompts[1],
        x=responses[0],
        y=responses[1],
        check={"kind": "what-prints", "a": checks[0], "b": checks[1]},
    )


def draw_square(rng: Rng, rung: int) -> SquareContent:
    """Draw a language, fragments and two places of tokens; the four programs have all combinations of them.

    Raises:
        Resample: if two programs print the same, or a number becomes too large.
    """
    if rung not in FRAGMENTS:
        return _draw_long_square(rng, rung)
    plan = _draw_plan(rng, rung)
    first, second = rng.sample(range(len(plan.fragments)), 2)
    prompts, responses, checks = _render_all(plan, [(), (first,), (second,), (first, second)])
    return SquareContent(
        edit=_describe(plan, [first, second]),
        prompts=tuple(prompts),
        responses=tuple(responses),
        check={"kind": "what-prints", **{str(n): check for n, check in enumerate(checks)}},
    )


def _draw_long_mirror(rng: Rng, rung: int) -> MirrorContent:
    """Draw a program with a long loop, and the part of the loop that differs.

    It is never the last part: what this one does in the last round could be seen from the output.
    """
    language = rng.pick(list(DIALECTS))
    plan = draw_long(rng, rung, language, DIALECTS[language])
    place = rng.number(0, len(plan.variants) - 2)
    prompts, responses, checks = _render_long(rng, plan, [(), (place,)], ALIKE)
    return MirrorContent(
        edit=f"{plan.dialect.title}: part {place + 1} of {plan.loop.rounds} rounds",
        a=prompts[0],
        b=prompts[1],
        x=responses[0],
        y=responses[1],
        check={"kind": "what-prints", "a": checks[0], "b": checks[1]},
    )


def _draw_long_square(rng: Rng, rung: int) -> SquareContent:
    """Draw a program with a long loop, and two parts of the loop; the four programs have all combinations of them."""
    language = rng.pick(list(DIALECTS))
    plan = draw_long(rng, rung, language, DIALECTS[language])
    first, second = rng.sample(range(len(plan.variants) - 1), 2)
    prompts, responses, checks = _render_long(rng, plan, [(), (first,), (second,), (first, second)], ALIKE_IN_SQUARES)
    return SquareContent(
        edit=f"{plan.dialect.title}: parts {first + 1} and {second + 1} of {plan.loop.rounds} rounds",
        prompts=tuple(prompts),
        responses=tuple(responses),
        check={"kind": "what-prints", **{str(n): check for n, check in enumerate(checks)}},
    )


def _render_long(
    rng: Rng, plan: LongProgram, changes: Sequence[Sequence[int]], modulus: int
) -> tuple[list[Messages], list[str], list[dict[str, str]]]:
    """Return the prompts, the responses and the checks of several programs with a long loop.

    Raises:
        Resample: unless the outputs are different and alike, with the same remainder by `modulus`.
    """
    variants = [plan.flipped(places) for places in changes]
    last = [plan.states(flipped)[-1] for flipped in variants]
    factor, outputs = plan.alike_digests(rng, last, modulus)
    prompts = [plan.prompt(flipped, factor) for flipped in variants]
    checks = [{"language": plan.language, "output": str(output)} for output in outputs]
    return prompts, [plan.response(rng, output) for output in outputs], checks


def _describe(plan: TracedProgram, places: Sequence[int]) -> str:
    """Return the language and the fragments that differ."""
    kinds = [plan.fragments[place].model.__qualname__.split(".")[0] for place in places]
    return f"{plan.dialect.title}: {', '.join(kinds)}"


def _draw_plan(rng: Rng, rung: int) -> TracedProgram:
    """Draw a language, fragments, names, numbers and wordings."""
    language = rng.pick(list(DIALECTS))
    fragments = [maker(rng) for maker in rng.sample(DIALECTS[language].makers, FRAGMENTS[rung])]
    return TracedProgram(
        language=language,
        fragments=fragments,
        variants=[rng.number(0, 1) for _ in fragments],
        names=_draw_names(rng, len(fragments)),
        start=ProgramState(rng.number(5, 30), rng.numbers(ELEMENTS[rung], 1, 25)),
        wording=[rng.pick(OPENINGS), *rng.sample(STEPS, len(fragments)), rng.pick(ENDINGS)],
        question=rng.pick(ASKS),
        system=rng.pick(SYSTEMS),
    )


def _render_all(
    plan: TracedProgram, changes: Sequence[Sequence[int]]
) -> tuple[list[Messages], list[str], list[dict[str, str]]]:
    """Return the prompts, the responses and the checks of several programs.

    Args:
        plan: what they share.
        changes: for each program, the fragments that have the other variant.

    Raises:
        Resample: if two programs print the same, or a number becomes too large.
    """
    prompts: list[Messages] = []
    responses: list[str] = []
    checks: list[dict[str, str]] = []
    for places in changes:
        program, printed, response = _render(plan, plan.flipped(places))
        text = plan.question.format(lang=plan.dialect.title, code=f"```{plan.language}\n{program}```")
        prompts.append(chat(text, system=plan.system))
        responses.append(response)
        checks.append({"language": plan.language, "output": printed})
    if len({check["output"] for check in checks}) < len(checks):
        raise Resample
    return prompts, responses, checks


def _draw_names(rng: Rng, count: int) -> Names:
    """Draw the names of the variables; each fragment has other names for those that it alone uses."""
    number, data = rng.pick(NUMBER_NAMES), rng.pick(LIST_NAMES)
    others = rng.sample(OTHER_NAMES, 4 * count)
    names = []
    for n in range(count):
        other, second, calls, call = others[4 * n : 4 * n + 4]
        names.append({"x": number, "data": data, "other": other, "second": second, "calls": calls, "call": call})
    return names


def _render(plan: TracedProgram, variants: Sequence[int]) -> tuple[str, str, str]:
    """Return the program, its output and the response.

    Raises:
        Resample: if a number becomes too large, or the list too short or too long.
    """
    dialect, names, start = plan.dialect, plan.names, plan.start
    definitions: list[str] = []
    lines: list[str] = []
    opening, *steps, ending = plan.wording
    first = {"x": f"`{names[0]['x']}` = {start.x}", "data": f"`{names[0]['data']}`", "values": f"{start.data}"}
    sentences = [opening.format_map(first)]
    state = start.copy()
    for fragment, variant, local, step in zip(plan.fragments, variants, names, steps, strict=True):
        if not FEWEST <= len(state.data) <= MOST or abs(state.x) > LARGEST:
            raise Resample
        before, inside = fragment.text(variant, local)
        definitions += before
        lines += inside
        quoted = {name: f"`{value}`" for name, value in local.items()}
        remark = fill(fragment.model(state, variant), 0, quoted)
        values = {
            "code": f"`{_first_line(fragment, local)}`",
            "remark": remark,
            "name": f"`{local['x']}`",
            "lang": dialect.title,
            "x": f"`{local['x']}` = {state.x}",
            "data": f"{state.data}",
        }
        sentences.append(step.format_map(values))
    printed = dialect.output(state)
    text = "\n".join(f"{n}. {sentence}" for n, sentence in enumerate(sentences, 1))
    program = dialect.program(definitions, lines, start, names[0])
    return program, printed, f"{text}\n\n{ending.format(output=f'`{printed}`')}"


def _first_line(fragment: Fragment, names: dict[str, str]) -> str:
    """Return the first line of a fragment, cut off with an ellipsis before or after the token that differs."""
    parts = TOKEN.sub("\n", fragment.lines[0]).split("\n")
    longest = max(parts, key=len)
    text = longest.strip(" {:,;")
    if parts.index(longest) > 0:
        text = f"… {text}"
    elif len(parts) > 1:
        text = f"{text} …"
    return Places(text).substitute(names)
