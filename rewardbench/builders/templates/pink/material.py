"""What pink elephants are made of: topics with contrasting pairs and dialogues, rules, and how names go into texts."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rewardbench.errors import InputError

HERE = Path(__file__).parent
PLACE = re.compile(r"(?:\b(?P<article>[Aa])n? )?\{(?P<name>\w+)\}")
SENTENCE_START = re.compile(r"(?:^|[.!?…]\s+|\n)[\"“‘'(]*$")
ARTICLE = re.compile(r"\b(?:an?|the) (?=\{[xy]\})", re.IGNORECASE)
SIDE_BY_SIDE = re.compile(r"\{[xy]\},? (?:or|and|w|vs|versus|against) (?:an? |the )?\{[xy]\}")
GREETING = re.compile(r"(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|bonjour|morning|greetings|dear)\b", re.I)
MANNERS = ("casual", "greeting", "plain")
"""How a user writes: without capitals, with a greeting first, or as most do."""
SPOKEN_AS_YOU = ("uni", "uku", "use", "uti", "eu", "one", "once")


@dataclass(frozen=True)
class Thing:
    """Something that can be named, and the other names that count as naming it."""

    name: str
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Its name and the others."""
        return [self.name, *self.aliases]

    def to_json(self) -> dict[str, Any]:
        """As it stands in requests and answers."""
        return {"name": self.name, "aliases": list(self.aliases)}


@dataclass(frozen=True)
class Pair:
    """Two things of a kind; `trap` is a sentence that holds the name of `trap_of` inside another word.

    `definite`: one speaks of the cello and the banjo, but of Lisbon and Porto.
    """

    one: Thing
    other: Thing
    kind: str
    trap: str = ""
    trap_of: str = "one"
    definite: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it stands in answers."""
        return {**vars(self), "one": self.one.to_json(), "other": self.other.to_json()}


@dataclass(frozen=True)
class Frame:
    """A dialogue that ends with the user, and replies to it: on {x}, on {y}, and on {x} with a good word for {y}."""

    turns: tuple[str, ...]
    on_x: str
    on_y: str
    both_x: str

    @property
    def texts(self) -> list[str]:
        """All of them."""
        return [*self.turns, self.on_x, self.on_y, self.both_x]

    @property
    def manner(self) -> str:
        """Which of MANNERS the user has."""
        if casual(" ".join(self.turns[::2])):
            return "casual"
        return "greeting" if GREETING.match(self.turns[0]) else "plain"

    @property
    def even(self) -> bool:
        """Whether the user puts {x} and {y} side by side or names neither, so that each reply can be on either."""
        return not re.search(r"\{[xy]\}", SIDE_BY_SIDE.sub("", " ".join(self.turns)))


@dataclass(frozen=True)
class Topic:
    """A field with its pairs and frames; its pool says whether it is for the suite or for training."""

    name: str
    pool: str
    pairs: tuple[Pair, ...]
    frames: tuple[Frame, ...]

    @property
    def marks(self) -> set[str]:
        """What no topic of the other pool may share: its name, its kinds, the names of its things."""
        things = [name for pair in self.pairs for thing in (pair.one, pair.other) for name in thing.names]
        return {word.lower() for word in (self.name, *(pair.kind for pair in self.pairs), *things)}


@dataclass(frozen=True)
class Rule:
    """One voice: the rule that forbids {x} and wants {y}, a decoy that wants or permits {x}, a line on neither."""

    who: str
    rule: str
    decoy: str
    neutral: str
    ok: str = ""
    """The assistant's answer, where the rule is the user's first turn and not the system's."""
    permits: bool = False
    """Whether the decoy merely allows {x}, so that the user has to ask for it."""
    reworded: bool = False
    """Kept out of training draws."""
    special: bool = False
    """Said where questions of every sort come in, each in one turn: not for longer dialogues."""

    @property
    def forbidden_first(self) -> bool:
        """Whether {x} stands before {y}."""
        return self.rule.index("{x}") < self.rule.index("{y}")

    def suits(self, manner: str, alone: bool) -> bool:
        """Whether it goes before a dialogue; a rule that the user types wants one in the same manner, not yet greeted.

        >>> Rule("{rule}", "no {x}, just {y}", "", "", ok="Fine.").suits("casual", alone=False)
        True
        """
        own = "casual" if casual(self.who + self.rule) else "plain"
        return (alone or not self.special) and (not self.ok or own == manner)

    def says(self, side: str) -> str:
        """The whole text with its rule, decoy or neutral line in place."""
        return self.who.replace("{rule}", getattr(self, side))


