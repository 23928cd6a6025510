"""A judge's result states its biases and the facts of its run, in files, tables and JSON."""

import hashlib
import json

import pytest
from terminal import run

from rewardbench import compare, read_result, results
from rewardbench.results import parquet, report
from rewardbench.results.browse import select, to_html
from rewardbench.results.judges import judge_of
from rewardbench.results.scored import read_scored
from rewardbench.scorers.judge.answers import FAILURES
from rewardbench.types import Item, ItemScores, Rule, Suite

ITEMS = 40
FACTS = {
    "protocol": "choice",
    "version": 1,
    "digest": "0123456789abcdef",
    "requests": 78,
    "retries": 3,
    "reused": 2,
    "prompt_tokens": 12_000,
    "completion_tokens": 3_400,
    "cost": 0.25,
    "failures": {"no_verdict": 3, "length": 1},
    "stopped": "",
}
BIASES = ("position_bias", "verbosity_preference", "self_preference")


def suite():
    items = []
    for n in range(ITEMS):
        texts = ("short", "a longer text") if n % 2 else ("a longer text", "short")
        completions = tuple(({"role": "assistant", "content": text},) for text in texts)
        writers = ("gpt-4", "claude-2") if n % 4 < 2 else ("claude-2", "gpt-4")
        meta = {"chosen_model": writers[0], "rejected_model": writers[1]}
        items.append(Item(str(n), "pairs", ({"role": "user", "content": "Say."},), completions, meta=meta))
    return Suite("toy", "r1", tuple(items), {"pairs": Rule("Chat")})


def result_of(facts=FACTS, model_type="Generative RM", model="gpt-4o"):
    scored = []
    for n in range(ITEMS - 2):
        right = 1.0 if n % 5 else 0.5
        scores = (right, 1 - right)
        inconsistency = float(right == 0.5)
        bias = 0.5 if right == 0.5 else 0.0
        scored.append(ItemScores(str(n), scores, None, False, (0, 0), ("x", "y"), inconsistency, bias))
    nan = float("nan")
    for n, code in enumerate(("no_verdict", "length"), ITEMS - 2):
        scored.append(ItemScores(str(n), (nan, nan), FAILURES[code], False, (0, 0), ("x", "y")))
    manifest = {"run": {"judge": facts}} if facts else {}
    return results.assemble(suite(), model, model_type, scored, manifest)


def write(folder, result):
    rows = "".join(map(results.dump, results.to_rows(result, suite()))).encode()
    path = folder / f"{result.model}.json"
    results.outputs_path(path).write_bytes(rows)
    summary = results.to_summary(result) | {results.OUTPUTS_HASH: hashlib.sha256(rows).hexdigest()}
    path.write_text(results.dump(summary))
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("results"), result_of())


def test_biases_are_written_and_read_again(path):
    result = result_of()
    assert tuple(bias.name for bias in result.biases) == BIASES
    again = read_result(path)
    assert again.biases == result.biases
    assert again.items == result.items or [item.position_bias for item in again.items] == [
        item.position_bias for item in result.items
    ]
    assert [item.position_bias for item in read_scored(path).items] == [item.position_bias for item in result.items]


def test_the_table_of_scores_keeps_the_position_bias(tmp_path):
    rows = list(results.to_rows(result_of(), suite()))
    place = tmp_path / "table.parquet"
    place.write_bytes(parquet.encode_table(rows))
    again = parquet.read_table(place)
    assert [row["position_bias"] for row in again] == [row.get("position_bias") for row in rows]
    assert [row["order_inconsistency"] for row in again] == [row.get("order_inconsistency") for row in rows]


def test_results_of_other_models_have_neither_biases_nor_facts(tmp_path):
    result = result_of(None, "Custom")
    assert "biases" not in results.to_summary(result)
    assert "cost" not in report.to_json(result)
    assert not any(line.startswith(("position_bias", "protocol")) for line in report.key_values(result))


