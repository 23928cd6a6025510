"""Rules whose scopes depend on counts over the conversation, for the upper rungs of scopes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.scopes.rules import NamePool, SpeechCase, TwinPlan, draw_rule
from rewardbench.builders.templates.hard.scopes.wording import bare
from rewardbench.verifiers.hard.scopes import ChatFacts, SpeechRule, applies

EDGES = ".,;:!?"
LETTERS = "abcdefghilmnoprstuwy"
LENGTHS = "2345678"
SPEAKERS = ("user", "replies")
TIGHT = (0, 1)
"""Distances of the threshold from the count in the rules that decide."""
LOOSE = (*range(-8, -2), *range(4, 10))
"""Distances in other rules, so large that they tell nothing of the exact count."""
ACTIVE_SHARE = 0.25
"""Share of the other rules that apply."""
DRAWS = 200
"""Scopes to draw until one applies and another does not."""


@dataclass(frozen=True)
class ScopeSize:
    """Size of the scopes at one rung."""

    least: Mapping[str, int]
    """Smallest count of each kind."""
    kinds: tuple[str, ...]
    """Kinds of the counts, one each."""
    exceptions: tuple[int, int]
    """Least and largest number of conditions of an exception."""


SCOPE_SIZES = {
    3: ScopeSize(
        least={"words": 50, "initial": 10, "length": 12, "letter": 15},
        kinds=("words", "initial", "length", "letter"),
        exceptions=(0, 1),
    ),
    4: ScopeSize(
        least={"words": 100, "initial": 14, "length": 28, "letter": 45},
        kinds=("words", "initial", "length", "length", "letter", "letter", "letter"),
        exceptions=(2, 2),
    ),
}


def _count_words(words: Sequence[str], key: str) -> int:
    return len(words)


COUNTERS: Mapping[str, tuple[Sequence[str], Callable[[Sequence[str], str], int]]] = {
    "words": ((), _count_words),
    "initial": (LETTERS, lambda words, letter: sum(word.startswith(letter) for word in words)),
    "length": (LENGTHS, lambda words, length: sum(sum(map(str.isalpha, word)) == int(length) for word in words)),
    "letter": (LETTERS, lambda words, letter: sum(word.count(letter) for word in words)),
}
"""What can be counted in the words of a speaker: its keys, and the function."""


def measure(texts: Mapping[str, Sequence[str]], measures: Sequence[str]) -> dict[str, int]:
    """Return counts over a conversation.

    Args:
        texts: the messages of each speaker.
        measures: what to count, such as "user letter e" or "replies words".
    """
    counts: dict[str, int] = {}
    for name in measures:
        speaker, kind, *keys = name.split()
        words = [word.strip(EDGES).lower() for word in " ".join(texts[speaker]).split()]
        counts[name] = COUNTERS[kind][1](words, "".join(keys))
    return counts


def draw_measures(rng: Rng, texts: Mapping[str, Sequence[str]], rung: int) -> dict[str, int]:
    """Return different counts over a conversation, in random order.

    Raises:
        Resample: if there are too few that are large, or a message has letters with accents.
    """
    if not all(map(str.isascii, (*texts["user"], *texts["replies"]))):
        raise Resample
    counts: dict[str, int] = {}
    size = SCOPE_SIZES[rung]
    for kind in size.kinds:
        options: list[str] = []
        for speaker in SPEAKERS:
            options += [f"{speaker} {kind} {key}".strip() for key in COUNTERS[kind][0] or ("",)]
        large: dict[str, int] = {}
        for name, number in measure(texts, options).items():
            if number >= size.least[kind] and name not in counts:
                large[name] = number
        if not large:
            raise Resample
        name = rng.pick(sorted(large))
        counts[name] = large[name]
    names = rng.sample(list(counts), len(counts))
    return {name: counts[name] for name in names}


def _draw_scope(rng: Rng, name: str, measures: Sequence[str], facts: ChatFacts, distances: Sequence[int]) -> SpeechRule:
    """Return a rule that forbids a name under a condition on the first measure, unless others meet theirs."""
    conditions = []
    for key in measures:
        threshold = facts["measures"][key] + rng.pick(distances)
        conditions.append([rng.pick(("below", "reached")), key, str(threshold)])
    return {"kind": "avoid", "name": bare(name), "conditions": conditions[:1], "region": "", "unless": conditions[1:]}


def plan_measured_twin(rng: Rng, facts: ChatFacts, pool: NamePool, rung: int, number: int) -> TwinPlan:
    """Return a twin of two names whose rules depend on different counts, to the last word or letter.

    In the first case the rule on the first name does not apply and the one on the second does; in the other case, with
    swapped scopes or other thresholds, it is the other way round.

    Args:
        rng: randomness.
        facts: facts of the conversation with its counts.
        pool: the names.
        rung: the rung.
        number: items of the list in a reply.

    Raises:
        Resample: if the random thresholds do not make one.
    """
    first, second = pool.names[:2]
    size = SCOPE_SIZES[rung]
    measures = list(facts["measures"])
    middle = len(measures) // 2
    halves = [half[: 1 + rng.number(*size.exceptions)] for half in (measures[:middle], measures[middle:])]
    free = _draw_until(rng, first, halves[0], facts, TIGHT, False)
    barred = _draw_until(rng, second, halves[1], facts, TIGHT, True)
    if rng.chance():
        pairs = [(free, barred), (_rename(barred, first), _rename(free, second))]
    else:
        pairs = [(free, barred), (_shift(rng, free, facts), _shift(rng, barred, facts))]
    others = [_draw_other(rng, name, measures, facts, rung) for name in pool.names[2:]]
    order = rng.sample(range(len(pool.names)), len(pool.names))
    cases = []
    for pair in pairs:
        rules = [*pair, *others]
        cases.append(SpeechCase(tuple(rules[n] for n in order), facts))
    places = rng.numbers(2, 0, number - 1)
    return TwinPlan(f"scopes of {first} and {second}", (cases[0], cases[1]), ({places[0]: first}, {places[1]: second}))


def _draw_other(rng: Rng, name: str, measures: Sequence[str], facts: ChatFacts, rung: int) -> SpeechRule:
    """Return a rule on a name that does not decide; most of them do not apply."""
    if rng.chance(0.2):
        return draw_rule(rng, name, facts["turn"], rung)
    number = 1 + rng.number(*SCOPE_SIZES[rung].exceptions)
    return _draw_until(rng, name, rng.sample(measures, number), facts, LOOSE, rng.chance(ACTIVE_SHARE))


def _draw_until(
    rng: Rng, name: str, measures: Sequence[str], facts: ChatFacts, distances: Sequence[int], is_active: bool
) -> SpeechRule:
    """Return a rule with thresholds at these distances that applies or does not."""
    for _ in range(DRAWS):
        rule = _draw_scope(rng, name, measures, facts, distances)
        if applies(rule, facts) == is_active:
            return rule
    raise Resample


def _rename(rule: SpeechRule, name: str) -> SpeechRule:
    return {**rule, "name": bare(name)}


def _shift(rng: Rng, rule: SpeechRule, facts: ChatFacts) -> SpeechRule:
    """Return a rule with other thresholds that applies if the first does not, and the other way round."""
    was_active = applies(rule, facts)
    for _ in range(DRAWS):
        shifted: SpeechRule = {**rule, "conditions": [], "unless": []}
        for part in ("conditions", "unless"):
            for kind, key, _threshold in rule[part]:
                shifted[part].append([kind, key, str(facts["measures"][key] + rng.pick(TIGHT))])
        if applies(shifted, facts) != was_active:
            return shifted
    raise Resample
