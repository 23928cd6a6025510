"""Parse programs in a typed subset of Python, and infer the types that other languages must write down.

The subset: functions, records (classes with annotated fields), `if`, `while`, `for` over ranges, lists and
`sorted(mapping)`, integers, texts, lists and mappings with text keys. Integers are never negative where they are
divided.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence

ELEMENT = re.compile(r"(?:list\[|dict\[str, )(.*)\]$")


class Scope:
    """The types of the variables, functions and records of a program; blocks are nested."""

    def __init__(self, tree: ast.Module) -> None:
        self.blocks: list[dict[str, str]] = [{}]
        self.results: dict[str, str] = {}
        self.fields: dict[str, dict[str, str]] = {}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.returns is not None:
                self.results[node.name] = ast.unparse(node.returns)
            elif isinstance(node, ast.ClassDef):
                self.fields[node.name] = fields_of(node)

    def declare(self, name: str, kind: str) -> None:
        """Add a variable to the innermost block."""
        self.blocks[-1][name] = kind

    def find(self, name: str) -> str | None:
        """Return the type of a variable; None if it is not declared."""
        for block in reversed(self.blocks):
            if name in block:
                return block[name]
        return None

    def type_of(self, node: ast.expr) -> str:
        """Return the type of an expression, as it is written in an annotation.

        Raises:
            TypeError: if the expression is outside the subset.
        """
        if isinstance(node, ast.Name):
            return self.find(node.id) or "int"
        if isinstance(node, ast.Constant):
            return type(node.value).__name__
        if isinstance(node, ast.Attribute):
            return self.fields[self.type_of(node.value)][node.attr]
        if isinstance(node, ast.Subscript):
            return element_type(self.type_of(node.value))
        if isinstance(node, ast.Compare | ast.BoolOp):
            return "bool"
        if isinstance(node, ast.UnaryOp):
            return "bool" if isinstance(node.op, ast.Not) else "int"
        if isinstance(node, ast.BinOp):
            return self.type_of(node.left)
        if isinstance(node, ast.JoinedStr):
            return "str"
        if isinstance(node, ast.Call):
            return self._type_of_call(node)
        raise TypeError(f"no type of {ast.unparse(node)}")

    def _type_of_call(self, node: ast.Call) -> str:
        if isinstance(node.func, ast.Attribute):
            return "list[str]" if node.func.attr == "split" else "str"
        name = ast.unparse(node.func)
        if name in self.fields:
            return name
        return self.results.get(name, "str" if name == "str" else "int")


def element_type(kind: str) -> str:
    """Return the type of the elements of a list or the values of a mapping.

    >>> element_type("dict[str, list[int]]")
    'list[int]'
    """
    match = ELEMENT.match(kind)
    return match[1] if match else "str"


def fields_of(node: ast.ClassDef) -> dict[str, str]:
    """Return the fields of a record with their types."""
    fields = {}
    for field in node.body:
        if isinstance(field, ast.AnnAssign):
            fields[ast.unparse(field.target)] = ast.unparse(field.annotation)
    return fields


def parameters_of(node: ast.FunctionDef) -> list[tuple[str, str]]:
    """Return the parameters of a function with their types."""
    parameters = []
    for argument in node.args.args:
        kind = ast.unparse(argument.annotation) if argument.annotation else "int"
        parameters.append((argument.arg, kind))
    return parameters


def reassigned_names(function: ast.FunctionDef) -> set[str]:
    """Return the variables that are assigned to more than once."""
    assigned: set[str] = set()
    again: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.AugAssign):
            again.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = ast.unparse(target)
            (again if name in assigned else assigned).add(name)
    return again


def mutated_names(function: ast.FunctionDef, mutated_positions: Mapping[str, Collection[int]]) -> set[str]:
    """Return the variables whose elements or fields a function changes, itself or through another name.

    Args:
        function: the function.
        mutated_positions: for each function before it, the positions of the parameters that it changes.
    """
    mutated: set[str] = set()
    aliases: list[tuple[str, str]] = []
    for node in ast.walk(function):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "split":
                continue
            mutated.add(_root(node.func.value))
        elif isinstance(node, ast.Call):
            positions = mutated_positions.get(ast.unparse(node.func), ())
            mutated.update(_root(node.args[position]) for position in positions)
        elif isinstance(node, ast.For):
            aliases.append((_root(node.target), _root(node.iter)))
        mutated.update(_root(target) for target in targets if not isinstance(target, ast.Name))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
            aliases.append((_root(node.targets[0]), _root(node.value)))
    for alias, name in reversed(aliases):
        if alias in mutated:
            mutated.add(name)
    return mutated


def _root(node: ast.expr) -> str:
    """Return the variable of an expression such as `jobs[0].name`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return ast.unparse(node)


def comment_above(lines: Sequence[str], node: ast.stmt) -> list[str]:
    """Return the comment lines directly above a statement, without their marks."""
    comments: list[str] = []
    number = node.lineno - 2
    while number >= 0 and lines[number].lstrip().startswith("# "):
        comments.insert(0, lines[number].strip().removeprefix("# "))
        number -= 1
    return comments
