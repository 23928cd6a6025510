"""Scores of tokens: those of cut texts by causal models, log-ratios that sum to the reward, and steps."""

import json
import math

import pytest
from head_models import make_headed, random_layers
from random_models import make_model, make_tokenizer
from terminal import run

from rewardbench.engine.loop import prepare
from rewardbench.engine.loop import score as score_items
from rewardbench.engine.token_scores import token_scores
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.scorers.dpo import load_dpo
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, Message, TokenRequest

ANSWER = "Lima is a city by the Rímac.\n\n12 - 5 = 7 apples are left 🍎."


def conversation(answer=ANSWER):
    prompt = (Message(role="user", content="Name a city by the river."),)
    return Item("a", "all", prompt, ((Message(role="assistant", content=answer),),), num_correct=0)


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


def text_of(item, scorer):
    """Return the ids of an item's request, as the tokenizer decodes them."""
    (request,) = prepare(item, scorer).requests
    return scorer.chat.tokenizer.decode(request.ids)


@pytest.mark.parametrize("arch", ["llama", "gemma2", "gpt_neox"])
def test_a_classifier_scores_the_text_that_ends_at_each_token(tmp_path, arch):
    scorer = load(make_model(tmp_path / arch, arch))
    item = conversation()
    (request,) = prepare(item, scorer).requests
    scored = token_scores(item, scorer)
    (scored_item,) = score_items([item], scorer).items
    assert scored.kind == "prefix"
    assert scored.score == scored_item.scores[0]
    assert len(scored.scores) == len(scored.texts) == len(request)
    assert scored.scores[-1] == pytest.approx(scored_item.scores[0], abs=1e-5)
    assert "".join(scored.texts) == text_of(item, scorer)
    for end in (1, 2, 7, len(request) - 1):
        cut = TokenRequest("", "", request.ids[:end], 0, end)
        assert scored.scores[end - 1] == pytest.approx(scorer.score_unbatched(cut), abs=1e-5)


def test_a_value_head_and_a_gate_score_cut_texts(tmp_path):
    scorer = load(make_headed(tmp_path / "value", random_layers("v_head.summary", 32, 1)))
    item = conversation()
    (request,) = prepare(item, scorer).requests
    scored = token_scores(item, scorer)
    cut = TokenRequest("", "", request.ids[:9], 0, 9)
    assert scored.scores[8] == pytest.approx(scorer.score_unbatched(cut), abs=1e-5)
    assert scored.scores[-1] == pytest.approx(scored.score, abs=1e-5)
    spec = tmp_path / "gated.yaml"
    spec.write_text(
        "head: {tensors: head}\n"
        "gate: {network: {tensors: gate}, position: {at: start_of_last, token: '<|assistant|>'}}\n"
    )
    tensors = random_layers("head", 32, 3) | random_layers("gate", 32, 3, seed=1)
    gated = load(make_headed(tmp_path / "gated", tensors), adapter=str(spec))
    scored = token_scores(item, gated)
    start = scored.texts.index("<|assistant|>")
    assert [math.isnan(score) for score in scored.scores] == [n < start for n in range(len(scored.scores))]
    assert scored.scores[-1] == pytest.approx(scored.score, abs=1e-5)


def test_the_log_ratios_of_a_policy_sum_to_its_reward(tmp_path):
    folders = [str(make_model(tmp_path / f"m{seed}", kind="causal", seed=seed)) for seed in (0, 1)]
    scorer = load_dpo(ModelSpec(folders[0], ref_model=folders[1], beta=0.1, device="cpu"))
    item = conversation()
    scored = token_scores(item, scorer)
    assert scored.kind == "log_ratio"
    assert "0.1 × (log π − log π_ref)" in scored.meaning
    assert sum(scored.scores) == pytest.approx(scored.score, abs=1e-5)
    assert ANSWER in "".join(scored.texts)
    assert "river" not in "".join(scored.texts)


@pytest.mark.parametrize(
    ("rule", "total"), [("sum", sum), ("avg", lambda v: sum(v) / len(v)), ("norm", lambda v: -math.hypot(*v))]
)
def test_log_probabilities_make_the_reward_without_a_reference(tmp_path, rule, total):
    scorer = load(make_model(tmp_path / "policy", kind="causal"), ref_free_type=rule)
    scored = token_scores(conversation(), scorer)
    assert scored.kind == "log_probability"
    assert total(scored.scores) == pytest.approx(scored.score, rel=1e-6)


@pytest.fixture(scope="module")
def steps_model(tmp_path_factory):
    head = random_layers("v_head.summary", 32, 1)
    path = tmp_path_factory.mktemp("prm") / "prm"
    return make_headed(path, head, architectures=["Qwen2ForPrmModel"], arch="qwen2")


