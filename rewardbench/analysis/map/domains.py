r"""Domains of maps: two attributes of a text, the prompts that ask for it, and rules that read its cell.

A domain is a TOML file; those of this package are in `domain_files`, and a user may write one:

    title = "Poems by genre and tone"
    prompt = "Write a poem."                 # under which the reward model scores each text
    max_tokens = 200                         # of a generated text
    [requests]                               # what a language model is asked for
    free = "Write a short poem."
    target = "Write a {tone} {genre}."
    rewrite = "Write another version of this {tone} {genre}, and change a few words:\n\n{text}"
    move = "Turn this text into a {tone} {genre}:\n\n{text}"
    [[attribute]]
    name = "genre"
    label = "This poem is a {category}."     # which a reward model scores if it reads the cell
    [[attribute.category]]
    name = "haiku"
    lines = [3, 3]
    [[attribute]]
    name = "tone"
    by = "words"                             # the category with most words of its list
    [[attribute.category]]
    name = "happy"
    words = "laugh sunny dance"
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from string import Formatter
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rewardbench.errors import InputError
from rewardbench.paths import home_path

FOLDER = Path(__file__).parent / "domain_files"
MAX_BYTES = 2**22
"""Maximum size of a domain file."""
RESERVED = {"run", "text", "reward", "iteration", "parent"}
"""Fields of the archive, which cannot be names of attributes."""
MapCell = tuple[str, str]
"""The category of a text in the first attribute, the rows of the map, and in the second, its columns."""
Alternatives = Sequence[str]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CategoryRule(_Table):
    """A category, and how rules notice it: all conditions that are given must hold."""

    name: str = Field(pattern=r"^\w[\w '/-]*$", max_length=30)
    phrase: str = ""
    """What requests call the category; empty: its name."""
    words: str = ""
    """Words that belong to the category, with spaces between them."""
    min_words: int = Field(default=1, ge=0)
    """Number of `words` that a text must have, for an attribute by "first"."""
    lines: tuple[int, int] | None = None
    """Smallest and largest number of lines."""
    line_multiple: int = Field(default=1, ge=1)
    """Number of lines of a stanza, of which the number of lines is a multiple."""
    syllables: tuple[int, ...] = ()
    """Syllables of each line."""
    tolerance: int = Field(default=1, ge=0)
    """Largest difference of the syllables of a line."""
    rhyme: str = ""
    """Rhyme scheme, such as AABBA, repeated for each stanza."""
    rhyme_share: float = Field(default=0.6, gt=0, le=1)
    """Smallest share of the scheme's rhymes."""
    prior: float = Field(default=1.0, gt=0)
    """Weight of the category when the template generator samples freely."""

    @cached_property
    def word_set(self) -> frozenset[str]:
        """Return `words` as a set, in lower case."""
        return frozenset(self.words.lower().split())


