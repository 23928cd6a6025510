"""Test a folder of results in which somebody has put hostile files: the board is shown, and says what it left out."""

import json
import os
import time

import pytest
from synthetic import changed, mirrors, scores, store

pytest.importorskip("gradio")

from rewardbench import results
from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.leaderboard.app import serve as app
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.submission import UploadChecks
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.rows import LONGEST_TEXT
from rewardbench.results.judges import judge_of
from rewardbench.store import LocalStore

SUITE = mirrors(4)
MOST_PAGE = 10**6
"""Maximum size of a page in bytes."""
PAGES = ("", "view=size", "view=items", "view=suite", "view=compare", "view=model&model=org/a", "subsets=1")


@pytest.fixture
def folder(tmp_path):
    for n, name in enumerate("ab"):
        store(tmp_path, SUITE, scores(SUITE, 0.6, seed=n), f"org/{name}")
    return tmp_path


def test_devices_pipes_and_links_are_no_results(folder, capsys):
    before = refresh(LocalStore(folder)).rows
    os.mkfifo(folder / "fifo.json")
    (folder / "zero.json").symlink_to("/dev/zero")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "folder.json").mkdir()
    (folder / "up").symlink_to("..")
    secret = folder.parent / f"{folder.name}-secret.json"
    secret.write_text((folder / "org" / "a.json").read_text().replace("org/a", "org/secret"))
    (folder / "outside.json").symlink_to(secret)
    start = time.monotonic()
    board = refresh(LocalStore(folder))
    assert time.monotonic() - start < 5
    assert board.rows == before
    assert set(board.skipped) == {"outside"}
    with pytest.raises(SystemExit):
        main(["index", str(folder)])
    assert "skipped.outside=" in capsys.readouterr().out
    secret.unlink()


def test_ten_thousand_other_files_cost_seconds(folder):
    before = refresh(LocalStore(folder)).rows
    (folder / "junk").mkdir()
    for n in range(10_000):
        (folder / "junk" / f"{n}.json").write_text("{" if n % 2 else '{"a": 1}')
    start = time.process_time()
    board = refresh(LocalStore(folder))
    first = time.process_time() - start
    assert board.rows == before
    assert len(board.skipped) == 10_000
    start = time.process_time()
    refresh(LocalStore(folder))
    assert time.process_time() - start < max(5, first), "they are not read again"
    assert first < 20
    for query in PAGES:
        assert len(app.view(Library(str(folder)), f"?{query}")) < MOST_PAGE


def manifest_of_zeros():
    """Return a manifest whose JSON is far larger when it is indented."""
    value = [0] * 200
    for _ in range(30):
        value = [value, 0]
    return {"zeros": [[[0] * 10] * 300] * 10, "deep": value}


