"""The mirror: two prompts, two responses, each response right for one prompt only; and its form on disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewardbench.errors import InputError
from rewardbench.types import Message, Messages

TWIN = re.compile(r"\[\[(.*?)\|(.*?)\]\]", re.DOTALL)


@dataclass(frozen=True)
class Mirror:
    """`x` is right for prompt `a` and wrong for `b`, `y` the other way round; it makes two preference pairs."""

    subset: str
    edit: str
    """One line: what differs between the prompts, and so turns the preference."""
    a: Messages
    b: Messages
    x: str
    y: str
    check: Mapping[str, Any] = field(default_factory=dict)
    """What a program needs to tell right from wrong: its `kind`, and what holds for `a` and for `b`; else empty."""
    source: Mapping[str, Any] = field(default_factory=dict)
    """Where it came from: builder, mould, seed, index; empty for a mirror written by hand."""
    group: str = ""

    def swapped(self) -> Mirror:
        """The same mirror with its halves exchanged."""
        check = dict(self.check)
        if check:
            check |= {"a": check["b"], "b": check["a"]}
        return Mirror(self.subset, self.edit, self.b, self.a, self.y, self.x, check, self.source, self.group)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Its two preference pairs, as rows of a dataset."""
        origin = "built" if self.source else "written"
        for half, prompt, chosen, rejected in (("a", self.a, self.x, self.y), ("b", self.b, self.y, self.x)):
            yield {
                "id": f"{self.group}-{half}",
                "subset": self.subset,
                "group": self.group,
                "origin": origin,
                "prompt": list(prompt),
                "chosen": chosen,
                "rejected": rejected,
            }


def chat(*turns: str, system: str = "") -> Messages:
    """Turns of user and assistant in alternation, behind a system message where there is one.

    >>> chat("Hello", system="Be kind.")
    ({'role': 'system', 'content': 'Be kind.'}, {'role': 'user', 'content': 'Hello'})
    """
    head = (Message(role="system", content=system),) if system else ()
    roles = ("user", "assistant")
    return head + tuple(Message(role=roles[n % 2], content=turn) for n, turn in enumerate(turns))


def variants(template: str) -> tuple[str, str]:
    """Both readings of a text whose `[[one|other]]` places differ.

    >>> variants("at [[least|most]] {k} of [[them|those]]")
    ('at least {k} of them', 'at most {k} of those')
    """
    return TWIN.sub(r"\1", template), TWIN.sub(r"\2", template)


def from_json(value: Mapping[str, Any]) -> Mirror:
    """A mirror from what `to_json` wrote."""
    fields = {**value, "edit": value["hinge"], "a": tuple(value["a"]), "b": tuple(value["b"])}
    del fields["hinge"]
    return Mirror(**fields)


def read_mirrors(path: Path) -> list[Mirror]:
    """The mirrors of a file, one JSON object a line. Raises InputError where a line is not a mirror."""
    mirrors = []
    for n, line in enumerate(read_lines(path), 1):
        try:
            mirrors.append(from_json(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}, line {n} is not a mirror: {error}.") from error
    return mirrors


def read_lines(path: Path) -> list[str]:
    """The lines of a file of JSON; other separators of lines, which JSON leaves as they are, end none."""
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def to_json(mirror: Mirror) -> str:
    """One line of a file of mirrors; what is empty is left out."""
    value = {
        "group": mirror.group,
        "subset": mirror.subset,
        "hinge": mirror.edit,
        "a": mirror.a,
        "b": mirror.b,
        "x": mirror.x,
        "y": mirror.y,
        "check": mirror.check,
        "source": mirror.source,
    }
    return json.dumps({name: held for name, held in value.items() if held}, ensure_ascii=False)


def to_lines(mirrors: Iterable[Mirror]) -> str:
    """A whole file of mirrors."""
    return "".join(to_json(mirror) + "\n" for mirror in mirrors)
