"""Programs with a long loop, for the upper rungs: the responses describe them in general, and state what is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.what_prints.fragments import Fragment, ProgramLanguage, ProgramState, fill
from rewardbench.builders.templates.hard.what_prints.round_parts import OTHERS, mixing
from rewardbench.builders.templates.hard.what_prints.rounds import RoundLoop
from rewardbench.builders.templates.hard.what_prints.wording import (
    CHURN_NAMES,
    HELPER_NAMES,
    LIST_NAMES,
    LONG_ASKS,
    LONG_ENDINGS,
    LONG_OPENINGS,
    LONG_SYSTEMS,
    LOOP_REMARKS,
    NUMBER_NAMES,
    OTHER_NAMES,
    REMARKS,
    STEP_NAMES,
)
from rewardbench.types import Messages

FRAGMENTS = {3: 2, 4: 4}
"""Number of fragments before the loop, by rung."""
PARTS = {3: 3, 4: 5}
"""Number of parts of a round, by rung."""
ROUNDS = {3: (20, 24), 4: (50, 90)}
"""Bounds of the number of rounds, by rung."""
ELEMENTS = {3: 6, 4: 8}
LARGEST = 10**6
FEWEST, MOST = 5, 12
"""Bounds of the number of elements with which the loop begins."""


@dataclass(frozen=True)
class LongProgram:
    """What the programs of a mirror or a square share: all but the variants of the loop's parts."""

    language: str
    dialect: ProgramLanguage
    fragments: Sequence[Fragment]
    fragment_variants: Sequence[int]
    names: Sequence[dict[str, str]]
    start: ProgramState
    loop: RoundLoop
    variants: Sequence[int]
    question: str
    system: str

    def flipped(self, places: Sequence[int]) -> list[int]:
        """Return the variants of the loop's parts, the other ones at these places."""
        return [1 - variant if n in places else variant for n, variant in enumerate(self.variants)]

    def render(self, rng: Rng, variants: Sequence[int]) -> tuple[Messages, str, str]:
        """Return the prompt, the output and a response.

        Raises:
            Resample: if a number becomes too large, or the list too short or too long.
        """
        state = self.start.copy()
        definitions: list[str] = []
        lines: list[str] = []
        for fragment, variant, local in zip(self.fragments, self.fragment_variants, self.names, strict=True):
            before, inside = fragment.text(variant, local)
            definitions += before
            lines += inside
            if len(state.data) < FEWEST - 1:
                raise Resample
            fragment.model(state, variant)
            if not FEWEST <= len(state.data) <= MOST or abs(state.x) > LARGEST:
                raise Resample
        number, data = self.names[0]["x"], self.names[0]["data"]
        definitions += self.loop.definitions(self.language, variants)
        lines.append(f"{number} = {self.churn}({data}, {number}){'' if self.language == 'python' else ';'}")
        state.x = self.loop.function(self.language, variants)(state.data, state.x)
        if max(map(abs, [state.x, *state.data])) > LARGEST:
            raise Resample
        program = self.dialect.frame(definitions, lines, self.start, self.names[0])
        printed = self.dialect.output(state)
        prompt = self.question.format(lang=self.dialect.title, code=f"```{self.language}\n{program}```")
        return chat(prompt, system=self.system), printed, self.response(rng, printed)

    @property
    def churn(self) -> str:
        """The name of the function with the loop."""
        return self.loop.names["churn"]

    def response(self, rng: Rng, printed: str) -> str:
        """Return a response: sentences on the program in random wording and order, and the output."""
        quoted = {name: f"`{value}`" for name, value in self.loop.names.items()}
        frame = {
            "churn": quoted["churn"],
            "lang": self.dialect.title,
            "rounds": str(self.loop.rounds),
            "number": f"`{self.names[0]['x']}`",
            "list": f"`{self.names[0]['data']}`",
        }
        sentences = []
        for part in rng.sample(self.loop.parts, len(self.loop.parts)):
            text = fill(rng.pick(part.remarks), 0, quoted)
            sentences.append(text if text.startswith("`") else text[0].upper() + text[1:])
        opening = rng.pick(LONG_OPENINGS).format_map(frame)
        middle = " ".join([rng.pick(LOOP_REMARKS).format_map(frame), *(f"{text}." for text in sentences)])
        closing = f"{rng.pick(REMARKS).format_map(frame)}\n\n{rng.pick(LONG_ENDINGS).format(output=f'`{printed}`')}"
        return f"{opening}\n\n{middle}\n\n{closing}"


def draw_long(rng: Rng, rung: int, language: str, dialect: ProgramLanguage) -> LongProgram:
    """Draw a program of an upper rung in a language."""
    fragments = [maker(rng) for maker in rng.sample(dialect.makers, FRAGMENTS[rung])]
    makers = rng.sample(OTHERS, PARTS[rung] - 1)
    parts = [maker(rng) for maker in [*makers, mixing]]
    number, data = rng.pick(NUMBER_NAMES), rng.pick(LIST_NAMES)
    locals_ = rng.sample(OTHER_NAMES, 4 * len(fragments) + 6)
    names = []
    for n in range(len(fragments)):
        other, second, calls, call = locals_[4 * n : 4 * n + 4]
        names.append({"x": number, "data": data, "other": other, "second": second, "calls": calls, "call": call})
    other, spare, taken, key, seen, top = locals_[-6:]
    spot, call, churn = *rng.sample(HELPER_NAMES, 2), rng.pick(CHURN_NAMES)
    loop_names = {"x": rng.pick(NUMBER_NAMES), "data": rng.pick(LIST_NAMES), "step": rng.pick(STEP_NAMES), "at": "at"}
    loop_names |= {"other": other, "spare": spare, "taken": taken, "key": key, "seen": seen, "top": top}
    loop_names |= {"spot": spot, "call": call, "churn": churn}
    return LongProgram(
        language=language,
        dialect=dialect,
        fragments=fragments,
        fragment_variants=[rng.number(0, 1) for _ in fragments],
        names=names,
        start=ProgramState(rng.number(5, 30), rng.numbers(ELEMENTS[rung], 1, 25)),
        loop=RoundLoop(rng.number(*ROUNDS[rung]), parts, loop_names),
        variants=[rng.number(0, 1) for _ in parts],
        question=rng.pick(LONG_ASKS),
        system=rng.pick(LONG_SYSTEMS),
    )


def same_form(outputs: Sequence[str]) -> bool:
    """Return True if outputs differ in every way but their form: numbers, digits of the first one, and signs.

    >>> same_form(["12 [3, 40]", "17 [21, 5]"]), same_form(["12 [3, 40]", "7 [21, 5]"])
    (True, False)
    """
    forms = set()
    for output in outputs:
        first, *others = output.split()
        forms.add((len(first), len(others), "-" in " ".join(others)))
    lengths = list(map(len, outputs))
    return len(set(outputs)) == len(outputs) and len(forms) == 1 and max(lengths) - min(lengths) <= 3
