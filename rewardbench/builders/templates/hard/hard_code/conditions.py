"""Write conditions in other forms, some of them as functions."""

from __future__ import annotations

import ast

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.hard_code.source import Scope, element_type, parameters_of

MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
SHIFTED: dict[type[ast.cmpop], tuple[type[ast.cmpop], int]] = {
    ast.Lt: (ast.LtE, -1),
    ast.LtE: (ast.Lt, 1),
    ast.Gt: (ast.GtE, 1),
    ast.GtE: (ast.Gt, -1),
}
"""Operators on integers: the other operator of the same direction, and what is then added to the right side."""
PREDICATES = ("is_past", "is_reached", "counts_here", "applies", "holds_for", "is_met", "qualifies", "is_enough")
MOST_PREDICATES = 3


def negated(test: ast.expr) -> ast.expr:
    """Return the opposite of a condition."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    if isinstance(test, ast.Compare):
        return ast.Compare(test.left, [OPPOSITE[type(test.ops[0])]()], test.comparators)
    return ast.UnaryOp(ast.Not(), test)


class Conditions(ast.NodeTransformer):
    """Rewrite comparisons of integers, and turn some of them into functions."""

    def __init__(self, rng: Rng) -> None:
        self.rng = rng
        self.names = rng.sample(PREDICATES, MOST_PREDICATES)
        self.predicates: list[ast.stmt] = []
        self.scope = Scope(ast.Module([], []))

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Rewrite all functions, and add the new ones."""
        self.scope = Scope(node)
        records = [part for part in node.body if isinstance(part, ast.ClassDef)]
        functions = [part for part in node.body if isinstance(part, ast.FunctionDef)]
        for function in functions:
            self.scope.blocks = [dict(parameters_of(function))]
            for statement in function.body:
                self._declare(statement)
            self.generic_visit(function)
        node.body = [*records, *self.predicates, *functions]
        return node

    def _declare(self, node: ast.stmt) -> None:
        """Add the variables of a statement and its blocks to the scope."""
        if isinstance(node, ast.AnnAssign):
            self.scope.declare(ast.unparse(node.target), ast.unparse(node.annotation))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            self.scope.declare(node.targets[0].id, self.scope.type_of(node.value))
        elif isinstance(node, ast.For):
            is_list = isinstance(node.iter, ast.Name)
            call = node.iter.func.id if isinstance(node.iter, ast.Call) and isinstance(node.iter.func, ast.Name) else ""
            kind = element_type(self.scope.type_of(node.iter)) if is_list else "int" if call == "range" else "str"
            self.scope.declare(ast.unparse(node.target), kind)
        if isinstance(node, ast.For | ast.While | ast.If):
            for inner in [*node.body, *node.orelse]:
                self._declare(inner)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Return a comparison of integers in another form, or the call of a new function with it."""
        kind = type(node.ops[0])
        if kind not in MIRRORED:
            return node
        rewritten = self._form(node)
        if self.names and self.rng.chance(0.35):
            return self._predicate(rewritten)
        return rewritten

    def _form(self, node: ast.Compare) -> ast.expr:
        """Return a comparison in one of four forms."""
        kind, left, right = type(node.ops[0]), node.left, node.comparators[0]
        form = self.rng.number(0, 3)
        if form == 1:
            return ast.Compare(right, [MIRRORED[kind]()], [left])
        if form == 2:
            return ast.UnaryOp(ast.Not(), ast.Compare(left, [OPPOSITE[kind]()], [right]))
        if form == 3:
            operator, added = SHIFTED[kind]
            return ast.Compare(left, [operator()], [_shifted(right, added)])
        return node

    def _predicate(self, test: ast.expr) -> ast.expr:
        """Return the call of a new function that returns a condition."""
        names: dict[str, str] = {}
        for inner in ast.walk(test):
            if isinstance(inner, ast.Name) and inner.id != "len" and inner.id not in self.scope.results:
                names[inner.id] = self.scope.find(inner.id) or ""
        is_plain = all(kind and not kind.startswith("dict") for kind in names.values())
        if not 1 <= len(names) <= 3 or not is_plain:
            return test
        name = self.names.pop()
        shown = ", ".join(f"{variable}: {kind}" for variable, kind in names.items())
        self.predicates += ast.parse(f"def {name}({shown}) -> bool:\n    return {ast.unparse(test)}").body
        return ast.parse(f"{name}({', '.join(names)})", mode="eval").body


def _shifted(node: ast.expr, added: int) -> ast.expr:
    """Return an integer expression plus 1 or minus 1."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.parse(str(node.value + added), mode="eval").body
    return ast.BinOp(node, ast.Add() if added > 0 else ast.Sub(), ast.Constant(1))
