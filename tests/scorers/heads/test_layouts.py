"""Checkpoints in many layouts of names and files score as plain torch does, or are rejected with the tensors' names."""

from functools import cache
from itertools import pairwise

import pytest
import torch
from head_models import add_weights, apply_layers, make_headed, random_layers, rename_weights, split_file
from random_models import make_model, make_tokenizer, pairs
from reference import LAYOUTS, with_layout
from transformers import AutoModel

from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.scorers.heads.explain import explain_checkpoint
from rewardbench.settings import ModelSpec

WIDTH = 32
CHATML = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Return a function from an architecture to its backbone, whose weights all models here have."""

    @cache
    def load_backbone(arch="llama"):
        folder = make_model(tmp_path_factory.mktemp(arch) / "plain", arch, "causal")
        return AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    return load_backbone


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


def requests_of(scorer, count=3):
    return [scorer.prepare(item.prompt, item.completions[0], rendered=False) for item in pairs(count, 12)]


def states_of(model, requests):
    """Return the states of each text: [tokens, width]."""
    with torch.inference_mode():
        return [model(torch.tensor([request.ids])).last_hidden_state[0] for request in requests]


def last_states(model, requests):
    return torch.stack([states[-1] for states in states_of(model, requests)])


def test_a_classifier_with_a_bias_equals_plain_torch(tmp_path, plain):
    """transformers' decoders have no bias in their head, and would drop it."""
    tensors = random_layers("score", WIDTH, 1)
    folder = make_headed(tmp_path / "model", tensors, ["LlamaForSequenceClassification"])
    scorer = load(folder)
    requests = requests_of(scorer)
    expected = apply_layers(last_states(plain(), requests), tensors, "score")[:, 0]
    assert scorer.run(requests) == pytest.approx(expected.tolist(), abs=1e-4)
    assert explain_checkpoint(ModelSpec(str(folder)))["scored"]


WRAPPED = {
    "as saved": lambda name: name,
    "DistributedDataParallel": lambda name: f"module.{name}",
    "torch.compile": lambda name: f"_orig_mod.{name}",
    "both": lambda name: f"module._orig_mod.{name}",
    "compiled layers": lambda name: name.replace("layers.0.", "layers.0._orig_mod."),
    "merged adapter": lambda name: f"base_model.model.{name}",
    "a model in a model": lambda name: f"model.{name}",
    "no prefix": lambda name: name.removeprefix("model."),
    "transformer": lambda name: name.replace("model.", "transformer.", 1),
    "TRL": lambda name: f"pretrained_model.{name}" if name.startswith("model.") else name,
    "sharded": lambda name: name,
}


def slow(*values):
    """Return a case that only the slow run covers."""
    return pytest.param(*values, marks=pytest.mark.slow)


QUICK = ("both", "TRL", "sharded")
"""Wrappers that the fast run covers too."""


