"""Heads that a spec declares, on small models made here: recognised by structure, equal to plain torch, or rejected."""

import json
import math
import shutil

import pytest
import torch
from head_families import CHECKPOINTS, change_config
from head_models import make_headed, random_layers
from pages import GUIDE, blocks
from random_models import make_model, make_tokenizer, pairs
from reference import LAYOUTS, score_in_layouts
from transformers import AutoModel, AutoModelForCausalLM

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.results.read import read_step_scores
from rewardbench.scorers import load_scorer
from rewardbench.scorers.classifier import Classifier
from rewardbench.scorers.heads.explain import explain_checkpoint
from rewardbench.scorers.heads.load import find_spec
from rewardbench.scorers.heads.registry import builtin_specs
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.scorers.heads.tensors import open_tensors
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, Message

WIDTH = 32


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


def requests_of(scorer, count=4):
    return [scorer.prepare(item.prompt, item.completions[0], rendered=False) for item in pairs(count)]


def last_states(folder, requests):
    """The backbone's states of the last tokens, by its own forward."""
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return torch.stack([model(torch.tensor([request.ids])).last_hidden_state[0, -1] for request in requests])


@pytest.mark.parametrize(
    ("spec", "tensors", "options"),
    [
        ("value_head", random_layers("v_head.summary", WIDTH, 1), {"file": "value_head"}),
        ("grm", random_layers("v_head.summary", WIDTH, 16, 1), {}),
        ("inf_orm", random_layers("score", WIDTH, WIDTH, 1), {"architectures": ["INFORMForSequenceClassification"]}),
        ("ultrarm", random_layers("regression_head", WIDTH, 1, bias=False), {"architectures": ["LlamaRewardModel"]}),
        (
            "openrlhf",
            random_layers("score", WIDTH, 1, bias=False),
            {"normalize_reward": False, "mean": 1.0, "std": 2.0},
        ),
        ("inferred", random_layers("my_reward_head", WIDTH, 1), {"architectures": ["MyRewardModel"]}),
        ("inferred", random_layers("critic.value", WIDTH, 1), {"prefix": "backbone.model."}),
    ],
)
def test_a_head_is_recognised_by_its_tensors_and_equals_plain_torch(tmp_path, spec, tensors, options):
    folder = make_headed(tmp_path / "anything", tensors, **options)
    scorer = load(folder, chat_template="tokenizer")
    assert isinstance(scorer, HeadScorer)
    assert scorer.spec.name == spec
    requests = requests_of(scorer)
    plain = make_model(tmp_path / "plain", kind="causal")  # the same seed: the same backbone
    states = last_states(plain, requests)
    names = sorted(name for name in tensors if name.endswith("weight"))
    for name in names:
        bias = tensors.get(name.replace("weight", "bias"), 0)
        states = states @ tensors[name].T + bias
        states = states.relu() if name != names[-1] else states
    assert scorer.run(requests) == pytest.approx(states[:, 0].tolist(), abs=1e-4)


@pytest.mark.parametrize("arch", ["mistral", "qwen2", "gemma2"])
def test_every_backbone_takes_a_head_in_score_in_layouts(tmp_path, arch):
    folder = make_headed(tmp_path / arch, random_layers("v_head", WIDTH, 1), arch=arch)
    scorer = load(folder)
    items = pairs(6, 20)
    single = []
    for item in items:
        single += [scorer.score_unbatched(scorer.prepare(item.prompt, c, rendered=False)) for c in item.completions]
    for scores in score_in_layouts(scorer, items, LAYOUTS):
        assert scores == pytest.approx(single, abs=1e-5)


def test_normalised_rewards_follow_the_switch(tmp_path):
    tensors = random_layers("score", WIDTH, 1, bias=False)
    fields = {"mean": 1.5, "std": 4.0}
    off = load(make_headed(tmp_path / "off", tensors, normalize_reward=False, **fields))
    on = load(make_headed(tmp_path / "on", tensors, normalize_reward=True, **fields))
    requests = requests_of(off)
    expected = [(score - 1.5) / 4.0 for score in off.run(requests)]
    assert on.run(requests) == pytest.approx(expected, abs=1e-6)


