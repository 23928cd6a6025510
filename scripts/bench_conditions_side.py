"""Score pairs as the rewardbench command does, or only load the model; scripts/benchmark --conditions starts this.

The process exchanges JSON lines as bench_published.py does: it reads a job, loads the model, scores a few pairs, and
sends that it is ready. For each further line it scores all pairs, and sends the seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

WARM_UP = 4
"""Number of pairs that are scored first."""


def main(mode: str) -> None:
    """Read a job from stdin and run the side that the mode names."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to stderr: stdout is the channel
    job = json.loads(sys.stdin.readline())
    if mode == "floor":
        load_only(job["model"])
        send(channel, {"ready": True})
    else:
        score(job, channel)


def load_only(folder: str) -> None:
    """Import the libraries and load the model, which every program must do."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    AutoTokenizer.from_pretrained(folder)
    AutoModelForSequenceClassification.from_pretrained(folder)


def score(job: Mapping[str, Any], channel: TextIO) -> None:
    """Set up the process as the command does, and score the pairs once per line."""
    from rewardbench.cli.process import set_up_scoring
    from rewardbench.engine.threads import set_threads
    from rewardbench.processes import collect_rarely, end_with_parent

    end_with_parent()
    collect_rarely()
    set_threads()
    set_up_scoring(job["model"])
    from rewardbench import load_scorer

    scorer = load_scorer(job["model"], device=job["device"], dtype=job["dtype"], max_length=job["max_length"])
    conversations: list[list[dict[str, str]]] = []
    for row in job["rows"]:
        for answer in (row["chosen"], row["rejected"]):
            conversations.append([*row["prompt"], {"role": "assistant", "content": answer}])
    scorer.score(messages=conversations[: 2 * WARM_UP])
    send(channel, {"ready": True})
    for _ in sys.stdin:
        start = time.perf_counter()
        scorer.score(messages=conversations)
        send(channel, {"seconds": time.perf_counter() - start})


def send(channel: TextIO, message: object) -> None:
    """Write a message as one JSON line."""
    channel.write(json.dumps(message) + "\n")
    channel.flush()


if __name__ == "__main__":
    main(sys.argv[1])