def test_a_process_reward_model_scores_steps(steps_model):
    scorer = load(steps_model)
    item = conversation("Two lines.\nThe last.")
    scored = token_scores(item, scorer)
    (scored_item,) = score_items([item], scorer).items
    assert (scored.kind, scored.texts, scored.scores) == (
        "step",
        ("Two lines.", "The last."),
        scored_item.step_scores[0],
    )
    assert scored.score == min(scored.scores)
    assert scored.meaning.endswith("the score of the response is their minimum.")


@pytest.mark.parametrize("arch", ["bert", "modernbert"])
def test_an_encoder_is_rejected(tmp_path, arch):
    scorer = load(make_model(tmp_path / arch, arch, tokenizer=make_tokenizer(encoder=True)), chat_template="raw")
    with pytest.raises(InputError, match="is an encoder, which reads the whole text at once"):
        token_scores(conversation(), scorer)


def test_models_without_token_scores_are_rejected(tmp_path):
    with pytest.raises(InputError, match="baseline/longest has no scores of tokens: it reads whole texts"):
        token_scores(conversation(), load("baseline/longest"))
    spec = tmp_path / "appended.yaml"
    spec.write_text("input: {append: eos_token}\nposition: {at: last_of, token: eos_token}\nhead: {tensors: head}\n")
    model = make_headed(tmp_path / "model", random_layers("head", 32, 1))
    with pytest.raises(InputError, match="is read at a token that ends a complete text"):
        token_scores(conversation(), load(model, adapter=str(spec)))
    with pytest.raises(InputError, match="The response cannot be scored"):
        token_scores(Item("a", "all", (), (), problem="it is empty"), load("baseline/longest"))


PROMPT = ("--prompt", "Name a city by the river.", "--response", ANSWER)


def test_the_command_prints_a_table_json_and_a_heat_map(tmp_path, capsys):
    code, out, _ = run(capsys, "score", "--model", "tiny-rm", *PROMPT, "--per_token", "--plot", tmp_path / "a.svg")
    assert code == 0
    assert "note: The score at a token is that of the text that ends there" in out
    _, text, _ = run(capsys, "score", "--model", "tiny-rm", *PROMPT, "--per-token", "--json")
    report = json.loads(text)
    assert f"score={report['score']!r}\n" in out
    assert report["tokens"][-1]["score"] == pytest.approx(report["score"], abs=1e-5)
    assert ANSWER in "".join(token["text"] for token in report["tokens"])
    picture = (tmp_path / "a.svg").read_text()
    assert "<!-- tiny-rm: score" in picture
    assert "<!-- score of the text that ends at the token -->" in picture
    assert "<!-- &lt;|assistant|&gt; -->" in picture or "<!-- <|assistant|> -->" in picture


def test_the_command_draws_steps(steps_model, tmp_path, capsys):
    answer = "\n".join(["A long step " * 30, "It costs $3 and $4.", "你好"])
    arguments = ["--model", steps_model, "--prompt", "How?", "--response", answer, "--per_token"]
    code, out, _ = run(capsys, "score", *arguments, "--plot", tmp_path / "steps.png")
    assert (code, "steps=3" in out) == (0, True)
    assert (tmp_path / "steps.png").read_bytes().startswith(b"\x89PNG")
    _, text, _ = run(capsys, "score", *arguments, "--json")
    assert [step["text"] for step in json.loads(text)["steps"]] == answer.split("\n")


def test_a_file_with_one_conversation_is_taken(tmp_path, capsys):
    path = tmp_path / "one.jsonl"
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    row = {"messages": [*turns, {"role": "user", "content": "Name a city."}, {"role": "assistant", "content": "Lima."}]}
    path.write_text(json.dumps(row) + "\n")
    code, out, _ = run(capsys, "score", "--model", "tiny-rm", "--dataset", path, "--per_token", "--json")
    assert code == 0
    assert "".join(token["text"] for token in json.loads(out)["tokens"]).count("<|assistant|>") == 2
    path.write_text((json.dumps(row) + "\n") * 2)
    code, _, error = run(capsys, "score", "--model", "tiny-rm", "--dataset", path, "--per_token")
    assert (code, error) == (
        2,
        "rewardbench: --per_token scores one response, and one.jsonl has 2 rows: pass --prompt and --response, or a "
        "file with one row of messages.\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--plot", "a.png"), "--plot draws the scores of tokens or steps: pass --per_token too."),
        (("--per_token", "--output", "a.jsonl"), "--per_token prints the scores of one response"),
        (("--per_token", "--plot", "a.txt"), "a.txt is not a picture"),
    ],
)
def test_options_that_do_not_go_together_are_rejected(arguments, message, capsys):
    code, _, error = run(capsys, "score", "--model", "tiny-rm", *PROMPT, *arguments)
    assert (code, error.count("\n")) == (2, 1)
    assert message in error
