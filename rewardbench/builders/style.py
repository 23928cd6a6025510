"""Core-style: the responses of core in four styles each, right and wrong ones in all combinations.

A program restyles both responses of a mirror of core: as they are; with a frame of confidence or doubt; long, with
neutral padding; or as bullets with bold words. Frame, padding and bold words are the same for both responses, so no
style says anything about the label, and each pair of styles occurs on both sides. Nothing is removed from a response.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.builders.build import Tick
from rewardbench.builders.check import Verification, verify_cells
from rewardbench.builders.draw import Rng
from rewardbench.builders.mirrors import Mirror, make_cell
from rewardbench.builders.suite_files import (
    MirrorSuite,
    fresh_draw,
    read_jsonl,
    read_suite,
    to_jsonl,
    version_of,
)
from rewardbench.errors import InputError
from rewardbench.paths import write_whole
from rewardbench.types import Messages
from rewardbench.verifiers import VERIFIERS, Cell

NAME, SEED = "core-style", 0
MOST_MIRRORS = 60
"""Largest number of mirrors of a subset."""
KINDS = {
    "facts": "fact",
    "focus": "advice",
    "dialogue": "advice",
    "pink-elephant": "recommendation",
    "refuse-or-help": "stance",
    "privacy-and-roles": "stance",
    "math": "calculation",
}
"""Subsets of core whose responses are restyled, and which texts of `style.toml` suit them."""
SUBSETS = tuple(KINDS)
MOST_BOLD = 3
"""Largest number of bold words in a response."""
FORMS = re.compile(
    r"\b(?:(?:in|one|two|three|four|five|single|few|\d) (?:short |plain )?(?:sentences?|words?|lines?)|brief(?:ly)?"
    r"|shortly|in short|short (?:answer|reply|working)|keep it|quick (?:answer|reply)"
    r"|max|at most \w+ (?:sentences?|words?|lines?)"
    r"|tl;?dr|bullets?|lists?|numbered|headings?|running text|paragraphs?|yes or no|just the|only the|nothing else"
    r"|(?:talk|speak) like|(?:re)?write|draft|compose|translate|rephrase|word for word|wording)\b",
    re.IGNORECASE,
)
"""Words of a prompt that ask for a form, or for a text that frame and padding would become a part of."""
TEXTS = re.compile(
    r"\b(?:text|message|letter|note|card|poem|riddle|slogan|title|caption|e-?mail|mail|reply|speech|toast|post|label|sign"
    r"|motto|story|announce|what do i (?:say|tell|answer))\b",
    re.IGNORECASE,
)
"""The same, where they occur in the system message or the last turn."""
ARTEFACT = re.compile(
    r"[\"“”„`*|#]|(?:^|\s)['‘]|^(?:Dear|Hello|Hi)\b|\b(?:Mr|Mrs|Ms|Dr|St|vs|etc|[A-Za-z])\.|^\s*(?:[-•(]|\w{1,2}[.)])",
    re.MULTILINE,
)
"""What a response has that is no plain prose, or whose sentences cannot be separated."""
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)|\n+")
WORD = re.compile(r"(?<![\w'’-])[a-z]{4,}(?![\w'’-])")


@dataclass(frozen=True)
class StyleTexts:
    """The content of `style.toml`."""

    kinds: Mapping[str, Mapping[str, Sequence[str]]]
    """Kind of content to place (confident or hedged frame, openings, middles, closings) to texts."""
    plain_words: frozenset[str]
    """Words that are never bold."""


@cache
def read_texts() -> StyleTexts:
    """Read the frames and the padding."""
    content = tomllib.loads(Path(__file__).with_name("style.toml").read_text(encoding="utf-8"))
    return StyleTexts(content["kinds"], frozenset(content["plain_words"].split()))


@dataclass(frozen=True)
class StyleParts:
    """What the styles of a mirror add to its responses."""

    tone: str
    """Tone of the frame: confident or hedged."""
    frame: str
    opening: str
    closing: str
    bold: frozenset[str]

    def styles(self, response: str) -> list[str]:
        """Return a response in each of CORE_STYLES, from plain to rich."""
        space = "\n\n" if "\n" in response else " "
        return [
            response,
            f"{self.frame}{space}{response}",
            f"{self.opening}{space}{response}{space}{self.closing}",
            self._bullets(response),
        ]

    def _bullets(self, response: str) -> str:
        """Return the sentences as bullets, with the first occurrence of each bold word in bold."""
        for word in sorted(self.bold):
            response = re.sub(rf"(?<![\w'’-]){word}(?![\w'’-])", f"**{word}**", response, count=1)
        return "\n".join(f"- {sentence}" for sentence in sentences(response))


def sentences(text: str) -> list[str]:
    """Split a text into its sentences.

    >>> sentences("It is 3.5 m. Is that much? No!")
    ['It is 3.5 m.', 'Is that much?', 'No!']
    """
    return SENTENCE_END.split(text)


def style_parts(mirror: Mirror) -> StyleParts:
    """Draw the style parts of a mirror; the same mirror always gets the same ones."""
    rng, texts = Rng(f"{NAME}/{SEED}/{mirror.group}"), read_texts().kinds[KINDS[mirror.subset]]
    tone = rng.pick(("confident", "hedged"))
    checked_words = set(re.findall(r"\w+", str(mirror.check).lower()))  # a name in bold would not be found
    shared = sorted((bold_words(str(mirror.x)) & bold_words(str(mirror.y))) - checked_words)
    return StyleParts(
        tone=tone,
        frame=rng.pick(texts[tone]),
        opening=f"{rng.pick(texts['openings'])} {rng.pick(texts['middles'])}",
        closing=" ".join(rng.sample(texts["closings"], 2)),
        bold=frozenset(rng.sample(shared, min(MOST_BOLD, len(shared)))),
    )


def bold_words(response: str) -> set[str]:
    """Return the words of a response that may be bold: in lower case, of four letters or more, and not too common."""
    return set(WORD.findall(response)) - read_texts().plain_words


def can_be_restyled(mirror: Mirror) -> bool:
    """Return True if every style suits both responses, and the prompts ask for no form."""
    for prompt in (mirror.a, mirror.b):
        everything = "\n".join(turn["content"] for turn in prompt)
        request = [turn["content"] for turn in (prompt[0], prompt[-1]) if turn["role"] != "assistant"]
        if FORMS.search(everything) or TEXTS.search("\n".join(request)):
            return False
    for response in (mirror.x, mirror.y):
        if not isinstance(response, str) or ARTEFACT.search(response) or len(sentences(response)) < 2:
            return False
    return True


@dataclass(frozen=True)
class StyleSuite:
    """Mirrors of core with restyled responses, by file."""

    mirrors: Mapping[str, Sequence[Mirror]]

    def size(self) -> int:
        """Return the number of rows."""
        return 2 * sum(map(len, self.mirrors.values()))

    def rows(self, section: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a file: those of core, with every response in four styles."""
        for mirror in self.mirrors[section]:
            parts = style_parts(mirror)
            for row in mirror.rows():
                chosen, rejected = str(row["chosen"]), str(row["rejected"])
                yield {
                    **row,
                    "frame": parts.tone,
                    "chosen": parts.styles(chosen),
                    "rejected": parts.styles(rejected),
                }

    def verify(self, tick: Tick = lambda: None) -> Verification:
        """Run the check of each mirror on its restyled responses; `tick` is called once for each kind of verifier."""
        cells: dict[str, list[Cell]] = {kind: [] for kind in VERIFIERS}
        for mirrors in self.mirrors.values():
            for mirror in mirrors:
                if mirror.check:
                    cells[mirror.check["kind"]] += restyled_cells(mirror)
        total = Verification(0, ())
        for kind, kind_cells in cells.items():
            total += verify_cells(kind, kind_cells)
            tick()
        return total


