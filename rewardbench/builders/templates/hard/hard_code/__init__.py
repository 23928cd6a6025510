"""Tickets of 4 to 12 clauses, and programs of 20 to 150 lines that differ in one clause, in five languages.

Each world is a file `*.toml` (see `worlds` for its notation): a program is written once, in a typed subset of Python,
and translated. A mirror draws a world, a scene, the clauses, their settings and wordings, and the clause in which the
twins differ; the programs must differ on a share of random inputs that shrinks with the rung. At the upper rungs both
readings of that clause and of others are given, and the run of an old program decides (see `runs`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from string import Template as Places

from rewardbench.builders.draw import MirrorContent, Resample, Rng, SquareContent
from rewardbench.builders.templates.hard.hard_code.compiled import CppEmitter, GoEmitter
from rewardbench.builders.templates.hard.hard_code.emitter import Emitter
from rewardbench.builders.templates.hard.hard_code.inputs import INPUTS
from rewardbench.builders.templates.hard.hard_code.languages import JavaEmitter, JavaScriptEmitter
from rewardbench.builders.templates.hard.hard_code.prompts import function_name, ticket_prompts, ticket_responses
from rewardbench.builders.templates.hard.hard_code.rewriting import rewrite, rewrite_query
from rewardbench.builders.templates.hard.hard_code.runs import LoggedRun, draw_run
from rewardbench.builders.templates.hard.hard_code.worlds import ClauseSettings, TicketWorld, read_worlds
from rewardbench.types import Messages

CLAUSES = {1: 4, 2: 6, 3: 9, 4: 12}
"""Number of clauses of a ticket by rung."""
SHARES = {1: (0.02, 1.0), 2: (0.01, 0.4), 3: (0.01, 0.15), 4: (0.01, 0.05)}
"""Bounds of the share of random inputs on which the two programs differ, by rung."""
FUZZ_INPUTS = 400
REWRITTEN = (3, 4)
"""Rungs at which each response is rewritten, so that the two programs cannot be compared line by line."""
RUN_LINES = {3: 6, 4: 18}
"""Lines that the input of the old program's run has beyond the usual number, at the rungs that have such a run."""
READINGS = {3: 4, 4: 8}
"""Largest number of clauses of which both readings are given, at the same rungs."""
CASES, SEPARATING_CASES = 12, 6
"""Number of tests, and the largest number of them on which the two programs differ."""

Program = Callable[[list[str]], list[str]]
EMITTERS: dict[str, type[Emitter]] = {
    "javascript": JavaScriptEmitter,
    "java": JavaEmitter,
    "cpp": CppEmitter,
    "go": GoEmitter,
}
LANGUAGES = ("python", "python", "javascript", "javascript", "java", "cpp", "go")


@dataclass(frozen=True)
class Fuzzing:
    """Random inputs, with the outputs of both programs."""

    same: list[tuple[list[str], list[str]]] = field(default_factory=list)
    """Inputs on which they agree, with the output."""
    different: list[tuple[list[str], list[str], list[str]]] = field(default_factory=list)
    """Inputs on which they differ, with both outputs."""

    @property
    def share(self) -> float:
        """Share of the inputs on which they differ."""
        return len(self.different) / (len(self.same) + len(self.different))


