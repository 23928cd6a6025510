"""Grammar of the offline generator: templates with places, whose choices can be changed one at a time.

A template has places: `{noun}` is replaced by one of the alternatives of the symbol `noun`, `{hero!}` by the same one
in the whole text, and `{=A}` by a word of rhyme family A, which is chosen once for the text. The alternatives of a
symbol are those of the text's row category, its column category, its scene, or else of "common". A choice is identified
by its path from the symbol `start`, so that changing one choice leaves the others as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from rewardbench.analysis.map.domains import Domain, MapCell, TemplateGrammar
from rewardbench.errors import InputError

_PLACE = re.compile(r"\{(=?)(\w+)(!?)\}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeioAEIO]|u(?!n[ai]|s[ae]))")
_LINE_START = re.compile(r"^(\W*)([a-z])", re.MULTILINE)
_SENTENCE_START = re.compile(r"([.!?]\s+)([a-z])")
MAX_DEPTH = 12
"""Maximum depth of nested symbols."""


@dataclass(frozen=True)
class Genome:
    """The choices of a text: of `seed`, but for `changes`, which has the number of each changed choice by its path."""

    cell: MapCell
    seed: int
    changes: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> list[object]:
        """Return the genome as JSON values."""
        return [*self.cell, self.seed, dict(self.changes)]

    @classmethod
    def from_json(cls, values: object) -> Genome:
        """Read what `to_json` returned.

        Raises:
            ValueError: if the values are of another form.
        """
        if not (isinstance(values, list) and len(values) == 4 and isinstance(values[3], dict)):
            raise ValueError("not a genome")
        return cls((str(values[0]), str(values[1])), int(values[2]), values[3])


@dataclass
class _Rendering:
    """State of one rendering."""

    genome: Genome
    scopes: Sequence[Mapping[str, Sequence[str]]]
    rhyme: Mapping[str, Sequence[str]]
    sites: list[str] = field(default_factory=list)
    used: dict[str, set[int]] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    """Choices that are the same in the whole text, by their path."""

    def choose(self, path: str, symbol: str, alternatives: Sequence[str]) -> str:
        """Choose an alternative; one that the text does not have yet, if there is one."""
        count = len(alternatives)
        if count == 1:
            return alternatives[0]
        self.sites.append(path)
        number = self.genome.changes.get(path)
        if number is None:
            number = _number(self.genome.seed, path)
        used = self.used.setdefault(symbol, set())
        if len(used) == count:
            used.clear()
        index = number % count
        while index in used:
            index = (index + 1) % count
        used.add(index)
        return alternatives[index]

    def alternatives(self, symbol: str) -> Sequence[str]:
        """Return the alternatives of a symbol."""
        for scope in self.scopes:
            if symbol in scope:
                return scope[symbol]
        raise InputError(f"The templates have no symbol {symbol!r} for {' and '.join(self.genome.cell)}.")

    def expand(self, symbol: str, path: str, depth: int = 0) -> str:
        """Return a text of a symbol."""
        if depth > MAX_DEPTH:
            raise InputError(f"The templates nest deeper than {MAX_DEPTH} symbols at {symbol!r}: a symbol has itself.")
        template = self.choose(path, symbol, self.alternatives(symbol))
        pieces: list[str] = []
        end = 0
        for number, match in enumerate(_PLACE.finditer(template)):
            pieces += (template[end : match.start()], self._fill(match, f"{path}/{number}", depth))
            end = match.end()
        return "".join((*pieces, template[end:]))

    def _fill(self, match: re.Match[str], path: str, depth: int) -> str:
        is_rhyme, symbol, is_shared = match.groups()
        if is_rhyme:
            if symbol not in self.shared:
                self.shared[symbol] = self.choose(f"={symbol}", "=", sorted(self.rhyme))
            family = self.shared[symbol]
            return self.choose(f"{path}={symbol}", f"={family}", self.rhyme[family])
        if not is_shared:
            return self.expand(symbol, f"{path}{symbol}", depth + 1)
        path = f"!{symbol}"
        if path not in self.shared:
            self.shared[path] = self.expand(symbol, path, depth + 1)
        return self.shared[path]


def _number(seed: int, path: str) -> int:
    return int.from_bytes(blake2b(f"{seed} {path}".encode(), digest_size=6).digest())


class Grammar:
    """Renders and mutates genomes of a domain.

    Raises:
        InputError: if the domain has no templates.
    """

    def __init__(self, domain: Domain) -> None:
        if domain.content.templates is None:
            raise InputError(f"The domain {domain.name} has no table [templates]: name another --generator.")
        self._templates: TemplateGrammar = domain.content.templates

    def render(self, genome: Genome) -> tuple[str, list[str]]:
        """Render a genome.

        Returns:
            The text, and the paths of its choices.

        Raises:
            InputError: if a template has a symbol without alternatives.
        """
        templates = self._templates
        names = list(genome.cell)
        sites: list[str] = []
        if templates.scene:
            number = genome.changes.get("!scene", _number(genome.seed, "!scene"))
            names.append(templates.scene[number % len(templates.scene)])
            sites.append("!scene")
        scopes = [templates.scope[name] for name in (*names, "common") if name in templates.scope]
        rendering = _Rendering(genome, scopes, templates.rhyme, sites)
        text = rendering.expand("start", "")
        text = _ARTICLE.sub(r"\1n ", text)
        text = _LINE_START.sub(lambda match: match[1] + match[2].upper(), text)
        text = _SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), text)
        return text, rendering.sites

    def mutate(self, genome: Genome, cell: MapCell, rng: np.random.Generator) -> Genome:
        """Return a genome with one or a few other choices, in a cell.

        The number of changes is 1 plus a geometric number with mean 1/2; a genome that moves to another cell keeps the
        choices whose paths exist there.
        """
        _, sites = self.render(genome)
        count = min(int(rng.geometric(2 / 3)), len(sites))
        changes = dict(genome.changes)
        for position in rng.choice(len(sites), count, replace=False):
            changes[sites[int(position)]] = int(rng.integers(2**31))
        return Genome(cell, genome.seed, changes)
