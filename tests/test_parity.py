"""Side by side with the published rewardbench 0.1.4 in its own environment, on real pairs.

Slow. Needs REWARDBENCH_PUBLISHED_PYTHON, the python of a virtual environment with `rewardbench==0.1.4 'trl<0.16'`, and
the shared folder with the pairs and the runner.
"""

import json
import os
import subprocess

import pytest
from random_models import CORPUS, make_model, make_tokenizer
from repository import SHARED

from rewardbench.engine.loop import score
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.suites import load_suite
from rewardbench.types import TokenRequest

ANCHOR = os.environ.get("REWARDBENCH_PUBLISHED_PYTHON", "")
PAIRS = SHARED / "bench" / "speed_mix.jsonl"
RUNNER = SHARED / "bench" / "anchor_run.py"
BOS, EOS = 1, 2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ANCHOR and PAIRS.exists()), reason="no REWARDBENCH_PUBLISHED_PYTHON or no shared pairs"),
]

DUMP_IDS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import anchor_run
from accelerate import Accelerator
from rewardbench.dpo import DPOInference
from rewardbench.utils import prepare_dialogue_from_tokenizer
from transformers import AutoModelForCausalLM
tokenizer = anchor_run.load_tokenizer(sys.argv[2])
model = AutoModelForCausalLM.from_pretrained(sys.argv[2])
dpo = DPOInference(model, model, tokenizer=tokenizer, accelerator=Accelerator(cpu=True))
for line in open(sys.argv[3]):
    row = json.loads(line)
    text = prepare_dialogue_from_tokenizer({k: row[k] for k in ("prompt", "chosen", "rejected")}, tokenizer)
    made = dpo.tokenize_row(text)
    print(json.dumps([[list(map(int, made[k + "_input_ids"])), sum(int(x) == -100 for x in made[k + "_labels"])]
                      for k in ("chosen", "rejected")]))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Make a reward model, a policy and its reference: 2-layer random Llamas with a tokenizer of the pairs' text."""
    rows = [json.loads(line) for line in PAIRS.open()]
    CORPUS[:] = [str(row["prompt"]) + row["chosen"] + row["rejected"] for row in rows]
    tokenizer = make_tokenizer()
    made = {}
    for name, kind, seed in (("rm", "reward", 0), ("policy", "causal", 1), ("reference", "causal", 2)):
        folder = tmp_path_factory.mktemp(name)
        make_model(folder, "llama", kind, seed, tokenizer=tokenizer, max_position_embeddings=4096)
        settings = folder / "tokenizer_config.json"  # transformers 4.51 knows no other name
        known = json.loads(settings.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
        settings.write_text(json.dumps(known))
        made[name] = str(folder)
    return made


def without_repeats(tokens):
    """Its ids less the second BOS and the second EOS that it adds."""
    tokens = tokens[1:] if tokens[:2] == [BOS, BOS] else tokens
    return tuple(tokens[:-1] if tokens[-2:] == [EOS, EOS] else tokens)


def anchor(*arguments):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([ANCHOR, "-P", *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def anchor_scores(out, *arguments):
    anchor(str(RUNNER), "--pairs", str(PAIRS), "--out", str(out), "--max_length", "4096", *arguments)
    return [(row["chosen"], row["rejected"]) for row in map(json.loads, out.open())]


def test_classifier_scores_equal_the_incumbents(folders, tmp_path):
    theirs = anchor_scores(tmp_path / "rm.jsonl", "--model", folders["rm"])
    ours = [s.scores for s in score(load_suite(str(PAIRS)).items, load_scorer(ModelSpec(folders["rm"]))).items]
    worst = max(abs(a - b) for mine, other in zip(ours, theirs, strict=True) for a, b in zip(mine, other, strict=True))
    print(f"classifier_max_abs_diff={worst:.2g} pairs={len(ours)}")
    assert worst <= 1e-4
    assert [c > r for c, r in ours] == [c > r for c, r in theirs]


def test_dpo_rewards_equal_the_incumbents_on_its_token_ids(folders, tmp_path):
    """It adds a second BOS and EOS, and cuts long prompts to 128 tokens: the template's own ids are the right ones."""
    models = ("--model", folders["policy"], "--ref_model", folders["reference"])
    theirs = anchor_scores(tmp_path / "dpo.jsonl", *models)
    lines = anchor("-c", DUMP_IDS, str(RUNNER.parent), folders["policy"], str(PAIRS)).splitlines()
    ids = [json.loads(line) for line in lines if line.startswith("[[")]
    scorer = load_scorer(ModelSpec(folders["policy"], ref_model=folders["reference"]))
    worst, other_ids = 0.0, []
    for item, row, expected in zip(load_suite(str(PAIRS)).items, ids, theirs, strict=True):
        ours = scorer.run([TokenRequest("", "", tuple(tokens), start, len(tokens)) for tokens, start in row])
        worst = max(worst, *(abs(a - b) for a, b in zip(ours, expected, strict=True)))
        assert (ours[0] > ours[1]) == (expected[0] > expected[1]) or abs(ours[0] - ours[1]) <= 4e-3
        for (tokens, _), completion in zip(row, item.completions, strict=True):
            once, right = without_repeats(tokens), scorer.prepare(item.prompt, completion, False).ids
            if once != right:
                other_ids.append((item.id, len(once), len(right)))
    print(f"dpo_max_abs_diff={worst:.2g} completions={2 * len(ids)} other_ids={len(other_ids)} {other_ids}")
    assert worst <= 2e-3
    assert all(cut < length for _, cut, length in other_ids), "it differs only where it cut a prompt to 128 tokens"
    assert len(other_ids) < 0.05 * len(ids)
