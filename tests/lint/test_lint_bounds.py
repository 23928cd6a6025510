"""Time and memory of the data checks are bounded for every shape of data, and their results are right."""

import io
import json
import os
import resource
import subprocess
import sys
import time

import pytest
from data_shapes import SHAPES, write
from rich.console import Console

from rewardbench.lint.contamination import find_overlap
from rewardbench.lint.duplicates import near_duplicates
from rewardbench.lint.report import print_lint
from rewardbench.lint.run import MOST_LEARNED, exceeding, lint, steps
from rewardbench.lint.shortcuts import BLIND, shortcut_credit
from rewardbench.suites import load_suite
from rewardbench.types import Item, Message

ROWS = 5_000
SECONDS, MEGABYTES = 30, 500
"""Generous: a lint of 5,000 rows takes 1 to 5 seconds of a processor here, and 150 MB beyond what is loaded already."""


def peak():
    """Return the peak memory of this process, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def lint_shape(folder, shape):
    """Lint a shape, and check the limits of time and memory."""
    suite = load_suite(write(folder / f"{shape}.jsonl", shape, ROWS))
    ticks = []
    memory, seconds = peak(), time.process_time()
    result = lint(suite, lambda: ticks.append(0))
    assert time.process_time() - seconds < SECONDS
    assert peak() - memory < MEGABYTES
    assert 0 < len(ticks) <= steps(suite)
    return result


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_lint_of_any_shape_takes_seconds_and_little_memory(tmp_path, shape):
    result = lint_shape(tmp_path, shape)
    json.dumps(result.to_json(), allow_nan=False)
    printed = io.StringIO()
    print_lint(result, Console(file=printed, width=100))
    assert len(printed.getvalue().splitlines()) < 250, "a table of all subsets is no table"
    (all_rows, *_) = result.subsets.values()
    expected = {
        "alike": result.duplicates.duplicates == ROWS - 1,
        "same_answers": (all_rows.longer, all_rows.tfidf) == (1, 1) and result.duplicates.near_duplicates_80 == 0,
        "different": result.duplicates.near_duplicates_80 == result.duplicates.masked_50 == 0,
        "one_word_changed": result.duplicates.near_duplicates_80 == result.duplicates.masked_50 == 1,
        "one_template": result.duplicates.near_duplicates_80 == 0,
        "one_group": all_rows.tfidf != all_rows.tfidf,
        "two_groups": all_rows.learned_on <= 200 and 0.3 < all_rows.tfidf < 0.7,
        "subset_a_row": len(result.subsets) == ROWS and sum(s.learned_on > 0 for s in result.subsets.values()) <= 100,
        "subset_two_rows": f"in the {MOST_LEARNED} largest subsets" in str(result.notes()),
        "same_id": all_rows.n == ROWS,
        "no_text": (result.unusable, result.duplicates.empty) == (ROWS - 1, ROWS - 1),
        "blank_lines": all_rows.newlines == 1,
        "many_completions": all_rows.n == 2,
        "one_huge_row": result.cut == 1 and "very long texts" in str(result.notes()),
    }
    assert expected[shape]


MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
"""Runs a command from a small process: the peak memory of a child counts that of the process that started it."""


@pytest.mark.slow
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_lint_of_100_000_rows_takes_at_most_minutes(tmp_path, shape):
    """Measure the command in another process: processor time and peak memory."""
    path = write(tmp_path / f"{shape}.jsonl", shape, 100_000)
    command = [sys.executable, "-m", "rewardbench", "data", "lint", path, "--json"]
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert run.returncode == 0, run.stderr.decode()
    seconds, kilobytes = map(float, run.stderr.split()[-2:])
    assert seconds < 150
    assert kilobytes < 2_000_000
    assert json.loads(run.stdout)["subsets"]


def test_exceeding_lists_only_the_larger_of_longer_and_shorter(tmp_path):
    rows = [
        {"prompt": f"q{n} {n % 3}", "chosen": "well " * (2 + n % 5 * (n % 10 > 0)), "rejected": "no no no"}
        for n in range(100)
    ]
    path = tmp_path / "mostly-longer.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = lint(load_suite(str(path)))
    longer, shorter = result.subsets["all"].longer, result.subsets["all"].shorter
    assert longer + shorter == pytest.approx(1)
    lengths = [line for line in exceeding(result, 0.6) if "longer" in line or "shorter" in line]
    name, share = ("longer", longer) if longer > shorter else ("shorter", shorter)
    assert lengths == [f"all: {name} reaches {share:.3f}"]


def test_exceeding_reports_the_opposite_of_a_rule_that_is_nearly_always_wrong(tmp_path):
    rows = [{"prompt": f"q{n}", "chosen": "fine", "rejected": "one\ntwo"} for n in range(10)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sentences = exceeding(lint(load_suite(str(tmp_path / "d.jsonl"))), 0.9)
    assert "all: newlines reaches 0.000, so its opposite reaches 1.000" in sentences
    assert "all: shorter reaches 1.000" in sentences
    assert not any("longer" in line for line in sentences)


def completions(texts, right):
    return Item("1", "s", (Message(role="user", content="Go?"),), tuple(map(assistant, texts)), right)


def assistant(text):
    return (Message(role="assistant", content=text),)


def test_shortcut_credit_over_many_completions_equals_that_of_all_pairs():
    texts = ["x" * (n * 7 % 5) for n in range(12)]
    pairs = [(len(a) > len(b)) + 0.5 * (len(a) == len(b)) for a in texts[:5] for b in texts[5:]]
    assert shortcut_credit(completions(texts, 5), BLIND["longer"]) == pytest.approx(sum(pairs) / len(pairs))


def test_near_duplicates_compares_each_text_of_a_bucket_with_another_group():
    """Forty near duplicates of one group and one of another: all are near one of another group."""
    text = "please tell the ferry that the boat to the harbour leaves at seven sharp and will not wait for anybody {}"
    prompts, groups = [text.format(n) for n in range(41)], ["a"] * 40 + ["b"]
    assert near_duplicates(prompts, groups, 0.8) == 1
    assert near_duplicates(prompts[:40], groups[:40], 0.8) == 0


def test_overlap_reads_one_huge_row_of_training_data_in_little_memory(tmp_path):
    suite = load_suite("core", split="safety")
    prompt = suite.items[0].prompt[-1]["content"]
    memory, seconds = peak(), time.process_time()
    overlap = find_overlap(["one two three four " * 500_000 + prompt, "a row"], suite)
    assert (overlap.rows_read, overlap.rows_hit) == (2, 1)
    assert suite.items[0].id in overlap.examples
    assert peak() - memory < MEGABYTES
    assert time.process_time() - seconds < SECONDS
