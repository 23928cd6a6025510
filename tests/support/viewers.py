"""Small scorers of each view, for tests in other processes too."""

import hashlib
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


def quality(text):
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


class Viewer(BaseScorer):
    """Scores texts by `quality`; `first` prefers whatever it is shown first."""

    name, is_cached = "viewer", True

    def __init__(self, view, first=False, seconds=0.0):
        self.view, self.first, self.seconds = view, first, seconds

    @property
    def fingerprint(self):
        return {"kind": self.view, "first": self.first}

    def prepare(self, prompt, *completions, rendered, tools=()):
        texts = tuple(map(all_text, completions))
        return TextRequest("\n".join([all_text(prompt), *texts]), texts)

    def run(self, requests):
        time.sleep(self.seconds)
        return [self.judge(request.completions) for request in requests]

    def judge(self, texts):
        values = [1.0 / (n + 1) if self.first else quality(text) for n, text in enumerate(texts)]
        if self.view == "pairwise":
            return min(1.0, max(0.0, 0.5 + (values[0] - values[1]) / 2 + 0.01))
        return tuple(values) if self.view == "listwise" else values[0]


class TokenPairs(Viewer):
    """The same of two completions in one row of token ids, split at `start`."""

    traits = BatchTraits(has_tokens=True)

    def prepare(self, prompt, first, second, rendered, tools=()):
        one, two = (array("i", map(ord, all_text(text))) for text in (first, second))
        return TokenRequest(
            all_text(first) + all_text(second), all_text(first), one + two, len(one), len(one) + len(two)
        )

    def run(self, requests):
        both = [["".join(map(chr, r.ids[: r.start])), "".join(map(chr, r.ids[r.start :]))] for r in requests]
        return [self.judge(texts) for texts in both]


def load(view, first=False, seconds=0.0):
    return TokenPairs("pairwise", first, seconds) if view == "pairwise tokens" else Viewer(view, first, seconds)


def items():
    """Items of two to four completions."""
    prompt = (Message(role="user", content="Name a city."),)
    made = []
    for n in range(COUNT):
        texts = [f"City {n} {index}" for index in range(2 + n % 3)]
        made.append(Item(str(n), "all", prompt, tuple((Message(role="assistant", content=t),) for t in texts)))
    return made


def main(view, way, cache, seconds):
    """Print the scores of one run; rank 0 alone prints."""
    scorer = load(view, seconds=float(seconds))
    loaded = partial(load, view, seconds=float(seconds))
    workers = Ranks(launch()) if launch() else Pool(2, loaded) if way == "pool" else Inline()
    opened = Cache(Path(cache)) if cache and is_first() else None
    run = score(items(), scorer, batch_size=4, workers=workers, cache=opened)
    if is_first():
        print("\n".join(map(repr, run.items)))
        print(f"computed={run.computed}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
