"""The order inconsistency of pairwise models is a figure of its own, wherever a result is seen."""

import csv
import hashlib
import io
import json

import pytest
from terminal import run

from rewardbench import compare, evaluate, read_result
from rewardbench.leaderboard.app.model_page import _details
from rewardbench.leaderboard.app.tables import cell_text, columns, to_csv, to_latex
from rewardbench.leaderboard.index import encode_index, read_index
from rewardbench.leaderboard.rows import compute_row
from rewardbench.leaderboard.submissions.fields import find_problems
from rewardbench.leaderboard.submissions.package import describe_submission, pack_submission, pull_request_text
from rewardbench.leaderboard.types import Board
from rewardbench.results import parquet
from rewardbench.results.report import key_values, table
from rewardbench.results.scored import read_scored
from rewardbench.store import open_store

ITEMS, BIAS = 2000, 0.3
PLUGIN = """
import hashlib

from rewardbench.chat import all_text
from rewardbench.scorers import BaseScorer
from rewardbench.types import TextRequest


def share(text):
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


class Judge(BaseScorer):
    view = "pairwise"

    def __init__(self, bias):
        self.bias = bias

    def prepare(self, prompt, *completions, rendered, tools=()):
        texts = tuple(map(all_text, completions))
        return TextRequest("|".join(texts), texts)

    def run(self, requests):
        return [self.judge(*request.completions) for request in requests]

    def judge(self, first, second):
        is_biased = share("|".join(sorted((first, second)))) < self.bias
        return 0.9 if is_biased or len(first) > len(second) else 0.1


def load(spec):
    return Judge(float(spec.model.partition(":")[2]))
"""
POINTWISE = "baseline/longest"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    lines = []
    for n in range(ITEMS):
        row = {"id": str(n), "prompt": f"City {n}?", "chosen": f"It is number {n}.", "rejected": f"{n}"}
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def output_dir(rows, tmp_path_factory):
    """Score the rows by an installed plug-in with a position bias, by one without, and by a baseline."""
    site = tmp_path_factory.mktemp("site")
    (site / "positional.py").write_text(PLUGIN)
    info = site / "positional-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: positional\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rewardbench.scorers]\njudge = positional:load\n")
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        from rewardbench.cli.main import main

        for model in (f"judge:{BIAS}", "judge:0", POINTWISE):
            with pytest.raises(SystemExit) as stop:
                main(["--model", model, "--dataset", str(rows), "--output_dir", str(folder), "--no_cache"])
            assert stop.value.code == 0
    return folder


@pytest.fixture
def biased(output_dir):
    return output_dir / f"judge_{BIAS}.json"


@pytest.fixture
def unbiased(output_dir):
    return output_dir / "judge_0.json"


def figure(path):
    return json.loads(path.read_text())["order_inconsistency"]


def test_a_planted_position_bias_is_measured(biased, unbiased, output_dir):
    measured = figure(biased)
    assert measured["n"] == ITEMS
    assert measured["value"] == pytest.approx(BIAS, abs=0.03)
    assert measured["low"] < BIAS < measured["high"]
    assert figure(unbiased)["value"] == 0
    assert "order_inconsistency" not in json.loads((output_dir / f"{POINTWISE}.json").read_text())


def test_the_accuracy_counts_a_biased_item_as_a_tie(biased):
    result = read_result(biased)
    assert result.accuracy.ties == round(result.order_inconsistency.value * ITEMS)
    assert result.accuracy.value == pytest.approx(1 - result.order_inconsistency.value)


def test_the_command_prints_the_figure(rows, tmp_path):
    namespace = {}
    exec(PLUGIN, namespace)
    result = evaluate(namespace["Judge"](1.1), str(rows), limit=50)
    lines = dict(line.split("=", 1) for line in key_values(result))
    assert lines["order_inconsistency"] == "1.0000"
    assert lines["order_inconsistency_n"] == "50"
    assert str(list(table(result).columns[0].cells)[-1]) == "order inconsistency"
    assert "<td>order inconsistency</td><td>50</td><td>100.0</td>" in result._repr_html_()
    assert set(result.to_pandas()["order_inconsistency"]) == {1.0}
    saved = result.save(tmp_path)
    assert read_result(saved).order_inconsistency == result.order_inconsistency
    assert "order_inconsistency" not in evaluate(POINTWISE, str(rows), limit=5).to_pandas()


