"""Process reward models on small checkpoints: scores equal those of plain torch code written after the original."""

import json
import shutil

import pytest
import torch
from head_models import make_headed, random_layers
from random_models import make_model, make_tokenizer
from reference import LAYOUTS, score_in_layouts
from safetensors.torch import load_file
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoModelForTokenClassification

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.scorers.heads.load import find_spec
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, Message, TokenRequest, decode_request

QUESTION = "How many apples are left?"
STEPS = ["There are 12 apples.", "Two lines:\n12 - 5 = 7", "The answer is 7 + 0."]
LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}"
    "<|eot_id|>{% endfor %}"
)


def solution(steps=STEPS, question=QUESTION, number=0, first_error=None):
    """Return the item of a solution whose steps are named."""
    prompt = (Message(role="user", content=question),)
    answer = (Message(role="assistant", content="\n\n".join(steps), steps=list(steps)),)
    return Item(str(number), "all", prompt, (answer,), num_correct=0, first_error=first_error)


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


def step_scores(scorer, item):
    (scored,) = score([item], scorer).items
    assert scored.reason is None
    return scored.step_scores[0]


@pytest.fixture(scope="module")
def rlhflow(tmp_path_factory):
    tokenizer = make_tokenizer(LLAMA_3)
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]}
    )
    return make_model(tmp_path_factory.mktemp("rlhflow") / "policy", kind="causal", tokenizer=tokenizer)


def rlhflow_scores(folder, tokenizer, question, steps):
    """Score each step in a conversation of its own, three tokens before the end, as the authors' script does."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    candidates = [tokenizer.encode("+")[-1], tokenizer.encode("-")[-1]]
    conversation, scores = [], []
    for number, step in enumerate(steps):
        text = f"{question} {step}" if number == 0 else step
        conversation += [{"role": "user", "content": text}, {"role": "assistant", "content": "+"}]
        ids = tokenizer.apply_chat_template(conversation, return_tensors="pt", return_dict=False)
        with torch.inference_mode():
            scores.append(model(ids).logits[0, -3, candidates].softmax(-1)[0].item())
    return scores


def test_rlhflow_reads_the_token_before_each_plus(rlhflow):
    scorer = load(rlhflow, adapter="rlhflow_prm")
    expected = rlhflow_scores(rlhflow, scorer.chat.tokenizer, QUESTION, STEPS)
    (scored,) = score([solution()], scorer).items
    assert scored.step_scores[0] == pytest.approx(expected, abs=1e-5)
    assert scored.scores[0] == pytest.approx(sum(expected) / len(expected), abs=1e-5)
    assert scorer.report().details["step_aggregation"] == "mean"


def test_rlhflow_reads_only_steps_after_earlier_turns(rlhflow):
    scorer = load(rlhflow, adapter="rlhflow_prm")
    item = solution()
    earlier = (Message(role="user", content="Hi"), Message(role="assistant", content="+"))
    longer = Item("a", "all", (*earlier, *item.prompt), item.completions, num_correct=0)
    assert len(step_scores(scorer, longer)) == len(STEPS)
    alone = Item("b", "all", earlier, item.completions, num_correct=0)
    (scored,) = score([alone], scorer).items
    assert scored.reason == "This process reward model reads one solution after a turn of the user."


@pytest.fixture(scope="module")
def skywork(tmp_path_factory):
    head = random_layers("v_head.summary", 32, 1)
    path = tmp_path_factory.mktemp("skywork") / "model"
    return make_headed(path, head, architectures=["Qwen2ForPrmModel"], arch="qwen2")


def skywork_scores(folder, tokenizer, question, steps):
    """Encode piece by piece, flag each step's end, and take the sigmoid of the value there."""
    ids = tokenizer.encode(tokenizer.bos_token + question + "\n")
    flags = [0] * len(ids)
    step_token = tokenizer.encode("\n")[-1]
    for step in steps:
        piece = [*tokenizer.encode(step), step_token]
        ids += piece
        flags += [0] * (len(piece) - 1) + [1]
    tensors = load_file(folder / "model.safetensors")
    backbone = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().model
    with torch.inference_mode():
        states = backbone(torch.tensor([ids])).last_hidden_state[0]
    values = states @ tensors["v_head.summary.weight"].T + tensors["v_head.summary.bias"]
    return values[[at for at, flag in enumerate(flags) if flag], 0].sigmoid().tolist()


def test_skywork_is_recognised_and_tokenises_steps_one_by_one(skywork):
    scorer = load(skywork)
    assert scorer.spec.name == "skywork_prm"
    tokenizer = scorer.chat.tokenizer
    expected = skywork_scores(skywork, tokenizer, QUESTION, STEPS)
    assert step_scores(scorer, solution()) == pytest.approx(expected, abs=1e-5)
    text = Message(role="assistant", content="\n".join(STEPS))
    lines = Item("a", "all", solution().prompt, ((text,),), num_correct=0)
    expected = skywork_scores(skywork, tokenizer, QUESTION, "\n".join(STEPS).split("\n"))
    assert step_scores(scorer, lines) == pytest.approx(expected, abs=1e-5)


def make_bos_tokenizer():
    """Return a tokenizer that puts a BOS before each text, as Llama's does."""
    tokenizer = make_tokenizer()
    bos = [("<|bos|>", tokenizer.bos_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<|bos|> $A", special_tokens=bos)
    return tokenizer


def make_token_classifier(folder):
    """Save a random model with a class of two labels for each token, as TRL's trainer does."""
    make_model(folder, kind="causal", tokenizer=make_bos_tokenizer())
    torch.manual_seed(1)
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32)
    torch.nn.init.normal_(model.score.weight)
    torch.nn.init.normal_(model.score.bias)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("spec", "separator"), [("trl_prm", "\n"), ("trl_prm_paragraph", "\n\n")])
