"""Programs with a long loop, for the upper rungs: the responses describe them in general, and state what is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.what_prints.fragments import (
    Fragment,
    ProgramLanguage,
    ProgramState,
    fill,
    truncated,
)
from rewardbench.builders.templates.hard.what_prints.round_parts import HEAVY, LIGHT, mixing
from rewardbench.builders.templates.hard.what_prints.rounds import RoundLoop, RoundSize, Snapshot
from rewardbench.builders.templates.hard.what_prints.wording import (
    CHURN_NAMES,
    DIGEST_REMARKS,
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
    SPREAD_REMARKS,
    STEP_NAMES,
)
from rewardbench.types import Messages

FRAGMENTS = {3: 2, 4: 2}
"""Number of fragments before the loop, by rung."""
LIGHT_PARTS = {3: 2, 4: 2}
HEAVY_PARTS = {3: 1, 4: 2}
"""Number of parts of a round besides the one that closes it, by rung."""
ROUNDS = {3: (14, 18), 4: (40, 60)}
"""Bounds of the number of rounds, by rung."""
ELEMENTS = {3: 7, 4: 13}
MODULI = {
    3: (3061, 3119, 3253, 3343, 3533, 3989, 4373, 4651, 4799, 4943),
    4: (352579, 374677, 410899, 430649, 436463, 444539, 455443, 455827, 467543, 477031),
}
BOUNDS = {
    3: (401, 457, 499, 503, 523, 557, 619, 719, 761, 929),
    4: (5107, 5879, 6947, 7213, 7237, 8387, 8467, 8719, 9283, 9941),
}
FACTORS = {3: (13, 97), 4: (211, 1499)}
"""Size of the numbers in the loop (see RoundSize), by rung."""
LOCALS = ("other", "spare", "taken", "key", "seen", "low", "high", "acc", "aim", "best", "count")
HELPERS = ("spot", "weigh", "divide", "lift", "gap")
"""The names in the parts of a loop: variables and functions."""
LARGEST = 10**6
FEWEST, MOST = 5, 16
"""Bounds of the number of elements with which the loop begins."""
DIGESTS = range(203, 1500)
"""Factors of the closing pass over the list, of which one is drawn that makes the outputs alike."""


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

    def states(self, variants: Sequence[int]) -> list[Snapshot]:
        """Return the number and the list after each round.

        Raises:
            Resample: if a state occurs twice, a number becomes too large, or the list too short or too long.
        """
        state = self.start.copy()
        for fragment, variant in zip(self.fragments, self.fragment_variants, strict=True):
            if len(state.data) < FEWEST - 1:
                raise Resample
            fragment.model(state, variant)
            if not FEWEST <= len(state.data) <= MOST or abs(state.x) > LARGEST:
                raise Resample
        try:
            snapshots = self.loop.run(self.language, variants, state.data, state.x)
        except OverflowError:
            raise Resample from None
        numbers = {snapshot[0] for snapshot in snapshots}
        if len(set(snapshots)) < len(snapshots) or len(numbers) < 0.9 * len(snapshots):
            raise Resample
        return snapshots

    def prompt(self, variants: Sequence[int], factor: int) -> Messages:
        """Return the prompt with the program of these variants; `factor` is the one of the closing pass."""
        definitions: list[str] = []
        lines: list[str] = []
        for fragment, variant, local in zip(self.fragments, self.fragment_variants, self.names, strict=True):
            before, inside = fragment.text(variant, local)
            definitions += before
            lines += inside
        number, data = self.names[0]["x"], self.names[0]["data"]
        definitions += self.loop.definitions(self.language, variants, factor)
        lines.append(f"{number} = {self.churn}({data}, {number}){'' if self.language == 'python' else ';'}")
        program = self.dialect.program(definitions, lines, self.start, self.names[0], with_list=False)
        text = self.question.format(lang=self.dialect.title, code=f"```{self.language}\n{program}```")
        return chat(text, system=self.system)

    def digest(self, snapshot: Snapshot, factor: int) -> int:
        """Return what the closing pass makes of the last number and list."""
        number, *values = snapshot
        remainder = truncated if self.language != "python" else divmod
        for value in values:
            number = remainder(number * factor + value, self.loop.size.modulus)[1]
        return number

    def alike_digests(self, rng: Rng, snapshots: Sequence[Snapshot], modulus: int) -> tuple[int, list[int]]:
        """Draw a factor of the closing pass for which the programs print numbers of the same form.

        The numbers have equally many digits, and the same remainder by `modulus`.

        Raises:
            Resample: if there is no such factor.
        """
        for factor in rng.sample(DIGESTS, len(DIGESTS)):
            numbers = [self.digest(snapshot, factor) for snapshot in snapshots]
            if same_form(numbers, modulus):
                return factor, numbers
        raise Resample

    @property
    def churn(self) -> str:
        """The name of the function with the loop."""
        return self.loop.names["churn"]

    def response(self, rng: Rng, printed: int) -> str:
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
        general = [rng.pick(texts).format_map(frame) for texts in (LOOP_REMARKS, SPREAD_REMARKS)]
        middle = " ".join([*general, *(f"{text}." for text in sentences)])
        closing = " ".join(rng.pick(texts).format_map(frame) for texts in (DIGEST_REMARKS, REMARKS))
        ending = rng.pick(LONG_ENDINGS).format(output=f"`{printed}`")
        return f"{opening}\n\n{middle}\n\n{closing}\n\n{ending}"


def draw_long(rng: Rng, rung: int, language: str, dialect: ProgramLanguage) -> LongProgram:
    """Draw a program of an upper rung in a language."""
    fragments = [maker(rng) for maker in rng.sample(dialect.makers, FRAGMENTS[rung])]
    size = RoundSize(rng.pick(MODULI[rung]), rng.pick(BOUNDS[rung]), FACTORS[rung])
    makers = rng.sample(LIGHT, LIGHT_PARTS[rung]) + rng.sample(HEAVY, HEAVY_PARTS[rung])
    parts = [maker(rng, size) for maker in [*rng.sample(makers, len(makers)), mixing]]
    number, data = rng.pick(NUMBER_NAMES), rng.pick(LIST_NAMES)
    locals_ = rng.sample(OTHER_NAMES, 4 * len(fragments) + len(LOCALS))
    names = []
    for n in range(len(fragments)):
        other, second, calls, call = locals_[4 * n : 4 * n + 4]
        names.append({"x": number, "data": data, "other": other, "second": second, "calls": calls, "call": call})
    loop_names = {"x": rng.pick(NUMBER_NAMES), "data": rng.pick(LIST_NAMES), "step": rng.pick(STEP_NAMES), "at": "at"}
    loop_names |= dict(zip(LOCALS, locals_[4 * len(fragments) :], strict=True))
    loop_names |= dict(zip(HELPERS, rng.sample(HELPER_NAMES, len(HELPERS)), strict=True))
    loop_names["churn"] = rng.pick(CHURN_NAMES)
    return LongProgram(
        language=language,
        dialect=dialect,
        fragments=fragments,
        fragment_variants=[rng.number(0, 1) for _ in fragments],
        names=names,
        start=ProgramState(rng.number(5, 30), rng.numbers(ELEMENTS[rung], 1, 25)),
        loop=RoundLoop(rng.number(*ROUNDS[rung]), size, rng.number(17, 97), parts, loop_names),
        variants=[rng.number(0, 1) for _ in parts],
        question=rng.pick(LONG_ASKS),
        system=rng.pick(LONG_SYSTEMS),
    )


def same_form(outputs: Sequence[int], modulus: int) -> bool:
    """Return True if numbers are different, but have the same sign, number of digits and remainder by `modulus`.

    >>> same_form([4711, 4801], 90), same_form([4711, 4711], 90), same_form([91, 181], 90)
    (True, False, False)
    """
    forms = {(number < 0, len(str(number)), number % modulus) for number in outputs}
    return len(set(outputs)) == len(outputs) and len(forms) == 1