def test_key_value_lines_state_biases_and_facts():
    lines = dict(line.split("=", 1) for line in report.key_values(result_of()))
    bias = result_of().biases[0]
    assert lines["position_bias"] == f"{bias.value:.4f}"
    assert lines["position_bias_low"] == f"{bias.low:.4f}"
    assert lines["self_preference_n"] == str(ITEMS - 2)
    assert lines["protocol"] == "choice@1"
    assert lines["protocol_digest"] == FACTS["digest"]
    assert [lines[name] for name in ("requests", "retries", "reused")] == ["78", "3", "2"]
    assert (lines["prompt_tokens"], lines["completion_tokens"], lines["cost"]) == ("12000", "3400", "0.2500")
    assert (lines["unscored"], lines["unscored.no_verdict"], lines["unscored.length"]) == ("2", "1", "1")
    assert (lines["failed.no_verdict"], lines["failed.length"]) == ("3", "1")
    assert "stopped" not in lines


def test_json_has_the_same_figures():
    values = json.loads(results.dump(report.to_json(result_of())))
    assert values["position_bias"]["value"] == result_of().biases[0].value
    assert values["order_inconsistency"]["value"] == result_of().order_inconsistency.value
    assert values["unscored"] == {"no_verdict": 1, "length": 1}
    assert values["failures"] == FACTS["failures"]
    assert (values["requests"], values["cost"], values["protocol"]) == (78, 0.25, "choice@1")
    assert (values["prompt_tokens"], values["completion_tokens"]) == (12_000, 3_400)


def test_the_table_shows_signed_biases_and_the_run(capsys):
    from rich.console import Console

    report.print_result(result_of(), Console(width=100, color_system=None))
    out = capsys.readouterr().out
    assert "protocol choice@1 (0123456789abcdef)\n78 requests; 2 of them answered in an earlier run; " in out
    assert "15,400 tokens; $0.25; 4 answers without a verdict" in out
    row = next(line for line in out.splitlines() if line.startswith(" position bias"))
    assert row.split()[3].startswith("+")
    assert "position bias" in result_of()._repr_html_()


def test_a_run_that_stopped_says_so_before_and_after_the_table(capsys):
    from rich.console import Console

    result = result_of({**FACTS, "stopped": "max_cost", "cost": None})
    report.print_result(result, Console(width=300, color_system=None))
    out = capsys.readouterr().out
    assert out.count("The run stopped at --max_cost") == 2
    assert "stopped=max_cost" in out
    assert "cost" not in json.loads(results.dump(report.to_json(result)))


@pytest.mark.parametrize(
    "facts", [7, [], {}, {**FACTS, "requests": -1}, {**FACTS, "cost": float("inf")}, {**FACTS, "digest": "x" * 1000}]
)
def test_facts_that_cannot_be_read_are_left_out(facts):
    assert judge_of({"run": {"judge": facts}}) is None
    assert judge_of({"run": 7}) is None


def test_items_show_their_position_bias(path, capsys):
    out = run(capsys, "show", path, "--limit", "3")[1]
    assert "position bias +0.50" in out
    shown = json.loads(run(capsys, "show", path, "--limit", "1", "--json")[1])
    assert shown["shown"][0]["position_bias"] == 0.5
    assert "position bias +0.50" in to_html(read_scored(path), select(read_scored(path)))


def test_two_protocols_are_compared_with_a_note_and_not_ranked_together(path, tmp_path, capsys):
    other = write(tmp_path, result_of({**FACTS, "protocol": "rating", "digest": "ff"}, model="judge-b"))
    third = write(tmp_path, result_of(model="judge-c"))
    assert compare(path, other).protocols == ("choice@1#0123456789abcdef", "rating@1#ff")
    code, out, _ = run(capsys, "compare", path, other)
    assert code == 0
    assert "first_protocol=choice@1#0123456789abcdef\nsecond_protocol=rating@1#ff" in out
    assert "(second, protocol rating@1#ff) against gpt-4o (first, protocol choice@1#0123456789abcdef)" in out
    assert "note: the judges have different protocols" in out
    code, _, err = run(capsys, "compare", path, other, third)
    assert code == 2
    assert "choice@1#0123456789abcdef" in err
    assert "rating@1#ff" in err
    code, out, _ = run(capsys, "compare", path, third, third)
    assert code == 0
