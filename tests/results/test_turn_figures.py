"""Test turn accuracy and breakdowns in stored results: summary, rows, table, `key=value` lines and HTML."""

import io
import json

import pytest
from groups import by_name, mirror, rung_suite, scored, square, suite_of
from rich.console import Console
from synthetic import scores, singles, store

from rewardbench import results
from rewardbench.metrics import measure, summarize
from rewardbench.results import parquet, read_result, report
from rewardbench.results.scored import read_scored, to_model_scores
from rewardbench.results.suites_report import print_suites
from rewardbench.results.types import design_columns
from rewardbench.types import Rule

SUITE = rung_suite(3)


def reader(prompt, response):
    """Read the prompt on rung 1, prefer the short response on the others."""
    if "-1-" in prompt:
        return float(("no" in response) == prompt.startswith("isn't"))
    return -float(len(response))


SCORES = scored(SUITE, reader)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return store(tmp_path_factory.mktemp("results"), SUITE, SCORES, "org/m")


def printed(result):
    console = Console(width=80, file=io.StringIO(), color_system=None)
    report.print_result(result, console)
    return console.file.getvalue().splitlines()


def test_summary_has_turn_accuracy_by_name(path):
    summary = json.loads(path.read_text())
    turn = summary["turn"]
    assert {name: estimate["value"] for name, estimate in turn.items()} == {
        "score": 0.625,
        "Instructions": 0.625,
        "rules": 0.625,
        "scopes": 0.625,
    }
    assert turn["score"]["low"] < 0.625 < turn["score"]["high"]
    assert summary["breakdowns"]["rung.1"]["value"] == summary["breakdowns"]["scopes/rung.1"]["value"] == 1
    assert summary["reach"] == {"rules": 1, "scopes": 1}
    assert [estimate["name"] for estimate in summary["mirror_subsets"]] == ["rules", "scopes"]
    assert summary["manifest"]["suite"]["cluster_by"] == "template"
    assert summary["manifest"]["suite"]["breakdowns"] == {"rung": "mirror"}


def test_a_result_that_is_read_has_the_same_figures(path):
    result, estimates = read_result(path), summarize(SUITE, SCORES)
    assert result.turns == estimates.turns
    assert result.breakdowns == estimates.breakdowns
    assert result.mirror_subsets == estimates.mirror_subsets


def test_figures_follow_from_the_rows_of_each_format(path, tmp_path):
    """The rows name responses, template and rung, so that nothing needs the suite."""
    expected = summarize(SUITE, SCORES)
    summary = results.read_summary(path)
    rows = results.read_rows(path, summary)
    columns = design_columns(summary["manifest"])
    table = tmp_path / "m.parquet"
    table.write_bytes(parquet.encode_table(rows, columns))
    outputs = results.outputs_path(path)
    for stored in (rows, parquet.read_table(table, columns), parquet.read_jsonl(outputs, columns)):
        read = to_model_scores(path, summary, stored)
        estimates = summarize(read.suite, read.items)
        assert estimates.turns == expected.turns
        assert estimates.breakdowns == expected.breakdowns
        assert estimates.score == expected.score
        assert len(measure(read.suite, read.items).total("mirror").weights) == 4


def test_a_packed_result_keeps_what_its_figures_need(path):
    summary = results.read_summary(path)
    packed = results.pack_result(summary, results.read_rows(path, summary))
    place = path.with_name("packed.json")
    place.write_text(json.dumps(packed.summary))
    results.table_path(place).write_bytes(packed.table)
    read = read_scored(place)
    assert summarize(read.suite, read.items).turns == summarize(SUITE, SCORES).turns


def test_untrusted_rows_with_odd_columns_have_no_turn_accuracy(path):
    summary = results.read_summary(path)
    for odd in (None, 7, "x", ["a", "b"], [1], [-1, 2], [2**60, 1], [True, False], {"a": 1}):
        rows = [{**row, "completion_hashes": odd} for row in results.read_rows(path, summary)]
        read = to_model_scores(path, summary, rows)
        turns = summarize(read.suite, read.items).turns
        assert turns == () or odd == [True, False]
    names = {"cluster_by": "scores", "breakdowns": {"id": "mirror", "rung": "mirror"}}
    assert design_columns({"suite": names}) == ("rung",)
    assert design_columns({"suite": {"cluster_by": 7}}) == ()