def test_a_cost_is_negated(tmp_path):
    folder = make_headed(tmp_path / "model", random_layers("cost", WIDTH, 1))
    (tmp_path / "cost.yaml").write_text("head: {tensors: cost}\nhigher_is_better: false")
    rewards, costs = load(folder), load(folder, adapter=str(tmp_path / "cost.yaml"))
    requests = requests_of(rewards)
    assert costs.run(requests) == pytest.approx([-score for score in rewards.run(requests)], abs=1e-6)


PAGE = GUIDE / "pages" / "how-to" / "heads.md"
(ADAPTER,) = [block.text for block in blocks(PAGE, "yaml")]
"""The head spec that the guide shows."""


def test_an_adapter_declares_a_head_that_nobody_has_seen(tmp_path):
    tensors = random_layers("experts", WIDTH, 12, 2)
    folder = make_headed(tmp_path / "model", tensors, architectures=["Mixture"])
    with pytest.raises(InputError, match=r"its head experts has 2 outputs.*--adapter"):
        load(folder)
    adapter = tmp_path / "experts.yaml"
    adapter.write_text(ADAPTER)
    scorer = load(folder, adapter=str(adapter))
    requests = requests_of(scorer)
    assert {request.ids[-1] for request in requests} == {scorer.chat.tokenizer.eos_token_id}
    states = last_states(make_model(tmp_path / "plain", kind="causal"), requests)
    hidden = (states @ tensors["experts.0.weight"].T + tensors["experts.0.bias"]).tanh()
    outputs = hidden @ tensors["experts.2.weight"].T + tensors["experts.2.bias"]
    assert scorer.run(requests) == pytest.approx((0.25 * outputs[:, 0] - 2 * outputs[:, 1]).tolist(), abs=1e-4)


def test_truncation_keeps_an_appended_token(tmp_path):
    folder = make_headed(tmp_path / "model", random_layers("experts", WIDTH, 2))
    adapter = tmp_path / "experts.yaml"
    adapter.write_text(ADAPTER)
    for side in ("left", "right"):
        scorer = load(folder, adapter=str(adapter), max_length=12, truncation_side=side)
        request = max(requests_of(scorer, 8), key=lambda request: request.dropped)
        assert request.dropped
        assert 11 <= len(request) <= 12
        assert request.ids[-1] == scorer.chat.tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("head: [1", "cannot be read"),
        ("just text", "is not a mapping"),
        ("skull: {tensors: x}", "skull: Extra inputs are not permitted"),
        ("position: {at: middle}", "position.at"),
        ("head: {tensors: nowhere}", r"has no tensors nowhere\.\*"),
        ("head: {tensors: experts}\nposition: {at: every, token: '<step>'}", "cannot be|which this model|<step>"),
        ("head: {tensors: experts}\noutput: {matrix: absent}", "has no tensor absent"),
        ("head: {tensors: experts}\naffine: {mean: config.absent}", "config.json has no absent"),
    ],
)
def test_a_wrong_adapter_is_rejected_with_one_sentence(tmp_path, text, message):
    folder = make_headed(tmp_path / "model", random_layers("experts", WIDTH, 1))
    adapter = tmp_path / "broken.yaml"
    adapter.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load(folder, adapter=str(adapter)).prepare(*pairs(1)[0].completions, rendered=False)
    assert "\n" not in str(error.value)


def test_an_unknown_adapter_names_those_there_are(tmp_path):
    folder = make_headed(tmp_path / "model", random_layers("v_head", WIDTH, 1))
    with pytest.raises(InputError, match=r"neither a file nor one of .*armorm.*worldpm"):
        load(folder, adapter="no-such-family")


def test_a_backbone_without_its_weights_is_rejected(tmp_path):
    folder = make_headed(tmp_path / "model", random_layers("v_head.summary", WIDTH, 1))
    fields = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**fields, "num_hidden_layers": 3}))
    with pytest.raises(InputError, match="lacks weights of its backbone"):
        load(folder)


def test_classifiers_and_policies_are_loaded_as_before(tmp_path):
    assert type(load(make_model(tmp_path / "reward"))) is Classifier
    policy = make_model(tmp_path / "policy", kind="causal")
    assert find_spec(policy, ModelSpec(str(policy))) is None
    with pytest.raises(InputError, match=r"lacks weights \(score.weight\)"):
        load(policy)


