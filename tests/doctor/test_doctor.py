"""`rewardbench doctor` from outside: a sound model passes, every fault that is planted is found and named."""

import json
import math
import re
import shutil
from array import array

import pytest
import typer
from random_models import TEMPLATE, make_tokenizer
from safetensors.torch import load_file, save_file

from rewardbench.cli.doctor import doctor_command
from rewardbench.cli.main import main
from rewardbench.doctor import Settings
from rewardbench.doctor.checkup import (
    Checkup,
    Figures,
    Finding,
    Moved,
    Pair,
    _of_bos,
    _of_moving,
    _of_scores,
    compare,
    failures,
)
from rewardbench.doctor.grid import Cell, Heard, dropped_mask, grid, run
from rewardbench.doctor.reading import Reading
from rewardbench.errors import InputError
from rewardbench.forward import padding
from rewardbench.scorers import classifier, logprobs
from rewardbench.scorers.classifier import Classifier, load_classifier
from rewardbench.settings import ModelSpec
from rewardbench.types import TokenRequest

CPU = ("--device", "cpu", "--subset", "facts")
"""The subset of core with the shortest texts: 48 to 503 tokens of the tiny tokenizer."""
FAST = (*CPU, "--torch_dtype", "float32")
"""One number format."""
DYNAMIC = {
    "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
    "max_position_embeddings": 60,
}


@pytest.fixture
def doctor(monkeypatch, capfd):
    """Run `rewardbench doctor ...` in this process: exit code, stdout, lines on stderr."""
    app = typer.Typer()
    app.callback()(lambda: None)
    app.command("doctor")(doctor_command)
    monkeypatch.setattr("rewardbench.cli.main.app", app)

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(["doctor", *map(str, arguments)])
        out, err = capfd.readouterr()
        return stop.value.code, out, err.splitlines()

    return run


def figures(out):
    """The `key=value` lines."""
    return {name: float(value) for name, value in re.findall(r"^(\w+)=(\S+)$", out, re.M)}


def by_value(found, cause):
    return {moved["value"]: moved for moved in found["causes"]["float32"] if moved["cause"] == cause}


def said(found):
    return [finding["text"] for finding in found["findings"]]


def with_head(folder, to, change):
    """A copy of a model whose head was changed."""
    shutil.copytree(folder, to)
    weights = load_file(to / "model.safetensors")
    weights["score.weight"] = change(weights["score.weight"])
    save_file(weights, to / "model.safetensors", {"format": "pt"})
    return to


def test_a_sound_model_scores_the_same_in_every_cell(doctor, model_folder):
    code, out, err = doctor("--model", model_folder("llama"), "--sample", 40, *FAST, "--max_length", 200)
    found = figures(out)
    assert (code, err) == (0, [])
    assert (found["pairs"], found["items"]) == (40, 40)
    assert found["score_sd"] > 0.1
    assert found["fp32_max_abs_diff"] <= 1e-5
    assert found["fp32_flips"] == found["fp32_flips_below_margin"] == 0
    assert "bfloat16" not in out
    for word in ("batch size", "as it comes", "shuffled", "left", "right", "padded", "row"):
        assert word in out
    assert "BOS tokens: 1 (<|bos|>)" in out
    assert "ends with EOS: yes, with '<|eos|>'" in out


def test_a_dropped_mask_is_found_and_its_cause_named(doctor, model_folder):
    code, out, _ = doctor(
        "--model", model_folder("llama"), "--sample", 100, *FAST, "--max_length", 200, "--inject", "drop-mask", "--json"
    )
    found = json.loads(out)
    assert (code, found["exit_code"]) == (1, 1)
    assert found["fp32_flips"] >= 5
    assert found["fp32_max_abs_diff"] > 0.01
    sides, sizes = by_value(found, "padding side"), by_value(found, "batch size")
    assert sides["right"]["flips"] == sizes["1"]["flips"] == by_value(found, "layout")["row"]["flips"] == 0
    assert min(sides["left"]["flips"], sizes["3"]["flips"], sizes["64"]["flips"]) >= 5
    assert "batch size 3, 8, 64; padding side left; layout padded" in said(found)[0]


