"""`rewardbench analyze`: options from a dataclass, files, bounds and exit codes, with an analysis made for the test."""

import json
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Literal

import pytest

from rewardbench.analysis import registry
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, parse_bars
from rewardbench.cli import main as cli
from rewardbench.settings import ModelSpec


@dataclass(frozen=True)
class CoinOptions:
    throws: Annotated[int, OptionHelp("Number of throws", min=1)] = 5
    side: Annotated[Literal["heads", "tails"], OptionHelp("Side to count")] = "heads"
    tags: Annotated[tuple[str, ...], OptionHelp("Tag of the run")] = ()
    model: ModelSpec | None = None


def analyze(inputs, options: CoinOptions) -> Report:
    values = {"throws": options.throws, "share": 0.12345, "model": options.model.model if options.model else None}
    table = ReportTable("Throws", ["side", "share"], [[options.side, 0.5], ["edge", None]])
    details = {"tags": options.tags, "beta": options.model.beta if options.model else None, "files": list(inputs)}
    return Report(
        "coin", values, "The coin is fair.", [table], lambda figure: figure.subplots().plot([1, 2]), details=details
    )


def selftest(seeds: int | None = None) -> Report:
    return Report("coin", {"share": 0.3, "seeds": seeds or 20}, "The coin is not fair.", bars=parse_bars("share>=0.5"))


@pytest.fixture
def coin(monkeypatch, tmp_path):
    """Register the analysis `coin`, and run in an empty folder."""
    module = ModuleType("rewardbench.analysis.coin")
    module.analyze, module.selftest = analyze, selftest
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(registry, "ANALYSES", (registry.AnalysisRow("coin", "Results", "Throw a coin"),))
    monkeypatch.chdir(tmp_path)
    cli.build_command.cache_clear()
    yield tmp_path
    cli.build_command.cache_clear()


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(["analyze", *arguments])
    return stop.value.code


def test_the_command_prints_and_writes_the_report(coin, capsys):
    assert (
        run("coin", "a.json", "b.json", "--throws", "3", "--tags", "x", "--tags", "y", "--model", "m", "--beta", "2")
        == 0
    )
    output = capsys.readouterr().out
    assert "The coin is fair.\nthrows=3\nshare=0.1235\nmodel=m\n" in output
    assert "edge" in output
    written = json.loads((coin / "analysis" / "coin.json").read_text())
    assert written["details"] == {"tags": ["x", "y"], "beta": 2.0, "files": ["a.json", "b.json"]}
    assert written["settings"]["throws"] == 3
    assert (coin / "analysis" / "coin.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_the_same_figures(coin, capsys):
    assert run("coin", "--json", "--output_dir", "here") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["values"] == {"throws": 5, "share": 0.12345, "model": None}
    assert printed["files"] == {"report": "here/coin.json", "figure": "here/coin.png"}
    assert (coin / "here" / "coin.json").is_file()


@pytest.mark.parametrize(("bound", "code"), [("share>=0.1", 0), ("share>=0.2", 1), ("model==1", 1), ("throws<6", 0)])
def test_check_decides_the_exit_code(coin, capsys, bound, code):
    assert run("coin", "--check", bound) == code
    assert (f"Missed: {bound} (is" in capsys.readouterr().err) == bool(code)


def test_selftest_exits_1_if_a_bound_is_missed(coin, capsys):
    assert run("coin", "--selftest", "--seeds", "2") == 1
    streams = capsys.readouterr()
    assert "seeds=2" in streams.out
    assert streams.err == "Missed: share>=0.5 (is 0.3000).\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["coin", "--throws", "0"], "'--throws': Input should be greater than or equal to 1"),
        (["coin", "--side", "edge"], "--side"),
        (["coin", "--check", "share"], "'share' is not a bound: write KEY>=NUMBER"),
        (["coin", "--check", "luck>=1"], "There is no value 'luck' to check; the values are throws, share, model."),
        (["coin", "--seeds", "3"], "--seeds is for --selftest"),
        (["coin", "a.json", "--selftest"], "--selftest makes its own data: leave out a.json."),
        (["coin", "--output_dir", "taken/analysis"], "Reports cannot be written to taken/analysis"),
        (["dice"], "No such command 'dice'"),
    ],
)
def test_bad_input_is_one_line(coin, capsys, arguments, message):
    (coin / "taken").write_text("a file")
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_help_lists_the_analyses(coin, capsys):
    assert run("--help") == 0
    assert "coin  Throw a coin." in capsys.readouterr().out
    assert run("coin", "--help") == 0
    help_text = capsys.readouterr().out
    assert "--throws" in help_text
    assert "Number of throws" in help_text
    assert "--selftest" in help_text
