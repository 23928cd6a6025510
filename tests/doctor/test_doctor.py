"""`rewardbench doctor`: a sound model passes, and each injected fault is found with its cause."""

import json
import math
import re
import shutil
from array import array

import pytest
import torch
import typer
from random_models import TEMPLATE, make_tokenizer
from safetensors.torch import load_file, save_file

from rewardbench.cli.doctor import doctor_command
from rewardbench.cli.main import main
from rewardbench.doctor import DoctorSettings
from rewardbench.doctor.findings import changed_scores, failed_cells, uninformative_scores, wrong_bos
from rewardbench.doctor.grid import GridCell, GridScores, dropped_inputs, make_grid, score_cell
from rewardbench.doctor.model_input import ModelInput
from rewardbench.doctor.report import (
    Deviation,
    DoctorFinding,
    DoctorReport,
    DtypeDeviations,
    PreferencePair,
    measure_deviations,
)
from rewardbench.errors import InputError
from rewardbench.forward import padding
from rewardbench.scorers import classifier, logprobs
from rewardbench.scorers.classifier import Classifier, load_classifier
from rewardbench.settings import ModelSpec
from rewardbench.types import TokenRequest

CPU = ("--device", "cpu", "--subset", "facts")
"""The subset of core with the shortest texts: 48 to 503 tokens of the tiny tokenizer."""
FAST = (*CPU, "--torch_dtype", "float32")
"""One dtype."""
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


def key_values(out):
    """Parse the `key=value` lines."""
    return {name: float(value) for name, value in re.findall(r"^(\w+)=(\S+)$", out, re.M)}


def errors(lines):
    """Return the lines on stderr that are not the progress of a slow machine."""
    return [line for line in lines if not line.startswith("examining in ")]


def by_value(report, cause):
    """Return the float32 deviations of a cause by its values."""
    return {deviation["value"]: deviation for deviation in report["causes"]["float32"] if deviation["cause"] == cause}


def finding_texts(report):
    return [finding["text"] for finding in report["findings"]]


def with_head(folder, to, change):
    """Copy a model, and change the weights of its head."""
    shutil.copytree(folder, to)
    weights = load_file(to / "model.safetensors")
    weights["score.weight"] = change(weights["score.weight"])
    save_file(weights, to / "model.safetensors", {"format": "pt"})
    return to


def test_a_sound_model_scores_the_same_in_every_cell(doctor, model_folder):
    code, out, err = doctor("--model", model_folder("llama"), "--sample", 40, *FAST, "--max_length", 200)
    values = key_values(out)
    assert (code, errors(err)) == (0, [])
    assert (values["pairs"], values["items"]) == (40, 40)
    assert values["score_sd"] > 0.1
    assert values["fp32_max_abs_diff"] <= 1e-5
    assert values["fp32_flips"] == values["fp32_flips_below_margin"] == 0
    assert "bfloat16" not in out
    for word in ("batch size", "original", "shuffled", "left", "right", "padded", "packed"):
        assert word in out
    assert "BOS tokens: 1 (<|bos|>)" in out
    assert "ends with EOS: yes, with '<|eos|>'" in out


def test_a_dropped_mask_is_found_with_its_cause(doctor, model_folder):
    code, out, _ = doctor(
        "--model", model_folder("llama"), "--sample", 100, *FAST, "--max_length", 200, "--inject", "drop-mask", "--json"
    )
    report = json.loads(out)
    assert (code, report["exit_code"]) == (1, 1)
    assert report["fp32_flips"] >= 5
    assert report["fp32_max_abs_diff"] > 0.01
    sides, sizes = by_value(report, "padding side"), by_value(report, "batch size")
    assert sides["right"]["flips"] == sizes["1"]["flips"] == by_value(report, "layout")["packed"]["flips"] == 0
    assert min(sides["left"]["flips"], sizes["3"]["flips"], sizes["64"]["flips"]) >= 5
    assert "batch size 3, 8, 64; padding side left; layout padded" in finding_texts(report)[0]


