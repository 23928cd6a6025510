"""Tickets of 4 to 12 clauses, and programs of 20 to 150 lines that differ in one clause, in five languages.

Each world is a file `*.toml` (see `worlds` for its notation): a program is written once, in a typed subset of Python,
and translated. A mirror draws a world, a scene, the clauses, their settings and wordings, and the clause in which the
twins differ; the programs must differ on a share of random inputs that shrinks with the rung.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from string import Template as Places

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.templates.hard.hard_code.compiled import CppEmitter, GoEmitter
from rewardbench.builders.templates.hard.hard_code.emitter import Emitter
from rewardbench.builders.templates.hard.hard_code.inputs import INPUTS
from rewardbench.builders.templates.hard.hard_code.languages import JavaEmitter, JavaScriptEmitter
from rewardbench.builders.templates.hard.hard_code.prompts import function_name, ticket_prompts, ticket_response
from rewardbench.builders.templates.hard.hard_code.worlds import Settings, World, read_worlds

CLAUSES = {1: 4, 2: 6, 3: 9, 4: 12}
"""Number of clauses of a ticket by rung."""
SHARES = {1: (0.02, 1.0), 2: (0.01, 0.4), 3: (0.01, 0.15), 4: (0.01, 0.05)}
"""Bounds of the share of random inputs on which the two programs differ, by rung."""
FUZZ_INPUTS = 400
CASES, TELLING_CASES = 12, 6
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


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a world, its clauses and a language, and the clause that differs."""
    world = rng.pick(read_worlds())
    words = draw_words(rng, world)
    settings = draw_settings(rng, world, CLAUSES[rung])
    language = "sql" if world.language == "sql" else rng.pick(LANGUAGES)
    inputs = [INPUTS[world.name](rng, words, settings) for _ in range(FUZZ_INPUTS)]
    name, twin, fuzzing = _draw_twin(rng, world, settings, words, inputs, SHARES[rung])
    cases = _draw_cases(rng, fuzzing)
    code_a = translate(language, world.program(settings, words))
    code_b = translate(language, world.program(twin, words))
    facts = {"language": language, "function": function_name(language, words["f"])}
    if world.schema:
        facts["schema"] = Places(world.schema).substitute(words)
    prompts = ticket_prompts(rng, world, words, (settings, twin), language, rng.pick(fuzzing.same))
    responses = ticket_response(rng, language, code_a, code_b)
    return MirrorContent(
        edit=f"{world.name}: clause {name}",
        a=prompts[0],
        b=prompts[1],
        x=responses[0],
        y=responses[1],
        check={
            "kind": "hard-code",
            "share": round(fuzzing.share, 4),
            "a": {**facts, "cases": [[lines, a] for lines, a, _ in cases]},
            "b": {**facts, "cases": [[lines, b] for lines, _, b in cases]},
        },
    )


def draw_words(rng: Rng, world: World) -> dict[str, str]:
    """Draw a scene with its command words and numbers."""
    words = {}
    for name, options in rng.pick(world.scenes).items():
        words[name] = options if isinstance(options, str) else rng.pick(options)
    for name, values in world.numbers.items():
        words[name] = str(rng.pick(values))
    return words


def draw_settings(rng: Rng, world: World, count: int) -> dict[str, int]:
    """Draw `count` clauses, in random order, with their settings."""
    optional = [name for name in world.clauses if name not in world.base]
    names = [*world.base, *rng.sample(optional, count - len(world.base))]
    switches = world.switches()
    settings = {}
    for name in rng.sample(names, len(names)):
        settings[name] = rng.number(0, 1) if name in switches else 0
    return settings


def load(world: World, settings: Settings, words: dict[str, str]) -> Program:
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


def _draw_twin(
    rng: Rng,
    world: World,
    settings: Settings,
    words: dict[str, str],
    inputs: Sequence[list[str]],
    bounds: tuple[float, float],
) -> tuple[str, Settings, Fuzzing]:
    """Draw the clause whose other setting changes the output on a share of the inputs within bounds.

    Raises:
        Resample: if no clause does.
    """
    program = load(world, settings, words)
    outputs = list(map(program, inputs))
    candidates = [name for name in world.switches() if name in settings]
    for name in rng.sample(candidates, len(candidates)):
        twin = {**settings, name: 1 - settings[name]}
        other = load(world, twin, words)
        fuzzing = _fuzz(other, inputs, outputs, bounds[1])
        if bounds[0] <= fuzzing.share <= bounds[1] and fuzzing.same:
            return name, twin, fuzzing
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
    telling = rng.sample(fuzzing.different, min(TELLING_CASES, len(fuzzing.different)))
    others = rng.sample(fuzzing.same, min(CASES - len(telling), len(fuzzing.same)))
    cases = telling + [(lines, output, output) for lines, output in others]
    return rng.sample(cases, len(cases))
