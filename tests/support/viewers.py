"""Small scorers of each view, for tests of several processes; also a plug-in and a program."""

import hashlib
import os
import sys
import time
from array import array
from functools import partial
from pathlib import Path

from rewardbench.chat import all_text
from rewardbench.engine.backends.inline import Inline
from rewardbench.engine.backends.pool import Pool
from rewardbench.engine.backends.torchrun import Ranks, is_first, launch
from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score
from rewardbench.scorers.base import BaseScorer
from rewardbench.types import BatchTraits, Item, Message, TextRequest, TokenRequest

COUNT = 40
NOTE = "Texts of low quality: {count}."


def quality(text):
    """Return a number in [0, 1) that depends on the text only."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


class Viewer(BaseScorer):
    """Scores texts by `quality`; with `first`, prefers the completion shown first."""

    name, is_cached = "viewer", True

    def __init__(self, view, first=False, seconds=0.0):
        self.view, self.first, self.seconds = view, first, seconds

    @property
    def fingerprint(self):
        return {"kind": self.view, "first": self.first}

    def prepare(self, prompt, *completions, rendered, tools=()):
        texts = tuple(map(all_text, completions))
        text = "\n".join([all_text(prompt), *texts])
        return TextRequest(text, texts, notes=(NOTE,) if quality(text) < 0.5 else ())

    def run(self, requests):
        time.sleep(self.seconds)
        return [self.judge(request.completions) for request in requests]

    def judge(self, texts):
        values = [1.0 / (n + 1) if self.first else quality(text) for n, text in enumerate(texts)]
        if self.view == "pairwise":
            return min(1.0, max(0.0, 0.5 + (values[0] - values[1]) / 2 + 0.01))
        return tuple(values) if self.view == "listwise" else values[0]


class TokenPairs(Viewer):
    """The same for two completions as one sequence of token ids, split at `start`."""

    traits = BatchTraits(has_tokens=True)

    def prepare(self, prompt, first, second, rendered, tools=()):
        first_ids, second_ids = (array("i", map(ord, all_text(completion))) for completion in (first, second))
        ids = first_ids + second_ids
        return TokenRequest(all_text(first) + all_text(second), all_text(first), ids, len(first_ids), len(ids))

    def run(self, requests):
        scores = []
        for request in requests:
            texts = ["".join(map(chr, ids)) for ids in (request.ids[: request.start], request.ids[request.start :])]
            scores.append(self.judge(texts))
        return scores


def load(view, first=False, seconds=0.0):
    return TokenPairs("pairwise", first, seconds) if view == "pairwise tokens" else Viewer(view, first, seconds)


class PluginViewer(Viewer):
    """A viewer in a plug-in: writes down the processes that loaded it and those that ran batches.

    With the environment variable VIEWER_PROCESSES, a batch waits until so many processes have loaded the scorer.
    """

    def __init__(self, view):
        super().__init__(view, seconds=0.01)
        record("loaded")

    def run(self, requests):
        record("ran")
        while len(recorded("loaded")) < int(os.environ.get("VIEWER_PROCESSES", "1")):
            time.sleep(0.02)
        return super().run(requests)


def record(event):
    """Append the id of this process to a file in the working folder."""
    with Path(f"{event}.txt").open("a") as file:
        file.write(f"{os.getpid()}\n")


def recorded(event):
    """Return the ids of the processes that recorded an event."""
    return set(Path(f"{event}.txt").read_text().split())


def load_plugin(spec):
    """Return the scorer of `--model viewer:VIEW`."""
    return PluginViewer(spec.model.partition(":")[2])


def items():
    """Return items of two to four completions."""
    prompt = (Message(role="user", content="Name a city."),)
    result = []
    for n in range(COUNT):
        texts = [f"City {n} {index}" for index in range(2 + n % 3)]
        completions = tuple((Message(role="assistant", content=text),) for text in texts)
        result.append(Item(str(n), "all", prompt, completions))
    return result


def show(run):
    """Format the scores and the notes of a run, one per line."""
    return "\n".join([*map(repr, run.items), *run.notes]) + "\n"


def main(view, way, cache, seconds):
    """Print the scores and notes of one run; only rank 0 prints."""
    scorer = load(view, seconds=float(seconds))
    load_scorer = partial(load, view, seconds=float(seconds))
    workers = Ranks(launch()) if launch() else Pool(2, load_scorer) if way == "pool" else Inline()
    score_cache = Cache(Path(cache)) if cache and is_first() else None
    run = score(items(), scorer, batch_size=4, workers=workers, cache=score_cache)
    if is_first():
        print(show(run), end="")
        print(f"computed={run.computed}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