@pytest.mark.parametrize("wrapper", [name if name in QUICK else slow(name) for name in WRAPPED])
def test_wrappers_around_names_and_shards_move_no_score(tmp_path, plain, wrapper):
    head = random_layers("v_head.summary", WIDTH, 1)
    folder = make_headed(tmp_path / "model", head, rename=WRAPPED[wrapper])
    if wrapper == "sharded":
        split_file(folder)
    scorer = load(folder)
    assert scorer.spec.name == "value_head"
    requests = requests_of(scorer)
    expected = apply_layers(last_states(plain(), requests), head, "v_head.summary")[:, 0]
    assert scorer.run(requests) == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize(
    ("arch", "spec", "head", "options"),
    [
        ("qwen2", "inf_orm", random_layers("score", WIDTH, WIDTH, 1), {"architectures": ["Qwen2ForX"]}),
        slow("gemma2", "inf_orm", random_layers("score", WIDTH, WIDTH, 1), {"architectures": ["INFORMForX"]}),
        slow("qwen2", "value_head", random_layers("v_head.summary", WIDTH, 1), {}),
        ("gpt_neox", "value_head", random_layers("v_head.summary", WIDTH, 1), {}),
        ("qwen2", "grm", random_layers("v_head.summary", WIDTH, 16, 8, 1), {"vhead_num_layers": 2}),
        (
            "mistral",
            "eurus",
            random_layers("regression_head", WIDTH, 1, bias=False),
            {"architectures": ["EurusRewardModel"]},
        ),
        slow("mistral", "inferred", random_layers("some_reward", WIDTH, 1), {"architectures": ["SomeModel"]}),
        ("qwen2", "inferred", random_layers("probe", WIDTH, 1, bias=False), {"architectures": ["Qwen2ForCausalLM"]}),
        slow("gpt2", "inferred", random_layers("rm.score", WIDTH, 1), {"architectures": ["GPT2LMHeadModel"]}),
    ],
)
def test_a_head_on_another_backbone_equals_plain_torch(tmp_path, plain, arch, spec, head, options):
    scorer = load(make_headed(tmp_path / "model", head, arch=arch, **options), chat_template="tokenizer")
    assert scorer.spec.name == spec
    requests = requests_of(scorer)
    prefix = next(iter(head)).partition(".")[0]
    expected = apply_layers(last_states(plain(arch), requests), head, prefix)[:, 0]
    assert scorer.run(requests) == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize(
    ("arch", "prefix", "fields"),
    [
        slow("mistral", "value_head", {}),
        ("qwen3", "value_head", {"normalize_reward": True, "mean": 0.5, "std": 2.0}),
        slow("llama", "score", {"normalize_reward": False, "value_head_prefix": "score"}),
        (
            "llama",
            "reward_out",
            {"normalize_reward": True, "value_head_prefix": "reward_out", "mean": -1.0, "std": 4.0},
        ),
    ],
)
def test_openrlhf_names_its_head_freely_and_normalises_by_its_switch(tmp_path, plain, arch, prefix, fields):
    head = random_layers(prefix, WIDTH, 1, bias=False)
    scorer = load(make_headed(tmp_path / "model", head, [f"{arch.title()}ForCausalLM"], arch=arch, **fields))
    assert scorer.spec.name.startswith("openrlhf")
    requests = requests_of(scorer)
    assert {request.ids[-1] for request in requests} == {scorer.chat.tokenizer.eos_token_id}
    rewards = apply_layers(last_states(plain(arch), requests), head, prefix)[:, 0]
    if fields.get("normalize_reward"):
        rewards = (rewards - fields["mean"]) / fields["std"]
    assert scorer.run(requests) == pytest.approx(rewards.tolist(), abs=1e-4)


def test_urm_weighs_five_means_by_a_network_with_selu(tmp_path, plain):
    head, gate = (
        random_layers("score", WIDTH, 10, bias=False),
        random_layers("weights.fc", WIDTH, WIDTH, WIDTH, 5, seed=1),
    )
    folder = make_headed(tmp_path / "model", head | gate, ["LlamaForSequenceClassificationWithNormal_Weights"])
    scorer = load(folder)
    assert scorer.spec.name == "urm"
    requests = requests_of(scorer)
    states = last_states(plain(), requests)
    means = apply_layers(states, head, "score").reshape(-1, 5, 2)[:, :, 0]
    weights = apply_layers(states, gate, "weights", torch.selu)
    assert scorer.run(requests) == pytest.approx((means * weights).sum(-1).tolist(), rel=1e-4)


def gating(widths, holes, seed=3):
    """Return the tensors of a gate as QRM has it: linear layers without bias, ReLU, batch norms; the last with bias."""
    generator = torch.Generator().manual_seed(seed)
    tensors, number = {}, 0
    for width, outputs in pairwise(widths[:-1]):
        tensors[f"gating.layers.{number}.weight"] = torch.randn(outputs, width, generator=generator)
        for part in ("weight", "bias", "running_mean", "running_var"):
            values = torch.rand(outputs, generator=generator) + 0.5
            tensors[f"gating.layers.{number + 2}.{part}"] = values
        tensors[f"gating.layers.{number + 2}.num_batches_tracked"] = torch.tensor(7)
        number += 4 if holes and width != widths[-3] else 3
    tensors[f"gating.layers.{number}.weight"] = torch.randn(widths[-1], widths[-2], generator=generator)
    tensors[f"gating.layers.{number}.bias"] = torch.randn(widths[-1], generator=generator)
    tensors["gating.logit_scale"] = torch.tensor([1.5])
    return tensors


def run_gating(states, tensors, temperature):
    """Return the weights of a gate, in plain torch."""
    numbers = sorted({int(name.split(".")[2]) for name in tensors if name.startswith("gating.layers")})
    for number in numbers:
        part = {kind: tensors.get(f"gating.layers.{number}.{kind}") for kind in ("weight", "bias")}
        mean = tensors.get(f"gating.layers.{number}.running_mean")
        if mean is not None:
            variance = tensors[f"gating.layers.{number}.running_var"]
            states = (states - mean) / (variance + 1e-5).sqrt() * part["weight"] + part["bias"]
        else:
            states = states @ part["weight"].T + (0 if part["bias"] is None else part["bias"])
            states = states if number == numbers[-1] else states.relu()
    return (states / temperature).softmax(-1) * tensors["gating.logit_scale"]


