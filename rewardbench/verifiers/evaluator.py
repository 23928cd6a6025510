"""Evaluate checks in a sandbox: JSON checks on stdin, one outcome per line on stdout; standard library only."""

from __future__ import annotations

import builtins
import json
import re
import sys
from itertools import product
from typing import Any, NotRequired, TypedDict, cast

BUILTIN_NAMES = (
    "abs all any bool dict divmod enumerate float int isinstance len list map max min ord chr range reversed round "
    "set sorted str sum tuple zip"
).split()
BUILTINS = {name: getattr(builtins, name) for name in BUILTIN_NAMES}
"""The only built-in functions that an expression may call."""


class ResponseCheck(TypedDict):
    """An expression over the response `r`."""

    holds: str


class PuzzleCheck(TypedDict):
    """Premises of a logic puzzle, and the conclusion that they must lead to."""

    variables: dict[str, list[object]]
    """The possible values of each variable."""
    holds: str
    """The premises, as an expression over the variables."""
    leaves: list[dict[str, object]]
    """The expected solutions."""
    says: str
    """A pattern that matches a response with this solution."""
    asks: NotRequired[list[str]]
    """The variables that the question is about; all if absent."""


class Question(TypedDict):
    """One check to evaluate; `kind` is "holds" (a ResponseCheck) or "worlds" (a PuzzleCheck)."""

    kind: str
    check: ResponseCheck | PuzzleCheck
    response: str


def evaluate_expression(expression: str, **names: object) -> Any:
    """Evaluate an expression over the given names, `re`, `json` and harmless built-ins."""
    return eval(expression, {"__builtins__": BUILTINS, "re": re, "json": json, **names})


def check_response(check: ResponseCheck, response: str) -> str:
    """Check that the expression is true of the response; a response that cannot be parsed fails."""
    try:
        return "pass" if evaluate_expression(check["holds"], r=response) else "fail"
    except ValueError:
        return "fail"


def check_puzzle(check: PuzzleCheck, response: str) -> str:
    """Check that the premises have exactly the expected solutions, and that the response states them."""
    solutions = _solve(check)
    if solutions != check["leaves"]:
        return f"its check breaks: the premises leave {solutions}"
    return "pass" if re.search(check["says"], response, re.DOTALL) else "fail"


def _solve(check: PuzzleCheck) -> list[dict[str, object]]:
    """Return the distinct values of the variables in question for which the premises hold, by enumeration."""
    variables = check["variables"]
    solutions: list[dict[str, object]] = []
    for values in product(*variables.values()):
        world = dict(zip(variables, values, strict=True))
        if evaluate_expression(check["holds"], **world):
            solution = {name: world[name] for name in check.get("asks", variables)}
            if solution not in solutions:
                solutions.append(solution)
    return solutions


def answer_question(question: Question) -> str:
    """Run one check, and report any error in it."""
    check, response = question["check"], question["response"]
    try:
        if question["kind"] == "worlds":
            return check_puzzle(cast(PuzzleCheck, check), response)
        return check_response(check, response)
    except Exception as error:
        return f"its check breaks: {type(error).__name__}: {error}"


if __name__ == "__main__":
    for question in json.load(sys.stdin):
        print(json.dumps(answer_question(question)), flush=True)
