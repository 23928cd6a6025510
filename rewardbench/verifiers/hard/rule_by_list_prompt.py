"""Second program for rule-by-list: reads list, groups, corrections and rule in the system message.

A reply is read word by word; the longest name that begins at a word is the one that is named there.
"""

from __future__ import annotations

import re

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

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
SECOND_NAME = re.compile(r"^(.+?) \((?:also known as|alias|also called|listed as well as) (.+)\)$")
GROUPS = (
    re.compile(r"(?i)\bthe (?P<g>[\w ]+?) group consists of (?P<o>[^.\n]+)\."),
    re.compile(r"(?P<o>[^.\n]+?) belong to the (?P<g>[\w ]+?) group\."),
    re.compile(r"To the (?P<g>[\w ]+?) group belong (?P<o>[^.\n]+)\."),
)
CHANGES = (
    re.compile(r"^(?P<n>.+?) has gone from (?P<old>.+) to (?P<new>.+)\.$"),
    re.compile(r"^(?P<n>.+?): now (?P<new>.+), no longer (?P<old>.+)\.$"),
    re.compile(r"^(?P<n>.+?), once with (?P<old>.+), is now with (?P<new>.+)\.$"),
    re.compile(r"^(?P<n>.+?) now contains (?P<new>.+) instead of (?P<old>.+)\.$"),
    re.compile(r"^(?P<n>.+?): (?P<new>.+) in the new recipe, and no (?P<old>.+) any longer\.$"),
    re.compile(r"^In (?P<n>.+?) the (?P<old>.+) has been replaced by (?P<new>.+)\.$"),
)
LONGEST_NAME = 4
"""Words of a name, at most."""


class _Page:
    """The system message, read from top to bottom."""

    def __init__(self, system: str) -> None:
        self.system = system
        self.classes: dict[str, set[str]] = {}
        self.names: dict[str, str] = {}
        self.groups: dict[str, set[str]] = {}
        self.known: set[str] = set()
        for line in system.split("\n"):
            self._read_line(line)
        for pattern in GROUPS:
            for match in pattern.finditer(system):
                owners = re.split(r", | and ", match["o"].strip())
                self.groups[match["g"]] = set(map(_with_small_article, owners))

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
        else:
            self._read_change(line)

    def _add(self, label: str, classes: set[str]) -> None:
        second = SECOND_NAME.match(label)
        name = second.group(1) if second else label
        if "(" in name:
            raise BrokenCheck(f"what does {label!r} mean?")
        self.classes[name] = classes
        self.known |= classes
        self.names[_key(name)] = name
        if second:
            self.names[_key(second.group(2))] = name

    def _read_change(self, line: str) -> None:
        for pattern in CHANGES:
            match = pattern.match(line)
            if match:
                old, new = _with_small_article(match["old"]), _with_small_article(match["new"])
                self.classes[match["n"]] = self.classes[match["n"]] - {old} | {new}
                self.known.add(new)
                return

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
            group = re.fullmatch(r"the (.+) group", part)
            if not group and part not in self.known:
                raise BrokenCheck(f"the list has nothing of {part!r}")
            classes |= self.groups[group.group(1)] if group else {part}
        return is_ban, classes

    def named(self, reply: str) -> list[str]:
        """Return the names of the list in a reply, in its order."""
        words = _key(reply).split()
        names: list[str] = []
        n = 0
        while n < len(words):
            name, length = self._name_at(words[n : n + LONGEST_NAME])
            names += [name] if name else []
            n += length
        return names

    def _name_at(self, words: list[str]) -> tuple[str, int]:
        """Return the longest name at the beginning of some words, and its number of words; else "" and 1."""
        for length in range(len(words), 0, -1):
            name = self.names.get(" ".join(words[:length]))
            if name:
                return name, length
        return "", 1


def _key(text: str) -> str:
    """Return the words of a text in lower case, without the s of a genitive."""
    return " ".join(re.findall(r"[\w&-]+", re.sub(r"['’]s\b", "", text.lower())))


def _with_small_article(owner: str) -> str:
    return f"the {owner[4:]}" if owner.startswith("The ") else owner


def _obeys_prompt(cell: Cell) -> bool:
    page = _Page(cell.messages[0]["content"])
    is_ban, classes = page.rule()
    names = page.named(cell.response)
    if not names:
        raise BrokenCheck("the reply has no name of the list")
    return not any(is_ban == bool(page.classes[name] & classes) for name in names)


verify_rule_by_list_prompt = cell_by_cell(_obeys_prompt)