HOSTILE = {
    "a manifest of zeros": (("manifest", "x"), manifest_of_zeros()),
    "a long name": (("model",), "org/" + "a" * 200_000),
    "a name of many lines": (("model",), "a\n" * 50_000),
    "a long kind": (("model_type",), "a" * 200_000),
    "a long command": (("manifest", "command"), "rewardbench --model " + "a" * 200_000),
    "a hundred thousand sections": (("sections",), [{"name": f"s{n}", "value": 0.5, "n": 1} for n in range(10**5)]),
    "a hundred thousand subsets": (("subsets",), [{"name": f"s{n}", "value": 0.5, "n": 1} for n in range(10**5)]),
    "long names of sections": (("sections",), [{"name": "s" * 10_000, "value": 0.5, "n": 1}] * 50),
    "many biases": (("biases",), [{"name": f"b{n}", "value": 0.5, "n": 1} for n in range(10**4)]),
    "a huge number": (("score", "value"), 10**400),
    "a score that is text": (("score", "value"), "0.99"),
    "a long license": (("manifest", "model"), {"license": "mit" * 10_000, "parameters": 10**400}),
    "a long date": (("date",), "2026-01-01" * 1_000),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("totals", [False, True], ids=["with items", "totals only"])
def test_no_page_is_large_and_no_row_hides_others(folder, name, totals):
    path = folder / "org" / "a.json"
    summary = json.loads(path.read_bytes())
    if totals:
        summary |= {results.OUTPUTS_HASH: None, "mirrors": []}
    path.write_text(json.dumps(changed(summary, *HOSTILE[name])))
    library = Library(str(folder))
    assert "org/b" in {row.key for row in library.rows().rows}
    assert {"org/a", "org/b"} == {row.key for row in library.rows().rows} | library.rows().left_out.keys()
    for query in PAGES:
        assert len(app.view(library, f"?{query}").encode()) < MOST_PAGE, query


def test_summary_that_is_too_large_is_not_parsed(folder):
    (folder / "big.json").write_text('{"schema": 1, "x": [' + "[]," * 3_000_000 + "[]]}")
    board = refresh(LocalStore(folder))
    assert len(board.rows) == 2
    assert "a summary has at most" in board.left_out["big"]


STATEMENTS = {
    "kind": (("model_type",), "Seq. Classifier (verified by AI2)"),
    "kind of one word": (("model_type",), "Verified"),
    "date": (("date",), "verified 2026"),
    "license": (("manifest", "model"), {"license": "MIT - verified by AI2"}),
    "command": (("manifest", "command"), "curl https://example.org | sh # verified"),
    "base model": (("manifest", "model"), {"base_model": "verified by AI2"}),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_field_of_a_row_cannot_pose_as_a_badge(folder, name):
    path = folder / "org" / "a.json"
    path.write_text(json.dumps(changed(json.loads(path.read_bytes()), *STATEMENTS[name])))
    library = Library(str(folder))
    row = library.row("org/a")
    shown = (row.model_type, row.date, row.license, row.command, row.base_model, row.note, row.badge)
    assert "erified" not in " ".join(shown)


@pytest.mark.parametrize(
    "mark", ["\u202e", "\u2066", "\u200f", "\u061c", "\u200b", "\u2028", "\x1b[2J", "\r\n", "\t", "\x9b"]
)
def test_no_invisible_character_reaches_a_page_or_the_terminal(folder, mark, capsys):
    for n, place in enumerate(("model", "suite", "revision")):
        path = store(folder, SUITE, scores(SUITE, 0.4, seed=5 + n), f"lab/m{n}")
        summary = json.loads(path.read_bytes())
        path.write_text(json.dumps(changed(summary, (place,), f"lab/evil{mark}com")))
    library = Library(str(folder))
    for suite in library.rows().suites:
        for query in PAGES:
            page = app.view(library, f"?suite={suite}&{query}")
            assert mark not in page.replace("\n", "") or mark in "\t\r\n"
    for row in library.rows().rows:
        assert not any(mark in text for text in (row.model, row.suite, row.revision))
    with pytest.raises(SystemExit):
        main(["index", str(folder)])
    captured = capsys.readouterr()
    assert mark not in (captured.out + captured.err).replace("\n", "")


def test_control_characters_in_the_name_of_a_file_stay_out_of_the_terminal(folder, capsys):
    source = folder / "org" / "a.json"
    for name in ("x\x1b[2Jy.json", "two\nrows=99.json", "\u202egnp.json", "\udcff.json"):
        target = folder / name
        try:
            target.write_bytes(source.read_bytes())
        except OSError:
            continue
        results.outputs_path(target).write_bytes(results.outputs_path(source).read_bytes())
    with pytest.raises(SystemExit):
        main(["index", str(folder)])
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert [line for line in output.splitlines() if line.startswith("rows=")] == [
        f"rows={len(Library(str(folder)).rows().rows)}"
    ]
    for query in PAGES:
        assert "<h1" in app.view(Library(str(folder)), f"?{query}")


def test_keys_that_differ_in_case_or_normal_form_stay_apart(folder):
    names = ("org/a", "Org/A", "org/caf\u00e9", "org/cafe\u0301", "org/\ufb00", "org/ff", "ORG/\u0130", "org/i\u0307")
    expected = {}
    for n, name in enumerate(names):
        path = store(folder, SUITE, scores(SUITE, 0.1 * n, seed=n), name)
        expected[path.relative_to(folder).as_posix()[:-5]] = name
    library = Library(str(folder))
    assert {key: library.row(key).model for key in expected} == expected
    for key in expected:
        library.items(library.row(key))
        scored = library.items(library.row(key))
        assert scored.model == expected[key], "each model has its own cached items"


SPOILED = (
    None,
    {},
    [],
    [{}],
    "x",
    "\ud800",
    7,
    -1,
    [1],
    {"a": 1},
    [[]],
    True,
    10**400,
    1e308,
    [{"name": 1}],
    [10**400],
)
REQUIRED = {"schema", "suite", "revision", "model", "manifest", results.OUTPUTS_HASH, "mode"}
"""Fields without which a file is no result, or its items are unknown."""
JUDGE = {"protocol": "pair", "version": 1, "digest": "ab", "requests": 5, "cost": 0.5, "failures": {"empty": 1}}


def paths_of(value, path=()):
    below = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in below:
        yield (*path, key)
        yield from paths_of(inner, (*path, key))


def test_no_optional_field_hides_a_row(folder):
    """Every field of a summary, with every kind of wrong value."""
    path = folder / "org" / "a.json"
    summary = json.loads(path.read_bytes())
    summary["manifest"] |= {
        "run": {"judge": JUDGE},
        "session": {"judge": {"sent": 4}},
        "model": {"license": "mit", "parameters": 10**9, "base_model": "org/base"},
        "command": "rewardbench --model org/a",
        "fingerprint": {"weights": {"commit": "0" * 40}},
        "environment": {"torch": "2"},
    }
    summary |= {"date": "2026-01-01", "biases": [{"name": "verbosity_preference", "value": 0.1, "n": 3}]}
    path.write_text(json.dumps(summary))
    true = Library(str(folder)).row("org/a").score
    fields = [field for field in paths_of(summary) if field[0] not in REQUIRED or len(field) > 1]
    fields = [field for field in fields if field[:2] != ("manifest", "suite")]
    assert len(fields) > 60
    spoiled = LocalStore(folder)
    for n, field in enumerate(fields):
        for value in (SPOILED[n % len(SPOILED)], SPOILED[(n * 7 + 3) % len(SPOILED)], 10**400):
            path.write_text(json.dumps(changed(summary, field, value)))
            board = refresh(spoiled)
            (row,) = [row for row in board.rows if row.key == "org/a"] or [None]
            assert row is not None, (field, value, board.left_out)
            assert row.score == true, (field, value)


def test_judge_with_an_endless_cost_is_still_read_as_far_as_it_can_be():
    assert judge_of({"run": {"judge": {**JUDGE, "cost": 10**400}}}) is None
    assert judge_of({"run": {"judge": JUDGE}}).cost == 0.5


def test_duplicate_keys_are_read_as_the_last_one_everywhere(folder):
    """What is hashed, checked and shown is one value."""
    path = folder / "org" / "a.json"
    text = path.read_text()
    path.write_text(text.replace("{", '{"model": "org/first", "accuracy": 1.0, ', 1))
    assert Library(str(folder)).row("org/a").model == "org/a"
    assert results.read_summary(path)["accuracy"] != 1.0


def test_text_is_cut_and_not_lost(folder):
    path = folder / "org" / "a.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"model": "org/" + "a" * 1_000}))
    assert len(Library(str(folder)).row("org/a").model) == LONGEST_TEXT


@pytest.mark.parametrize("name", ["..", ".", "../x", "/etc/passwd", "a/../../x", "a\0b"])
def test_key_in_a_request_stays_in_the_store(folder, name):
    library = Library(str(folder))
    assert library.row(name) is None
    assert "No such model" in app.view(library, f"?view=model&model={name}")
    with pytest.raises((InputError, ValueError)):
        results.read_summary(library.store.path(name))


def test_long_texts_and_many_rows_fit_on_a_page(tmp_path, monkeypatch):
    from dataclasses import replace

    text = ({"role": "assistant", "content": "<" * 300_000},)
    items = tuple(replace(item, completions=(text, text)) for item in SUITE.items)
    suite = replace(SUITE, items=items)
    for n, name in enumerate("ab"):
        store(tmp_path, suite, scores(suite, 0.0, seed=n), f"org/{name}")
    library = Library(str(tmp_path))
    for query in (*PAGES, "view=model&model=org/a&all=1", "view=compare&a=org/a&b=org/b"):
        assert len(app.view(library, f"?{query}").encode()) < MOST_PAGE, query
    monkeypatch.setattr(app, "LARGEST_PAGE", 4_000)
    assert "too large" in app.view(library, "?view=model&model=org/a&all=1")


def test_thousand_rows_fit_on_a_page(folder):
    """The leaders are shown, whatever the number of rows."""
    from dataclasses import replace

    library = Library(str(folder))
    row = library.row("org/a")
    rows = tuple(replace(row, key=f"lab/m{n}", model=f"lab-{n % 40}/a-reward-model-{n}-70B") for n in range(1_000))
    library.board = replace(library.board, rows=rows)
    for query in ("view=board", "subsets=1", "view=size", "view=suite", "view=compare", "row=lab/m999"):
        page = app.view(library, f"?{query}")
        assert len(page.encode()) < MOST_PAGE, query
        assert "too large" not in page or query != "view=board"
    first = app._first(UploadChecks(library), "")
    assert len(first.encode()) < MOST_PAGE
    assert "lab/m0" in first
