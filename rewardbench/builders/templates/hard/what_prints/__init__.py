"""Programs of 8 to 35 lines whose output turns on the semantics of their language; twins differ in one token.

A program is a sequence of fragments (see `fragments`), 2 at the first rung and 8 at the last. The responses go through
it step by step and state what it prints; each is right for its own program.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Template as Places

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.what_prints.cpp_traps import CPP
from rewardbench.builders.templates.hard.what_prints.fragments import TOKEN, Dialect, Fragment, State, fill
from rewardbench.builders.templates.hard.what_prints.java_traps import JAVA
from rewardbench.builders.templates.hard.what_prints.javascript_traps import JAVASCRIPT
from rewardbench.builders.templates.hard.what_prints.python_traps import PYTHON
from rewardbench.builders.templates.hard.what_prints.wording import (
    ASKS,
    ENDINGS,
    LIST_NAMES,
    NUMBER_NAMES,
    OPENINGS,
    OTHER_NAMES,
    OUTLINES,
    STEPS,
    SYSTEMS,
)

DIALECTS = {"python": PYTHON, "javascript": JAVASCRIPT, "java": JAVA, "cpp": CPP}
FRAGMENTS = {1: 2, 2: 3, 3: 5, 4: 8}
"""Number of fragments of a program by rung."""
CHECKPOINTS = {1: 1, 2: 1, 3: 3, 4: 5}
"""By rung: distance between the fragments after which the responses state the values."""
ELEMENTS = {1: 4, 2: 5, 3: 6, 4: 7}
"""Number of elements of the list by rung."""
LARGEST = 10**6
"""Numbers beyond this are no fun to follow."""
Names = list[dict[str, str]]
"""The names of the variables in each fragment."""


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a language, fragments and the place of the token that differs.

    Raises:
        Resample: if both programs print the same, or a number becomes too large.
    """
    language = rng.pick(list(DIALECTS))
    dialect = DIALECTS[language]
    fragments = [maker(rng) for maker in rng.sample(dialect.makers, FRAGMENTS[rung])]
    place = rng.number(0, len(fragments) - 1)
    variants = [rng.number(0, 1) for _ in fragments]
    both = (variants, [1 - v if n == place else v for n, v in enumerate(variants)])
    names = _draw_names(rng, len(fragments))
    start = State(rng.number(5, 30), rng.numbers(ELEMENTS[rung], 1, 25))
    wording = _draw_wording(rng, len(fragments), CHECKPOINTS[rung])
    sides = [_render(dialect, fragments, chosen, names, start, wording) for chosen in both]
    (program_a, output_a, response_a), (program_b, output_b, response_b) = sides
    if output_a == output_b:
        raise Resample
    ask, system = rng.pick(ASKS), rng.pick(SYSTEMS)
    prompts = []
    for program in (program_a, program_b):
        text = ask.format(lang=dialect.title, code=f"```{language}\n{program}```")
        prompts.append(chat(text, system=system))
    return MirrorContent(
        edit=f"{dialect.title}: {fragments[place].model.__qualname__.split('.')[0]}",
        a=prompts[0],
        b=prompts[1],
        x=response_a,
        y=response_b,
        check={
            "kind": "what-prints",
            "a": {"language": language, "output": output_a},
            "b": {"language": language, "output": output_b},
        },
    )


def _draw_names(rng: Rng, count: int) -> Names:
    """Draw the names of the variables; each fragment has other names for those that it alone uses."""
    number, data = rng.pick(NUMBER_NAMES), rng.pick(LIST_NAMES)
    others = rng.sample(OTHER_NAMES, 4 * count)
    names = []
    for n in range(count):
        other, second, calls, call = others[4 * n : 4 * n + 4]
        names.append({"x": number, "data": data, "other": other, "second": second, "calls": calls, "call": call})
    return names


def _draw_wording(rng: Rng, count: int, distance: int) -> list[str]:
    """Draw the first sentence, one sentence for each fragment, and the last one.

    Args:
        rng: source of all random choices.
        count: number of fragments.
        distance: every sentence at this distance from the next one of its kind, and the last one, states values.
    """
    steps, outlines = rng.sample(STEPS, count), rng.sample(OUTLINES, count)
    sentences = []
    for n in range(count):
        sentences.append(steps[n] if (count - 1 - n) % distance == 0 else outlines[n])
    return [rng.pick(OPENINGS), *sentences, rng.pick(ENDINGS)]


def _render(
    dialect: Dialect, fragments: Sequence[Fragment], variants: list[int], names: Names, start: State, wording: list[str]
) -> tuple[str, str, str]:
    """Return the program, its output and the response.

    Raises:
        Resample: if a number becomes too large.
    """
    definitions: list[str] = []
    lines: list[str] = []
    opening, *steps, ending = wording
    first = {"x": f"`{names[0]['x']}` = {start.x}", "data": f"`{names[0]['data']}`", "values": f"{start.data}"}
    sentences = [opening.format_map(first)]
    state = start.copy()
    for fragment, variant, local, step in zip(fragments, variants, names, steps, strict=True):
        before, inside = fragment.text(variant, local)
        definitions += before
        lines += inside
        quoted = {name: f"`{value}`" for name, value in local.items()}
        remark = fill(fragment.model(state, variant), 0, quoted)
        if abs(state.x) > LARGEST or not 2 < len(state.data) < 16:
            raise Resample
        code = max(TOKEN.sub("\n", fragment.lines[0]).splitlines(), key=len).strip(" {:,;")
        values = {
            "code": f"`{Places(code).substitute(local)}`",
            "remark": remark,
            "name": f"`{local['x']}`",
            "lang": dialect.title,
            "x": f"`{local['x']}` = {state.x}",
            "data": f"{state.data}",
        }
        sentences.append(step.format_map(values))
    printed = dialect.output(state)
    text = "\n".join(f"{n}. {sentence}" for n, sentence in enumerate(sentences, 1))
    program = dialect.frame(definitions, lines, start, names[0])
    return program, printed, f"{text}\n\n{ending.format(output=f'`{printed}`')}"