@dataclass(frozen=True)
class Assignment:
    """What the prompts of a mirror or a square share: all but the settings of the clauses that differ."""

    world: TicketWorld
    words: dict[str, str]
    settings: dict[str, int]
    language: str
    inputs: Sequence[list[str]]
    """Random inputs."""
    rung: int

    def flipped(self, *names: str) -> ClauseSettings:
        """Return the settings in which these clauses have their other setting."""
        return {name: 1 - value if name in names else value for name, value in self.settings.items()}

    def switches(self) -> list[str]:
        """Return the clauses that have two settings."""
        return [name for name in self.world.switches() if name in self.settings]

    def facts(self) -> dict[str, str]:
        """Return what the verifiers need to run a program."""
        facts = {"language": self.language, "function": function_name(self.language, self.words["f"])}
        if self.world.schema:
            facts["schema"] = Places(self.world.schema).substitute(self.words)
        return facts

    def draw_run(self, rng: Rng, variants: Sequence[ClauseSettings]) -> LoggedRun | None:
        """Draw the run that decides between some settings; None at the rungs whose tickets are complete."""
        if self.rung not in RUN_LINES:
            return None
        draw_lines = partial(INPUTS[self.world.name], rng, self.words, self.settings, RUN_LINES[self.rung])
        programs = [load(self.world, settings, self.words) for settings in variants]
        return draw_run(rng, draw_lines, programs, by_line=self.rung < max(RUN_LINES))

    def draw_readings(self, rng: Rng, *differing: str) -> list[str]:
        """Draw the clauses of which both readings are given: the differing ones, and others with two settings."""
        others = [name for name in self.switches() if name not in differing]
        count = READINGS[self.rung] - len(differing)
        return [*differing, *rng.sample(others, min(count, len(others)))]

    def render(
        self,
        rng: Rng,
        variants: Sequence[ClauseSettings],
        example: tuple[list[str], list[str]],
        run: LoggedRun | None,
    ) -> tuple[list[Messages], list[str]]:
        """Return the prompts and the responses for some settings."""
        sources = [self.world.program(settings, self.words) for settings in variants]
        if self.rung in REWRITTEN:
            change = rewrite_query if self.language == "sql" else rewrite
            sources = [change(rng, source) for source in sources]
        codes = [translate(self.language, source) for source in sources]
        readings = self.draw_readings(rng, *differing_clauses(variants)) if run else []
        runs = run.texts(rng) if run else []
        prompts = ticket_prompts(rng, self.world, self.words, variants, self.language, example, readings, runs)
        return prompts, ticket_responses(rng, self.language, codes)


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a world, its clauses and a language, and the clause that differs."""
    task = _draw_assignment(rng, rung)
    name, fuzzing = _draw_twin(rng, task, SHARES[rung])
    cases = _draw_cases(rng, fuzzing)
    variants = [task.settings, task.flipped(name)]
    run = task.draw_run(rng, variants)
    if run:
        cases.insert(0, (run.lines, run.outputs[0], run.outputs[1]))
    prompts, responses = task.render(rng, variants, rng.pick(fuzzing.same), run)
    return MirrorContent(
        edit=f"{task.world.name}: clause {name}",
        a=prompts[0],
        b=prompts[1],
        x=responses[0],
        y=responses[1],
        check={
            "kind": "hard-code",
            "share": round(fuzzing.share, 4),
            "a": {**task.facts(), "cases": [[lines, a] for lines, a, _ in cases]},
            "b": {**task.facts(), "cases": [[lines, b] for lines, _, b in cases]},
        },
    )


def draw_square(rng: Rng, rung: int) -> SquareContent:
    """Draw a world, its clauses and a language, and two clauses; the prompts have all combinations of their settings.

    Raises:
        Resample: if two of the programs agree on all inputs, or all four on none.
    """
    task = _draw_assignment(rng, rung)
    if len(task.switches()) < 2:
        raise Resample
    first, second = rng.sample(task.switches(), 2)
    variants = [task.settings, task.flipped(first), task.flipped(second), task.flipped(first, second)]
    outputs = []
    for settings in variants:
        outputs.append(list(map(load(task.world, settings, task.words), task.inputs)))
    rows = list(zip(task.inputs, *outputs, strict=True))
    cases = []
    for left, right in combinations(range(1, 5), 2):
        separating = [row for row in rows if row[left] != row[right]]
        if not separating:
            raise Resample
        cases += rng.sample(separating, min(SEPARATING_CASES // 2, len(separating)))
    shared = [row for row in rows if all(output == row[1] for output in row[2:])]
    if not shared:
        raise Resample
    run = task.draw_run(rng, variants)
    if run:
        cases.insert(0, (run.lines, *run.outputs))
    prompts, responses = task.render(rng, variants, rng.pick(shared)[:2], run)
    check: dict[str, object] = {"kind": "hard-code"}
    for n in range(4):
        check[str(n)] = {**task.facts(), "cases": [[row[0], row[n + 1]] for row in cases]}
    edit = f"{task.world.name}: clauses {first}, {second}"
    return SquareContent(edit, prompts=tuple(prompts), responses=tuple(responses), check=check)


def differing_clauses(variants: Sequence[ClauseSettings]) -> list[str]:
    """Return the clauses that do not have the same setting everywhere."""
    return [name for name in variants[0] if len({settings[name] for settings in variants}) > 1]


def _draw_assignment(rng: Rng, rung: int) -> Assignment:
    """Draw a world, its clauses, a language and random inputs."""
    world = rng.pick(read_worlds())
    words = draw_words(rng, world)
    settings = draw_settings(rng, world, CLAUSES[rung])
    language = "sql" if world.language == "sql" else rng.pick(LANGUAGES)
    inputs = [INPUTS[world.name](rng, words, settings, 0) for _ in range(FUZZ_INPUTS)]
    return Assignment(world, words, settings, language, inputs, rung)


def draw_words(rng: Rng, world: TicketWorld) -> dict[str, str]:
    """Draw a scene with its command words and numbers."""
    words = {}
    for name, options in rng.pick(world.scenes).items():
        words[name] = options if isinstance(options, str) else rng.pick(options)
    for name, values in world.numbers.items():
        words[name] = str(rng.pick(values))
    return words


def draw_settings(rng: Rng, world: TicketWorld, count: int) -> dict[str, int]:
    """Draw `count` clauses, in random order, with their settings."""
    optional = [name for name in world.clauses if name not in world.base]
    names = [*world.base, *rng.sample(optional, count - len(world.base))]
    switches = world.switches()
    settings = {}
    for name in rng.sample(names, len(names)):
        settings[name] = rng.number(0, 1) if name in switches else 0
    return settings


def load(world: TicketWorld, settings: ClauseSettings, words: dict[str, str]) -> Program:
    """Return the program of a world as a function from input lines to output lines."""
    code = world.program(settings, words)
    if world.language == "sql":
        return partial(run_query, Places(world.schema).substitute(words), code)
    names: dict[str, Program] = {}
    exec(python_program(code), names)
    return names[words["f"]]


def run_query(schema: str, query: str, lines: list[str]) -> list[str]:
    """Return the rows of a query; each input line is the name of a table and a row."""
    database = sqlite3.connect(":memory:")
    database.executescript(schema)
    for line in lines:
        table, *values = line.split(" ")
        database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    rows = [" ".join(map(str, row)) for row in database.execute(query)]
    database.close()
    return rows


def python_program(source: str) -> str:
    """Return a program in Python proper: its records are data classes."""
    if "class " not in source:
        return source
    return "from dataclasses import dataclass\n\n\n" + source.replace("class ", "@dataclass\nclass ")


def translate(language: str, source: str) -> str:
    """Return a program in a language."""
    if language in EMITTERS:
        return EMITTERS[language](source).translate()
    return source if language == "sql" else python_program(source)


def _draw_twin(rng: Rng, task: Assignment, bounds: tuple[float, float]) -> tuple[str, Fuzzing]:
    """Draw the clause whose other setting changes the output on a share of the inputs within bounds.

    Raises:
        Resample: if no clause does.
    """
    outputs = list(map(load(task.world, task.settings, task.words), task.inputs))
    candidates = task.switches()
    for name in rng.sample(candidates, len(candidates)):
        other = load(task.world, task.flipped(name), task.words)
        fuzzing = _fuzz(other, task.inputs, outputs, bounds[1])
        if bounds[0] <= fuzzing.share <= bounds[1] and fuzzing.same:
            return name, fuzzing
    raise Resample


def _fuzz(other: Program, inputs: Sequence[list[str]], outputs: Sequence[list[str]], highest: float) -> Fuzzing:
    """Run the other program on the inputs; stop once the share is certain to be too high."""
    fuzzing = Fuzzing()
    for lines, output in zip(inputs, outputs, strict=True):
        other_output = other(lines)
        if other_output == output:
            fuzzing.same.append((lines, output))
        else:
            fuzzing.different.append((lines, output, other_output))
            if len(fuzzing.different) > highest * len(inputs):
                break
    return fuzzing


def _draw_cases(rng: Rng, fuzzing: Fuzzing) -> list[tuple[list[str], list[str], list[str]]]:
    """Draw the tests: inputs with the outputs of both programs, in random order."""
    separating = rng.sample(fuzzing.different, min(SEPARATING_CASES, len(fuzzing.different)))
    others = rng.sample(fuzzing.same, min(CASES - len(separating), len(fuzzing.same)))
    cases = separating + [(lines, output, output) for lines, output in others]
    return rng.sample(cases, len(cases))
