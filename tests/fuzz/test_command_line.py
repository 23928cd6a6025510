"""Fuzz the command line: no traceback, no unknown exit code, no lost row, no hang, whatever the input.

150 cases in the fast run, always the same; 2,000 new ones with --slow.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fuzz_commands import CommandLine, command_lines
from fuzz_inputs import Table, damaged_files, say, scalars, spoiled, tables
from fuzz_runner import EXITS, Outcome, check, run
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

LONGEST = ("--model", "baseline/longest")
PAIRS = [
    {
        "prompt": f"Name river {n}.",
        "chosen": f"The Elbe is number {n}.",
        "rejected": "No." * (n % 4),
        "subset": "ab"[n % 2],
    }
    for n in range(1, 9)
]
SUITE = "name: toy\ndataset: pairs.jsonl\nsections: {All: [a, b]}\n"


def cases(fast: int, slow: int) -> Any:
    """Parametrize a test with the number of cases to try, fast and with --slow."""
    return pytest.mark.parametrize("count", [fast, pytest.param(slow, marks=pytest.mark.slow)])


def try_all(count: int, strategy: st.SearchStrategy, prove: Callable[[Any], None]) -> None:
    """Run `prove` on so many drawn cases; a fast run draws the same ones every time."""

    @settings(max_examples=count, deadline=None, derandomize=count < 100, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def prove_case(case: Any) -> None:
        with empty_folder():
            prove(case)

    EXITS.clear()
    prove_case()
    print(f"exit codes: {dict(EXITS)}")
    assert EXITS[0], f"no command did its work ({dict(EXITS)}): such cases test the first check only"


@contextmanager
def empty_folder() -> Iterator[Path]:
    """Context manager: work in a new folder, with a score cache of its own."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as outer:  # ".." of the working folder is empty too
        folder = Path(outer, "work")
        folder.mkdir()
        os.chdir(folder)
        cache, os.environ["REWARDBENCH_CACHE"] = os.environ.get("REWARDBENCH_CACHE"), f"{folder}/cache.sqlite"
        try:
            yield folder
        finally:
            os.chdir(before)
            if cache is not None:
                os.environ["REWARDBENCH_CACHE"] = cache


def prepare_folder() -> None:
    """Write good data and two results of it into the working folder."""
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    Path("suite.yaml").write_text(SUITE)
    for rule in ("longest", "shortest"):
        outcome = run("--model", f"baseline/{rule}", "--dataset", "pairs.jsonl", "--no_cache")
        assert outcome.code == 0, outcome.describe()


def stored_rows(name: str = "baseline/longest") -> list[dict[str, Any]]:
    """Return the per-item rows that a run wrote."""
    lines = Path(f"results/{name}_outputs.jsonl").read_text(encoding="ascii").splitlines()
    return [json.loads(line) for line in lines]


def prove_rows(table: Table, *options: str) -> None:
    path = table.write(Path.cwd())
    protocol = ("--protocol", table.protocol) if table.protocol else ()
    note(path.read_bytes()[:2000].decode("utf-8", "replace"))
    outcome = check(run(*LONGEST, "--dataset", str(path), "--no_cache", *protocol, *options))
    if outcome.code != 0:
        assert not list(Path().rglob("*_outputs.jsonl")), outcome.describe()
        return
    rows = stored_rows()
    assert len(rows) >= len(table.rows), f"lost a row: {outcome.describe()}"
    assert len({row["id"] for row in rows}) == len(rows), outcome.describe()
    for row in rows:
        scored = all(score is not None for score in row["scores"])
        assert scored == (row["reason"] is None), f"no score and no reason: {row}"
    scores = {row["id"]: row["scores"] for row in rows if row["reason"] is None}
    for id_, lengths in table.intact.items():
        assert tuple(scores.get(id_, lengths)) == lengths, f"{id_}: {outcome.describe()}"
    check(run("show", "results/baseline/longest.json", "--json"))


@cases(35, 500)
def test_rows_of_every_format(count):
    try_all(count, tables(), prove_rows)


@cases(10, 150)
def test_rows_on_an_ascii_terminal(count):
    def prove(table: Table) -> None:
        path = table.write(Path.cwd())
        protocol = ("--protocol", table.protocol) if table.protocol else ()
        check(run(*LONGEST, "--dataset", str(path), "--no_cache", *protocol, encoding="ascii"))
        if (stored := Path("results/baseline/longest.json")).is_file():
            check(run("show", str(stored), encoding="latin-1"))

    try_all(count, tables(), prove)


turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "human", "gpt", "x"])},
    optional={
        "content": st.one_of(scalars, st.just("Yes."), st.just([{"type": "text", "text": "Yes."}])),
        "reasoning_content": scalars,
        "tool_calls": st.one_of(scalars, st.just([{"type": "function", "function": {"name": "f", "arguments": "{}"}}])),
        "name": scalars,
    },
)
conversations = st.lists(turns, min_size=1, max_size=4)


@cases(15, 250)
def test_conversations_with_a_real_model(count):
    """tiny-rm reads what baselines do not: templates, tokens, truncation."""

    def prove(case: tuple[list[Any], list[Any], int | None]) -> None:
        prompt, answers, limit = case
        rows = [{"prompt": prompt, "chosen": answer, "rejected": "No."} for answer in answers]
        rows.append({"prompt": "Name a river.", "chosen": [say("assistant", "The Elbe.")], "rejected": "No."})
        Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        options = ("--max_length", str(limit)) if limit else ()
        outcome = check(run("--model", "tiny-rm", "--dataset", "rows.jsonl", "--no_cache", *options))
        if outcome.code == 0:
            assert len(stored_rows("tiny-rm")) == len(rows), outcome.describe()

    answers = st.lists(st.one_of(conversations, st.just("Yes."), scalars), min_size=1, max_size=3)
    limits = st.sampled_from([None, None, 1, 2, 8, 40])
    try_all(count, st.tuples(st.one_of(conversations, st.just("Hi.")), answers, limits), prove)


@cases(30, 400)
def test_damaged_files(count):
    def prove(case: tuple[str, bytes]) -> None:
        name, content = case
        Path(name).write_bytes(content)
        check(run(*LONGEST, "--dataset", name, "--no_cache"))
        check(run("data", "lint", name, "--json"))

    try_all(count, damaged_files(), prove)


@cases(30, 400)
def test_command_lines(count):
    def prove(line: CommandLine) -> None:
        prepare_folder()
        check(run(*line.words))

    try_all(count, command_lines(), prove)


def example_result() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the summary and the rows of a good result."""
    with empty_folder():
        prepare_folder()
        return json.loads(Path("results/baseline/longest.json").read_text()), stored_rows()


@cases(30, 300)
def test_stored_results_with_spoiled_fields(count):
    summary, rows = example_result()
    questions: list[tuple[str, ...]] = [
        ("show", "bad.json", "--json"),
        ("show", "bad.json", "--errors", "--html", "out.html"),
        ("compare", "bad.json", "results/baseline/shortest.json"),
        ("compare", "results/baseline/shortest.json", "bad.json", "--json"),
        ("gate", "--baseline", "bad.json", "--candidate", "results/baseline/shortest.json", "--floor", "all=0.5"),
        ("gate", "--baseline", "results/baseline/shortest.json", "--candidate", "bad.json", "--json"),
        ("verify", "bad.json", "--dataset", "pairs.jsonl"),
        ("submit", "bad.json", "--store", "store", "--name", "org/m"),
        ("show", "bad_outputs.jsonl"),
        ("index", "."),
    ]

    def prove(case: tuple[dict[str, Any], list[Any], tuple[str, ...]]) -> None:
        spoiled_summary, spoiled_rows, question = case
        prepare_folder()
        content = "".join(json.dumps(row) + "\n" for row in spoiled_rows).encode()
        seal(spoiled_summary, content)
        Path("bad.json").write_text(json.dumps(spoiled_summary))
        Path("bad_outputs.jsonl").write_bytes(content)
        check(run(*question))

    summaries = st.one_of(st.just(summary), spoiled(summary))
    row_lists = st.one_of(st.just(rows), spoiled(rows))
    try_all(count, st.tuples(summaries, row_lists, st.sampled_from(questions)), prove)


def seal(summary: Any, content: bytes) -> None:
    """Write the hash of the rows into a summary that has one, so that readers look further than that."""
    import hashlib

    if isinstance(summary, dict) and isinstance(summary.get("outputs_sha256"), str):
        summary["outputs_sha256"] = hashlib.sha256(content).hexdigest()


def test_the_checks_fail_where_they_should():
    """A fuzzer that cannot fail finds nothing."""
    good = Outcome(("show", "--json"), 0, "{}", "")
    bad = [
        Outcome((), 1, "", "", traceback="Traceback ..."),
        Outcome((), "hang", "", ""),
        Outcome((), 4, "", ""),
        Outcome((), 2, "", "no sentence"),
        Outcome(("--json",), 0, "{NaN}", ""),
        Outcome((), 0, "\x1b]0;title\x07", ""),
    ]
    check(good)
    for outcome in bad:
        with pytest.raises((AssertionError, ValueError)):
            check(outcome)
