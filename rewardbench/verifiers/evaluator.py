"""Runs alone, in a sandbox: reads checks as JSON on stdin, prints an answer a line. Standard library only."""

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
    """An expression over the given names, `re`, `json` and harmless built-ins."""
    return eval(expression, {"__builtins__": NAMES, "re": re, "json": json, **names})


def holds(check: dict[str, Any], response: str) -> str:
    """Whether the expression `holds` is true of the response; text that cannot be read as asked for fails it."""
    try:
        return "pass" if evaluate(check["holds"], r=response) else "fail"
    except ValueError:
        return "fail"


def worlds(check: dict[str, Any], response: str) -> str:
    """Whether `holds` leaves exactly the worlds `leaves`, and the response matches `says`."""
    variables, found = check["variables"], []
    for values in product(*variables.values()):
        world = dict(zip(variables, values, strict=True))
        if evaluate(check["holds"], **world):
            seen = {name: world[name] for name in check.get("asks", variables)}
            if seen not in found:
                found.append(seen)
    if found != check["leaves"]:
        return f"its check breaks: the premises leave {found}"
    return "pass" if re.search(check["says"], response, re.DOTALL) else "fail"


def answer(asked: dict[str, Any]) -> str:
    """One check, whatever is wrong with it."""
    try:
        return {"holds": holds, "worlds": worlds}[asked["kind"]](asked["check"], asked["response"])
    except Exception as error:
        return f"its check breaks: {type(error).__name__}: {error}"


if __name__ == "__main__":
    for one in json.load(sys.stdin):
        print(json.dumps(answer(one)), flush=True)
