"""Synthetic suites and results: mirrors or single items, and models that are right with a given probability."""

import json
import random
from pathlib import Path

from rewardbench.results import assemble
from rewardbench.results.scored import read_scored
from rewardbench.store import LocalStore
from rewardbench.store.verdicts import make_verdict, verdict_name
from rewardbench.types import Item, ItemScores, Message, Rule, Suite


def mirrors(count=60, sections=("Chat", "Safety"), revision="r1"):
    """Return a suite with `count` mirrors of two items in each section, and one subset per section."""
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
    """Return a suite of `count` items that belong to no mirror."""
    suite = mirrors(count // 2, ("Chat",), revision)
    items = tuple(Item(i.id, i.subset, i.prompt, i.completions) for i in suite.items)
    return Suite("toy", revision, items, suite.rules)


def scores(suite, share, seed=0, like=None, agreement=1.0):
    """Return the scores of a model that is right with probability `share`.

    With probability `agreement`, an item gets the score that the model `like` gives it.
    """
    chance = random.Random(seed)
    theirs = {item_scores.id: item_scores.scores for item_scores in like or ()}
    item_scores = []
    for item in suite.items:
        right = chance.random() < share
        pair = (1.0 + chance.random(), 0.0) if right else (0.0, 1.0 + chance.random())
        item_scores.append(ItemScores(item.id, theirs[item.id] if theirs and chance.random() < agreement else pair))
    return item_scores


def store(folder, suite, item_scores, model):
    """Store a result, and return the path of its summary."""
    texts = {
        i.id: tuple(f"<user>{i.prompt[0]['content']}<bot>{c[0]['content']}" for c in i.completions) for i in suite.items
    }
    with_texts = [
        ItemScores(item.id, item.scores, item.reason, tokens=(1, 1), texts=texts[item.id]) for item in item_scores
    ]
    result = assemble(suite, model, "Seq. Classifier", with_texts, {"fingerprint_sha256": model})
    return Path(LocalStore(folder).put(result, suite))


def verify(folder, *models):
    """Record that a re-run verifies stored results; by default all of a folder."""
    local_store = LocalStore(folder)
    for key in local_store.list():
        summary = json.loads(local_store.path(key).read_bytes())
        if not models or summary["model"] in models:
            verdict = make_verdict(summary, True, {"by": "maintainer", "date": "2026-11-28"})
            local_store.save(verdict_name(key), json.dumps(verdict).encode())


def changed(record, where, value):
    """Return a copy of a JSON value with one field replaced; `where` is the path of the field."""
    copy = json.loads(json.dumps(record))
    place = copy
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    return copy


def two(tmp_path, suite, first=0.7, second=0.8, agreement=0.8):
    before = scores(suite, first, 1)
    after = scores(suite, second, 2, before, agreement)
    return [
        read_scored(store(tmp_path, suite, item_scores, name)) for item_scores, name in ((before, "a"), (after, "b"))
    ]
