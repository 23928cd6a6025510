"""`--report_to`: the figures of a run reach the trackers by their own clients."""

import json

import pytest
from terminal import run

from rewardbench.errors import InputError
from rewardbench.results import trackers
from rewardbench.results.trackers import describe_run, log_results, parse_trackers
from rewardbench.types import Estimate, Result

SCORE = Estimate("score", 4, 0.75, 0.3, 0.95)


def result_of(model, suite="toy", revision=None):
    manifest = {"model": {"revision": revision}, "command": f"rewardbench --model {model}", "fingerprint": {"a": 1}}
    return Result(suite, "r1", model, "Seq. Classifier", SCORE, SCORE, (), (), manifest=manifest)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"Say {n}.", "chosen": f"yes {n}, it is", "rejected": "no"} for n in range(6)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.mark.parametrize(
    ("model", "revision", "name", "group", "step"),
    [
        ("org/rm", None, "org/rm", "org/rm", 0),
        ("runs/rm/checkpoint-24", None, "runs/rm/checkpoint-24", "rm", 24),
        ("org/rm", "step_2000", "org/rm@step_2000", "org/rm", 2000),
        ("org/rm-seed-3", None, "org/rm-seed-3", "org/rm-seed-3", 0),
    ],
)
def test_checkpoints_of_a_run_share_a_group_and_have_their_step(model, revision, name, group, step):
    tracked = describe_run([result_of(model, revision=revision), result_of(model, "b/c")], "results/")
    assert (tracked.name, tracked.group, tracked.step) == (name, group, step)
    assert tracked.figures["toy/score"] == tracked.figures["b/c/score"] == 0.75
    assert tracked.config["suites"] == "toy@r1, b/c@r1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wandbb", r"'wandbb' is not a tracker: did you mean wandb\?"),
        ("comet", "pass wandb, tensorboard, trackio, mlflow, all or none"),
        ("", "is not a tracker"),
    ],
)
def test_an_unknown_tracker_is_an_error(text, message):
    with pytest.raises(InputError, match=message):
        parse_trackers(text)


def test_a_tracker_that_is_not_installed_is_an_error_before_scoring(here, capsys, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    code, _, error = run(
        capsys, "--model", "baseline/longest", "--dataset", "pairs.jsonl", "--report_to", "tensorboard,wandb"
    )
    assert (code, "--report_to tensorboard needs its package: pip install tensorboard." in error) == (2, True)
    assert not (here / "results").exists()
    assert parse_trackers("all") == []


def test_tensorboard_draws_a_curve_over_checkpoints(here, capsys):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    code, _, _ = run(
        capsys, "--model", "baseline/longest", "--dataset", "pairs.jsonl", "--report_to", "tensorboard", "--name", "n"
    )
    assert code == 0
    for step in (12, 24):
        log_results(["tensorboard"], [result_of(f"runs/rm/checkpoint-{step}")], "results/")
    for folder, tag, steps in (("n", "pairs.jsonl/score", [0]), ("rm", "toy/score", [12, 24])):
        events = accumulator.EventAccumulator(str(here / "results" / "runs" / folder))
        events.Reload()
        assert [event.step for event in events.Scalars(tag)] == steps
    assert events.Scalars("toy/score")[0].value == 0.75


def test_wandb_logs_offline(here, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    log_results(["wandb"], [result_of("org/rm")], "results/")
    wandb.teardown()  # else the file is written when the process ends
    (file,) = (here / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"toy/score" in file.read_bytes()


def test_a_tracker_that_fails_is_an_error_that_says_where_the_result_is(monkeypatch):
    def fail(tracked):
        raise ValueError("no\nnetwork")

    monkeypatch.setitem(trackers.TRACKERS, "wandb", fail)
    with pytest.raises(InputError, match="The result is stored, but --report_to wandb failed: no network"):
        log_results(["wandb"], [result_of("org/rm")], "results/")
