"""`rewardbench cache ...`: what it prints and deletes; it creates no cache."""

import json
import time

import pytest
import typer

from rewardbench.cli.cache import cache
from rewardbench.cli.main import main
from rewardbench.engine.cache import Cache
from rewardbench.scorers.judge.answers import Answer
from rewardbench.scorers.judge.ledger import Ledger, RequestId

FACTS = {"weights": {"sha256": "6e1ebbbb4deb8ab77a03"}, "dtype": "bfloat16", "template_sha256": "20abbcd23e8d6833"}


def key(number):
    return number.to_bytes(16, "little")


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path / "caches" / "scores.sqlite"))
    return tmp_path / "caches" / "scores.sqlite"


@pytest.fixture
def filled(path):
    """Two models: one used 40 days ago with 3 scores, one used now with 2."""
    with Cache(path, lambda: time.time() - 40 * 86_400) as opened:
        opened.register("aa", "org/old", FACTS)
        opened.store("aa", {key(i): 0.5 for i in range(3)})
    with Cache(path) as opened:
        opened.register("bb", "org/[bold]new", {})
        opened.store("bb", {key(i): 0.5 for i in range(2)})
    return path


@pytest.fixture
def command(monkeypatch, capfd):
    """Run `rewardbench cache ...` in this process: exit code, stdout, lines on stderr."""
    app = typer.Typer()
    app.callback()(lambda: None)
    app.add_typer(cache, name="cache")
    monkeypatch.setattr("rewardbench.cli.main.app", app)

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(["cache", *map(str, arguments)])
        out, err = capfd.readouterr()
        return stop.value.code, out, err.splitlines()

    return run


def models(path):
    with Cache(path) as opened:
        return [entry.model for entry in opened.entries()]


def test_it_shows_a_row_per_scorer_and_key_values(command, filled):
    code, out, err = command()
    assert (code, err) == (0, [])
    lines = out.splitlines()
    assert lines[-4:-1] == [f"path={filled}", "scores=5", "models=2"]
    assert 4096 < int(lines[-1].removeprefix("bytes=")) < 1_000_000
    (old,) = (line.split() for line in lines if "org/old" in line)
    assert old[1] == "3"
    assert old[-3:] == ["6e1ebbbb", "bfloat16", "20abbcd2"]
    newest = next(line for line in lines if "org/" in line)
    assert "org/[bold]new" in newest, "names are printed as they are"


def test_json_has_the_same_values(command, filled):
    code, out, _ = command("--json")
    printed = json.loads(out)
    assert code == 0
    assert (printed["path"], printed["scores"], printed["models"]) == (str(filled), 5, 2)
    assert [(e["scorer"], e["model"], e["scores"]) for e in printed["entries"]] == [
        ("bb", "org/[bold]new", 2),
        ("aa", "org/old", 3),
    ]
    facts = printed["entries"][1]["facts"]
    assert facts == {
        "weights": "6e1ebbbb4deb",
        "dtype": "bfloat16",
        "template": "20abbcd23e8d",
    }
    assert printed["entries"][0]["used"].startswith(time.strftime("%Y-", time.gmtime()))


def test_a_missing_cache_is_empty_and_is_not_created(command, path):
    assert command() == (0, f"path={path}\nscores=0\nmodels=0\nbytes=0\n", [])
    code, out, _ = command("--json")
    assert json.loads(out) == {"path": str(path), "scores": 0, "models": 0, "bytes": 0, "entries": []}
    assert (code, command("prune", "--all")) == (0, (0, "pruned=0\n", []))
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("arguments", "pruned", "remaining"),
    [
        (["--model", "org/old"], 3, ["org/[bold]new"]),
        (["--model", "org/none"], 0, ["org/[bold]new", "org/old"]),
        (["--older_than", "39"], 3, ["org/[bold]new"]),
        (["--older-than", "41"], 0, ["org/[bold]new", "org/old"]),
        (["--older_than", "39", "--model", "org/[bold]new"], 0, ["org/[bold]new", "org/old"]),
        (["--all"], 5, []),
    ],
)
def test_prune_deletes_what_its_options_select(command, filled, arguments, pruned, remaining):
    assert command("prune", *arguments) == (0, f"pruned={pruned}\n", [])
    assert models(filled) == remaining


@pytest.mark.parametrize("arguments", [["prune", "--all", "--json"], ["--json", "prune", "--all"]])
def test_prune_prints_json(command, filled, arguments):
    code, out, _ = command(*arguments)
    assert (code, json.loads(out), models(filled)) == (0, {"pruned": 5}, [])


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--all", "--model", "org/old"], ["--all", "--older_than", "1"]])
def test_prune_rejects_ambiguous_options(command, filled, arguments):
    code, out, err = command("prune", *arguments)
    assert (code, out) == (2, "")
    assert err == [
        "rewardbench: Which scores to delete is not clear: pass --model NAME, --older_than DAYS or both, or only --all."
    ]
    assert len(models(filled)) == 2


@pytest.mark.parametrize("arguments", [[], ["prune", "--all"]])
def test_a_damaged_cache_is_a_one_line_error(command, path, arguments):
    path.parent.mkdir()
    path.write_text("not a database")
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err == [
        f"rewardbench: The score cache {path} cannot be used (file is not a database): remove the file, set "
        "REWARDBENCH_CACHE to another, or pass --no_cache."
    ]


def test_an_age_below_zero_is_rejected(command, filled):
    code, _, (complaint,) = command("prune", "--older_than", "-1")
    assert code == 2
    assert "older_than" in complaint
    assert len(models(filled)) == 2


# --- answers of judges


@pytest.fixture
def answered(filled):
    path = filled.with_name("answers.sqlite")
    with Ledger(path, lambda: time.time() - 40 * 86_400) as ledger:
        ledger.store(RequestId("host/v1", "org/old", b"1"), Answer("[[A]]", prompt_tokens=7, completion_tokens=2))
    with Ledger(path) as ledger:
        ledger.store(RequestId("host/v1", "org/judge", b"2"), Answer("[[B]]"))
        ledger.claim(RequestId("host/v1", "org/judge", b"3"), 60)
    return path


def test_answers_of_judges_are_shown_after_the_scores(command, answered):
    code, out, _ = command()
    lines = out.splitlines()
    assert code == 0
    (judge,) = (line.split() for line in lines if "org/judge" in line)
    assert judge[:4] == ["org/judge", "host/v1", "1", "1"]
    assert lines[-3:-1] == [f"answers_path={answered}", "answers=2"]
    printed = json.loads(command("--json")[1])
    assert (printed["scores"], printed["answers"]) == (5, 2)
    assert printed["judges"][1] == {
        "endpoint": "host/v1",
        "model": "org/old",
        "answers": 1,
        "unfinished": 0,
        "prompt_tokens": 7,
        "completion_tokens": 2,
    }


@pytest.mark.parametrize(
    ("arguments", "pruned"),
    [
        (["--all"], (5, 2)),
        (["--model", "org/old"], (3, 1)),
        (["--older_than", "39"], (3, 1)),
        (["--model", "x"], (0, 0)),
    ],
)
def test_prune_deletes_answers_of_judges_too(command, answered, arguments, pruned):
    assert command("prune", *arguments) == (0, f"pruned={pruned[0]}\npruned_answers={pruned[1]}\n", [])


def test_a_damaged_file_of_answers_is_a_one_line_error(command, filled):
    filled.with_name("answers.sqlite").write_text("not a database")
    code, out, err = command()
    assert (code, out, len(err)) == (2, "", 1)
    assert "answers.sqlite cannot be used (file is not a database): remove the file" in err[0]