def test_bfloat16_differences_are_reported_and_do_not_fail(doctor, model_folder):
    code, out, _ = doctor("--model", model_folder("llama"), "--sample", 6, *CPU)
    values = key_values(out)
    assert code == 0
    assert values["bfloat16_max_abs_diff"] > 100 * values["fp32_max_abs_diff"]
    assert {"bfloat16_flips", "bfloat16_flips_below_margin"} <= values.keys()


def test_a_base_model_is_rejected_with_the_name_of_its_missing_head(doctor, model_folder):
    code, out, err = doctor("--model", model_folder("llama", "causal"), "--sample", 2, *FAST)
    assert (code, out) == (2, "")
    assert "lacks weights (score.weight)" in err[-1]


@pytest.mark.parametrize("inject", [(), ("--inject", "drop-mask")])
def test_a_policy_is_examined_with_its_reference(inject, doctor, model_folder):
    policy, reference = (model_folder("llama", "causal", seed=seed) for seed in (1, 2))
    code, out, _ = doctor(
        "--model", policy, "--ref_model", reference, "--beta", 2, "--sample", 6, *FAST, "--json", *inject
    )
    report = json.loads(out)
    assert (code, report["model_type"]) == (len(inject) // 2, "DPO")
    assert (report["fp32_share_of_allowed"] > 1000) if inject else (report["fp32_share_of_allowed"] <= 1)
    assert set(by_value(report, "layout")) == {"padded", "packed"}
    assert report["reading"]["pooled_token"] is None


def test_the_completion_of_a_policy_starts_after_the_assistant_header(doctor, model_folder):
    model = model_folder("llama", "causal")
    _, out, _ = doctor("--model", model, "--ref_free_type", "avg", "--sample", 1, *FAST[2:], "--json")
    reading = json.loads(out)["reading"]
    header = reading["text"].split("<|assistant|>")[0]
    assert reading["completion_start"] == len(make_tokenizer()(header)["input_ids"]) + 1
    assert [len(reading["head"]), len(reading["tail"])] == [12, 12]
    assert reading["head"][0] == [1, "<|bos|>"]


def test_an_encoder_is_padded_on_the_right_only(doctor, model_folder):
    options = ("--model", model_folder("bert"), "--sample", 6, *FAST, "--json")
    code, out, _ = doctor(*options)
    report = json.loads(out)
    assert (code, report["fp32_flips"]) == (0, 0)
    assert set(by_value(report, "padding side")) == {"right"}
    assert set(by_value(report, "layout")) == {"padded"}
    assert report["reading"]["bos"] == 1
    code, out, _ = doctor(*options, "--inject", "drop-mask")
    assert code == 1
    assert (
        by_value(json.loads(out), "batch size")["1"]["share_of_allowed"] <= 1 < json.loads(out)["fp32_share_of_allowed"]
    )


def test_lengths_of_different_buckets_do_not_share_a_batch(doctor, model_folder):
    folder = model_folder("llama", **DYNAMIC)
    code, out, _ = doctor("--model", folder, "--sample", 8, *FAST, "--max_length", 500)
    assert (code, key_values(out)["fp32_flips"]) == (0, 0)
    assert key_values(out)["fp32_max_abs_diff"] <= 1e-5


def test_a_head_of_zeros_is_found(doctor, model_folder, tmp_path):
    folder = with_head(model_folder("llama"), tmp_path / "zero", lambda weight: weight * 0)
    code, out, _ = doctor("--model", folder, "--sample", 4, *FAST)
    assert code == 1
    assert re.search(r"ERROR: All \d+ scores are 0", out)
    assert "finding: 4 of 4 pairs (100.0%) are exact ties." in out


def test_broken_weights_are_found(doctor, model_folder, tmp_path):
    folder = with_head(model_folder("llama"), tmp_path / "nan", lambda weight: weight * math.nan)
    code, out, err = doctor("--model", folder, "--sample", 2, *FAST, "--json")
    assert (code, errors(err)) == (1, [])
    report = json.loads(out)
    assert f"{report['requests']} of {report['requests']} scores are not finite." in finding_texts(report)
    assert report["score_sd"] is None


def test_a_second_bos_that_was_dropped_is_noted(doctor, model_folder):
    doubled = make_tokenizer(TEMPLATE.replace("{{ bos_token }}", "{{ bos_token }}{{ bos_token }}"))
    code, out, _ = doctor("--model", model_folder("llama", tokenizer=doubled), "--sample", 2, *FAST)
    assert code == 0
    assert "note: The rendered text held a second BOS token, which was dropped." in out
    assert "BOS tokens: 1 (<|bos|>)" in out


@pytest.mark.parametrize("first", ["", "{{ bos_token }}"])
def test_a_bos_at_the_start_of_each_turn_is_no_error(first, doctor, model_folder):
    template = TEMPLATE.replace("{{ bos_token }}", first).replace("<|{{ m.role }}|>", "{{ bos_token }}{{ m.role }}\n")
    folder = model_folder("llama", seed=1, tokenizer=make_tokenizer(template))
    code, out, _ = doctor("--model", folder, "--sample", 1, *FAST)
    assert code == 0
    assert "ERROR" not in out
    assert "finding: The template prints 2 BOS tokens (<|bos|>), as at the start of turns." in out


def test_a_scorer_that_reads_text_is_rejected(doctor):
    code, out, err = doctor("--model", "baseline/longest")
    assert (code, out, len(err)) == (2, "", 1)
    assert "reads text" in err[0]


def test_a_batch_that_does_not_fit_in_memory_is_reported(doctor, model_folder, monkeypatch):
    monkeypatch.setattr("rewardbench.doctor.grid.free_memory", lambda: 0)
    code, out, _ = doctor("--model", model_folder("llama"), "--sample", 2, *FAST, "--json")
    report = json.loads(out)
    assert code == 0
    assert set(by_value(report, "batch size")) == {"1"}
    assert finding_texts(report) == [
        "18 of 24 combinations of batch size, order, padding side and layout failed in float32 (batch size 3, 8, 64): "
        "out of memory."
    ]


def test_settings_reject_wrong_values():
    with pytest.raises(InputError, match="sample is 0"):
        DoctorSettings(ModelSpec("m"), sample=0)
    with pytest.raises(InputError, match="drop-mask"):
        DoctorSettings(ModelSpec("m"), inject="drop-all")


def test_the_grid_has_every_combination_and_does_not_change_the_scorer(model_folder, monkeypatch):
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    before = scorer.layout
    requests = [TokenRequest("", "", array("i", [1, *range(10, 10 + n)])) for n in range(1, 8)]
    seen = []

    def record(self, batch):
        seen.append((self.layout.packed, self.layout.side, list(batch)))
        return [0.0] * len(batch)

    monkeypatch.setattr(Classifier, "run_forward", record)
    cells = make_grid(scorer)
    assert len(cells) == len(set(cells)) == 4 * 2 * 3
    score_cell(scorer, GridCell(3, "original", "left", "padded"), requests)
    assert seen == [(False, "left", requests[at : at + 3]) for at in (0, 3, 6)]
    seen.clear()
    score_cell(scorer, GridCell(64, "shuffled", None, "packed"), requests)
    ((packed, side, batch),) = seen
    assert (packed, side, set(batch) == set(requests), batch == requests) == (True, "right", True, False)
    assert scorer.layout == before
    assert (before.packed, before.side) == (True, "right")


def test_an_injected_fault_ends_with_its_context():
    requests = [TokenRequest("", "", array("i", ids)) for ids in ([5], [6, 7])]
    cpu = torch.device("cpu")
    with dropped_inputs("drop-mask"):
        for user in (classifier, logprobs):
            assert user.pad_batch(requests, 0, "left", cpu)["attention_mask"].tolist() == [
                [1, 1],
                [1, 1],
            ]
    assert classifier.pad_batch is logprobs.pad_batch is padding.pad_batch
    assert padding.pad_batch(requests, 0, "left", cpu)["attention_mask"].tolist() == [[0, 1], [1, 1]]


def test_only_float32_changes_and_grave_findings_fail():
    unchanged, changed = (
        DtypeDeviations("x", Deviation("dtype", "x", 1, far, flips, far), (), 0.0, 0.0)
        for far, flips in ((0, 0), (9, 9))
    )
    model_input = ModelInput("i", "t", 3, (), (), "<s>", 1, 1, "</s>", True, None, "last", "</s>", "its own", "ab")

    def code(*deviations, grave=False):
        return DoctorReport(
            "m", "k", "s", "r", 1, 1, 2, 0, 1.0, deviations, model_input, (DoctorFinding("f", grave),)
        ).exit_code

    assert [code(unchanged, changed), code(changed, unchanged), code(unchanged, grave=True), code(unchanged)] == [
        0,
        1,
        1,
        0,
    ]


def test_differences_and_flips_are_counted_by_cause():
    pairs = [PreferencePair((0, 1), 1), PreferencePair((2, 3), 1), PreferencePair((4, 5), 1)]
    truth = GridScores([2.0, 1.0, 0.5, 0.5, math.nan, 0.0], tolerances=[0.1] * 6)
    cells = {
        GridCell(1, "original", "right", "padded"): [2.0, 1.0, 0.5, 0.5, math.nan, 0.0],
        GridCell(8, "original", "left", "padded"): [1.0, 1.25, 0.5, 0.5, math.nan, 0.0],
        GridCell(8, "shuffled", "left", "padded"): [2.0, 1.0, 0.5, 0.25, math.nan, 0.0],
    }
    deviations = measure_deviations("float32", cells, truth, pairs)
    overall = deviations.overall
    assert (overall.max_abs_diff, overall.flips, overall.share_of_allowed) == (1.0, 2, 10.0)
    assert (deviations.flips_below_margin, deviations.spread) == (1.0, 1.0)
    counts = {(d.cause, d.value): (d.cells, d.max_abs_diff, d.flips) for d in deviations.causes}
    assert counts == {
        ("batch size", "1"): (1, 0.0, 0),
        ("batch size", "8"): (2, 1.0, 2),
        ("order", "original"): (2, 1.0, 1),
        ("order", "shuffled"): (1, 0.25, 1),
        ("padding side", "right"): (1, 0.0, 0),
        ("padding side", "left"): (2, 1.0, 2),
        ("layout", "padded"): (3, 1.0, 2),
    }


@pytest.mark.parametrize("moved", [0.001, 1.0])
def test_flips_within_rounding_error_are_distinguished(moved):
    truth = GridScores([1.0, 1.0 - moved / 2], tolerances=[0.1] * 2)
    cells = {
        GridCell(3, "shuffled", "right", "padded"): [1.0, 1.0 + moved],
        GridCell(8, "shuffled", "right", "padded"): truth.reference,
    }
    ((finding),) = changed_scores(measure_deviations("float32", cells, truth, [PreferencePair((0, 1), 1)]))
    assert finding.grave
    assert ("within rounding error" in finding.text) == (moved < 0.1)
    assert "1 preferences flip, with: batch size 3." in finding.text


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
def test_uninformative_scores_are_found(scores, sentence, grave):
    findings = list(uninformative_scores(scores, []))
    assert [finding.grave for finding in findings] == ([] if sentence is None else [grave])
    assert all(sentence in finding.text for finding in findings)


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
def test_more_bos_than_the_template_prints_is_grave(bos, printed, sentence, grave):
    model_input = ModelInput(
        "i", "t", 3, (), (), "<s>", bos, printed, "</s>", True, None, "last", "</s>", "its own", "ab"
    )
    assert [(sentence in f.text, f.grave) for f in wrong_bos(model_input)] == (
        [] if sentence is None else [(True, grave)]
    )


def test_no_float32_scores_is_grave():
    scores = GridScores([1.0], {}, {GridCell(1, "original", "right", "padded"): "no"})
    assert [finding.grave for finding in failed_cells("float32", scores)] == [True]
    assert [finding.grave for finding in failed_cells("bfloat16", scores)] == [False]
