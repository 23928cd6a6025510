"""Results made by hand: a suite of mirrors, and models that are right with a given chance."""

import json
import random
from pathlib import Path

from rewardbench.results import assemble
from rewardbench.results.scored import read_scored
from rewardbench.store import LocalStore
from rewardbench.types import Item, ItemScores, Message, Rule, Suite


def mirrors(count=60, sections=("Chat", "Safety"), revision="r1"):
    """So many mirrors of two items in each section, one subset each."""
    items = [
        Item(
            id=f"{section.lower()}-{n}{half}",
            subset=f"{section.lower()}-sub",
            prompt=(Message(role="user", content=f"Question {n}{half} of {section}?"),),
            completions=tuple((Message(role="assistant", content=f"{word} {n}"),) for word in ("right", "wrong")),
            group=f"{section.lower()}-{n}",
        )
        for section in sections
        for n in range(count)
        for half in "ab"
    ]
    rules = {f"{section.lower()}-sub": Rule(section) for section in sections}
    return Suite("toy", revision, tuple(items), rules, headline="mirror")


def singles(count=200, revision="r1"):
    """Items of their own."""
    suite = mirrors(count // 2, ("Chat",), revision)
    items = tuple(Item(i.id, i.subset, i.prompt, i.completions) for i in suite.items)
    return Suite("toy", revision, items, suite.rules)


def scores(suite, share, seed=0, like=None, agreement=1.0):
    """Scores of a model that is right with the chance `share`; it gives another's score with the chance `agreement`."""
    chance = random.Random(seed)
    theirs = {found.id: found.scores for found in like or ()}
    found = []
    for item in suite.items:
        right = chance.random() < share
        own = (1.0 + chance.random(), 0.0) if right else (0.0, 1.0 + chance.random())
        found.append(ItemScores(item.id, theirs[item.id] if theirs and chance.random() < agreement else own))
    return found


def store(folder, suite, found, model):
    """A stored result; gives its path."""
    texts = {
        i.id: tuple(f"<user>{i.prompt[0]['content']}<bot>{c[0]['content']}" for c in i.completions) for i in suite.items
    }
    told = [ItemScores(one.id, one.scores, one.reason, tokens=(1, 1), texts=texts[one.id]) for one in found]
    result = assemble(suite, model, "Seq. Classifier", told, {"fingerprint_sha256": model})
    return Path(LocalStore(folder).put(result, suite))


def changed(told, where, value):
    """A copy with one field set; `where` is its path."""
    copy = json.loads(json.dumps(told))
    place = copy
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    return copy


def two(tmp_path, suite, first=0.7, second=0.8, agreement=0.8):
    before = scores(suite, first, 1)
    after = scores(suite, second, 2, before, agreement)
    return [read_scored(store(tmp_path, suite, found, name)) for found, name in ((before, "a"), (after, "b"))]
