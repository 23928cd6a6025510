"""Read the worlds of `hard-code`: scenes, numbered clauses, and a program whose lines depend on the clauses.

A world is a file `*.toml`. Its texts use this notation:

    $name             a word of the scene, or a number
    ⟦this|that⟧       in a clause: its two settings, which are what two twins differ in
    ⟦name:this|that⟧  in the program: the same, for the clause of that name
    ⟨name:text⟩       in the program: text that belongs to the clause of that name (or to a condition as below)
    #? name           at the end of a program's line: the line belongs to that clause
    #? !name          ... the line is for a program without the clause
    #? name=1         ... the line belongs to the second setting of the clause
    #? name|other     ... the line belongs to either clause
    #? name&other     ... the line belongs to both clauses together
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template as Places

SWITCH = re.compile(r"⟦(?:(\w+):)?(.*?)\|(.*?)⟧", re.DOTALL)
ARTICLE = re.compile(r"(\ba|^A|(?<=\. )A)n? (`?)([a-zA-Z])([a-z]{0,2})")
OPTION = re.compile(r"⟨([^:⟩]+):(.*?)⟩")
CONDITION = re.compile(r" *#\? (.+)$")

ClauseSettings = Mapping[str, int]
"""The clauses of a program, each with its setting: 0, or 1 for the second one of a clause that has two."""


@dataclass(frozen=True)
class TicketWorld:
    """A kind of task: its vocabulary, clauses and program."""

    name: str
    base: tuple[str, ...]
    """Clauses of every rung."""
    lines: str
    """What the input is, in a few words."""
    numbers: Mapping[str, list[int]]
    """The values of which each number is drawn."""
    scenes: tuple[Mapping[str, str | list[str]], ...]
    clauses: Mapping[str, tuple[str, ...]]
    """Wordings of each clause."""
    code: str
    language: str = "python"
    """`python` for the subset of it that is translated into all other languages but SQL, or `sql`."""
    schema: str = ""
    """Of SQL: the statements that create the tables."""

    def switches(self) -> list[str]:
        """Return the clauses that have two settings."""
        return [name for name, texts in self.clauses.items() if SWITCH.search(texts[0])]

    def program(self, settings: ClauseSettings, words: Mapping[str, str]) -> str:
        """Return the program of these settings, in the typed subset of Python."""
        lines = []
        for line in self.code.strip("\n").split("\n"):
            condition = CONDITION.search(line)
            if condition is None or _holds(condition[1], settings):
                lines.append(CONDITION.sub("", line))
        text = SWITCH.sub(lambda match: match[2 + settings[match[1]]] if match[1] in settings else "", "\n".join(lines))
        text = OPTION.sub(lambda match: match[2] if _holds(match[1], settings) else "", text)
        return Places(text).substitute(words) + "\n"


def _holds(condition: str, settings: ClauseSettings) -> bool:
    """Return True if a line with this condition belongs to the program."""
    for part in condition.split("&"):
        options = part.split("|")
        if not any(_matches(option, settings) for option in options):
            return False
    return True


def _matches(option: str, settings: ClauseSettings) -> bool:
    if option.startswith("!"):
        return option[1:] not in settings
    name, _, value = option.partition("=")
    return name in settings and (not value or settings[name] == int(value))


def clause_text(wording: str, setting: int, words: Mapping[str, str]) -> str:
    """Return a clause in one of its settings."""
    text = Places(SWITCH.sub(rf"\{2 + setting}", wording)).substitute(words)
    return ARTICLE.sub(_article, text)


def _article(match: re.Match[str]) -> str:
    """Return `a` or `an`, as the next word demands."""
    is_vowel = match[3].lower() in "aeio" or (match[3] == "u" and not match[4].startswith(("s", "ni")))
    return f"{match[1]}{'n' if is_vowel else ''} {match[2]}{match[3]}{match[4]}"


@cache
def read_worlds() -> tuple[TicketWorld, ...]:
    """Read all worlds, in the order of their file names."""
    worlds = []
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        worlds.append(
            TicketWorld(
                name=path.stem,
                base=tuple(values["base"]),
                lines=values["lines"],
                numbers=values["numbers"],
                scenes=tuple(values["scene"]),
                clauses={clause["name"]: tuple(clause["texts"]) for clause in values["clause"]},
                code=values["program"]["code"],
                language=values.get("language", "python"),
                schema=values.get("schema", ""),
            )
        )
    return tuple(worlds)