def test_a_short_number_format_is_reported_and_fails_nothing(doctor, model_folder):
    code, out, _ = doctor("--model", model_folder("llama"), "--sample", 6, *CPU)
    found = figures(out)
    assert code == 0
    assert found["bfloat16_max_abs_diff"] > 100 * found["fp32_max_abs_diff"]
    assert {"bfloat16_flips", "bfloat16_flips_below_margin"} <= found.keys()


def test_a_base_model_is_refused_by_the_name_of_its_head(doctor, model_folder):
    code, out, err = doctor("--model", model_folder("llama", "causal"), "--sample", 2, *FAST)
    assert (code, out) == (2, "")
    assert "lacks weights (score.weight)" in err[-1]


@pytest.mark.parametrize("inject", [(), ("--inject", "drop-mask")])
def test_a_policy_is_examined_with_its_reference(inject, doctor, model_folder):
    policy, reference = (model_folder("llama", "causal", seed=seed) for seed in (1, 2))
    code, out, _ = doctor(
        "--model", policy, "--ref_model", reference, "--beta", 2, "--sample", 6, *FAST, "--json", *inject
    )
    found = json.loads(out)
    assert (code, found["model_type"]) == (len(inject) // 2, "DPO")
    assert (found["fp32_share_of_allowed"] > 1000) if inject else (found["fp32_share_of_allowed"] <= 1)
    assert set(by_value(found, "layout")) == {"padded", "row"}
    assert found["reading"]["pooled_token"] is None


def test_the_completion_of_a_policy_starts_behind_the_header(doctor, model_folder):
    model = model_folder("llama", "causal")
    _, out, _ = doctor("--model", model, "--ref_free_type", "avg", "--sample", 1, *FAST[2:], "--json")
    reading = json.loads(out)["reading"]
    before = reading["text"].split("<|assistant|>")[0]
    assert reading["completion_start"] == len(make_tokenizer()(before)["input_ids"]) + 1
    assert [len(reading["head"]), len(reading["tail"])] == [12, 12]
    assert reading["head"][0] == [1, "<|bos|>"]


def test_an_encoder_is_padded_on_the_right_alone(doctor, model_folder):
    options = ("--model", model_folder("bert"), "--sample", 6, *FAST, "--json")
    code, out, _ = doctor(*options)
    found = json.loads(out)
    assert (code, found["fp32_flips"]) == (0, 0)
    assert set(by_value(found, "padding side")) == {"right"}
    assert set(by_value(found, "layout")) == {"padded"}
    assert found["reading"]["bos"] == 1
    code, out, _ = doctor(*options, "--inject", "drop-mask")
    assert code == 1
    assert (
        by_value(json.loads(out), "batch size")["1"]["share_of_allowed"] <= 1 < json.loads(out)["fp32_share_of_allowed"]
    )


def test_lengths_that_may_not_mix_are_kept_apart(doctor, model_folder):
    folder = model_folder("llama", **DYNAMIC)
    code, out, _ = doctor("--model", folder, "--sample", 8, *FAST, "--max_length", 500)
    assert (code, figures(out)["fp32_flips"]) == (0, 0)
    assert figures(out)["fp32_max_abs_diff"] <= 1e-5


def test_a_head_that_says_nothing_is_found(doctor, model_folder, tmp_path):
    folder = with_head(model_folder("llama"), tmp_path / "zero", lambda weight: weight * 0)
    code, out, _ = doctor("--model", folder, "--sample", 4, *FAST)
    assert code == 1
    assert re.search(r"WRONG: All \d+ scores are 0", out)
    assert "finding: 4 of 4 pairs (100.0%) are exact ties." in out


def test_broken_weights_are_found(doctor, model_folder, tmp_path):
    folder = with_head(model_folder("llama"), tmp_path / "nan", lambda weight: weight * math.nan)
    code, out, err = doctor("--model", folder, "--sample", 2, *FAST, "--json")
    assert (code, err) == (1, [])
    found = json.loads(out)
    assert f"{found['requests']} of {found['requests']} scores are not finite." in said(found)
    assert found["score_sd"] is None


def test_a_second_bos_that_was_dropped_is_said(doctor, model_folder):
    doubled = make_tokenizer(TEMPLATE.replace("{{ bos_token }}", "{{ bos_token }}{{ bos_token }}"))
    code, out, _ = doctor("--model", model_folder("llama", tokenizer=doubled), "--sample", 2, *FAST)
    assert code == 0
    assert "note: The rendered text held a second BOS token, which was dropped." in out
    assert "BOS tokens: 1 (<|bos|>)" in out


@pytest.mark.parametrize("first", ["", "{{ bos_token }}"])
def test_a_bos_that_opens_each_turn_is_right(first, doctor, model_folder):
    template = TEMPLATE.replace("{{ bos_token }}", first).replace("<|{{ m.role }}|>", "{{ bos_token }}{{ m.role }}\n")
    folder = model_folder("llama", seed=1, tokenizer=make_tokenizer(template))
    code, out, _ = doctor("--model", folder, "--sample", 1, *FAST)
    assert code == 0
    assert "WRONG" not in out
    assert "finding: The template prints 2 BOS tokens (<|bos|>), as at the start of turns." in out


def test_what_reads_text_has_nothing_to_examine(doctor):
    code, out, err = doctor("--model", "baseline/longest")
    assert (code, out, len(err)) == (2, "", 1)
    assert "reads text" in err[0]


def test_a_batch_that_does_not_fit_is_left_out_and_said(doctor, model_folder, monkeypatch):
    monkeypatch.setattr("rewardbench.doctor.grid.free_memory", lambda: 0)
    code, out, _ = doctor("--model", model_folder("llama"), "--sample", 2, *FAST, "--json")
    found = json.loads(out)
    assert code == 0
    assert set(by_value(found, "batch size")) == {"1"}
    assert said(found) == [
        "18 of the 24 ways to compute a score in float32 could not be tried (batch size 3, 8, 64): "
        "it does not fit into memory."
    ]


def test_settings_refuse_what_they_do_not_know():
    with pytest.raises(InputError, match="sample is 0"):
        Settings(ModelSpec("m"), sample=0)
    with pytest.raises(InputError, match="drop-mask"):
        Settings(ModelSpec("m"), inject="drop-all")


def test_the_grid_is_what_it_says_and_leaves_the_scorer_as_it_was(model_folder, monkeypatch):
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    before = scorer.layout
    requests = [TokenRequest("", "", array("i", [1, *range(10, 10 + n)])) for n in range(1, 8)]
    seen = []

    def record(self, batch):
        seen.append((self.layout.packed, self.layout.side, list(batch)))
        return [0.0] * len(batch)

    monkeypatch.setattr(Classifier, "run", record)
    cells = grid(scorer)
    assert len(cells) == len(set(cells)) == 4 * 2 * 3
    run(scorer, Cell(3, "as it comes", "left", "padded"), requests)
    assert seen == [(False, "left", requests[at : at + 3]) for at in (0, 3, 6)]
    seen.clear()
    run(scorer, Cell(64, "shuffled", None, "row"), requests)
    ((packed, side, batch),) = seen
    assert (packed, side, set(batch) == set(requests), batch == requests) == (True, "right", True, False)
    assert scorer.layout == before
    assert (before.packed, before.side) == (True, "right")


def test_a_planted_fault_ends_with_its_context():
    requests = [TokenRequest("", "", array("i", ids)) for ids in ([5], [6, 7])]
    with dropped_mask():
        for user in (classifier, logprobs):
            assert user.pad_batch(requests, 0, "left", "cpu")["attention_mask"].tolist() == [[1, 1], [1, 1]]
    assert classifier.pad_batch is logprobs.pad_batch is padding.pad_batch
    assert padding.pad_batch(requests, 0, "left", "cpu")["attention_mask"].tolist() == [[0, 1], [1, 1]]


def test_only_what_float32_moves_fails():
    still, wild = (
        Figures("x", Moved("dtype", "x", 1, far, flips, far), (), 0.0, 0.0) for far, flips in ((0, 0), (9, 9))
    )
    reading = Reading("i", "t", 3, (), (), "<s>", 1, 1, "</s>", True, None, "last", "</s>", "its own", "ab")

    def code(*figures, grave=False):
        return Checkup("m", "k", "s", "r", 1, 1, 2, 0, 1.0, figures, reading, (Finding("f", grave),)).exit_code

    assert [code(still, wild), code(wild, still), code(still, grave=True), code(still)] == [0, 1, 1, 0]


def test_differences_and_flips_are_counted_by_cause():
    pairs = [Pair((0, 1), 1), Pair((2, 3), 1), Pair((4, 5), 1)]
    truth = Heard([2.0, 1.0, 0.5, 0.5, math.nan, 0.0], allowed=[0.1] * 6)
    cells = {
        Cell(1, "as it comes", "right", "padded"): [2.0, 1.0, 0.5, 0.5, math.nan, 0.0],
        Cell(8, "as it comes", "left", "padded"): [1.0, 1.25, 0.5, 0.5, math.nan, 0.0],
        Cell(8, "shuffled", "left", "padded"): [2.0, 1.0, 0.5, 0.25, math.nan, 0.0],
    }
    found = compare("float32", cells, truth, pairs)
    assert (found.whole.max_abs_diff, found.whole.flips, found.whole.share_of_allowed) == (1.0, 2, 10.0)
    assert (found.flips_below_margin, found.spread) == (1.0, 1.0)
    counted = {(moved.cause, moved.value): (moved.cells, moved.max_abs_diff, moved.flips) for moved in found.causes}
    assert counted == {
        ("batch size", "1"): (1, 0.0, 0),
        ("batch size", "8"): (2, 1.0, 2),
        ("order", "as it comes"): (2, 1.0, 1),
        ("order", "shuffled"): (1, 0.25, 1),
        ("padding side", "right"): (1, 0.0, 0),
        ("padding side", "left"): (2, 1.0, 2),
        ("layout", "padded"): (3, 1.0, 2),
    }


@pytest.mark.parametrize("moved", [0.001, 1.0])
def test_a_flip_by_rounding_is_told_from_one_that_is_not(moved):
    truth = Heard([1.0, 1.0 - moved / 2], allowed=[0.1] * 2)
    cells = {
        Cell(3, "shuffled", "right", "padded"): [1.0, 1.0 + moved],
        Cell(8, "shuffled", "right", "padded"): truth.alone,
    }
    ((finding),) = _of_moving(compare("float32", cells, truth, [Pair((0, 1), 1)]))
    assert finding.grave
    assert ("no more than rounding" in finding.text) == (moved < 0.1)
    assert "1 winners change: batch size 3." in finding.text


@pytest.mark.parametrize(
    ("scores", "sentence", "grave"),
    [
        ([0.25, 0.25], "All 2 scores are 0.25", True),
        ([0.0, 1.0, 1 - 1e-7], "saturated", False),
        ([-1.0, 1.0], "saturated", False),
        ([0.0, math.inf, 1.5], "1 of 3 scores are not finite", True),
        ([0.0, 1.1, 1.0], None, None),
        ([0.25], None, None),
    ],
)
def test_scores_that_say_little_are_found(scores, sentence, grave):
    found = list(_of_scores(scores, []))
    assert [finding.grave for finding in found] == ([] if sentence is None else [grave])
    assert all(sentence in finding.text for finding in found)


@pytest.mark.parametrize(
    ("bos", "printed", "sentence", "grave"),
    [
        (0, 1, "no BOS", False),
        (1, 0, None, None),
        (1, 3, None, None),
        (2, 2, "prints 2 BOS", False),
        (2, 1, "reads 2 BOS", True),
        (2, 0, "reads 2 BOS", True),
    ],
)
def test_no_more_bos_than_the_template_prints_is_right(bos, printed, sentence, grave):
    reading = Reading("i", "t", 3, (), (), "<s>", bos, printed, "</s>", True, None, "last", "</s>", "its own", "ab")
    assert [(sentence in f.text, f.grave) for f in _of_bos(reading)] == ([] if sentence is None else [(True, grave)])


def test_nothing_computed_in_float32_is_grave():
    heard = Heard([1.0], {}, {Cell(1, "as it comes", "right", "padded"): "no"})
    assert [finding.grave for finding in failures("float32", heard)] == [True]
    assert [finding.grave for finding in failures("bfloat16", heard)] == [False]
