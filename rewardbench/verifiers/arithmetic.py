"""Verifiers for math and knapsack answers: recompute the answer in exact fractions, and check written sums."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

NUMBER = r"\d+(?:\.\d+)?"
TERM = rf"(?:{NUMBER}|\({NUMBER} ?[-+*/] ?{NUMBER}\))"
SUM = re.compile(rf"({TERM}(?: ?[-+*/] ?{TERM})+) (?:=|is) ({NUMBER}(?:/\d+)?)")
OPERATORS = {
    ast.FloorDiv: operator.floordiv,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def exact_value(expression: str) -> Fraction:
    """Evaluate numbers with + - * / and brackets exactly.

    >>> exact_value("80*1.25 - 4/10")
    Fraction(498, 5)

    Raises:
        BrokenCheck: if the expression contains anything else.
    """
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body, expression)
    except SyntaxError as error:
        raise BrokenCheck(f"{expression!r} is not a sum") from error


def _value(node: ast.AST, text: str) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = _value(node.left, text), _value(node.right, text)
        return Fraction(OPERATORS[type(node.op)](left, right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, text)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return Fraction(ast.get_source_segment(text.strip(), node) or "")  # the digits, not the float
    raise BrokenCheck(f"{text!r} is not a sum of numbers")


def written_sums(text: str) -> list[tuple[str, str]]:
    """List the sums of plain numbers in a text, each with its claimed result; units and signs within a sum are ignored.

    >>> written_sums("20% of 1,050 is 210, so 1,050 − 210 = 840 kronor.")
    [('20/100*1050', '210'), ('1050 - 210', '840')]
    """
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text).replace("−", "-").replace("×", "*").replace("÷", "/")
    return SUM.findall(re.sub(rf"({NUMBER})% of ({NUMBER})", r"\1/100*\2", text))


def adds_up(text: str) -> bool:
    """Return True if every sum in a text is right.

    >>> adds_up("3 + 4 = 7, and 7 × 2 = 15")
    False
    """
    return all(exact_value(left) == exact_value(right) for left, right in written_sums(text))


def solves(cell: Cell) -> bool:
    """Return True if the response ends with the right answer and its sums are right."""
    check = cell.check
    if exact_value(check["value"]) != exact_value(check["answer"]):
        raise BrokenCheck(f"{check['value']} is not {check['answer']}")
    answer = re.escape(check.get("says", check["answer"]))
    ends_with_answer = re.search(rf"(?<![\d.,/−-]){answer}(?![\d/]|[.,]\d)\D*$", cell.response)
    return bool(ends_with_answer) and adds_up(cell.response)


def best_worth(items: Mapping[str, Sequence[int]], capacity: int) -> tuple[int, int]:
    """Compute the largest total worth that fits, and the number of ways to reach it, by dynamic programming.

    `items` is name to (weight, worth), weights of at least 1. Checked against brute force in the tests.

    >>> best_worth({"tent": (4, 10), "stove": (3, 7), "rope": (3, 7)}, 6)
    (14, 1)
    """
    best = [(0, 1)] + [(-1, 0)] * capacity  # (worth, ways) by exact load; worth is -1 if no choice has that load
    for weight, worth in items.values():
        for load in range(capacity, weight - 1, -1):
            smaller_worth, ways = best[load - weight]
            if smaller_worth < 0:
                continue
            worth_so_far, ways_so_far = best[load]
            total = smaller_worth + worth
            if total > worth_so_far:
                best[load] = (total, ways)
            elif total == worth_so_far:
                best[load] = (total, ways_so_far + ways)
    highest_worth, _ = max(best)
    return highest_worth, sum(ways for worth, ways in best if worth == highest_worth)


def packs(cell: Cell) -> bool:
    """Return True if the response names the best packing before its total worth, and its sums are right."""
    items, capacity = cell.check["items"], cell.check["capacity"]
    worth, ways = best_worth(items, capacity)
    if ways != 1:
        raise BrokenCheck(f"there are {ways} best packings")
    packing, total, _ = re.sub(rf"(?<!\d){worth}(?!\d)", "\0", cell.response, count=1).partition("\0")
    packed_weight = packed_worth = 0
    for name, (item_weight, item_worth) in items.items():
        if re.search(rf"\b{re.escape(name)}\b", packing, re.IGNORECASE):
            packed_weight += item_weight
            packed_worth += item_worth
    is_best = packed_weight <= capacity and packed_worth == worth
    return bool(total) and is_best and adds_up(cell.response)


verify_math = cell_by_cell(solves)
verify_knapsack = cell_by_cell(packs)
