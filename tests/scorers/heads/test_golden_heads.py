"""Checkpoints in the layouts of published families score as their authors' code scores them."""

import json
import shutil

import pytest
from reference import score_in_layouts
from repository import SHARED, load_script

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.scorers.heads.explain import explain_checkpoint
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, Message

HEADS = SHARED / "heads"
SPECS = {
    "armorm": "armorm",
    "athene": "athene",
    "beaver_cost": "beaver_cost",
    "beaver_reward": "beaver_reward",
    "cross_encoder": "cross_encoder",
    "grm": "grm",
    "inf_orm": "inf_orm",
    "internlm2": "internlm2",
    "ldl": "ldl",
    "llamafactory": "value_head",
    "math_shepherd": "math_shepherd",
    "nemotron_logit": "nemotron",
    "oasst_deberta": "sentence_pair",
    "oasst_pythia": "oasst_pythia",
    "openrlhf": "openrlhf",
    "pairrm": "pairrm",
    "qrm_llama31": "qrm",
    "qwen_prm": "qwen_prm",
    "slicpairpm": "slic_pair",
    "starling_7b": "starling",
    "steamshp": "steamshp",
    "two_label": "odin",
    "ultrarm": "ultrarm",
    "worldpm": "worldpm",
    "yes_no_logit": "yes_no",
}
"""Folder to the spec that takes it."""
CHECK = load_script("heads_check")
ON_REQUEST = CHECK.ADAPTERS
"""Folders whose family no file tells, so that their spec must be named."""
QUICK = ("armorm", "qwen_prm", "slicpairpm")
"""Folders whose layouts are compared in the fast run too."""

pytestmark = pytest.mark.skipif(not HEADS.exists(), reason="the golden checkpoints are not at hand")


def load(folder):
    return load_scorer(ModelSpec(str(HEADS / folder), device="cpu", adapter=ON_REQUEST.get(folder)))


def assert_expected(scorer, folder):
    """Compare the scores with those of the original code."""
    items, expected = read(folder)
    scored = score(items, scorer, batch_size=4).items
    assert [item.scores[0] for item in scored] == pytest.approx(expected_scores(expected), abs=1e-4)


def read(folder):
    """Return the items of a folder, and what is expected of them."""
    items = []
    for line in (HEADS / folder / "inputs.jsonl").read_text().splitlines():
        row = json.loads(line)
        prompt = row.get("prompt") or row["messages"][:-1]
        answers = [row[key] for key in ("chosen", "rejected")] if "chosen" in row else [row["messages"][-1]["content"]]
        completions = tuple((Message(role="assistant", content=answer),) for answer in answers)
        turns = tuple(Message(**message) for message in prompt)
        items.append(Item(row["id"], "all", turns, completions, num_correct=len(completions) - 1))
    return items, json.loads((HEADS / folder / "expected.json").read_text())


def expected_scores(expected):
    """Return the score of the first completion: of steps the minimum."""
    return expected["aggregates"]["min"] if expected["kind"] == "steps" else CHECK.expected_scores(expected)


CHECKED = SPECS | {"skywork_llama": "classifier", "tulu_bin": "classifier", "peft_adapter": "peft_adapter"}
"""Folder to the family that `rewardbench models check` names."""


@pytest.mark.parametrize("folder", CHECKED)
def test_the_family_of_a_checkpoint_is_named(folder):
    explanation = explain_checkpoint(ModelSpec(str(HEADS / folder)))
    if folder in ON_REQUEST:
        assert (explanation["scored"], explanation["family"] in (None, "classifier")) == (False, True)
        assert ("--label" if folder == "two_label" else "--adapter") in explanation["reason"]
    else:
        assert (explanation["scored"], explanation["family"]) == (True, CHECKED[folder])


@pytest.mark.parametrize("folder", SPECS)
def test_scores_equal_those_of_the_original_code(folder):
    scorer = load(folder)
    items, expected = read(folder)
    assert scorer.spec.name == SPECS[folder]
    requests = [scorer.prepare(item.prompt, *item.completions, rendered=False) for item in items]
    assert [request.ids.tolist() for request in requests] == expected["ids"]
    scored = score(items, scorer, batch_size=4).items
    assert [item.scores[0] for item in scored] == pytest.approx(expected_scores(expected), abs=1e-4)
    if expected["kind"] == "steps":
        for item, steps in zip(scored, expected["scores"], strict=True):
            assert item.step_scores[0] == pytest.approx(steps, abs=1e-4)


