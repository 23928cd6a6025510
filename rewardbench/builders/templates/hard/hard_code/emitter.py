"""Translate programs of the typed subset of Python into a language with braces; each language fills in its parts."""

from __future__ import annotations

import ast
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from rewardbench.builders.templates.hard.hard_code.source import (
    Scope,
    comment_above,
    element_type,
    mutated_names,
    parameters_of,
    reassigned_names,
)

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "/",
    ast.Mod: "%",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.And: "&&",
    ast.Or: "||",
}
PRECEDENCE = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6}
ATOM = 9


def camel_case(name: str) -> str:
    """Return a name with humps instead of underscores.

    >>> camel_case("seats_left")
    'seatsLeft'
    """
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


class Emitter(ABC):
    """Translator of one program. A language overrides the methods whose results differ from C."""

    INDENT = "    "
    SEMICOLON = ";"
    IF, WHILE, ELSE_IF = "if ({}) {{", "while ({}) {{", "}} else if ({}) {{"

    def __init__(self, source: str) -> None:
        self.lines = source.splitlines()
        self.tree = ast.parse(source)
        self.scope = Scope(self.tree)
        self.reassigned: set[str] = set()
        self.mutated: set[str] = set()
        self.mutated_positions: dict[str, list[int]] = {}
        self.output: list[str] = []
        self.depth = 0

    def translate(self) -> str:
        """Return the program in the language."""
        for node in self.tree.body:
            if self.output:
                self.write("")
            if isinstance(node, ast.ClassDef):
                self.record(node.name, list(self.scope.fields[node.name].items()))
            elif isinstance(node, ast.FunctionDef):
                self.function(node)
        return self.frame("\n".join(self.output)) + "\n"

    def write(self, line: str) -> None:
        """Add a line at the current depth."""
        self.output.append(self.INDENT * self.depth + line if line else "")

    def function(self, node: ast.FunctionDef) -> None:
        """Add a function."""
        self.reassigned = reassigned_names(node)
        self.mutated = mutated_names(node, self.mutated_positions)
        parameters = parameters_of(node)
        names = [name for name, _ in parameters]
        self.mutated_positions[node.name] = [n for n, name in enumerate(names) if name in self.mutated]
        for comment in comment_above(self.lines, node):
            self.write(f"// {comment}")
        self.write(self.signature(self.name(node.name), parameters, ast.unparse(node.returns or ast.Constant(None))))
        self.scope.blocks.append(dict(parameters))
        self.block(node.body)
        self.scope.blocks.pop()
        self.write("}")

    def block(self, body: Sequence[ast.stmt]) -> None:
        """Add the statements of a block, one step deeper."""
        self.depth += 1
        self.scope.blocks.append({})
        for statement in body:
            for comment in comment_above(self.lines, statement):
                self.write(f"// {comment}")
            self.statement(statement)
        self.scope.blocks.pop()
        self.depth -= 1

    def statement(self, node: ast.stmt) -> None:
        """Add a statement.

        Raises:
            TypeError: if it is outside the subset.
        """
        if isinstance(node, ast.If):
            self.branch(node, self.IF)
        elif isinstance(node, ast.While):
            self.write(self.WHILE.format(self.expression(node.test)))
            self.block(node.body)
            self.write("}")
        elif isinstance(node, ast.For):
            self.loop(node)
        elif isinstance(node, ast.Assign):
            self.assign(node.targets[0], node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self.declare(ast.unparse(node.target), ast.unparse(node.annotation), node.value)
        elif isinstance(node, ast.AugAssign):
            self.augment(node.target, OPERATORS[type(node.op)], node.value)
        elif isinstance(node, ast.Delete) and isinstance(node.targets[0], ast.Subscript):
            self.line(self.delete(node.targets[0]))
        elif isinstance(node, ast.Return) and node.value is not None:
            self.line(f"return {self.expression(node.value)}")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self.call_statement(node.value)
        elif isinstance(node, ast.Continue | ast.Break):
            self.line(type(node).__name__.lower())
        else:
            raise TypeError(f"no translation of {ast.unparse(node)}")

    def line(self, text: str) -> None:
        """Add a simple statement."""
        self.write(text + self.SEMICOLON)

    def branch(self, node: ast.If, head: str) -> None:
        """Add an `if` with its `else` branches."""
        self.write(head.format(self.expression(node.test)))
        self.block(node.body)
        if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            self.branch(node.orelse[0], self.ELSE_IF)
            return
        if node.orelse:
            self.write("} else {")
            self.block(node.orelse)
        self.write("}")

    def loop(self, node: ast.For) -> None:
        """Add a `for` over a range, a list, or the sorted keys of a mapping."""
        self.scope.blocks.append({})
        name = ast.unparse(node.target)
        call = node.iter if isinstance(node.iter, ast.Call) else None
        if call is not None and ast.unparse(call.func) == "range":
            bounds = list(map(self.expression, call.args))
            if len(bounds) == 1:
                bounds.insert(0, "0")
            self.scope.declare(name, "int")
            self.write(self.counting(self.name(name), bounds[0], bounds[1], backwards=len(bounds) == 3))
        elif call is not None:
            self.scope.declare(name, "str")
            self.write(self.keys(self.name(name), self.expression(call.args[0])))
        else:
            kind = element_type(self.scope.type_of(node.iter))
            self.scope.declare(name, kind)
            self.write(self.elements(self.name(name), kind, self.expression(node.iter)))
        self.block(node.body)
        self.scope.blocks.pop()
        self.write("}")

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        """Add an assignment; the first one of a variable declares it."""
        if isinstance(target, ast.Name) and self.scope.find(target.id) is None:
            self.declare(target.id, self.scope.type_of(value), value)
        elif isinstance(target, ast.Subscript):
            self.line(self.store(target, self.expression(value)))
        else:
            self.line(f"{self.expression(target)} = {self.expression(value)}")

    def augment(self, target: ast.expr, operator: str, value: ast.expr) -> None:
        """Add an assignment with an operator."""
        text = self.expression(value)
        is_step = operator in "+-" and text == "1"
        self.line(self.expression(target) + (operator * 2 if is_step else f" {operator}= {text}"))

    def declare(self, name: str, kind: str, value: ast.expr) -> None:
        """Add the declaration of a variable."""
        self.scope.declare(name, kind)
        is_empty = isinstance(value, ast.List | ast.Dict)
        text = self.empty(kind) if is_empty else self.expression(value)
        self.line(self.declaration(self.name(name), kind, text, constant=name not in self.reassigned))

    def call_statement(self, node: ast.Call) -> None:
        """Add the call of `append` or `sort`."""
        if not isinstance(node.func, ast.Attribute):
            raise TypeError(f"no translation of {ast.unparse(node)}")
        sequence = self.expression(node.func.value)
        if node.func.attr == "append":
            self.line(self.append(sequence, self.expression(node.args[0])))
            return
        key = node.keywords[0].value
        if not isinstance(key, ast.Lambda) or not isinstance(key.body, ast.Tuple):
            raise TypeError(f"no translation of {ast.unparse(node)}")
        kind = element_type(self.scope.type_of(node.func.value))
        comparisons = []
        for part in key.body.elts:
            is_descending = isinstance(part, ast.UnaryOp)
            field = part.operand if isinstance(part, ast.UnaryOp) else part
            attribute = ast.unparse(field).split(".")[1]
            is_text = self.scope.fields[kind][attribute] == "str"
            comparisons.append((self.name(attribute), is_text, is_descending))
        self.sort(sequence, kind, comparisons)

    def expression(self, node: ast.expr, outer: int = 0) -> str:
        """Return an expression, in brackets if its operator binds less than `outer`.

        Raises:
            TypeError: if it is outside the subset.
        """
        text, strength = self.bare(node)
        return f"({text})" if strength < outer else text

    def bare(self, node: ast.expr) -> tuple[str, int]:
        """Return an expression, and how strongly its operator binds."""
        if isinstance(node, ast.Name):
            return self.name(node.id), ATOM
        if isinstance(node, ast.Constant):
            return self.constant(node.value), ATOM
        if isinstance(node, ast.Attribute):
            return f"{self.expression(node.value)}.{self.name(node.attr)}", ATOM
        if isinstance(node, ast.Subscript):
            return self.item(node), ATOM
        if isinstance(node, ast.JoinedStr):
            return self.joined(node)
        if isinstance(node, ast.UnaryOp):
            return ("!" if isinstance(node.op, ast.Not) else "-") + self.expression(node.operand, 8), 8
        if isinstance(node, ast.BoolOp):
            operator = OPERATORS[type(node.op)]
            # `&&` inside `||` is put in brackets too, as compilers advise.
            parts = [self.expression(value, 3) for value in node.values]
            return f" {operator} ".join(parts), PRECEDENCE[operator]
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        if isinstance(node, ast.BinOp):
            return self.binary(node)
        if isinstance(node, ast.Call):
            return self.call(node), ATOM
        raise TypeError(f"no translation of {ast.unparse(node)}")

    def comparison(self, node: ast.Compare) -> tuple[str, int]:
        """Return a comparison, and how strongly it binds."""
        operator, right = node.ops[0], node.comparators[0]
        if isinstance(operator, ast.In | ast.NotIn):
            text = self.contains(self.expression(right), self.expression(node.left))
            return (f"!{text}", 8) if isinstance(operator, ast.NotIn) else (text, ATOM)
        symbol = OPERATORS[type(operator)]
        if self.scope.type_of(node.left) == "str":
            return self.compare_texts(self.expression(node.left), symbol, self.expression(right))
        strength = PRECEDENCE[symbol]
        return f"{self.expression(node.left, strength)} {symbol} {self.expression(right, strength + 1)}", strength

    def binary(self, node: ast.BinOp) -> tuple[str, int]:
        """Return an arithmetic expression, and how strongly it binds."""
        symbol = OPERATORS[type(node.op)]
        strength = PRECEDENCE.get(symbol, 6)
        return f"{self.expression(node.left, strength)} {symbol} {self.expression(node.right, strength + 1)}", strength

    def call(self, node: ast.Call) -> str:
        """Return the call of a function, a record or a method."""
        arguments = list(map(self.expression, node.args))
        if isinstance(node.func, ast.Attribute):
            return self.split(self.expression(node.func.value))
        name = ast.unparse(node.func)
        if name == "len":
            return self.length(arguments[0], self.scope.type_of(node.args[0]))
        if name == "int":
            return self.parse(arguments[0])
        if name in self.scope.fields:
            return self.construct(name, arguments)
        return f"{self.name(name)}({', '.join(arguments)})"

    def fragments(self, node: ast.JoinedStr) -> list[tuple[str, str]]:
        """Return the parts of an f-string: each text or expression, with its type ("" for a text)."""
        parts = []
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                parts.append((self.expression(value.value, ATOM), self.scope.type_of(value.value)))
            elif isinstance(value, ast.Constant):
                parts.append((str(value.value), ""))
        return parts

    # The parts of a language; those below are shared by most.

    def name(self, name: str) -> str:
        """Return an identifier in the language's style."""
        return camel_case(name)

    def constant(self, value: object) -> str:
        """Return a literal."""
        if isinstance(value, bool):
            return str(value).lower()
        return f'"{value}"' if isinstance(value, str) else str(value)

    def frame(self, body: str) -> str:
        """Return the program around its functions."""
        return body

    @abstractmethod
    def record(self, name: str, fields: list[tuple[str, str]]) -> None:
        """Add the definition of a record."""

    @abstractmethod
    def signature(self, name: str, parameters: list[tuple[str, str]], result: str) -> str:
        """Return the first line of a function."""

    @abstractmethod
    def declaration(self, name: str, kind: str, value: str, constant: bool) -> str:
        """Return the declaration of a variable."""

    @abstractmethod
    def empty(self, kind: str) -> str:
        """Return an empty list or mapping."""

    @abstractmethod
    def counting(self, name: str, start: str, stop: str, backwards: bool) -> str:
        """Return the first line of a loop over a range."""

    @abstractmethod
    def elements(self, name: str, kind: str, sequence: str) -> str:
        """Return the first line of a loop over a list."""

    @abstractmethod
    def keys(self, name: str, mapping: str) -> str:
        """Return the first line of a loop over the sorted keys of a mapping."""

    def item(self, node: ast.Subscript) -> str:
        """Return an element of a list or a value of a mapping."""
        return f"{self.expression(node.value)}[{self.expression(node.slice)}]"

    def store(self, target: ast.Subscript, value: str) -> str:
        """Return the assignment to an element of a list or a value of a mapping."""
        return f"{self.item(target)} = {value}"

    @abstractmethod
    def delete(self, target: ast.Subscript) -> str:
        """Return the deletion of an element of a list or a key of a mapping."""

    @abstractmethod
    def append(self, sequence: str, value: str) -> str:
        """Return the call that adds an element to a list."""

    @abstractmethod
    def sort(self, sequence: str, kind: str, comparisons: list[tuple[str, bool, bool]]) -> None:
        """Add the call that sorts records by fields: (name, is a text, descending)."""

    @abstractmethod
    def contains(self, mapping: str, key: str) -> str:
        """Return the expression that is true if a mapping has a key."""

    def compare_texts(self, left: str, symbol: str, right: str) -> tuple[str, int]:
        """Return the comparison of two texts, and how strongly it binds."""
        return f"{left} {symbol} {right}", PRECEDENCE[symbol]

    @abstractmethod
    def joined(self, node: ast.JoinedStr) -> tuple[str, int]:
        """Return an f-string, and how strongly its operator binds."""

    @abstractmethod
    def split(self, text: str) -> str:
        """Return the list of the words of a text."""

    @abstractmethod
    def length(self, value: str, kind: str) -> str:
        """Return the number of elements or characters."""

    @abstractmethod
    def parse(self, text: str) -> str:
        """Return the integer that a text shows."""

    @abstractmethod
    def construct(self, name: str, arguments: list[str]) -> str:
        """Return a new record."""
