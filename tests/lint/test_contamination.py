"""Contamination check: hits, misses, and memory that does not grow with the training data."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from rewardbench.errors import InputError
from rewardbench.lint.contamination import END, find_overlap, run_hashes
from rewardbench.suites import load_suite, stream_texts

CORE = load_suite("core", split="safety")
PROMPT = CORE.items[0].prompt[-1]["content"]


def test_overlap_ignores_case_and_punctuation():
    rows = ["Nothing to see here.", PROMPT.upper().replace(",", " --"), "Nor here."]
    overlap = find_overlap(rows, CORE)
    assert (overlap.rows_read, overlap.rows_hit) == (3, 1)
    assert CORE.items[0].id in overlap.examples
    assert overlap.hit >= 1
    assert overlap.subsets[CORE.items[0].subset]["hit"] == overlap.hit


def test_a_row_with_two_hits_counts_once():
    overlap = find_overlap([f"{PROMPT} xyzzy plugh {PROMPT}"], CORE)
    assert (overlap.rows_read, overlap.rows_hit) == (1, 1)


def test_shorter_shared_ngrams_do_not_count():
    words = PROMPT.split()
    assert len(words) > 14
    assert find_overlap([" ".join(words[:12])], CORE).hit == 0
    assert find_overlap([" ".join(words[:14])], CORE).hit >= 1


def test_ngrams_do_not_cross_rows():
    words = PROMPT.split()
    assert find_overlap([" ".join(words[:7]), " ".join(words[7:14])], CORE).hit == 0


def test_a_row_is_covered_by_half_of_its_ngrams():
    item = CORE.items[0]
    everything = "\n".join([PROMPT, *(turns[0]["content"] for turns in item.completions)])
    overlap = find_overlap([everything], CORE)
    assert overlap.covered >= 2  # both halves of the mirror share their responses
    assert overlap.examples[0].startswith(item.group)


def test_run_hashes_depend_on_order_and_skip_unknown_words():
    ids = np.array([1, 2, 3, 0, 1, 2, 3, END, 3, 2, 1, END], dtype=np.uint64)
    hashes, text = run_hashes(ids, 3)
    assert len(hashes) == 3
    assert hashes[0] == hashes[1] != hashes[2]
    assert text.tolist() == [0, 0, 1]


def test_stream_texts_gives_the_same_text_for_every_format(tmp_path):
    rows = [{"prompt": f"question {n}", "chosen": [{"role": "user", "content": f"answer {n}"}]} for n in range(3)]
    expected = [f"question {n}\nuser\nanswer {n}" for n in range(3)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "b.json").write_text(json.dumps(rows))
    pd.DataFrame(rows).to_parquet(tmp_path / "c.parquet")
    for name in ("a.jsonl", "b.json", "c.parquet"):
        assert sorted(stream_texts(str(tmp_path / name)), key=lambda text: text[9]) == expected or name == "c.parquet"
    assert [text.splitlines()[0] for text in stream_texts(str(tmp_path / "c.parquet"))] == [t["prompt"] for t in rows]
    assert len(list(stream_texts(str(tmp_path)))) == 9
    (tmp_path / "t.csv").write_text("prompt,chosen\nhello there,yes\n")
    assert list(stream_texts(str(tmp_path / "t.csv"))) == ["hello there\nyes"]


def test_stream_texts_rejects_unreadable_data_with_a_one_line_error(tmp_path):
    with pytest.raises(InputError, match="no jsonl, json, parquet or csv"):
        stream_texts(str(tmp_path))
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(InputError, match="not a Parquet file"):
        list(stream_texts(str(tmp_path / "bad.parquet")))


def test_overlap_memory_does_not_grow_with_the_stream():
    def peak(rows):
        tracemalloc.start()
        find_overlap((f"row {n} of some training set, which says this and that {n % 7}" for n in range(rows)), CORE)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(30_000) < 1.2 * peak(6_000)
