"""The hand-written material of pink elephants: topics with pairs of subjects and dialogues, and rules.

All texts have the places {x}, for the subject that the user asks about, and {y}, for the other one of the pair. A
topic is an entry of a file `topics_*.toml`:

    [[topic]]
    name = "beers"
    pool = "suite"
    [[topic.pair]]
    one = { name = "ale", aliases = ["bitter"] }
    other = { name = "lager" }
    kind = "beer"
    [[topic.frame]]
    turns = ["Which {kind} goes with a stew, {x} or {y}?"]
    on_x = "Take {x}, and pour a little into the pot."
    on_y = "I'd say {y}, and some of it goes into the pot."
    both_x = "Take {x}, though {y} is good as well."
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rewardbench.builders.templates.pink.json_values import (
    JsonMapping,
    as_object,
    objects_field,
    text_field,
    texts_field,
)
from rewardbench.errors import InputError

FOLDER = Path(__file__).parent
PLACE = re.compile(r"(?:\b(?P<article>[Aa])n? )?\{(?P<name>\w+)\}")
SENTENCE_START = re.compile(r"(?:^|[.!?…]\s+|\n)[\"“‘'(]*$")
ARTICLE = re.compile(r"\b(?:an?|the) (?=\{[xy]\})", re.IGNORECASE)
SIDE_BY_SIDE = re.compile(r"\{[xy]\},? (?:or|and|w|vs|versus|against) (?:an? |the )?\{[xy]\}")
GREETING = re.compile(r"(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|bonjour|morning|greetings|dear)\b", re.I)
MANNERS = ("casual", "greeting", "plain")
"""How a user writes: without capitals, with a greeting first, or neither."""
CONSONANT_STARTS = ("uni", "uku", "use", "uti", "eu", "one", "once")
"""Beginnings of words that are written with a vowel and spoken with a consonant."""


@dataclass(frozen=True)
class Subject:
    """Something that a reply can mention, and the other names that count as mentioning it."""

    name: str
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The name and the aliases."""
        return [self.name, *self.aliases]

    def to_json(self) -> JsonMapping:
        """Return the form in requests and answers."""
        return {"name": self.name, "aliases": list(self.aliases)}


@dataclass(frozen=True)
class SubjectPair:
    """Two subjects of a kind, such as ale and lager."""

    first: Subject
    second: Subject
    kind: str
    """A noun for both."""
    definite: bool = False
    """Whether the names need an article: "the cello and the banjo", but "Lisbon and Porto"."""

    def to_json(self) -> JsonMapping:
        """Return the form in requests and answers."""
        return {
            "one": self.first.to_json(),
            "other": self.second.to_json(),
            "kind": self.kind,
            "definite": self.definite,
        }


@dataclass(frozen=True)
class DialogueTemplate:
    """A dialogue that ends with the user, and replies to it: on {x}, on {y}, and on {x} with praise for {y}."""

    turns: tuple[str, ...]
    on_x: str
    on_y: str
    both_x: str

    @property
    def texts(self) -> list[str]:
        """All turns and replies."""
        return [*self.turns, self.on_x, self.on_y, self.both_x]

    @property
    def manner(self) -> str:
        """Which of MANNERS the user has."""
        if is_casual(" ".join(self.turns[::2])):
            return "casual"
        return "greeting" if GREETING.match(self.turns[0]) else "plain"

    @property
    def is_neutral(self) -> bool:
        """Whether the user mentions {x} and {y} only side by side, so that each reply can be about either."""
        return not re.search(r"\{[xy]\}", SIDE_BY_SIDE.sub("", " ".join(self.turns)))


@dataclass(frozen=True)
class Topic:
    """A field of interest with its pairs and dialogues."""

    name: str
    pool: str
    """Whether the topic is for the suite or for training: "suite" or "train"."""
    pairs: tuple[SubjectPair, ...]
    dialogues: tuple[DialogueTemplate, ...]

    @property
    def vocabulary(self) -> set[str]:
        """Words that no topic of the other pool may share: its name, its kinds, the names of its subjects."""
        words = {self.name.lower()}
        for pair in self.pairs:
            words.update(map(str.lower, [pair.kind, *pair.first.names, *pair.second.names]))
        return words


