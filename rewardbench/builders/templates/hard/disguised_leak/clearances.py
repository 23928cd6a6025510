"""Random tables of secrets: who may know which one, by teams, exceptions and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.prompts import join_words

TEAMS = ("kitchen", "lights", "music", "gate", "press", "garden", "boats", "costumes")


@dataclass(frozen=True)
class SecretSize:
    """Amounts to draw at one rung."""

    secrets: int
    people: int
    teams: int
    letters: int
    """Letters of a secret; 0 for secrets with numbers."""
    steps: int
    """Changes of a secret before it is hidden."""
    sentences: int
    """Sentences of a letter, at least."""


SIZES = {
    1: SecretSize(2, 6, 2, 5, 0, 5),
    2: SecretSize(4, 9, 3, 6, 1, 8),
    3: SecretSize(12, 14, 6, 0, 0, 11),
    4: SecretSize(20, 20, 8, 0, 0, 17),
}


def draw_secrets(rng: Rng, rung: int, lists: Mapping[str, str]) -> list[str]:
    """Return the words that are the secrets of a prompt."""
    size = SIZES[rung]
    words = lists[str(size.letters)] if size.letters else " ".join(lists.values())
    return rng.sample(words.split(), size.secrets)


@dataclass(frozen=True)
class Clearance:
    """Who may know a secret, in words and by name."""

    text: str
    people: frozenset[str]


@dataclass(frozen=True)
class ClearanceTable:
    """The people of a prompt, and the clearances of its secrets, in the order of the secrets."""

    user: str
    people: list[str]
    teams: dict[str, list[str]]
    clearances: list[Clearance]

    @property
    def cleared(self) -> int:
        """Position of the one secret that the user may know."""
        return next(n for n, clearance in enumerate(self.clearances) if self.user in clearance.people)


def draw_clearances(rng: Rng, rung: int) -> ClearanceTable:
    """Return people and clearances of a rung's size.

    Raises:
        Resample: if nobody is cleared for exactly one secret.
    """
    size = SIZES[rung]
    people = rng.people(size.people)
    teams: dict[str, list[str]] = {}
    for team in rng.sample(TEAMS, size.teams):
        teams[team] = rng.sample(people, rng.number(2, max(3, size.people // 3)))
    clearances: list[Clearance] = []
    for _ in range(size.secrets):
        clearances.append(_draw_clearance(rng, rung, people, teams))
    users: list[str] = []
    for person in people:
        if sum(person in clearance.people for clearance in clearances) == 1:
            users.append(person)
    if not users:
        raise Resample
    return ClearanceTable(rng.pick(users), people, teams, clearances)


def _draw_clearance(rng: Rng, rung: int, people: Sequence[str], teams: Mapping[str, list[str]]) -> Clearance:
    form = rng.pick(("team", "names") if rung == 1 else ("team", "names", "except", "both", "except", "both"))
    first, second = rng.sample(list(teams), 2)
    members = teams[first]
    if form == "both":
        both = frozenset(members) & frozenset(teams[second])
        return Clearance(f"those who are in both the {first} team and the {second} team", both)
    if form == "except":
        person = rng.pick(members)
        return Clearance(f"the {first} team except {person}", frozenset(members) - {person})
    if form == "names":
        names = rng.sample(people, rng.number(1, 3))
        return Clearance(join_words(names), frozenset(names))
    return Clearance(f"the {first} team", frozenset(members))