@dataclass(frozen=True)
class Ask:
    """How the user makes plain that {x} is wanted: at the end of the last turn, or after the assistant's `reply`."""

    say: str
    reply: str = ""
    mild: bool = False
    """Whether it leaves room for a good word on the other thing."""


def parse_thing(value: Any) -> Thing:
    """Raises ValueError where it is none."""
    name, aliases = value["name"], value.get("aliases", [])
    if not (isinstance(name, str) and name and all(isinstance(alias, str) and alias for alias in aliases)):
        raise ValueError(f"{value!r} is not a name with aliases")
    return Thing(name, tuple(aliases))


def parse_pair(value: Any) -> Pair:
    """Raises ValueError, KeyError or TypeError where it is none."""
    trap, of = value.get("trap", ""), value.get("trap_of", "one")
    if not (isinstance(value["kind"], str) and isinstance(trap, str) and of in ("one", "other")):
        raise ValueError(f"{value!r} is not a pair")
    return Pair(
        parse_thing(value["one"]), parse_thing(value["other"]), value["kind"], trap, of, value.get("definite") is True
    )


def _parse_topic(value: Mapping[str, Any]) -> Topic:
    frames = tuple(
        Frame(tuple(frame["turns"]), frame["on_x"], frame["on_y"], frame["both_x"]) for frame in value.get("frame", ())
    )
    pairs = (parse_pair({"definite": definite(frames), **pair}) for pair in value.get("pair", ()))
    return Topic(value["name"], value["pool"], tuple(pairs), frames)


def definite(frames: Sequence[Frame]) -> bool:
    """Whether the names of these texts mostly go with an article."""
    text = " ".join(text for frame in frames for text in frame.texts)
    return 2 * len(ARTICLE.findall(text)) > len(re.findall(r"\{[xy]\}", text))


@cache
def read_topics(paths: tuple[Path, ...] | None = None) -> tuple[Topic, ...]:
    """The topics of all `topics_*.toml` here, or of the files given.

    A topic for training that shares its name, a kind or a thing with one of the suite is left out.
    Raises: InputError where two topics of a pool have the same name.
    """
    files = paths if paths is not None else tuple(sorted(HERE.glob("topics_*.toml")))
    found = [topic for path in files for topic in tomllib.loads(path.read_text(encoding="utf-8"))["topic"]]
    topics = tuple(map(_parse_topic, found))
    twice = [key for key, n in Counter((topic.pool, topic.name) for topic in topics).items() if n > 1]
    if twice:
        raise InputError(f"Two topics of the pool {twice[0][0]} are called {twice[0][1]!r}: rename one of them.")
    taken = {word for topic in topics if topic.pool == "suite" for word in topic.marks}
    return tuple(topic for topic in topics if topic.pool == "suite" or not topic.marks & taken)


@cache
def read_rules() -> tuple[tuple[Rule, ...], tuple[Ask, ...], tuple[str, ...]]:
    """Rules, ways to ask, and invented names of houses."""
    told = tomllib.loads((HERE / "rules.toml").read_text(encoding="utf-8"))
    rules, asks = (Rule(**rule) for rule in told["rule"]), (Ask(**ask) for ask in told["ask"])
    return tuple(rules), tuple(asks), tuple(told["brands"])


def casual(template: str) -> bool:
    """Whether somebody typed it without capitals.

    >>> casual("so which one, {x} or {y}? i like both"), casual("Which one?")
    (True, False)
    """
    letters = re.sub(r"\{\w+\}", "", template)
    return letters == letters.lower()


def lowered(template: str) -> str:
    """The same in lower case, but for its places.

    >>> lowered("I'd take {x}.")
    "i'd take {x}."
    """
    return "".join(part if part.startswith("{") else part.lower() for part in re.split(r"(\{\w+\})", template))


def article(word: str) -> str:
    """Which of a and an goes before a word.

    >>> article("island"), article("ukulele"), article("fox")
    ('an', 'a', 'a')
    """
    low = word.lower()
    return "an" if low[:1] in tuple("aeiou") and not low.startswith(SPOKEN_AS_YOU) else "a"


def fill(template: str, names: Mapping[str, str]) -> str:
    """A template with its places filled, articles and the capitals of first words put right.

    >>> fill("A {kind}? {x} is an {kind}.", {"kind": "island", "x": "ale"})
    'An island? Ale is an island.'
    """
    typed = casual(template)

    def put(found: re.Match[str]) -> str:
        word = names[found["name"]]
        if found["article"]:
            return f"{found['article']}{article(word)[1:]} {word}"
        return word[0].upper() + word[1:] if not typed and SENTENCE_START.search(template[: found.start()]) else word

    return PLACE.sub(put, template)


def fill_turns(turns: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Every turn of a dialogue filled."""
    return [fill(turn, names) for turn in turns]
