"""Evaluate checks in a sandbox: JSON checks on stdin, one outcome per line on stdout; standard library only."""

from __future__ import annotations

import builtins
import json
import re
import sys
from itertools import product
from typing import Any

NAMES = {
    name: getattr(builtins, name)
    for name in (
        "abs all any bool dict divmod enumerate float int isinstance len list map max min ord chr range reversed round "
        "set sorted str sum tuple zip"
    ).split()
}


def evaluate(expression: str, **names: Any) -> Any:
    """Evaluate an expression over the given names, `re`, `json` and harmless built-ins."""
    return eval(expression, {"__builtins__": NAMES, "re": re, "json": json, **names})


def holds(check: dict[str, Any], response: str) -> str:
    """Check that the expression `holds` is true of the response; a response that cannot be parsed fails."""
    try:
        return "pass" if evaluate(check["holds"], r=response) else "fail"
    except ValueError:
        return "fail"


def worlds(check: dict[str, Any], response: str) -> str:
    """Check that `holds` leaves exactly the worlds `leaves`, and that the response matches `says`."""
    variables, remaining = check["variables"], []
    for values in product(*variables.values()):
        world = dict(zip(variables, values, strict=True))
        if evaluate(check["holds"], **world):
            facts = {name: world[name] for name in check.get("asks", variables)}
            if facts not in remaining:
                remaining.append(facts)
    if remaining != check["leaves"]:
        return f"its check breaks: the premises leave {remaining}"
    return "pass" if re.search(check["says"], response, re.DOTALL) else "fail"


def answer(question: dict[str, Any]) -> str:
    """Run one check, and report any error in it."""
    try:
        return {"holds": holds, "worlds": worlds}[question["kind"]](question["check"], question["response"])
    except Exception as error:
        return f"its check breaks: {type(error).__name__}: {error}"


if __name__ == "__main__":
    for question in json.load(sys.stdin):
        print(json.dumps(answer(question)), flush=True)
