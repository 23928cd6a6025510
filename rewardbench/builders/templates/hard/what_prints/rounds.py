"""Functions with a long loop: in every round several parts change a number and a list; one source for all languages.

The source is in the typed subset of Python that `hard_code` translates. Its parts use names that start with `$`, and
`⟦this¦that⟧` for the token in which two twins differ.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from rewardbench.builders.templates.hard.hard_code.compiled import CppEmitter
from rewardbench.builders.templates.hard.hard_code.emitter import Emitter
from rewardbench.builders.templates.hard.hard_code.languages import JavaEmitter, JavaScriptEmitter
from rewardbench.builders.templates.hard.what_prints.fragments import fill, truncated

EMITTERS: dict[str, type[Emitter]] = {"javascript": JavaScriptEmitter, "java": JavaEmitter, "cpp": CppEmitter}
PRIMES = (83, 89, 97, 101, 103, 107, 109, 113)
SMALL_PRIMES = (31, 37, 41, 43, 47, 53)
SPOT = (
    "def $spot(p: int, q: int) -> int:",
    "    if p < 0:",
    "        return -p % q",
    "    return p % q",
)
RoundFunction = Callable[..., int]
"""Changes a list, and returns the number that it makes of a number."""


@dataclass(frozen=True)
class RoundPart:
    """What a round does in one respect."""

    lines: tuple[str, ...]
    remarks: tuple[str, ...]
    """Sentences on it that hold for both variants and state no value."""
    before: tuple[str, ...] = ()
    """Lines before the loop."""
    helper: tuple[str, ...] = ()
    """A function that it calls."""


@dataclass(frozen=True)
class RoundLoop:
    """A function with a loop."""

    rounds: int
    parts: Sequence[RoundPart]
    names: dict[str, str]

    def source(self, variants: Sequence[int]) -> str:
        """Return the source, with a variant for each part."""
        helpers, body = list(SPOT), ["$at = $spot($x + $step, len($data))"]
        before: list[str] = []
        for part, variant in zip(self.parts, variants, strict=True):
            if part.helper:
                helpers += ["", *(fill(line, variant, self.names) for line in part.helper)]
            before += part.before
            body += [fill(line, variant, self.names) for line in part.lines]
        lines = [*helpers, "", "def $churn($data: list[int], $x: int) -> int:"]
        lines += [f"    {line}" for line in before]
        lines.append(f"    for $step in range(1, {self.rounds + 1}):")
        lines += [f"        {line}" for line in body]
        lines.append("    return $x")
        return "\n".join(fill(line, 0, self.names) for line in lines) + "\n"

    def definitions(self, language: str, variants: Sequence[int]) -> list[str]:
        """Return the lines of the functions in a language."""
        source = self.source(variants)
        if language not in EMITTERS:
            return source.replace("\n\ndef", "\n\n\ndef").split("\n")
        emitter = EMITTERS[language](source)
        emitter.depth = 0
        for node in emitter.tree.body:
            emitter.function(cast(ast.FunctionDef, node))
            emitter.write("")
        return emitter.output

    def function(self, language: str, variants: Sequence[int]) -> RoundFunction:
        """Return the function, with the arithmetic of a language."""
        tree = _Arithmetic(language).visit(ast.parse(self.source(variants)))
        names: dict[str, RoundFunction] = {"quotient": _quotient, "remainder": _remainder}
        exec(compile(ast.fix_missing_locations(tree), "rounds", "exec"), names)
        return names[self.names["churn"]]


class _Arithmetic(ast.NodeTransformer):
    """Replace remainders and divisions by what a language computes."""

    def __init__(self, language: str) -> None:
        self.functions: dict[type[ast.operator], str] = {}
        if language != "python":
            self.functions[ast.Mod] = "remainder"
        if language in ("java", "cpp"):
            self.functions[ast.FloorDiv] = "quotient"

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return the call of a function, or the operation itself."""
        self.generic_visit(node)
        name = self.functions.get(type(node.op))
        return ast.Call(ast.Name(name, ast.Load()), [node.left, node.right], []) if name else node


def _quotient(dividend: int, divisor: int) -> int:
    return truncated(dividend, divisor)[0]


def _remainder(dividend: int, divisor: int) -> int:
    return truncated(dividend, divisor)[1]
