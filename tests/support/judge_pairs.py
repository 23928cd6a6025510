"""Pairs for the fake judge, which reads the quality that each response states."""

import json
import re


def write_pairs(path, count):
    """Write pairs whose chosen response states a higher quality than the rejected one; return the path as text."""
    lines = []
    for n in range(count):
        low = (n * 37 % 80) / 100
        pair = {"id": f"pair-{n}", "subset": "all", "prompt": f"Question {n}?"}
        lines.append(json.dumps({**pair, "chosen": f"quality={low + 0.15:.2f}", "rejected": f"quality={low:.2f}"}))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def question_of(body):
    """Return the question in the prompt of a request, by which both orders of a pair have the same faults."""
    return re.search(r"Question \d+\?", body["messages"][-1]["content"])[0]
