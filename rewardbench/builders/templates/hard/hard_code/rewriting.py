"""Rewrite a program of the typed subset as an equivalent one: other names, order, loops, branches and conditions.

The two responses of a mirror at the upper rungs are rewritten each on its own, so that their lines cannot be compared.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.hard_code.conditions import Conditions, negated
from rewardbench.builders.templates.hard.hard_code.naming import FRESH, query_names, rename

ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
BOUND = re.compile(r"(?<=[ (])(\w\.day - \w\.day|\w+\([^()]*\)|(?<!- )[\w.]+) (>=|>|<=|<) (\d+)")
MIRRORED = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}


def rewrite(rng: Rng, source: str) -> str:
    """Return an equivalent program in the typed subset of Python."""
    tree = ast.parse(source)
    tree = Structure(rng).visit(tree)
    tree = Conditions(rng).visit(tree)
    tree.body = _shuffle_functions(rng, tree.body)
    _shuffle_fields(rng, tree)
    rename(rng, tree)
    parts = [ast.unparse(ast.fix_missing_locations(node)) for node in tree.body]
    # The texts of the programs have no quotes.
    return "\n\n\n".join(parts).replace("'", '"') + "\n"


def rewrite_query(rng: Rng, query: str) -> str:
    """Return an equivalent query: other names, and other forms of its conditions."""
    return BOUND.sub(lambda match: _bound(rng, *match.groups()), query_names(rng, query))


def _bound(rng: Rng, left: str, symbol: str, right: str) -> str:
    """Return a condition on a number in one of four forms."""
    shifted = {">=": (">", -1), ">": (">=", 1), "<=": ("<", 1), "<": ("<=", -1)}[symbol]
    opposite = {">=": "<", ">": "<=", "<=": ">", "<": ">="}[symbol]
    forms = (
        f"{left} {symbol} {right}",
        f"{right} {MIRRORED[symbol]} {left}",
        f"{left} {shifted[0]} {int(right) + shifted[1]}",
        f"NOT {left} {opposite} {right}",
    )
    return rng.pick(forms)


def _shuffle_functions(rng: Rng, body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Return records, functions in random order (each after those that it calls), and the main function."""
    records = [node for node in body if isinstance(node, ast.ClassDef)]
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    ordered: list[ast.stmt] = []
    *helpers, main = functions

    def place(name: str) -> None:
        node = functions[name]
        if node in ordered:
            return
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id in functions and inner.id != name:
                place(inner.id)
        ordered.append(node)

    for name in rng.sample(helpers, len(helpers)):
        place(name)
    place(main)
    return [*records, *ordered]