@pytest.mark.parametrize(
    ("has_matrix", "template"), [(True, CHATML), (False, None), slow(True, None), slow(False, CHATML)]
)
def test_qrm_reads_its_gate_where_the_template_closes_the_users_turn(tmp_path, plain, has_matrix, template):
    head = random_layers("regression_layer", WIDTH, 12, bias=False)
    gate = gating([WIDTH, 16, 16, 4], holes=not has_matrix)
    matrix = {"reward_transform_matrix": torch.randn(4, 4, generator=torch.Generator().manual_seed(9))}
    tensors = head | gate | (matrix if has_matrix else {})
    fields = {"gating_temperature": 2.0} if has_matrix else {}
    folder = make_headed(tmp_path / "model", tensors, ["Gemma2ForX"], arch="gemma2", **fields)
    if template:
        make_tokenizer(template).save_pretrained(folder)
    scorer = load(folder)
    assert scorer.spec.name == ("qrm" if has_matrix else "qrm_gemma")
    requests = requests_of(scorer)
    header = scorer.chat.encode(scorer.chat.assistant_header())
    expected = []
    for request, states in zip(requests, states_of(plain("gemma2"), requests), strict=True):
        ids = request.ids.tolist()
        start = max(at for at in range(len(ids)) if ids[at : at + len(header)] == header)
        values = apply_layers(states[-1:], head, "regression_layer").reshape(1, 4, 3).mean(-1)
        values = values @ matrix["reward_transform_matrix"] if has_matrix else values
        weights = run_gating(states[start : start + 1], gate, 2.0 if has_matrix else 1.0)
        expected.append((values * weights).sum().item())
    assert scorer.run(requests) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("positions", "spec"), [(4096, "qwen_math_rm"), (2048, "worldpm")])
def test_math_rm_is_told_from_worldpm_by_its_positions(tmp_path, plain, positions, spec):
    head = random_layers("score", WIDTH, WIDTH, 1)
    fields = {"architectures": ["Qwen2ForRewardModel"], "max_position_embeddings": positions}
    scorer = load(make_headed(tmp_path / "model", head, arch="qwen2", **fields))
    assert scorer.spec.name == spec
    requests = requests_of(scorer)
    assert ("Please reason step by step" in requests[0].text) is (spec == "qwen_math_rm")
    assert any("--adapter qwen_math_rm" in note for note in scorer.report().notes) is (spec == "worldpm")
    expected = apply_layers(last_states(plain("qwen2"), requests), head, "score")[:, 0]
    assert scorer.run(requests) == pytest.approx(expected.tolist(), abs=1e-4)


def test_starling_34b_reads_before_the_first_token_of_id_0(tmp_path, plain):
    head = random_layers("v_head", WIDTH, 1, bias=False)
    folder = make_headed(tmp_path / "model", head, ["LlamaForSequenceClassification"], rename=WRAPPED["transformer"])
    scorer = load(folder)
    assert scorer.spec.name == "starling_34b"
    requests = requests_of(scorer)
    assert requests[0].text.startswith("<|im_start|>user\n")
    expected = apply_layers(last_states(plain(), requests), head, "v_head")[:, 0]
    assert scorer.run(requests) == pytest.approx(expected.tolist(), abs=1e-4)


def test_the_mean_of_all_states_is_read_in_every_layout(tmp_path, plain):
    head = random_layers("out_proj", WIDTH, 1)
    fields = {"architectures": ["GPTNeoXRewardModel"], "model_type": "gpt_neox_reward_model", "pooling": "mean"}
    scorer = load(make_headed(tmp_path / "model", head, arch="gpt_neox", **fields))
    assert scorer.spec.name == "oasst_pythia_mean"
    requests = requests_of(scorer)
    means = torch.stack([states.mean(0) for states in states_of(plain("gpt_neox"), requests)])
    expected = apply_layers(means, head, "out_proj")[:, 0].tolist()
    for layout in LAYOUTS:
        assert with_layout(scorer, layout).run(requests) == pytest.approx(expected, abs=1e-5)


UNREAD = {
    "a second head": random_layers("v_head.summary", WIDTH, 1) | random_layers("score", WIDTH, 1),
    "a norm in the head": random_layers("v_head.summary", WIDTH, 1) | {"v_head.norm.weight": torch.ones(WIDTH)},
    "a scale": random_layers("regression_head", WIDTH, 1, bias=False) | {"reward_scale": torch.ones(1)},
    "a layer more": random_layers("v_head.summary", WIDTH, 1)
    | {"model.layers.2.mlp.up_proj.weight": torch.ones(64, WIDTH)},
    "a bias of the backbone": random_layers("score", WIDTH, WIDTH, 1)
    | {"model.layers.1.mlp.up_proj.bias": torch.ones(64)},
}


