"""Rows of preference data in the shapes that cost most; the same rows every time."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Rows = Iterator[dict[str, Any]]
WORDS = [f"{first}{second}{third}" for first in "bdfgklmnprst" for second in "aeiou" for third in "bdklmnrst"]


def sentence(rng: random.Random, words: int) -> str:
    """Return random words."""
    return " ".join(rng.choices(WORDS, k=words))


def alike(count: int) -> Rows:
    """Every row is the same."""
    for _ in range(count):
        yield {"prompt": "Name a river please.", "chosen": "The Elbe is one.", "rejected": "No."}


def same_answers(count: int) -> Rows:
    """The prompts differ; all chosen responses are the same, and all rejected ones."""
    for n in range(count):
        yield {"prompt": f"q{n}", "chosen": "long answer " * 30, "rejected": "x " * 20}


def different(count: int) -> Rows:
    """No two rows share a run of words."""
    rng = random.Random(0)
    for _ in range(count):
        yield {"prompt": sentence(rng, 12), "chosen": sentence(rng, 20), "rejected": sentence(rng, 20)}


def one_word_changed(count: int) -> Rows:
    """All rows are near duplicates."""
    rng = random.Random(0)
    prompt, chosen, rejected = sentence(rng, 60), sentence(rng, 20), sentence(rng, 20)
    for n in range(count):
        yield {"prompt": f"{prompt} {n}x", "chosen": f"{chosen} {n}y", "rejected": f"{rejected} {n}z"}


def one_template(count: int) -> Rows:
    """Rows share a third of their text: just too little for near duplicates."""
    rng = random.Random(0)
    shared = sentence(rng, 30)
    for _ in range(count):
        yield {"prompt": f"{shared} {sentence(rng, 26)}", "chosen": sentence(rng, 20), "rejected": sentence(rng, 20)}


def one_group(count: int) -> Rows:
    """All rows share a group."""
    for row in different(count):
        yield {**row, "group": "g"}


def two_groups(count: int) -> Rows:
    """Half of the rows share a group, and the other half another."""
    for n, row in enumerate(different(count)):
        yield {**row, "group": f"g{n % 2}"}


def subset_a_row(count: int) -> Rows:
    """As many subsets as rows."""
    for n in range(count):
        yield {"prompt": "Name a river.", "chosen": "The Elbe is one.", "rejected": "No.", "subset": f"s{n}"}


def subset_two_rows(count: int) -> Rows:
    """Half as many subsets as rows, of different rows."""
    for n, row in enumerate(different(count)):
        yield {**row, "subset": f"s{n // 2}"}


def same_id(count: int) -> Rows:
    """All rows have one id."""
    for n in range(count):
        yield {"prompt": f"Name river {n}.", "chosen": "The Elbe is one.", "rejected": "No.", "id": "x"}


def no_text(count: int) -> Rows:
    """Empty texts in all rows but the first."""
    yield from different(1)
    for n in range(count - 1):
        yield {"prompt": "" if n % 2 else " ", "chosen": "", "rejected": "\n"}


def blank_lines(count: int) -> Rows:
    """Three rows of almost only line breaks, ten for each requested row."""
    for n in range(3):
        yield {"prompt": f"q{n}", "chosen": "\n" * 10 * count + "yes", "rejected": " " * 10 * count + "no"}


def many_completions(count: int) -> Rows:
    """One item with `count` completions, half of them right."""
    texts = [f"answer {n % 7}" for n in range(count)]
    yield {"prompt": "Which one?", "completions": texts, "num_correct": count // 2}
    yield {"prompt": "And now?", "completions": texts[:4], "num_correct": 1}


def one_huge_row(count: int) -> Rows:
    """Different rows, one of which has 500 bytes for each requested row."""
    rng = random.Random(1)
    for n, row in enumerate(different(count // 50)):
        yield row if n else {**row, "prompt": sentence(rng, 125 * count), "chosen": sentence(rng, 125 * count)}


SHAPES: dict[str, Callable[[int], Rows]] = {
    shape.__name__: shape
    for shape in (
        *(alike, same_answers, different, one_word_changed, one_template, one_group, two_groups, subset_a_row),
        *(subset_two_rows, same_id, no_text, blank_lines, many_completions, one_huge_row),
    )
}


def write(path: Any, shape: str, count: int) -> str:
    """Write the rows of a shape to a .jsonl file; return its path."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in SHAPES[shape](count))
    return str(path)