def test_an_encoder_without_a_template_reads_a_sentence_pair_unless_a_template_is_named(tmp_path):
    folder = make_model(tmp_path / "bert", arch="bert", tokenizer=make_tokenizer(None, encoder=True))
    assert load(folder).spec.name == "sentence_pair"
    assert type(load(folder, chat_template="raw")) is Classifier
    templated = make_model(tmp_path / "templated", arch="bert")
    assert type(load(templated)) is Classifier


GATED = """
position: {at: last}
head: {tensors: head}
output: {group: {size: 2, take: mean}, matrix: mixing}
gate: {network: {tensors: gate, activation: selu}, position: {at: first}, temperature: 2.0, scale: scale}
"""


def test_a_gate_weighs_grouped_and_mixed_outputs(tmp_path):
    head, gate = random_layers("head", WIDTH, 6), random_layers("gate", WIDTH, 8, 3, seed=1)
    extra = {"mixing": torch.randn(3, 3, generator=torch.Generator().manual_seed(2)), "scale": torch.tensor([1.5])}
    folder = make_headed(tmp_path / "model", head | gate | extra)
    (tmp_path / "gated.yaml").write_text(GATED)
    scorer = load(folder, adapter=str(tmp_path / "gated.yaml"))
    requests = requests_of(scorer)
    plain = make_model(tmp_path / "plain", kind="causal")
    values = last_states(plain, requests) @ head["head.weight"].T + head["head.bias"]
    values = values.reshape(-1, 3, 2).mean(-1) @ extra["mixing"]
    model = AutoModel.from_pretrained(plain, dtype=torch.float32).eval()
    with torch.inference_mode():
        first = torch.stack([model(torch.tensor([request.ids])).last_hidden_state[0, 0] for request in requests])
    hidden = torch.selu(first @ gate["gate.0.weight"].T + gate["gate.0.bias"])
    weights = ((hidden @ gate["gate.2.weight"].T + gate["gate.2.bias"]) / 2).softmax(-1) * 1.5
    assert scorer.run(requests) == pytest.approx((weights * values).sum(-1).tolist(), abs=1e-4)


STEPS = """
position: {at: every, token: "<|eos|>"}
head: {tensors: head}
output: {softmax: 1}
steps: {tag: "<|eos|>", aggregate: product}
"""


def test_steps_are_scored_at_their_tags_and_multiplied(tmp_path):
    head = random_layers("head", WIDTH, 2)
    folder = make_headed(tmp_path / "model", head)
    (tmp_path / "steps.yaml").write_text(STEPS)
    scorer = load(folder, adapter=str(tmp_path / "steps.yaml"), chat_template="raw")
    answer = Message(role="assistant", content="5 apples\n\n2 are gone\n\n3 are left")
    item = Item("a", "all", (Message(role="user", content="How many?"),), ((answer,),), num_correct=0)
    (scored,) = score([item], scorer).items
    request = scorer.prepare(item.prompt, item.completions[0], rendered=False)
    model = AutoModel.from_pretrained(make_model(tmp_path / "plain", kind="causal"), dtype=torch.float32).eval()
    with torch.inference_mode():
        states = model(torch.tensor([request.ids])).last_hidden_state[0]
    tags = [at for at, token in enumerate(request.ids) if token == scorer.chat.tokenizer.eos_token_id]
    expected = (states[tags] @ head["head.weight"].T + head["head.bias"]).softmax(-1)[:, 1].tolist()
    assert len(scored.step_scores[0]) == len(tags) >= 3
    assert scored.step_scores[0] == pytest.approx(expected, abs=1e-5)
    assert scored.scores[0] == pytest.approx(math.prod(expected), abs=1e-5)
    assert read_step_scores(json.loads(json.dumps({"step_scores": scored.step_scores}))) == scored.step_scores
    assert read_step_scores({"step_scores": "a column of the data"}) == ()


JUDGE = """
vocabulary: [A, B]
output: {softmax: 0}
pair: {text: "{context} A: {first} B: {second} Better:"}
"""


