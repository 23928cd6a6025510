"""Test malformed results: show, compare, gate and rank answer, or fail with a one-line error."""

import contextlib
import copy
import hashlib
import io
import json
import time

import pytest
import synthetic
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rewardbench.cli.main import main
from rewardbench.results import OUTPUTS_HASH, outputs_path

CODES = {0, 1, 2, 3}
NUMBERS = [0, 1, -1, 0.5, 1e308, -1e308, 10**400, float("nan"), float("inf"), float("-inf"), True]
TEXTS = ["", "x", "a\ud83d", "\x1b[2J", "[/red]", "$x^{", "0.5", "\u202e"]
VALUES = st.recursive(
    st.sampled_from([None, *NUMBERS, *TEXTS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "rules", "suite"]), inner),
    max_leaves=4,
)
ROW_FIELDS = ["id", "subset", "group", "prompt", "results", "reason", "num_correct", "scores", "texts", "truncated"]
ROW_FIELDS += ["scores_chosen", "scores_rejected", "text_chosen", "text_rejected", "text"]
SUMMARY_FIELDS = [("schema",), ("suite",), ("revision",), ("model",), ("manifest",), (OUTPUTS_HASH,)]
SUMMARY_FIELDS += [("manifest", "suite"), ("manifest", "fingerprint_sha256")]
SUMMARY_FIELDS += [("manifest", "suite", name) for name in ("name", "rules", "section_weights", "headline")]
SUMMARY_FIELDS += [("manifest", "suite", "rules", "chat-sub"), ("manifest", "suite", "section_weights", "Chat")]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Store two results of one suite, and return the paths of their summaries."""
    folder, suite = tmp_path_factory.mktemp("results"), synthetic.mirrors(4)
    return [synthetic.store(folder, suite, synthetic.scores(suite, 0.6, seed), f"m{seed}") for seed in (1, 2)]


def answer(*arguments):
    """Run a command; return its exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main(list(map(str, arguments)))
    return stop.value.code, out.getvalue(), err.getvalue()


def ask_all(path, other, json_too=True):
    """Run every command that reads a stored result, as text and as JSON."""
    commands = [
        ["show", path, "--html", path.parent / "page.html"],
        ["compare", path, other],
        ["compare", other, path, other],
        ["gate", "--baseline", other, "--candidate", path, "--markdown", path.parent / "m.md"],
    ]
    for command in commands:
        for options in [[], ["--json"]] if json_too else [[]]:
            code, out, err = answer(*command, *options)
            assert code in CODES
            assert (err.count("\n"), out == "") == ((1, True) if code == 2 else (0, False))
            assert "\x1b" not in out + err
            if options and code != 2:
                json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def quiet(examples):
    health = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, suppress_health_check=health, derandomize=True)


def read_lines(path):
    return [json.loads(line) for line in outputs_path(path).read_text().splitlines()]


def write_lines(path, rows):
    content = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(content)
    return hashlib.sha256(content.encode()).hexdigest()


@quiet(25)
@given(field=st.sampled_from(ROW_FIELDS), value=VALUES, every=st.booleans(), bare=st.booleans())
@example(field="scores", value=[1e308, -1e308], every=True, bare=False)
@example(field="scores", value=None, every=True, bare=True)
@example(field="id", value={"a": "\ud83d"}, every=False, bare=True)
def test_a_row_with_any_field_spoiled(field, value, every, bare, sound, tmp_path):
    rows = read_lines(sound[0])
    for row in rows if every else rows[:1]:
        row[field] = value
    path = tmp_path / "spoiled.json"
    summary = json.loads(sound[0].read_text())
    summary[OUTPUTS_HASH] = write_lines(outputs_path(path), rows)
    path.write_text(json.dumps(summary))
    if bare:
        path = outputs_path(path).rename(tmp_path / "bare.jsonl")
    ask_all(path, sound[1])


@quiet(25)
@given(where=st.sampled_from(SUMMARY_FIELDS), value=VALUES)
@example(where=("manifest", "suite", "rules", "chat-sub"), value=["S", "ties", None])
def test_a_summary_with_any_field_spoiled(where, value, sound, tmp_path):
    summary = synthetic.changed(json.loads(sound[0].read_text()), where, copy.deepcopy(value))
    path = tmp_path / "spoiled.json"
    outputs_path(path).write_bytes(outputs_path(sound[0]).read_bytes())
    path.write_text(json.dumps(summary))
    ask_all(path, sound[1], json_too=False)


def chopped(content):
    return content[: len(content) * 2 // 3]


BYTES = {
    "empty": lambda content: b"",
    "a blank": lambda content: b" \n\n",
    "cut": chopped,
    "BOM": lambda content: b"\xef\xbb\xbf" + content,
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "blank lines": lambda content: content.replace(b"\n", b"\n\n"),
    "twice": lambda content: content * 2,
    "a NUL": lambda content: content.replace(b"1", b"\0", 1),
    "no UTF-8": lambda content: content.replace(b"right", b"\xff\xfe"),
    "deep": lambda content: b"[" * 100_000,
    "NaN": lambda content: content.replace(b"0.0", b"NaN"),
    "a number": lambda content: b"3\n",
    "a null": lambda content: b"null\n",
}
READABLE = {"BOM", "CRLF", "blank lines", "NaN"}


@pytest.mark.parametrize("name", BYTES)
def test_a_file_of_other_bytes(name, sound, tmp_path):
    rows, summary = tmp_path / "rows.jsonl", tmp_path / "summary.json"
    rows.write_bytes(BYTES[name](outputs_path(sound[0]).read_bytes()))
    summary.write_bytes(BYTES[name](sound[0].read_bytes()))
    outputs_path(summary).write_bytes(outputs_path(sound[0]).read_bytes())
    for path in (rows, summary):
        ask_all(path, sound[1], json_too=False)
    assert (answer("show", rows)[0] == 0) == (name in READABLE)


def test_a_folder_and_a_file_that_is_not_there(sound, tmp_path):
    for path in (tmp_path, tmp_path / "none.json", tmp_path / "none.jsonl", sound[0] / "x.json"):
        code, out, err = answer("show", path)
        assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.slow
@pytest.mark.parametrize("subsets", [1, 20_000])
def test_a_hundred_thousand_rows_take_seconds(subsets, sound, tmp_path):
    count = 100_000 if subsets == 1 else subsets
    rows = [
        {"id": str(n), "subset": f"s{n % subsets}", "scores_chosen": n % 7, "scores_rejected": n % 3}
        for n in range(count)
    ]
    path = tmp_path / "many.jsonl"
    write_lines(path, rows)
    for arguments in (
        ["show", path, "--html", tmp_path / "many.html"],
        ["compare", path, path, "--plot", tmp_path / "many.svg"],
        ["gate", "--baseline", path, "--candidate", path],
    ):
        began = time.process_time()
        code, _, err = answer(*arguments)
        assert (code, err) == (0, "")
        assert time.process_time() - began < 40