def test_results_of_other_suites_have_none_of_these_fields(tmp_path):
    suite = singles(4)
    summary = json.loads(store(tmp_path, suite, scores(suite, 0.5), "org/m").read_text())
    assert not summary.keys() & {"turn", "breakdowns", "reach", "mirror_subsets"}
    assert not summary["manifest"]["suite"].keys() & {"cluster_by", "breakdowns"}


def test_a_result_of_an_earlier_version_is_readable(path):
    """It lacks the fields, and its rows lack the hashes: mirror accuracy is recomputed, turn accuracy is not."""
    summary = json.loads(path.read_text())
    for name in ("turn", "breakdowns", "reach", "mirror_subsets"):
        del summary[name]
    for name in ("cluster_by", "breakdowns"):
        del summary["manifest"]["suite"][name]
    rows = results.read_rows(path, results.read_summary(path))
    old_rows = [{name: cell for name, cell in row.items() if name != "completion_hashes"} for row in rows]
    old = path.with_name("old.json")
    lines = "".join(map(results.dump, old_rows))
    results.outputs_path(old).write_text(lines)
    old.write_text(json.dumps(summary))
    summary["outputs_sha256"] = results.read.sha256_of(results.outputs_path(old))
    old.write_text(json.dumps(summary))
    result = read_result(old)
    assert (result.turns, result.breakdowns, result.score.value) == ((), (), 0.25)
    read = read_scored(old)
    estimates = summarize(read.suite, read.items)
    assert (estimates.turns, estimates.score.value) == ((), 0.25)


def test_table_has_columns_of_mirror_and_turn_accuracy(path):
    result = read_result(path)
    lines = printed(result)
    row = next(line.split() for line in lines if line.strip().startswith("scopes"))
    assert row[1:2] == ["24"]
    assert row[4:6] == ["25.0", "62.5"]
    score = next(line.split() for line in lines if line.strip().startswith("score "))
    assert score[3:5] == ["25.0", "62.5"]
    text = " ".join(" ".join(lines).split())
    assert "mirror %: mirrors with every item right, as in contrast sets and Winoground" in text
    assert "ignoring the prompt gives 0, independent coin flips 25." in text
    assert "ignoring the prompt gives exactly 50." in text


def test_ladder_is_a_table_of_rungs_with_the_reach(path):
    lines = [line.split() for line in printed(read_result(path))]
    assert ["rung", "1", "2", "3", "4", "reach"] in lines
    assert ["all", "100.0", "0.0", "0.0", "0.0"] in lines
    assert ["rules", "100.0", "0.0", "0.0", "0.0", "1"] in lines


def test_several_suites_have_the_meanings_once_and_a_ladder_each(path):
    console = Console(width=80, file=io.StringIO(), color_system=None)
    print_suites([read_result(path), read_result(path)], console)
    text = " ".join(console.file.getvalue().split())
    assert text.count("turn %: mirrors whose margins sum above 0") == 1
    assert text.count("made, % rung 1 2 3 4 reach") == 2


def test_key_values_have_turn_rung_and_reach(path):
    values = dict(line.split("=") for line in report.key_values(read_result(path)))
    turn_keys = {key: value for key, value in values.items() if key.startswith("turn.")}
    assert turn_keys.pop("turn.score_low") < "0.6250" < turn_keys.pop("turn.score_high")
    assert turn_keys == {
        "turn.score": "0.6250",
        "turn.instructions": "0.6250",
        "turn.rules": "0.6250",
        "turn.scopes": "0.6250",
    }
    assert (values["mirror.instructions"], values["mirror.rules"]) == ("0.2500", "0.2500")
    assert (values["rung.1"], values["rung.2"], values["reach.rules"]) == ("1.0000", "0.0000", "1")


def test_notebook_table_has_a_column_of_turn_accuracy(path):
    html = read_result(path)._repr_html_()
    assert "<th>turn %</th>" in html
    turn_and_counts = "<td>62.5</td><td>0</td><td>0</td>"
    assert html.count(turn_and_counts) == 2  # of the section and of the score


def test_a_section_and_a_subset_with_the_same_key_have_one_line(tmp_path):
    rules = {"pink-elephant": Rule("Pink Elephant"), "s": Rule("S")}
    suite = suite_of(mirror("m", "pink-elephant"), square("q", "s"), rules=rules)
    result = read_result(store(tmp_path, suite, scored(suite, reader), "org/m"))
    keys = [line.partition("=")[0] for line in report.key_values(result)]
    assert keys.count("turn.pink_elephant") == keys.count("mirror.pink_elephant") == keys.count("turn.s") == 1
    assert by_name(result.turns)["pink-elephant"] == 0.5