def test_trl_reads_the_class_of_each_separator(tmp_path, spec, separator):
    folder = make_token_classifier(tmp_path / "model")
    assert find_spec(folder, ModelSpec(str(folder))).name == "trl_prm"
    scorer = load(folder, adapter=spec)
    tokenizer = scorer.chat.tokenizer
    ids, ends = tokenizer.encode(QUESTION + separator), []
    assert ids[0] == tokenizer.bos_token_id
    for step in STEPS:
        ids += tokenizer.encode(step, add_special_tokens=False)
        ids += tokenizer.encode(separator, add_special_tokens=False)
        ends.append(len(ids) - 1)
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        expected = model(torch.tensor([ids])).logits[0, ends].softmax(-1)[:, 1].tolist()
    assert step_scores(scorer, solution()) == pytest.approx(expected, abs=1e-5)


def test_versaprm_reads_minus_and_plus_at_its_separator(tmp_path):
    folder = make_model(tmp_path / "policy", kind="causal", tokenizer=make_bos_tokenizer())
    scorer = load(folder, adapter="versaprm")
    tokenizer = scorer.chat.tokenizer
    separator = " \n\n\n\n"
    text = f"{QUESTION} \n\n" + separator.join(STEPS) + separator
    ids, pattern = tokenizer.encode(text), tokenizer.encode(separator, add_special_tokens=False)
    ends = [at for at in range(len(ids)) if ids[at - len(pattern) + 1 : at + 1] == pattern]
    assert len(ends) == len(STEPS)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    candidates = [tokenizer.encode(token)[-1] for token in "-+"]
    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0, ends][:, candidates]
    assert step_scores(scorer, solution()) == pytest.approx(logits.softmax(-1)[:, 1].tolist(), abs=1e-5)


def test_an_implicit_model_says_how_to_score_it(rlhflow):
    with pytest.raises(InputError, match=r"log-ratio. Score it with --ref_model .*--per_token"):
        load(rlhflow, adapter="eurus_prm")


@pytest.mark.parametrize("family", ["rlhflow", "skywork"])
def test_batches_do_not_move_the_scores_of_steps(family, request):
    folder = request.getfixturevalue(family)
    scorer = load(folder, adapter=f"{family}_prm")
    items = [solution(STEPS[:count], QUESTION * count, count) for count in (1, 2, 3)]
    single = [
        scorer.score_unbatched(scorer.prepare(item.prompt, item.completions[0], rendered=False)) for item in items
    ]
    for scores in score_in_layouts(scorer, items, LAYOUTS):
        assert scores == pytest.approx(single, abs=1e-5)


def test_the_aggregation_can_be_chosen_and_is_part_of_the_fingerprint(skywork, tmp_path):
    minimum, mean = load(skywork), load(skywork, step_aggregation="mean")
    assert (minimum.fingerprint["step_aggregation"], mean.fingerprint["step_aggregation"]) == ("min", "mean")
    scores = step_scores(minimum, solution())
    (scored,) = score([solution()], mean).items
    assert scored.scores[0] == pytest.approx(sum(scores) / len(scores))
    assert mean.report().details["step_aggregation"] == "mean"
    with pytest.raises(InputError, match="--step_aggregation mean needs a model that scores steps"):
        load(make_model(tmp_path / "reward"), step_aggregation="mean")
    with pytest.raises(InputError, match="one of min, product, last, mean"):
        ModelSpec("x", step_aggregation="median")


def test_truncated_steps_leave_the_solution_unscored_with_a_reason(skywork, rlhflow):
    scorer = load(skywork, max_length=30)
    (scored,) = score([solution()], scorer).items
    assert scored.reason == "truncation left 2 of 3 steps"
    scorer = load(rlhflow, adapter="rlhflow_prm", max_length=60)
    (scored,) = score([solution()], scorer).items
    assert scored.reason.startswith("truncation left")


def test_a_step_with_the_tag_in_it_is_not_scored(tmp_path):
    spec = tmp_path / "tags.yaml"
    spec.write_text(
        "position: {at: every, token: '<|eos|>'}\nhead: {tensors: head}\noutput: {softmax: 1}\n"
        "steps: {tag: '<|eos|>'}\n"
    )
    folder = make_headed(tmp_path / "model", random_layers("head", 32, 2))
    scorer = load(folder, adapter=str(spec), chat_template="raw")
    (scored,) = score([solution(["a <|eos|>", "b"])], scorer).items
    assert "a step contains the tag" in scored.reason


def test_final_texts_cannot_be_divided(skywork):
    text = Item("a", "all", (), ((Message(role="assistant", content="final"),),), num_correct=0, rendered=True)
    (scored,) = score([text], load(skywork)).items
    assert "tokenises steps one by one" in scored.reason


def test_positions_travel_with_a_request():
    request = TokenRequest("a", "a", [1, 2, 3], positions=(1, 2))
    copy = decode_request(request.encode())
    assert (copy, copy.positions) == (request, (1, 2))
    assert request != TokenRequest("a", "a", [1, 2, 3])


def test_a_tokenizer_without_a_bos_is_named(skywork, tmp_path):
    folder = shutil.copytree(skywork, tmp_path / "model")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            fields = json.loads((folder / name).read_text())
            fields.pop("bos_token", None)
            (folder / name).write_text(json.dumps(fields))
    with pytest.raises(InputError, match="has no bos_token, which its head spec names"):
        load(folder)