def _shuffle_fields(rng: Rng, tree: ast.Module) -> None:
    """Put the fields of each record, and the arguments that make one, in another order."""
    orders: dict[str, list[int]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            order = rng.sample(range(len(node.body)), len(node.body))
            node.body = [node.body[n] for n in order]
            orders[node.name] = order
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in orders:
            call.args = [call.args[n] for n in orders[call.func.id]]


class Structure(ast.NodeTransformer):
    """Rewrite loops and branches."""

    def __init__(self, rng: Rng) -> None:
        self.rng = rng
        self.fresh = rng.sample(FRESH, len(FRESH))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Rewrite the blocks of a function."""
        self.generic_visit(node)
        node.body = self.block(node.body)
        return node

    def visit_If(self, node: ast.If) -> ast.If:
        """Exchange branches, put commands in another order, and split or join conditions."""
        self.generic_visit(node)
        self._shuffle_commands(node)
        has_plain_else = bool(node.orelse) and not isinstance(node.orelse[0], ast.If)
        if has_plain_else and self.rng.chance():
            node.test, node.body, node.orelse = negated(node.test), node.orelse, node.body
        inner = node.body[0]
        can_join = len(node.body) == 1 and isinstance(inner, ast.If) and not inner.orelse
        if not node.orelse and self.rng.chance():
            if can_join and isinstance(inner, ast.If):
                node.test, node.body = ast.BoolOp(ast.And(), [node.test, inner.test]), inner.body
            elif isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.And):
                first, *others = node.test.values
                second = others[0] if len(others) == 1 else ast.BoolOp(ast.And(), others)
                node.test, node.body = first, [ast.If(second, node.body, [])]
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        """Write some of them as plain assignments."""
        if isinstance(node.target, ast.Subscript) or not self.rng.chance():
            return node
        left = ast.parse(ast.unparse(node.target), mode="eval").body
        return ast.Assign([node.target], ast.BinOp(left, node.op, node.value), lineno=node.lineno)

    def visit_For(self, node: ast.For) -> ast.For:
        """Rewrite the end of its block, and count instead of going over a list."""
        self.generic_visit(node)
        node.body = self._end(self.block(node.body))
        if isinstance(node.iter, ast.Name) and self.fresh and self.rng.chance():
            index = self.fresh.pop()
            node.body.insert(0, _assignment(ast.unparse(node.target), f"{node.iter.id}[{index}]"))
            node.iter = ast.parse(f"range(len({node.iter.id}))", mode="eval").body
            node.target = ast.Name(index, ast.Store())
        return node

    def block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Return the statements of a block; some loops over a range become `while` loops."""
        statements: list[ast.stmt] = []
        for node in body:
            counted = _counted(node)
            if counted is None or not self.fresh or not self.rng.chance():
                statements.append(node)
                continue
            loop, stop = counted
            index = self.fresh.pop()
            _Replacement(ast.unparse(loop.target), index).generic_visit(loop)
            test = ast.parse(f"{index} < {stop}", mode="eval").body
            step = ast.parse(f"{index} += 1").body
            statements += [_assignment(index, "0"), ast.While(test, [*loop.body, *step], [])]
        return statements

    def _end(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Return the block of a loop; the `else` of its last branch may follow a `continue`, or the other way round."""
        last = body[-1]
        if isinstance(last, ast.If) and last.orelse and self.rng.chance():
            tail, last.orelse = last.orelse, []
            if not isinstance(last.body[-1], ast.Continue):
                last.body.append(ast.Continue())
            return [*body, *tail]
        for n, node in enumerate(body[:-1]):
            if isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ast.Continue):
                if len(node.body) > 1 and self.rng.chance():
                    node.body, node.orelse = node.body[:-1], body[n + 1 :]
                    return body[: n + 1]
                break
        return body

    def _shuffle_commands(self, node: ast.If) -> None:
        """Put neighbouring branches for different commands in another order."""
        chain = [node]
        while len(chain[-1].orelse) == 1 and isinstance(chain[-1].orelse[0], ast.If):
            chain.append(chain[-1].orelse[0])
        start = 0
        while start < len(chain):
            stop = start
            while stop < len(chain) and _is_command(chain[stop].test):
                stop += 1
            branches = [(link.test, link.body) for link in chain[start:stop]]
            shuffled = self.rng.sample(branches, len(branches))
            for link, (test, body) in zip(chain[start:stop], shuffled, strict=True):
                link.test, link.body = test, body
            start = stop + 1


class _Replacement(ast.NodeTransformer):
    """Replace a variable by another."""

    def __init__(self, name: str, other: str) -> None:
        self.name, self.other = name, other

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Return the variable, or the other one."""
        return ast.Name(self.other, node.ctx) if node.id == self.name else node


def _assignment(name: str, value: str) -> ast.stmt:
    return ast.parse(f"{name} = {value}").body[0]


def _is_command(test: ast.expr) -> bool:
    """Return True if a condition compares the command with one word."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Eq)
        and ast.unparse(test.left) == "command"
        and isinstance(test.comparators[0], ast.Constant)
    )


def _counted(node: ast.stmt) -> tuple[ast.For, str] | None:
    """Return a loop over `range(stop)` that no `continue` goes on with, and where it stops."""
    if not isinstance(node, ast.For) or not isinstance(node.iter, ast.Call) or len(node.iter.args) != 1:
        return None
    if ast.unparse(node.iter.func) != "range" or any(isinstance(inner, ast.Continue) for inner in ast.walk(node)):
        return None
    return node, ast.unparse(node.iter.args[0])