@pytest.mark.parametrize("case", UNREAD)
def test_a_tensor_that_nothing_reads_is_an_error(tmp_path, case):
    folder = make_headed(tmp_path / "model", UNREAD[case], ["MyRewardModel"])
    unread = {"a second head": "score", "a scale": "reward_scale", "a norm in the head": r"v_head\.norm"}
    with pytest.raises(InputError, match=unread.get(case, r"layers\.[12]\.mlp\.up_proj")) as error:
        load(folder, chat_template="tokenizer")
    assert "\n" not in str(error.value)
    if case in unread:
        explanation = explain_checkpoint(ModelSpec(str(folder)))
        assert (explanation["scored"], explanation["reason"]) == (False, str(error.value))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (random_layers("reward_mlp", WIDTH, 16, 1), r"head reward_mlp has 2 layers .*no file names the activation"),
        (random_layers("a", WIDTH, 1) | random_layers("b", WIDTH, 1), "tensors a.bias, a.weight, b.bias, b.weight"),
        (random_layers("aspects", WIDTH, 5), "aspects has 5 outputs"),
        ({"odd": torch.ones(3)}, "tensors odd"),
        ({"sae.encoder.weight": torch.ones(64, WIDTH), "score.weight": torch.ones(1, 64)}, "SARM"),
    ],
)
def test_an_ambiguous_head_is_rejected_with_the_names_of_its_tensors(tmp_path, head, message):
    for number, names in enumerate((["LlamaForCausalLM"], ["MyModel"], ["LlamaForSequenceClassification"])):
        with pytest.raises(InputError, match=message):
            load(make_headed(tmp_path / str(number), head, names))


@pytest.mark.parametrize("wrapper", ["torch.compile", slow("transformer"), slow("merged adapter")])
def test_a_wrapped_classifier_scores_as_the_classifier(tmp_path, wrapper):
    plain = make_model(tmp_path / "plain")
    wrapped = make_model(tmp_path / "wrapped")
    rename_weights(wrapped, WRAPPED[wrapper])
    expected = load(plain)
    scorer = load(wrapped)
    assert scorer.spec.name == "inferred"
    requests = requests_of(expected)
    assert [request.ids for request in requests_of(scorer)] == [request.ids for request in requests]
    assert scorer.run(requests) == pytest.approx(expected.run(requests), abs=1e-5)


def test_a_second_head_of_a_classifier_is_an_error(tmp_path):
    folder = make_model(tmp_path / "model")
    add_weights(folder, random_layers("v_head", WIDTH, 1))
    with pytest.raises(InputError, match=r"the weight v_head\.bias and 1 more of another head"):
        load(folder)


def test_a_wrapped_encoder_with_a_template_is_rejected(tmp_path):
    folder = make_model(tmp_path / "model", arch="bert")
    rename_weights(folder, WRAPPED["DistributedDataParallel"])
    with pytest.raises(InputError, match="it is an encoder with the head classifier"):
        load(folder)


@pytest.mark.parametrize("saved", ["Qwen2ForPrmModels", "Qwen2ForTokenClassification", "LlamaForProcessRewardModel"])
def test_a_model_of_steps_is_not_read_at_the_last_token(tmp_path, saved):
    folder = make_headed(tmp_path / "model", random_layers("v_head.summary", WIDTH, 1), [saved])
    with pytest.raises(InputError, match=f"its class {saved} rates tokens or steps"):
        load(folder)


def test_a_family_that_is_rejected_comes_before_one_that_is_scored(tmp_path):
    auto_map = {"AutoModelForSequenceClassification": "rm_modeling_hf.LlamaRewardModel"}
    folder = make_headed(tmp_path / "model", random_layers("value_head", WIDTH, 1, bias=False), auto_map=auto_map)
    with pytest.raises(InputError, match="Ziya's head"):
        load(folder)


def test_a_deviation_of_0_is_an_error(tmp_path):
    fields = {"normalize_reward": True, "mean": 1.0, "std": 0.0}
    with pytest.raises(InputError, match=r"standard deviation .* is 0"):
        load(make_headed(tmp_path / "model", random_layers("value_head", WIDTH, 1, bias=False), **fields))


def test_buffers_and_a_vocabulary_head_are_no_obstacle(tmp_path, plain):
    head = random_layers("v_head.summary", WIDTH, 1)
    buffers = {
        "model.rotary_emb.inv_freq": torch.ones(4),
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4),
    }
    scorer = load(make_headed(tmp_path / "model", head | buffers | {"lm_head.weight": torch.ones(512, WIDTH)}))
    requests = requests_of(scorer)
    expected = apply_layers(last_states(plain(), requests), head, "v_head.summary")[:, 0]
    assert scorer.run(requests) == pytest.approx(expected.tolist(), abs=1e-4)
