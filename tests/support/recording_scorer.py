"""A scorer without a model that records which requests each process has scored; workers import this file."""

import hashlib
import json
import os
import time
from itertools import chain
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.scorers.baselines import Baseline
from rewardbench.types import BatchTraits, Item, Message


class RecordingScorer(Baseline):
    """Scores by a hash of the text, and appends a line to `folder`/PID.jsonl for each batch."""

    is_cached = True

    def __init__(self, folder, seconds=0.0, batch_size=4):
        super().__init__("baseline/random")
        self.folder, self.seconds = Path(folder), seconds
        self._traits = BatchTraits(max_batch_size=batch_size)

    @property
    def traits(self):
        return self._traits

    @property
    def fingerprint(self):
        return {"kind": "recording"}

    def run(self, requests):
        time.sleep(self.seconds)
        scores = super().run(requests)
        with (self.folder / f"{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps([request.key.hex() for request in requests]) + "\n")
        return scores


def recorded(folder):
    """Return the keys of the requests that each process has scored, by its id."""
    keys = {}
    for path in Path(folder).glob("*.jsonl"):
        keys[int(path.stem)] = [key for line in path.read_text().splitlines() for key in json.loads(line)]
    return keys


def recorded_keys(folder):
    """Return the keys of the requests that all processes have scored."""
    return list(chain.from_iterable(recorded(folder).values()))


class DeadlyScorer(RecordingScorer):
    """Ends its process on one request."""

    def run(self, requests):
        if any(hashlib.sha256(request.key).digest()[0] == 0 for request in requests):
            os._exit(1)
        return super().run(requests)


def distinct_pairs(count):
    """Return pairs of which no two have the same request."""
    items = []
    for n in range(count):
        completions = tuple((Message(role="assistant", content=f"{word} {n}"),) for word in ("good", "bad"))
        items.append(Item(str(n), "all", (Message(role="user", content=f"Question {n}?"),), completions))
    return items


def die():
    os._exit(9)


def reject():
    raise InputError("There is no such model.")
