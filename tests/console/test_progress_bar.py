"""The progress bar of the scoring loop: its total grows with each window, and estimates later windows."""

import io
import re
import time

import pytest
from rich.console import Console

from rewardbench.console.progress import ScoringBar, StepBar, elapsed_time
from rewardbench.evaluation import run
from rewardbench.settings import ModelSpec, Settings


def test_the_total_is_known_work_plus_an_estimate_of_later_windows():
    bar = ScoringBar(Console(file=io.StringIO(), force_terminal=True))
    bar.start(items=30, parts=2)
    bar.expect(items=10, requests=20, tokens=1000)
    (task,) = bar._bar.tasks
    assert task.total == 6000, "sixty items in all, as long as the first ten"
    bar.advance(5, 400)
    assert (task.completed, bar.rate().split()[1]) == (400, "items/s")
    assert task.fields["count"] == "1/30", "a quarter of ten items, of which the reference is to come"
    bar.expect(items=50, requests=10, tokens=200)
    assert task.total == 1200, "most of the others were known"
    assert task.fields["count"] == "5/30"
    bar.advance(10, 200)
    assert task.fields["count"] == "30/30"


def test_slow_items_have_seconds_each_and_cached_items_count(monkeypatch):
    bar = ScoringBar(Console(file=io.StringIO()))
    bar.start(items=2_400, parts=1)
    bar.expect(items=2_000, requests=0, tokens=0)
    assert bar.count() == "2,000/2,400"
    bar.expect(items=400, requests=800, tokens=0)
    monkeypatch.setattr("time.monotonic", lambda start=bar._start: start + 12_000)
    bar.advance(2, 0)
    assert bar.count() == "2,001/2,400"
    assert bar.rate() == "2,000.0 s/item"


def test_the_bar_shows_a_share_and_a_remaining_time_between_slow_batches(monkeypatch):
    """A batch may take minutes; the clock of the bar is moved by hand."""
    clock = [0.0]
    shown = io.StringIO()
    bar = ScoringBar(Console(file=shown, force_terminal=True, width=120))
    monkeypatch.setattr(bar._bar, "get_time", lambda: clock[0])
    bar.start(items=4, parts=1)
    bar.expect(items=4, requests=4, tokens=400)
    for _ in range(3):
        clock[0] += 60
        bar.advance(1, 100)
    (task,) = bar._bar.tasks
    assert task.time_remaining == 60
    assert " 75%" in "".join(segment.text for segment in Console(width=120).render(bar._bar.make_tasks_table([task])))


@pytest.mark.parametrize(("is_terminal", "expected"), [(True, True), (False, False)])
def test_a_terminal_shows_that_a_model_is_loaded(is_terminal, expected):
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=is_terminal, width=120)
    run(Settings(ModelSpec("baseline/longest"), limit=2), console)
    assert ("loading baseline/longest" in shown.getvalue()) == expected
    assert is_terminal or shown.getvalue() == ""


def test_a_log_says_that_a_model_is_loaded_and_for_how_long(monkeypatch):
    monkeypatch.setattr("rewardbench.console.progress.LOG_FIRST", 0.01)
    monkeypatch.setattr("rewardbench.console.progress.LOG_EVERY", 0.01)
    log = io.StringIO()
    with elapsed_time(Console(file=log), "loading org/model[8b]"):
        while log.getvalue().count("\n") < 2:
            time.sleep(0.01)
    assert set(log.getvalue().splitlines()) == {"loading org/model[8b] elapsed=0s"}


def test_scorers_without_tokens_advance_by_requests():
    bar = ScoringBar(Console(file=io.StringIO(), force_terminal=True))
    bar.start(items=4, parts=1)
    bar.expect(items=4, requests=8, tokens=0)
    bar.advance(8, 0)
    (task,) = bar._bar.tasks
    assert task.completed == task.total == 8


def test_without_a_terminal_rate_and_remaining_time_are_logged(monkeypatch):
    """Short work logs nothing, long work a line every 30 seconds."""
    log = io.StringIO()
    with StepBar("linting", 200, Console(file=log)) as tick:
        tick()
        assert log.getvalue() == ""
        monkeypatch.setattr("rewardbench.console.progress.LOG_EVERY", 0.0)
        tick()
    (line,) = log.getvalue().splitlines()
    assert re.fullmatch(r"linting done=2 rate=[\d.]+/s total=200 eta=\d+s", line)


def test_long_scoring_logs_rate_status_and_remaining_time(monkeypatch):
    monkeypatch.setattr("rewardbench.console.progress.LOG_EVERY", 0.0)
    log = io.StringIO()
    bar = ScoringBar(Console(file=log), lambda: "$0.10")
    bar.start(items=4, parts=1)
    bar.expect(items=4, requests=8, tokens=0)
    bar.advance(2, 0)
    (line,) = log.getvalue().splitlines()
    assert re.fullmatch(r'scoring done=25\.0% items=1/4 rate="[\d.,]+ items/s, \$0\.10" eta=\d+s', line)


def test_a_bar_counts_many_thousand_steps():
    with StepBar("linting", 5_000, Console(file=io.StringIO(), force_terminal=True)) as tick:
        for _ in range(5_000):
            tick()
    (task,) = tick._bar.tasks
    assert task.completed == 5_000
    assert task.fields["rate"].endswith("/s")
