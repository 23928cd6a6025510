"""A store with every kind of row that the leaderboard shows, for tests in a browser."""

import json
import random

from groups import mirror, scored, suite_of
from synthetic import store, verify

from rewardbench.leaderboard.submissions.published import read_published
from rewardbench.store import LocalStore
from rewardbench.types import Rule

NAMES = [f"{subset}-{n}" for subset in ("rules", "scopes") for n in range(60)]
SUITE = suite_of(
    *(mirror(name, name.partition("-")[0]) for name in NAMES),
    rules={"rules": Rule("Instructions", weight=1.0), "scopes": Rule("Safety", weight=1.0)},
)
LONG = "an-organization/a-reward-model-with-a-name-that-no-column-of-a-table-has-room-for-v2"
NUM_PUBLISHED = 130


def reader(share, seed):
    """Return a rule that prefers the right response with this probability, and a coin flip else."""
    chance = random.Random(seed)

    def rule(prompt, response):
        if chance.random() > share:
            return chance.random()
        return 1.0 + float(("no" in response) == prompt.startswith("isn't"))

    return rule


def add(folder, model, rule, kind="Seq. Classifier", parameters=None, date="2026-11-28"):
    path = store(folder, SUITE, scored(SUITE, rule), model)
    summary = json.loads(path.read_bytes()) | {"model_type": kind, "date": date}
    summary["manifest"] |= {"model": {"parameters": parameters, "license": "apache-2.0"}}
    path.write_text(json.dumps(summary))


def fill(path):
    """Fill a folder: a suite of mirrors with all kinds of rows, and a published table with more models."""
    add(path, "org/reads", reader(0.9, 1), parameters=8 * 10**9)
    add(path, "org/guesses", reader(0.0, 2), "DPO", parameters=3 * 10**9, date="2026-11-29")
    add(path, LONG, reader(0.6, 3), "Generative RM")
    for step in (100, 200, 300):
        add(path, f"org/trained-step-{step}", reader(step / 500, step))
    add(path, "org/toy", reader(0.2, 5), parameters=10**6)
    add(path, "baseline/shortest", lambda prompt, response: -len(response), "Baseline")
    verify(path, "org/reads", "org/guesses")
    table = []
    for n in range(NUM_PUBLISHED):
        figures = dict.fromkeys(("Factuality", "Math", "Safety"), 0.2 + 0.5 * n / NUM_PUBLISHED)
        table.append(
            [f"lab{n % 7}/published-{n}-{n % 9 + 1}B", "Seq. Classifier", {"Score": figures["Math"], **figures}]
        )
    source = path.parent / f"{path.name}.json"
    source.write_text(json.dumps({"v2": table}))
    LocalStore(path).add(read_published(source))