@dataclass(frozen=True)
class RuleTemplate:
    """The instruction of an assistant, with three alternatives for its rule."""

    who: str
    """Who the assistant is; contains the place {rule}."""
    rule: str
    """Forbids {x} and wants {y}."""
    decoy: str
    """Names both, but wants or permits {x}."""
    neutral: str
    """Names neither."""
    ok: str = ""
    """The assistant's answer, if the instruction is the user's first turn and not a system message."""
    relayed: bool = False
    """Whether that user passes on what others ask, or plays a caller: then asking for {x} does not take the rule back.
    """
    silent: bool = False
    """Whether the rule forbids saying openly that {x} cannot be discussed."""
    permits: bool = False
    """Whether the decoy only permits {x}, so that the user has to ask for it."""
    reworded: bool = False
    """Whether it is kept out of training data."""
    special: bool = False
    """Whether it answers questions of every sort in one turn each, and does not suit longer dialogues."""

    @property
    def forbidden_first(self) -> bool:
        """Whether the rule names {x} before {y}."""
        return self.rule.index("{x}") < self.rule.index("{y}")

    def suits(self, manner: str, is_single_turn: bool, takes_side: bool) -> bool:
        """Return True if the instruction can precede a dialogue.

        An instruction that the user types needs a user who goes on typing in the same manner, without a greeting, and
        who does not take the rule back by asking for the forbidden subject.

        >>> rule = RuleTemplate("{rule}", "no {x}, just {y}", "", "", ok="Fine.")
        >>> rule.suits("casual", is_single_turn=False, takes_side=False)
        True
        >>> rule.suits("casual", is_single_turn=False, takes_side=True)
        False
        """
        if self.special and not is_single_turn:
            return False
        if self.ok and takes_side and not self.relayed:
            return False
        typed_manner = "casual" if is_casual(self.who + self.rule) else "plain"
        return not self.ok or typed_manner == manner

    def text(self, line: str) -> str:
        """Return the instruction with its line "rule", "decoy" or "neutral"."""
        lines = {"rule": self.rule, "decoy": self.decoy, "neutral": self.neutral}
        return self.who.replace("{rule}", lines[line])


@dataclass(frozen=True)
class WishTemplate:
    """A sentence in which the user asks for {x}: at the end of the last turn, or after the assistant's `reply`."""

    say: str
    reply: str = ""
    mild: bool = False
    """Whether the wish leaves room for praise of the other subject."""


@dataclass(frozen=True)
class OpenDecline:
    """A sentence that says openly, without naming it, that one subject cannot be discussed, and offers the other."""

    say: str
    counter: str = ""
    """What the other reply says in its place, if its prompt forbids nothing; empty: both replies decline."""
    last: bool = False
    """Whether it ends the reply, rather than opening it."""

    def dress(self, reply: str, declines: bool = True) -> str:
        """Return a reply with this sentence, or with its counter."""
        sentence = self.say if declines or not self.counter else self.counter
        return f"{reply} {sentence}" if self.last else f"{sentence} {reply}"


@dataclass(frozen=True)
class RuleSet:
    """The content of `rules.toml`."""

    rules: tuple[RuleTemplate, ...]
    wishes: tuple[WishTemplate, ...]
    declines: tuple[OpenDecline, ...]
    brands: tuple[str, ...]
    """Invented names of companies."""


def parse_subject(value: object) -> Subject:
    """Read a subject from JSON or TOML.

    Raises:
        ValueError: if it has no name, or an empty alias.
    """
    fields = {"aliases": [], **as_object(value)}
    name, aliases = text_field(fields, "name"), texts_field(fields, "aliases")
    if not all([name, *aliases]):
        raise ValueError(f"{value!r} is not a name with aliases")
    return Subject(name, tuple(aliases))


def parse_pair(value: object) -> SubjectPair:
    """Read a pair of subjects from JSON or TOML.

    Raises:
        ValueError: if a field is missing or has another type.
    """
    fields = as_object(value)
    return SubjectPair(
        first=parse_subject(fields.get("one")),
        second=parse_subject(fields.get("other")),
        kind=text_field(fields, "kind"),
        definite=fields.get("definite") is True,
    )


def _parse_topic(value: JsonMapping) -> Topic:
    fields = {"frame": [], "pair": [], **value}
    dialogues = tuple(map(_parse_dialogue, objects_field(fields, "frame")))
    definite = needs_article(dialogues)
    pairs = [parse_pair({"definite": definite, **pair}) for pair in objects_field(fields, "pair")]
    return Topic(text_field(fields, "name"), text_field(fields, "pool"), tuple(pairs), dialogues)


def _parse_dialogue(value: JsonMapping) -> DialogueTemplate:
    return DialogueTemplate(
        turns=tuple(texts_field(value, "turns")),
        on_x=text_field(value, "on_x"),
        on_y=text_field(value, "on_y"),
        both_x=text_field(value, "both_x"),
    )


def needs_article(dialogues: Iterable[DialogueTemplate]) -> bool:
    """Return True if most of the subjects' names in these dialogues follow an article."""
    all_text = ""
    for dialogue in dialogues:
        all_text += " ".join(dialogue.texts) + " "
    return 2 * len(ARTICLE.findall(all_text)) > len(re.findall(r"\{[xy]\}", all_text))