def test_show_and_compare_print_it(biased, unbiased, capsys):
    _, out, _ = run(capsys, "show", biased, "--limit", 1)
    assert f"order_inconsistency={figure(biased)['value']:.4f}" in out
    assert "order inconsistency 1.00" in out
    _, out, _ = run(capsys, "show", biased, "--limit", 1, "--json")
    shown = json.loads(out)
    assert (shown["order_inconsistency"], shown["shown"][0]["order_inconsistency"]) == (figure(biased)["value"], 1.0)
    _, out, _ = run(capsys, "compare", biased, unbiased)
    assert f"first_order_inconsistency={figure(biased)['value']:.4f}\nsecond_order_inconsistency=0.0000" in out
    assert compare(biased, unbiased).order_inconsistency == (figure(biased)["value"], 0.0)


def test_models_that_are_not_pairwise_have_no_such_figure(output_dir, biased, capsys):
    pointwise = output_dir / f"{POINTWISE}.json"
    _, out, _ = run(capsys, "show", pointwise, "--limit", 1)
    assert "inconsistency" not in out
    _, out, _ = run(capsys, "compare", biased, pointwise)
    assert "first_order_inconsistency=" in out
    assert "second_order_inconsistency" not in out


def test_a_submission_keeps_it_in_its_table(biased, tmp_path):
    entry = pack_submission(biased, name="org/judge", license="mit")
    path = tmp_path / "judge.parquet"
    path.write_bytes(entry.table)
    rows = parquet.read_table(path)
    assert sum(row["order_inconsistency"] for row in rows) / len(rows) == pytest.approx(figure(biased)["value"])
    assert f"order_inconsistency={figure(biased)['value']}" in list(describe_submission(entry))
    assert f"| order inconsistency | {100 * figure(biased)['value']:.2f} |" in pull_request_text(entry)
    assert not [problem for problem in find_problems(entry.summary) if "order" in problem]


@pytest.mark.parametrize("value", ["high", {"name": "x", "n": 3, "value": 7.0}, [0.3], {"value": 0.3}])
def test_a_spoiled_figure_of_a_submission_is_named(biased, value):
    summary = pack_submission(biased, name="org/judge", license="mit").summary
    assert any("order_inconsistency" in problem for problem in find_problems({**summary, "order_inconsistency": value}))


def publish(folder, biased, **changes):
    """Write a packed result to a store, and return its row of the leaderboard."""
    summary, table, _ = pack_submission(biased, name="org/judge", license="mit")
    folder.mkdir(exist_ok=True)
    (folder / "judge.json").write_text(json.dumps({**summary, **changes}))
    (folder / "judge.parquet").write_bytes(table)
    store = open_store(str(folder))
    (key,) = store.versions()
    return compute_row(store, key, "m")


def test_the_leaderboard_recomputes_it(biased, tmp_path):
    row, credits = publish(tmp_path / "store", biased, order_inconsistency={"name": "order", "n": 1, "value": 0.01})
    assert row.order_inconsistency.value == pytest.approx(figure(biased)["value"])
    assert cell_text(row, "Order inconsistency") == f"{100 * row.order_inconsistency.value:.1f}"
    assert _details(row)["Order inconsistency"].startswith(f"{100 * row.order_inconsistency.value:.1f}% (")
    names = [column.name for column in columns([row]) if column.visible]
    (cells,) = csv.DictReader(io.StringIO(to_csv([row], names)))
    assert cells["Order inconsistency"] == cell_text(row, "Order inconsistency")
    assert "Order inconsistency" in to_latex([row], names)
    index = tmp_path / "index.parquet"
    index.write_bytes(encode_index(Board((row,), 0.0), {row.key: credits}))
    assert read_index(index).rows == (row,)


def test_an_index_without_the_column_is_read(biased, tmp_path):
    import pyarrow.parquet as pq

    row, credits = publish(tmp_path / "store", biased)
    index = tmp_path / "index.parquet"
    index.write_bytes(encode_index(Board((row,), 0.0), {row.key: credits}))
    pq.write_table(pq.read_table(index).drop_columns(["order_inconsistency"]), index)
    (earlier,) = read_index(index).rows
    assert (earlier.model, earlier.order_inconsistency) == (row.model, None)
    assert not next(column for column in columns([earlier]) if column.name == "Order inconsistency").visible


def test_results_of_earlier_versions_are_read(biased, tmp_path):
    summary = json.loads(biased.read_text())
    stated = summary.pop("order_inconsistency")
    outputs = biased.with_name(f"{biased.stem}_outputs.jsonl").read_bytes()
    (tmp_path / "old.json").write_text(json.dumps(summary))
    (tmp_path / "old_outputs.jsonl").write_bytes(outputs)
    assert hashlib.sha256(outputs).hexdigest() == summary["outputs_sha256"]
    assert read_result(tmp_path / "old.json").order_inconsistency is None
    assert compare(tmp_path / "old.json", biased).order_inconsistency == (stated["value"], stated["value"])
    assert read_scored(tmp_path / "old.json").items == read_scored(biased).items
