"""Of a folder with results on several suites, `compare --suite` takes those on one."""

import json
from dataclasses import replace

import pytest
from synthetic import scores, singles, store

from rewardbench.cli.main import main

TOY = singles(40)
OTHER = replace(singles(30), name="other", revision="2.0.0+abc+limit=30")


@pytest.fixture
def paths(tmp_path):
    files = []
    for suite in (TOY, OTHER):
        for n, share in enumerate((0.6, 0.9)):
            files.append(str(store(tmp_path, suite, scores(suite, share, n), f"m{n}")))
    return files


def compare(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["compare", *arguments])
    printed = capsys.readouterr()
    return stop.value.code, printed.out, printed.err


@pytest.mark.parametrize(
    ("suite", "n"), [("toy", 40), ("other", 30), ("other@2.0.0", 30), ("other@2.0.0+abc+limit=30", 30)]
)
def test_the_results_on_a_suite_are_compared(paths, capsys, suite, n):
    code, out, err = compare(capsys, *paths, "--suite", suite, "--json")
    assert (code, json.loads(out)["items"]) == (0, n)
    assert "2 results of other suites were left out: " in err


def test_results_on_several_suites_are_an_error_that_names_the_option(paths, capsys):
    code, _, err = compare(capsys, *paths)
    assert code == 2
    assert "of 2 suites (toy, other)" in err
    assert "pass --suite toy" in err


@pytest.mark.parametrize("suite", ["nowhere", "other@1.0"])
def test_a_suite_without_two_results_is_an_error(paths, capsys, suite):
    code, _, err = compare(capsys, *paths, "--suite", suite)
    assert code == 2
    assert f"0 of 4 results are of --suite {suite}, and two are needed: the results are of toy@r1, other@2.0.0" in err
