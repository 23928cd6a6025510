"""Checkpoints in the layouts of published families score as their authors' code scores them."""

import json

import pytest
from reference import LAYOUTS, score_in_layouts
from repository import SHARED

from rewardbench.scorers.heads.load import find_spec, load_head
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, Message

HEADS = SHARED / "heads"
SPECS = {
    "armorm": "armorm",
    "athene": "athene",
    "beaver_cost": "beaver_cost",
    "beaver_reward": "beaver_reward",
    "grm": "grm",
    "inf_orm": "inf_orm",
    "internlm2": "internlm2",
    "ldl": "ldl",
    "llamafactory": "value_head",
    "math_shepherd": "math_shepherd",
    "nemotron_logit": "nemotron",
    "oasst_pythia": "oasst_pythia",
    "openrlhf": "openrlhf",
    "qrm_llama31": "qrm",
    "qwen_prm": "qwen_prm",
    "starling_7b": "starling",
    "ultrarm": "ultrarm",
    "worldpm": "worldpm",
    "yes_no_logit": "yes_no",
}
"""Folder to the spec that takes it."""
ON_REQUEST = {"math_shepherd", "nemotron_logit", "yes_no_logit"}
"""Folders that nothing tells from a policy, so that their spec must be named."""

pytestmark = pytest.mark.skipif(not HEADS.exists(), reason="the golden checkpoints are not at hand")


def load(folder):
    spec = ModelSpec(str(HEADS / folder), device="cpu")
    adapter = SPECS[folder] if folder in ON_REQUEST else None
    return load_head(find_spec(HEADS / folder, spec, adapter), HEADS / folder, spec)


def read(folder):
    rows = [json.loads(line) for line in (HEADS / folder / "inputs.jsonl").read_text().splitlines()]
    items = []
    for row in rows:
        *prompt, completion = [Message(**message) for message in row["messages"]]
        items.append(Item(row["id"], "all", tuple(prompt), ((completion,),), num_correct=0))
    return items, json.loads((HEADS / folder / "expected.json").read_text())


@pytest.mark.parametrize("folder", SPECS)
def test_scores_equal_those_of_the_original_code(folder):
    scorer = load(folder)
    items, expected = read(folder)
    assert scorer.spec.name == SPECS[folder]
    requests = [scorer.prepare(item.prompt, item.completions[0], rendered=False) for item in items]
    assert [request.ids.tolist() for request in requests] == expected["ids"]
    for scores, wanted in zip(scorer.position_scores(requests), expected["scores"], strict=True):
        assert scores == pytest.approx(wanted if isinstance(wanted, list) else [wanted], abs=1e-4)


@pytest.mark.parametrize("folder", SPECS)
def test_no_layout_and_no_batch_moves_a_score(folder):
    scorer = load(folder)
    items, _ = read(folder)
    single = [scorer.by_itself(scorer.prepare(item.prompt, item.completions[0], rendered=False)) for item in items]
    assert max(single) - min(single) > 1e-3
    assert scorer.traits.packed
    for scores in score_in_layouts(scorer, items, LAYOUTS):
        assert scores == pytest.approx(single, abs=1e-5)
