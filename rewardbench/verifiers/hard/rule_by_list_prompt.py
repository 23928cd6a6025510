"""Second program for rule-by-list: reads list and rule in the system message."""

from __future__ import annotations

import re

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell
from rewardbench.verifiers.hard.rule_by_list_names import key_of, named_in, split_label
from rewardbench.verifiers.hard.rule_by_list_places import is_rotating, obeys_places

ABOUT = r"[a-z ]+? (?:of|in|with|run by|made by|published by|owned by) (?P<k>[^.:]+?)"
BANS = (
    rf"name none of the {ABOUT}\.",
    rf"Do not name any {ABOUT}, not even in passing\.",
    rf"anything on the list but the {ABOUT}: leave those unnamed\.",
    rf"Of these, the {ABOUT} must not be named\.",
)
PERMISSIONS = (
    rf"name only {ABOUT}\.",
    rf"Name no [a-z ]+? other than those{ABOUT.removeprefix('[a-z ]+?')}\.",
    rf"nothing on the list but the {ABOUT}: leave all others unnamed\.",
    rf"Of these, just the {ABOUT} may be named\.",
)


class _Page:
    """The system message, read from top to bottom."""

    def __init__(self, system: str) -> None:
        self.system = system
        self.classes: dict[str, set[str]] = {}
        self.names: dict[str, str] = {}
        self.known: set[str] = set()
        for line in system.split("\n"):
            self._read_line(line)

    def _read_line(self, line: str) -> None:
        if " | " in line:
            label, classes = line.split(" | ")
            self._add(label, set(classes.split(", ")) - {"none"})
        elif line.startswith("- "):
            label, classes = line[2:].split(": ")
            self._add(label, set(classes.split(", ")) - {"none"})
        elif ": " in line and not line.endswith("."):
            owner, labels = line.split(": ")
            for label in labels.split(", "):
                self._add(label, {owner})

    def _add(self, label: str, classes: set[str]) -> None:
        name, alias = split_label(label)
        self.classes[name] = classes
        self.known |= classes
        self.names[key_of(name)] = name
        if alias:
            self.names[key_of(alias)] = name

    def rule(self) -> tuple[bool, set[str]]:
        """Return whether the rule is a ban, and the classes that it names.

        Raises:
            BrokenCheck: if there is not exactly one rule.
        """
        readings: list[tuple[bool, str]] = []
        for is_ban, sentences in ((True, BANS), (False, PERMISSIONS)):
            for sentence in sentences:
                for match in re.finditer(sentence, self.system):
                    readings.append((is_ban, match["k"]))
        if len(readings) != 1:
            raise BrokenCheck(f"{len(readings)} rules in the prompt: {readings}")
        is_ban, text = readings[0]
        classes: set[str] = set()
        for part in text.split(" or "):
            if part not in self.known:
                raise BrokenCheck(f"the list has nothing of {part!r}")
            classes.add(part)
        return is_ban, classes


def _obeys_prompt(cell: Cell) -> bool:
    system = cell.messages[0]["content"]
    if is_rotating(system):
        return obeys_places(system, cell.response)
    page = _Page(system)
    is_ban, classes = page.rule()
    names = named_in(cell.response, page.names)
    return not any(is_ban == bool(page.classes[name] & classes) for name in names)


verify_rule_by_list_prompt = cell_by_cell(_obeys_prompt)
