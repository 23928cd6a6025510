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
SPOT = (
    "def $spot(p: int, q: int) -> int:",
    "    if p < 0:",
    "        return -p % q",
    "    return p % q",
)
INT_LIMIT = 2**31
"""In Java and C++, no product may reach it."""
Snapshot = tuple[int, ...]
"""The number and the elements of the list after a round."""


@dataclass(frozen=True)
class RoundSize:
    """How large the numbers of a loop are."""

    modulus: int
    """The number is a remainder of it after each round."""
    bound: int
    """The prime below which the elements of the list mostly are."""
    factors: tuple[int, int]
    """Bounds of the factor by which the number is multiplied in each round."""


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
    """A function with a loop, which returns a remainder made of the last number and the last list."""

    rounds: int
    size: RoundSize
    spread: int
    """Factor of the elements and of the number before the first round."""
    parts: Sequence[RoundPart]
    names: dict[str, str]

    def source(self, variants: Sequence[int], factor: int, snapshot: str = "") -> str:
        """Return the source.

        Args:
            variants: the variant of each part.
            factor: the factor of the remainder that is returned.
            snapshot: a function to be called with the number and the list after each round.
        """
        modulus, bound = self.size.modulus, self.size.bound
        helpers, body = list(SPOT), ["$at = $spot($x + $step, len($data))"]
        before = [
            "for i in range(len($data)):",
            f"    $data[i] = $spot($data[i] * {self.spread} + i, {bound})",
            f"$x = $spot($x * {self.spread * 7}, {modulus})",
        ]
        for part, variant in zip(self.parts, variants, strict=True):
            if part.helper:
                helpers += ["", *(fill(line, variant, self.names) for line in part.helper)]
            before += part.before
            body += [fill(line, variant, self.names) for line in part.lines]
        if snapshot:
            body.append(f"{snapshot}($x, $data)")
        lines = [*helpers, "", "def $churn($data: list[int], $x: int) -> int:"]
        lines += [f"    {line}" for line in before]
        lines.append(f"    for $step in range(1, {self.rounds + 1}):")
        lines += [f"        {line}" for line in body]
        lines += ["    for v in $data:", f"        $x = ($x * {factor} + v) % {modulus}", "    return $x"]
        return "\n".join(fill(line, 0, self.names) for line in lines) + "\n"

    def definitions(self, language: str, variants: Sequence[int], factor: int) -> list[str]:
        """Return the lines of the functions in a language."""
        source = self.source(variants, factor)
        if language not in EMITTERS:
            return source.replace("\n\ndef", "\n\n\ndef").split("\n")
        emitter = EMITTERS[language](source)
        emitter.depth = 0
        for node in emitter.tree.body:
            emitter.function(cast(ast.FunctionDef, node))
            emitter.write("")
        return emitter.output

    def run(self, language: str, variants: Sequence[int], data: list[int], number: int) -> list[Snapshot]:
        """Return the number and the list after each round, with the arithmetic of a language.

        Raises:
            OverflowError: if a product does not fit into 32 bits where the language has such integers.
        """
        snapshots: list[Snapshot] = []
        tree = _Arithmetic(language).visit(ast.parse(self.source(variants, 1, "snapshot")))

        def snapshot(x: int, values: list[int]) -> None:
            snapshots.append((x, *values))

        names: dict[str, Callable[..., int | None]] = {
            "quotient": _quotient,
            "remainder": _remainder,
            "product": _product,
            "snapshot": snapshot,
        }
        exec(compile(ast.fix_missing_locations(tree), "rounds", "exec"), names)
        names[self.names["churn"]](list(data), number)
        return snapshots


class _Arithmetic(ast.NodeTransformer):
    """Replace remainders, divisions and products by what a language computes."""

    def __init__(self, language: str) -> None:
        self.functions: dict[type[ast.operator], str] = {}
        if language != "python":
            self.functions[ast.Mod] = "remainder"
        if language in ("java", "cpp"):
            self.functions |= {ast.FloorDiv: "quotient", ast.Mult: "product"}

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return the call of a function, or the operation itself."""
        self.generic_visit(node)
        name = self.functions.get(type(node.op))
        return ast.Call(ast.Name(name, ast.Load()), [node.left, node.right], []) if name else node


def _quotient(dividend: int, divisor: int) -> int:
    return truncated(dividend, divisor)[0]


def _remainder(dividend: int, divisor: int) -> int:
    return truncated(dividend, divisor)[1]


def _product(left: int, right: int) -> int:
    """Return a product.

    Raises:
        OverflowError: if it does not fit into 32 bits, with some room for a summand.
    """
    if abs(left * right) > INT_LIMIT * 0.99:
        raise OverflowError
    return left * right
