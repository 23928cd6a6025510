"""First program for rule-by-list: the classes of the names in a reply, against the classes of the rule."""

from __future__ import annotations

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell
from rewardbench.verifiers.names import mentions


def _obeys_list(cell: Cell) -> bool:
    entries, rule_classes = cell.check["entries"], set(cell.check["classes"])
    named = []
    for name in entries:
        named += [name] * bool(mentions(cell.response, [name]))
    for alias, name in cell.check["aliases"].items():
        named += [name] * bool(mentions(cell.response, [alias]))
    if not named:
        raise BrokenCheck("the reply has no name of the list")
    for name in named:
        belongs = bool(rule_classes & set(entries[name]))
        if belongs != (cell.check["form"] == "only"):
            return False
    return True


verify_rule_by_list = cell_by_cell(_obeys_list)