@pytest.mark.parametrize(
    "folder", [folder if folder in QUICK else pytest.param(folder, marks=pytest.mark.slow) for folder in SPECS]
)
def test_no_layout_and_no_batch_moves_a_score(folder):
    scorer = load(folder)
    items, _ = read(folder)
    alone = []
    for item in items:
        alone += score([item], scorer, batch_size=1).items[0].scores
    assert max(alone) - min(alone) > 1e-3
    layouts = None if scorer.traits.packed else ("padded right",)
    for scores in score_in_layouts(scorer, items, *filter(None, (layouts,))):
        assert scores == pytest.approx(alone, abs=1e-5)


PICKLED = ("beaver_cost", "beaver_reward", "ldl", "oasst_deberta", "oasst_pythia", "starling_7b", "tulu_bin", "ultrarm")
"""Folders with a pickle and a safetensors file of the same tensors."""


@pytest.mark.parametrize(
    "folder",
    [name if name in ("ldl", "starling_7b") else pytest.param(name, marks=pytest.mark.slow) for name in PICKLED],
)
def test_pickles_without_their_safetensors_twin_score_the_same(folder, tmp_path):
    pickles = {path.stem for path in (HEADS / folder).glob("*.[bp][it]*") if path.suffix in (".bin", ".pt")}
    twins = {"model" if stem == "pytorch_model" else stem for stem in pickles}
    copy = tmp_path / folder
    shutil.copytree(HEADS / folder, copy, ignore=shutil.ignore_patterns(*(f"{stem}.safetensors" for stem in twins)))
    assert pickles
    with pytest.raises(InputError, match="--allow_pickle"):
        load_scorer(ModelSpec(str(copy), device="cpu"))
    scorer = load_scorer(ModelSpec(str(copy), device="cpu", allow_pickle=True))
    assert scorer.fingerprint["weights"]["format"] == "pickle"
    assert_expected(scorer, folder)


def test_two_labels_are_scored_by_name_or_by_an_adapter():
    path = str(HEADS / "two_label")
    with pytest.raises(InputError, match=r"outputs 2 numbers per text \(length, quality\).*pass --label"):
        load_scorer(ModelSpec(path, device="cpu"))
    for options in ({"label": "quality"}, {"label": "1"}, {"adapter": "odin"}):
        assert_expected(load_scorer(ModelSpec(path, device="cpu", **options)), "two_label")
    _, expected = read("two_label")
    length = load_scorer(ModelSpec(path, device="cpu", label="length"))
    items, _ = read("two_label")
    scores = [item.scores[0] for item in score(items, length).items]
    assert scores == pytest.approx(expected["variants"]["index_0"]["scores"], abs=1e-4)


@pytest.mark.parametrize("activation", ["linear.Identity", "activation.Sigmoid"])
def test_a_cross_encoder_of_earlier_versions_scores_as_its_own_code(activation, tmp_path):
    copy = shutil.copytree(HEADS / "cross_encoder", tmp_path / "model")
    fields = json.loads((copy / "config.json").read_text())
    del fields["sentence_transformers"]
    fields["sbert_ce_default_activation_function"] = f"torch.nn.modules.{activation}"
    (copy / "config.json").write_text(json.dumps(fields))
    items, expected = read("cross_encoder")
    is_sigmoid = activation.endswith("Sigmoid")
    scores = expected["variants"]["sigmoid"]["scores"] if is_sigmoid else expected["scores"]
    scored = score(items, load_scorer(ModelSpec(str(copy), device="cpu"))).items
    assert [item.scores[0] for item in scored] == pytest.approx(scores, abs=1e-4)


def test_a_peft_adapter_scores_as_the_original_code():
    scorer = load("peft_adapter")
    items, expected = read("peft_adapter")
    requests = [scorer.prepare(item.prompt, *item.completions, rendered=False) for item in items]
    assert [request.ids.tolist() for request in requests] == expected["ids"]
    scored = score(items, scorer, batch_size=4).items
    assert [item.scores[0] for item in scored] == pytest.approx(expected["scores"], abs=1e-4)