def test_a_pairwise_spec_reads_both_orders(tmp_path):
    folder = make_model(tmp_path / "policy", kind="causal")
    (tmp_path / "judge.yaml").write_text(JUDGE)
    scorer = load(folder, adapter=str(tmp_path / "judge.yaml"))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    letters = [scorer.chat.encode(letter)[0] for letter in "AB"]
    for item in pairs(3, 10):
        probabilities = []
        for completions in (item.completions, item.completions[::-1]):
            request = scorer.prepare(item.prompt, *completions, rendered=False)
            with torch.inference_mode():
                logits = model(torch.tensor([request.ids])).logits[0, -1, letters]
            probabilities.append(logits.softmax(-1)[0].item())
        (scored,) = score([item], scorer).items
        first, second = probabilities
        assert scored.scores[0] == pytest.approx((first + 1 - second) / 2, abs=1e-5)
        assert sum(scored.scores) == pytest.approx(1)
        assert scored.order_inconsistency == float((first > 0.5) == (second > 0.5))


@pytest.mark.parametrize(("labels", "is_scored", "reason"), [(1, True, "with one label"), (2, False, "2 outputs")])
def test_the_explanation_counts_the_labels_of_a_classifier(tmp_path, labels, is_scored, reason):
    folder = make_model(tmp_path / "model", num_labels=labels)
    explanation = explain_checkpoint(ModelSpec(str(folder)))
    assert explanation["scored"] is is_scored
    assert reason in explanation["reason"]


@pytest.mark.parametrize(
    ("family", "label", "message"),
    [
        ("value_head", "LABEL_1", "has no label 'LABEL_1': pass --label with one of LABEL_0"),
        ("gpm", "LABEL_0", "is scored by the rule of its head gpm: leave it out"),
        ("qwen_prm", "1", "is scored by the rule of its head qwen_prm: leave it out"),
    ],
)
def test_a_label_that_a_head_does_not_have_is_rejected(tmp_path, family, label, message):
    folder = str(CHECKPOINTS[family](tmp_path / "model"))
    with pytest.raises(InputError, match=message):
        load_scorer(ModelSpec(folder, device="cpu", label=label))
    assert message in explain_checkpoint(ModelSpec(folder, label=label))["reason"]


def test_a_check_misses_the_numbers_of_a_normalisation(tmp_path):
    head = random_layers("score", WIDTH, 1, bias=False)
    folder = str(make_headed(tmp_path / "model", head, ["RewardModel"], normalize_reward=True))
    explanation = explain_checkpoint(ModelSpec(folder))
    assert (explanation["scored"], explanation["reason"]) == (
        False,
        "config.json has no mean, which the head spec names.",
    )


def test_trusted_code_changes_no_score_of_a_checkpoint_without_code(tmp_path):
    folder = str(CHECKPOINTS["openrlhf"](tmp_path / "model"))
    fingerprints = []
    for is_trusted in (False, True):
        spec = ModelSpec(folder, device="cpu", trust_remote_code=is_trusted)
        fingerprints.append(load_scorer(spec).fingerprint)
    assert fingerprints[0] == fingerprints[1]


def test_the_pad_token_is_that_of_the_configuration(tmp_path):
    """The classes of INF-ORM and others read the state before the first token with the configuration's id."""
    folder = change_config(CHECKPOINTS["inf_orm"](tmp_path / "model"), pad_token_id=2)  # EOS, which the texts end with
    scorer = load_scorer(ModelSpec(str(folder), device="cpu"))
    request = scorer.probe("Far.")
    assert request.ids[-1] == 2
    assert request.pooled_token == scorer.chat.tokenizer.convert_ids_to_tokens(request.ids[-2])


def test_a_family_that_cannot_be_scored_says_why(tmp_path):
    with pytest.raises(InputError, match="POLAR scores how consistent a response is with a reference response"):
        load(make_model(tmp_path / "polar"), adapter="polar")


def test_every_spec_is_complete():
    for name, spec in builtin_specs().items():
        assert spec.title, name
        assert spec.evidence, name
        assert spec.checkpoints or not spec.match.is_empty or name == "yes_no", name


def test_a_folder_is_recognised_whatever_its_name(tmp_path):
    folder = make_headed(tmp_path / "a", random_layers("v_head.summary", WIDTH, 1))
    moved = shutil.copytree(folder, tmp_path / "llama-policy")
    assert find_spec(moved, ModelSpec(str(moved))) == find_spec(folder, ModelSpec(str(folder)))
    assert "v_head.summary.weight" in open_tensors(moved)