def restyled_cells(mirror: Mirror) -> Iterator[Cell]:
    """Yield every response of a mirror in every style, against both prompts."""
    parts = style_parts(mirror)
    halves: Sequence[tuple[str, Messages, object]] = (("a", mirror.a, mirror.x), ("b", mirror.b, mirror.y))
    for half, prompt, right in halves:
        for response in (mirror.x, mirror.y):
            for text in parts.styles(str(response)):
                yield make_cell(f"{mirror.group}-{half}", mirror.check[half], text, response == right, prompt)


def build_style_suite(core: MirrorSuite) -> StyleSuite:
    """Choose the mirrors of core-style among those of core."""
    chosen: dict[str, list[Mirror]] = {}
    for section, mirrors in core.mirrors.items():
        for subset in SUBSETS:
            suitable = [mirror for mirror in mirrors if mirror.subset == subset and can_be_restyled(mirror)]
            count = min(len(suitable), MOST_MIRRORS)
            positions = sorted(Rng(f"{NAME}/{SEED}/{subset}").sample(range(len(suitable)), count))
            chosen.setdefault(section, []).extend(map(suitable.__getitem__, positions))
    return StyleSuite({section: mirrors for section, mirrors in chosen.items() if mirrors})


def write_style_suite(suite: StyleSuite, folder: Path, version: str) -> None:
    """Write core-style into a data folder; its VERSION is written last."""
    for section in suite.mirrors:
        write_whole(folder / NAME / f"{section}.jsonl", to_jsonl(suite.rows(section)))
    write_whole(folder / NAME / "VERSION", f"{version}\n")


def read_style_suite(folder: Path) -> StyleSuite:
    """Read core-style from a data folder.

    Raises:
        InputError: if a file cannot be read, or its rows are not those that the program makes of the folder's core.
    """
    suite = build_style_suite(read_suite(folder))
    for section in suite.mirrors:
        path = folder / NAME / f"{section}.jsonl"
        if read_jsonl(path) != json.loads(json.dumps(list(suite.rows(section)))):
            raise InputError(f"{path} differs from what the program makes of core: run rewardbench data build {NAME}.")
    return suite


def fresh_draw_of_any(name: str, seed: int) -> Path:
    """Return the folder of the rows of a fresh draw, built at the first call and kept in the user's cache.

    That of core-style is a fresh draw of core, restyled.

    Args:
        name: the suite.
        seed: the user's seed.
    """
    if name != NAME:
        return fresh_draw(name, seed)
    folder = fresh_draw("core", seed).parent
    if not (folder / NAME / "VERSION").exists():
        write_style_suite(build_style_suite(read_suite(folder)), folder, version_of(folder, "core"))
    return folder / NAME


def read_any_suite(folder: Path, name: str) -> MirrorSuite | StyleSuite:
    """Read a suite from a data folder, to verify it.

    Raises:
        InputError: if a file is missing or damaged, or rows and checks differ.
    """
    return read_style_suite(folder) if name == NAME else read_suite(folder, name)
