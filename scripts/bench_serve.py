"""Serve one side of a benchmark over JSON lines. The interpreter may lack this package, so this imports nothing of it.

The process reads a job, loads the model, scores a few rows to warm up, and sends that it is ready. For each further
line it scores all rows, and sends the scores and the seconds, which include tokenisation but not loading.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

WARM_UP = 4
"""Number of rows that are scored before timing starts."""


def serve(load, describe):
    """Read a job from stdin, and score its rows once per further line.

    Args:
        load: returns, for a job, a function that scores rows, and the rows.
        describe: returns, for a job, what is sent once the model is ready, as JSON values by name.
    """
    end_with_parent()
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to stderr: stdout is the channel
    job = json.loads(sys.stdin.readline())
    score, rows = load(job)
    score(rows[:WARM_UP])
    send(channel, {"ready": True, **describe(job)})
    for _ in sys.stdin:
        start = time.perf_counter()
        scores = score(rows)
        send(channel, {"seconds": time.perf_counter() - start, "scores": scores})


def end_with_parent():
    """End this process as soon as the benchmark ends."""
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def send(channel, message):
    """Write a message as one JSON line."""
    channel.write(json.dumps(message) + "\n")
    channel.flush()