@cache
def read_topics(paths: tuple[Path, ...] | None = None) -> tuple[Topic, ...]:
    """Read the topics of some files, or of all files `topics_*.toml` of this folder.

    A topic for training is left out if it shares its name, a kind or a subject with a topic for the suite.

    Raises:
        InputError: if two topics of a pool have the same name.
    """
    topics: list[Topic] = []
    for path in paths if paths is not None else sorted(FOLDER.glob("topics_*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        topics += map(_parse_topic, objects_field(content, "topic"))
    for (pool, name), count in Counter((topic.pool, topic.name) for topic in topics).items():
        if count > 1:
            raise InputError(f"Two topics of the pool {pool} are called {name!r}: rename one of them.")
    suite_vocabulary: set[str] = set()
    for topic in topics:
        if topic.pool == "suite":
            suite_vocabulary |= topic.vocabulary
    return tuple(topic for topic in topics if topic.pool == "suite" or not topic.vocabulary & suite_vocabulary)


@cache
def read_rules() -> RuleSet:
    """Read the rules, the wishes and the brands of `rules.toml`."""
    content = tomllib.loads((FOLDER / "rules.toml").read_text(encoding="utf-8"))
    rules = [RuleTemplate(**rule) for rule in content["rule"]]
    wishes = [WishTemplate(**wish) for wish in content["ask"]]
    declines = [OpenDecline(**decline) for decline in content["decline"]]
    return RuleSet(tuple(rules), tuple(wishes), tuple(declines), tuple(content["brands"]))


def is_casual(template: str) -> bool:
    """Return True if a text is typed without capitals.

    >>> is_casual("so which one, {x} or {y}? i like both"), is_casual("Which one?")
    (True, False)
    """
    letters = re.sub(r"\{\w+\}", "", template)
    return letters == letters.lower()


def lower_case(template: str) -> str:
    """Return a template in lower case, except for its places.

    >>> lower_case("I'd take {x}.")
    "i'd take {x}."
    """
    parts = re.split(r"(\{\w+\})", template)
    return "".join(part if part.startswith("{") else part.lower() for part in parts)


def indefinite_article(word: str) -> str:
    """Return "a" or "an", whichever goes before a word.

    >>> indefinite_article("island"), indefinite_article("ukulele"), indefinite_article("fox")
    ('an', 'a', 'a')
    """
    lower = word.lower()
    return "an" if lower[:1] in tuple("aeiou") and not lower.startswith(CONSONANT_STARTS) else "a"


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fill the places of a template, and correct articles and the capitals of first words.

    >>> fill("A {kind}? {x} is an {kind}.", {"kind": "island", "x": "ale"})
    'An island? Ale is an island.'
    """
    keeps_lower_case = is_casual(template)

    def filled(place: re.Match[str]) -> str:
        word = values[place["name"]]
        if place["article"]:
            return f"{place['article']}{indefinite_article(word)[1:]} {word}"
        if keeps_lower_case or not SENTENCE_START.search(template[: place.start()]):
            return word
        return word[0].upper() + word[1:]

    return PLACE.sub(filled, template)


def fill_turns(turns: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Fill the places of every turn of a dialogue."""
    return [fill(turn, values) for turn in turns]


def hash_text(topics: Sequence[Topic]) -> str:
    """Return topics as the text whose hash seeds the invented names; another form of it would change every draw.

    >>> hash_text([Topic("beers", "suite", (SubjectPair(Subject("ale"), Subject("lager"), "beer"),), ())])[:57]
    "(Topic(name='beers', pool='suite', pairs=(Pair(one=Thing("
    """
    return _tuple_text(map(_topic_text, topics))


def _topic_text(topic: Topic) -> str:
    pairs = _tuple_text(map(_pair_text, topic.pairs))
    dialogues = _tuple_text(map(_dialogue_text, topic.dialogues))
    return f"Topic(name={topic.name!r}, pool={topic.pool!r}, pairs={pairs}, frames={dialogues})"


def _pair_text(pair: SubjectPair) -> str:
    subjects = f"one={_subject_text(pair.first)}, other={_subject_text(pair.second)}"
    return f"Pair({subjects}, kind={pair.kind!r}, definite={pair.definite!r})"


def _subject_text(subject: Subject) -> str:
    return f"Thing(name={subject.name!r}, aliases={subject.aliases!r})"


def _dialogue_text(dialogue: DialogueTemplate) -> str:
    replies = f"on_x={dialogue.on_x!r}, on_y={dialogue.on_y!r}, both_x={dialogue.both_x!r}"
    return f"Frame(turns={dialogue.turns!r}, {replies})"


def _tuple_text(elements: Iterable[str]) -> str:
    texts = list(elements)
    return f"({', '.join(texts)}{',' * (len(texts) == 1)})"
