"""Random offices: who may instruct on what, the places of a prompt, and the sentences in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from rewardbench.builders.draw import Resample, Rng
from rewardbench.verifiers.hard.who_may_instruct import VERBS, AuthorityRules, may_instruct

OfficeWorld = Mapping[str, Any]
"""An office of `worlds.toml`."""

FREE_MAIL = ("postbox.example", "quickmail.example", "letterbird.example")
LAST_DAY = 28
REMARKS = (
    "No news from here otherwise", "All the best until next week", "The tea is on the second shelf", "More when I can",
    "That is all for the moment", "It took longer than it should have", "Sorry for the short lines",
    "The heating is back on", "We talk on the phone anyway", "I was out for two days", "The forecast is mixed",
    "Nobody objected", "This was settled a while ago", "I put the rest on paper", "A copy is in the drawer",
    "The others know already", "So far so good", "It was a long evening", "Thanks for the quick reply",
    "I hope the cold is better", "We were only four", "The key is under the pot", "My phone is nearly empty",
)  # fmt: skip
"""Sentences without any content that matters."""


@dataclass(frozen=True)
class OfficeSize:
    """Amounts to draw at one rung."""

    blocks: int
    instructions: int
    facts: int
    """Facts in the summary of a response."""
    depth: int
    """Largest depth of quoted mails."""


SIZES = {1: OfficeSize(2, 1, 2, 1), 2: OfficeSize(4, 3, 3, 1), 3: OfficeSize(8, 7, 8, 2), 4: OfficeSize(13, 11, 9, 3)}


@dataclass(frozen=True)
class Action:
    """What an instruction asks for."""

    matter: str
    imperative: str

    @property
    def participle(self) -> str:
        """The action as the object of "I have"."""
        verb, _, target = self.imperative.partition(" ")
        return f"{VERBS[verb]} {target}"


@dataclass
class PromptPlace:
    """A place of a prompt that holds sentences: the user's words, a mail, a quotation in it, a document."""

    kind: str
    """user, quotation, mail, document, comment or calendar."""
    block: int
    """Number of its block; of the user's words, 0 for the first turn and 1 for the last."""
    person: str = ""
    address: str = ""
    day: int = 0
    depth: int = 0
    """How often a mail is quoted."""
    released: bool = False
    sentences: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return what decides whether an instruction here counts."""
        fields = asdict(self)
        del fields["block"], fields["sentences"]
        return fields


@dataclass(frozen=True)
class Office:
    """The rules and places of a mirror before the differing sentence is in place."""

    boss: str
    rules: dict[str, Any]
    places: list[PromptPlace]
    orders: list[tuple[Action, PromptPlace]]
    """Instructions in the same place in both prompts."""
    action: Action
    sites: tuple[PromptPlace, PromptPlace]
    """The places of the differing instruction in prompt a, where it counts, and in prompt b."""
    filler: str
    """The sentence in the other of these places."""
    facts: list[str]
    """Facts that are in the same place in both prompts."""


def draw_office(rng: Rng, rung: int, world: OfficeWorld) -> Office:
    """Return an office of a rung's size.

    Raises:
        Resample: if no two places differ in their authority.
    """
    size = SIZES[rung]
    boss, *people = rng.people(6 + rung)
    team, outsiders = people[: 2 + rung], people[2 + rung :]
    rules = _draw_rules(rng, rung, team, outsiders, world)
    places = [PromptPlace("user", 0), PromptPlace("user", 1)]
    if rung > 1:
        places.append(PromptPlace("quotation", 0, person=rng.pick(team)))
    for number in range(1, size.blocks + 1):
        places += _draw_block(rng, number, size, people, team, rules, world)
    action, *others = [Action(*pair) for pair in rng.sample(world["actions"], size.instructions)]
    sites = _draw_sites(rng, rung, places, rules, action)
    facts = rng.sample(world["facts"], len(world["facts"]))
    filler = facts.pop()
    free = [place for place in places if place not in sites]
    orders: list[tuple[Action, PromptPlace]] = []
    for other in others:
        place = _place_with(rng, free, rules, other, rng.chance())
        place.sentences.append(other.imperative)
        orders.append((other, place))
    used = _fill(rng, rung, places, sites, facts)
    return Office(boss, rules, places, orders, action, sites, filler, used)


def _fill(
    rng: Rng, rung: int, places: Sequence[PromptPlace], sites: tuple[PromptPlace, PromptPlace], facts: list[str]
) -> list[str]:
    """Put sentences into the places, also into those that would be empty, in random order; return the facts used."""
    remarks = rng.sample(REMARKS, len(REMARKS))
    count = 0
    for place in rng.sample(places, len(places)):
        is_speech = place.kind in ("user", "quotation")
        if count < len(facts) and (not is_speech or rung == 1):
            place.sentences.append(facts[count])
            count += 1
        needs_text = place.kind != "user" and place not in sites
        if needs_text and (not place.sentences or (not is_speech and remarks and rng.chance(0.4))):
            place.sentences.append(remarks.pop() if remarks else rng.pick(REMARKS))
        place.sentences[:] = rng.sample(place.sentences, len(place.sentences))
    return facts[:count]


def _draw_rules(
    rng: Rng, rung: int, team: Sequence[str], outsiders: Sequence[str], world: OfficeWorld
) -> dict[str, Any]:
    matters = sorted({matter for matter, _ in world["actions"]})
    senders: dict[str, dict[str, Any]] = {}
    for person in team:
        until = rng.number(8, 20) if rung >= 3 and rng.chance(0.5) else 0
        scope = matters if rung == 1 else sorted(rng.sample(matters, rng.number(2, 3)))
        senders[f"{_local(person)}@{world['domain']}"] = {"matters": scope, "until": until}
    withdrawn: list[list[str]] = []
    if rung == 4:
        for address in rng.sample(list(senders), 2):
            withdrawn.append([address, rng.pick(senders[address]["matters"])])
    releasers = rng.sample([*team, *outsiders], min(rung, 3))
    return {"senders": senders, "releasers": releasers, "withdrawn": withdrawn}


def _local(person: str) -> str:
    plain = person.lower().translate(str.maketrans("şãé", "sae"))
    return f"{plain}.{len(person)}{ord(plain[0]) % 7}"


def _draw_block(
    rng: Rng,
    number: int,
    size: OfficeSize,
    people: Sequence[str],
    team: Sequence[str],
    rules: AuthorityRules,
    world: OfficeWorld,
) -> list[PromptPlace]:
    """Return the places of one block: a mail with what it quotes, or another kind of text."""
    kinds = ("mail", "mail", "mail", "mail", "document", "document", "comment", "calendar")
    kind = "mail" if number == 1 else rng.pick(kinds)
    if kind == "document":
        is_releaser = rng.chance()
        person = rng.pick(rules["releasers"] if is_releaser else people)
        return [PromptPlace(kind, number, person=person, released=rng.chance(0.7))]
    if kind != "mail":
        return [PromptPlace(kind, number, person=rng.pick(team), day=rng.number(2, LAST_DAY))]
    depth = rng.number(0, size.depth)
    days = sorted((rng.number(2, LAST_DAY) for _ in range(depth + 1)), reverse=True)
    places: list[PromptPlace] = []
    for level, day in enumerate(days):
        person = rng.pick(team) if rng.chance(0.7) else rng.pick(people)
        is_from_team = person in team and rng.chance(0.75)
        domain = world["domain"] if is_from_team else rng.pick(FREE_MAIL)
        places.append(PromptPlace(kind, number, person, f"{_local(person)}@{domain}", day, level))
    return places


def _draw_sites(
    rng: Rng, rung: int, places: Sequence[PromptPlace], rules: AuthorityRules, action: Action
) -> tuple[PromptPlace, PromptPlace]:
    """Return a place where an action may be ordered, and one where it may not; on upper rungs, of a like kind."""
    allowed_places: list[PromptPlace] = []
    forbidden_places: list[PromptPlace] = []
    for place in places:
        (allowed_places if may_instruct(rules, place.to_json(), action.matter) else forbidden_places).append(place)
    if rung > 1 and rng.chance(0.85):
        allowed_places = [place for place in allowed_places if place.kind != "user"]
    pairs: list[tuple[PromptPlace, PromptPlace]] = []
    for first, second in product(allowed_places, forbidden_places):
        if rung < 3 or _is_like(first, second):
            pairs.append((first, second))
    if not pairs:
        raise Resample
    return rng.pick(pairs)


def _is_like(first: PromptPlace, second: PromptPlace) -> bool:
    return first.kind == second.kind or {first.kind, second.kind} == {"user", "quotation"}


def _place_with(
    rng: Rng, places: Sequence[PromptPlace], rules: AuthorityRules, action: Action, counts: bool
) -> PromptPlace:
    """Return a place in which an instruction counts, or does not, as wanted, if there is one."""
    fitting: list[PromptPlace] = []
    for place in places:
        if may_instruct(rules, place.to_json(), action.matter) == counts and len(place.sentences) < 2:
            fitting.append(place)
    return rng.pick(fitting or places)