class Attribute(_Table):
    """An attribute of a text."""

    name: str = Field(pattern=r"^[a-z][a-z_]*$", max_length=30)
    by: Literal["first", "words"] = "first"
    """first: the first category whose conditions hold. words: the one with most of its words, if it is the only one."""
    default: str | None = None
    """Category of a text that no rule matches; None: its cell is unknown."""
    label: str = ""
    """Sentence with the place {category}, which a reward model scores if it reads the cell."""
    category: tuple[CategoryRule, ...] = Field(min_length=2, max_length=20)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the categories."""
        return tuple(category.name for category in self.category)

    def rule(self, name: str) -> CategoryRule:
        """Return a category by its name."""
        return self.category[self.names.index(name)]

    @model_validator(mode="after")
    def _check(self) -> Attribute:
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"two categories of {self.name} have the same name")
        if self.default is not None and self.default not in self.names:
            raise ValueError(f"the default {self.default!r} of {self.name} is not a category")
        _check_places("label", self.label, {"category"})
        return self


class RequestTexts(_Table):
    """What a language model is asked for; places are the names of both attributes, and {text}, the parent."""

    free: str
    target: str
    rewrite: str
    move: str


class TemplateGrammar(_Table):
    """Templates of the offline generator; see `grammar`."""

    scene: tuple[str, ...] = ()
    """Names of scopes, of which a text has one."""
    rhyme: dict[str, Alternatives] = {}
    """Words that end lines, by the family in which all rhyme."""
    scope: dict[str, dict[str, Alternatives]] = {}
    """Symbols with their alternatives, by the category, the scene or "common" in which they apply."""


class PlantedWeights(_Table):
    """Known weights of the planted reward: one for each category, and the scale of the share of favoured words."""

    scale: float = Field(default=2.0, gt=0)
    weights: dict[str, float]


class DomainFile(_Table):
    """Content of a domain file."""

    title: str
    prompt: str
    max_tokens: int = Field(default=200, ge=1, le=8192)
    requests: RequestTexts
    attribute: tuple[Attribute, Attribute]
    templates: TemplateGrammar | None = None
    planted: PlantedWeights | None = None

    @model_validator(mode="after")
    def _check(self) -> DomainFile:
        rows, columns = self.attribute
        if rows.name == columns.name:
            raise ValueError(f"both attributes have the name {rows.name}")
        if reserved := RESERVED & {rows.name, columns.name}:
            raise ValueError(f"an attribute has the name {min(reserved)}, which is a field of the archive")
        places = {rows.name, columns.name}
        requests = self.requests
        _check_places("free", requests.free, set())
        _check_places("target", requests.target, places)
        for name, text in (("rewrite", requests.rewrite), ("move", requests.move)):
            _check_places(name, text, {*places, "text"})
            if "{text}" not in text:
                raise ValueError(f"{name} does not have the place {{text}}")
        if shared := set(rows.names) & set(columns.names):
            raise ValueError(f"{min(shared)} is a category of both attributes")
        if self.planted and (missing := {*rows.names, *columns.names} - self.planted.weights.keys()):
            raise ValueError(f"planted.weights has no weight of {min(missing)}")
        return self


def _check_places(name: str, text: str, places: set[str]) -> None:
    for _, place, form, conversion in Formatter().parse(text):
        if form or conversion:
            raise ValueError(f"{name} has a place with a format: write {{{place}}}")
        if place is not None and place not in places:
            expected = ", ".join(f"{{{known}}}" for known in sorted(places)) or "no place"
            raise ValueError(f"{name} has the place {{{place}}}, and may have {expected}")


@dataclass(frozen=True)
class Domain:
    """A domain with its name and the digest of its file."""

    name: str
    content: DomainFile
    digest: str

    @property
    def rows(self) -> Attribute:
        """Return the first attribute."""
        return self.content.attribute[0]

    @property
    def columns(self) -> Attribute:
        """Return the second attribute."""
        return self.content.attribute[1]

    @cached_property
    def cells(self) -> list[MapCell]:
        """Return all cells, row by row."""
        return list(product(self.rows.names, self.columns.names))

    def request(self, text: str, cell: MapCell, parent: str = "") -> str:
        """Fill the places of a request."""
        values = {"text": parent}
        for attribute, name in zip(self.content.attribute, cell, strict=True):
            values[attribute.name] = attribute.rule(name).phrase or name
        return text.format_map(values)


def load_domain(name: str) -> Domain:
    """Read a domain of this package by its name, or the file of a user.

    Raises:
        InputError: if there is no such domain, or its file is not valid.
    """
    path = FOLDER / f"{name}.toml" if name.isidentifier() else home_path(name)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.toml")))
        raise InputError(f"There is no domain {name!r}: name {known.replace(', ', ' or ')}, or a .toml file.")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES >> 20} MiB: it is not a domain.")
    raw = path.read_bytes()
    try:
        content = DomainFile.model_validate(tomllib.loads(raw.decode()))
    except ValidationError as error:
        raise InputError(f"The domain {path} is not valid: {_first_problem(error)}.") from None
    except ValueError as error:
        raise InputError(f"The domain {path} is not TOML: {' '.join(str(error).split())}.") from None
    return Domain(path.stem, content, hashlib.sha256(raw).hexdigest()[:12])


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(map(str, problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{place}: {message}" if place else message


def category_weights(attribute: Attribute) -> list[float]:
    """Return the share of each category when texts are sampled freely."""
    total = sum(category.prior for category in attribute.category)
    return [category.prior / total for category in attribute.category]


def planted_weights(domain: Domain) -> Mapping[str, float]:
    """Return the planted weight of each category.

    Raises:
        InputError: if the domain has none.
    """
    if domain.content.planted is None:
        raise InputError(f"The domain {domain.name} has no table [planted]: name a reward model with --model.")
    return domain.content.planted.weights
