"""Small checkpoints in the layout of each family that a built-in head spec takes; made here, with random weights."""

import json
from functools import cache, partial
from itertools import pairwise

import torch
from head_models import make_headed
from random_models import CORPUS, make_config, make_model, make_tokenizer, make_word_tokenizer, spread
from safetensors.torch import load_file, save_file

from rewardbench.scorers.heads.registry import builtin_specs

WIDTH = 32
OBJECTIVES, QUANTILES = 4, 3
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}"
    "<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
LLAMA3_TOKENS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
PAIR_TOKENS = ("<|source|>", "<|candidate1|>", "<|candidate2|>")
NAMED = "better_pairrm math_shepherd nemotron odin rlhflow_prm slic_pair steamshp trl_prm_paragraph versaprm yes_no"
ON_REQUEST = {name: name for name in NAMED.split()}
ON_REQUEST["nemotron_principle"] = "nemotron_principle:correctness"
"""Families that nothing in a folder tells from others, by the value of `--adapter` that names each."""


@cache
def llama3_tokenizer():
    """Return a tokenizer that joins line breaks to one token, as that of Llama 3 does."""
    breaks = ["a\n\nb", "a\n\n\nb"] * 50
    return make_tokenizer(LLAMA3, special=LLAMA3_TOKENS, corpus=[*CORPUS, *breaks], pattern=r"\s*[\r\n]+| ?[^\s]+|\s+")


@cache
def mark_tokenizer():
    """Return a tokenizer with the tokens of Math-Shepherd and SteamSHP, each of which is a word."""
    return make_word_tokenizer(corpus=[*CORPUS, *[" ки + - A B"] * 50])


def layers(prefix, *widths, bias=True, numbers=None):
    """Return linear layers whose outputs are about as large as their inputs.

    Args:
        prefix: of the tensors' names.
        widths: of the inputs, then of the outputs of each layer.
        bias: whether layers have one.
        numbers: of the layers; None leaves out every second, or the number of a single layer.
    """
    generator = torch.Generator().manual_seed(sum(widths))
    tensors = {}
    for index, (width, outputs) in enumerate(pairwise(widths)):
        number = numbers[index] if numbers else 2 * index
        name = prefix if len(widths) == 2 and not numbers else f"{prefix}.{number}"
        tensors[f"{name}.weight"] = torch.randn(outputs, width, generator=generator) / width**0.5
        if bias:
            tensors[f"{name}.bias"] = torch.randn(outputs, generator=generator)
    return tensors


def gated(folder, tensors, **config):
    """Save a model with an objective head and a gate, as ArmoRM and QRM have."""
    tensors["reward_transform_matrix"] = torch.eye(OBJECTIVES) + 0.1 * torch.ones(OBJECTIVES, OBJECTIVES).triu()
    tensors["gating.logit_scale"] = torch.tensor([1.5])
    fields = {"num_objectives": OBJECTIVES, "gating_temperature": 2, **config}
    architectures = ["LlamaForRewardModelWithGating"]
    return make_headed(folder, tensors, architectures, tokenizer=llama3_tokenizer(), **fields)


def make_armorm(folder):
    gate = layers("gating.layers", WIDTH, 16, 16, OBJECTIVES, numbers=(0, 1, 2))
    return gated(folder, layers("regression_layer", WIDTH, OBJECTIVES, bias=False) | gate)


def make_qrm(folder):
    gate = layers("gating.layers", WIDTH, 16, OBJECTIVES, numbers=(0, 3))
    generator = torch.Generator().manual_seed(0)
    for kind in ("weight", "bias", "running_mean", "running_var"):
        gate[f"gating.layers.2.{kind}"] = torch.rand(16, generator=generator) + 0.5
    head = layers("regression_layer", WIDTH, OBJECTIVES * QUANTILES, bias=False)
    return gated(folder, head | gate, num_quantiles=QUANTILES)


def make_qrm_gemma(folder):
    """Save QRM's heads on a Gemma 2, with gaps between the layers of the gate and without a matrix."""
    make_qrm(folder)
    weights = load_file(folder / "model.safetensors")
    heads = {}
    for name, tensor in weights.items():
        if name.startswith(("gating.", "regression_layer.")):
            heads[name.replace("layers.3.", "layers.4.")] = tensor
    return make_headed(folder, heads, ["Gemma2ForQuantileSequenceClassification"], arch="gemma2")


def make_skywork_vl(folder):
    """Save a language model whose tensors and configuration are those of one that also sees images."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    text = make_config("qwen2", 512).to_dict()
    text |= {"model_type": "qwen2_5_vl_text", "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}}
    vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": WIDTH}
    config = AutoConfig.for_model("qwen2_5_vl", text_config=text, vision_config=vision)
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config)
    spread(model)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    weights = load_file(folder / "model.safetensors") | layers("v_head.summary", WIDTH, 1)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def make_athene(folder):
    tokenizer = make_tokenizer(special=("<|cls|>",))
    tokenizer.cls_token = "<|cls|>"
    head = layers("v_head", WIDTH, 1, bias=False)
    return make_headed(folder, head, ["AtheneForSequenceClassification"], tokenizer=tokenizer)


def make_beaver(folder, kind):
    statistics = {"normalizer.mean": torch.tensor([0.5]), "normalizer.var": torch.tensor([4.0])}
    head = layers("score_head", WIDTH, 1, bias=False)
    return make_headed(folder, head | statistics, ["LlamaModelForScore"], score_type=kind, do_normalize=True)


def make_cross_encoder(folder, **config):
    """Save an encoder for sentence pairs, which has token types; `config` is added to config.json."""
    make_model(folder, "bert", tokenizer=make_tokenizer(None, encoder=True))
    change_config(folder, **config)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"] *= 20
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def make_internlm2(folder):
    """Save a model whose queries, keys and values are one tensor, group by group."""
    tokenizer = make_tokenizer(special=("<|reward|>",))
    config = {"reward_token_id": tokenizer.convert_tokens_to_ids("<|reward|>"), "model_type": "internlm2"}
    config |= {"pad_token_id": 2, "eos_token_id": 2}
    head = layers("v_head", WIDTH, 1, bias=False)
    make_headed(folder, head, ["InternLM2ForRewardModel"], tokenizer=tokenizer, **config)
    names = {
        "self_attn.o_proj": "attention.wo",
        "mlp.gate_proj": "feed_forward.w1",
        "mlp.up_proj": "feed_forward.w3",
        "mlp.down_proj": "feed_forward.w2",
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "ffn_norm",
        "embed_tokens": "tok_embeddings",
    }
    weights = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        for new, old in names.items():
            name = name.replace(new, old)
        weights[name] = tensor
    for layer in range(2):
        parts = [weights.pop(f"model.layers.{layer}.self_attn.{part}_proj.weight") for part in "qkv"]
        grouped = [part.reshape(2, -1, 8, WIDTH) for part in parts]  # two groups, width 8
        weights[f"model.layers.{layer}.attention.wqkv.weight"] = torch.cat(grouped, 1).reshape(-1, WIDTH).contiguous()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def make_ldl(folder):
    bins = OBJECTIVES * 10
    fields = {"num_objectives": bins, "softmax": True, "temperature": 1.5}
    make_headed(folder, {}, ["Gemma2Model"], prefix="", arch="gemma2", **fields)
    save_file(layers("network", WIDTH, 16, bins), folder / "regression_layer.safetensors")
    gate = layers("network", WIDTH, 16, OBJECTIVES, numbers=(0, 3))
    save_file(gate, folder / "gating_layer.safetensors")
    return folder


def make_oasst_pythia(folder, pooling="last"):
    make_model(folder, "gpt_neox", "causal")
    weights = load_file(folder / "model.safetensors")
    weights.pop("embed_out.weight", None)
    save_file(weights | layers("out_proj", WIDTH, 1), folder / "model.safetensors", {"format": "pt"})
    architectures = ["GPTNeoXRewardModel"]
    return change_config(folder, model_type="gpt_neox_reward_model", architectures=architectures, pooling=pooling)


def make_pairrm(folder):
    make_model(folder, "deberta-v2", tokenizer=make_tokenizer(None, encoder=True, special=PAIR_TOKENS))
    weights = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if name.startswith("deberta."):
            weights[name.replace("deberta", "pretrained_model", 1)] = tensor
    weights |= layers("head_layer", 2 * WIDTH, WIDTH, 1, numbers=(1, 4))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return change_config(folder, architectures=["DebertaV2PairRM"])


def make_odin(folder):
    make_model(folder, num_labels=2)
    return change_config(folder, id2label={"0": "length", "1": "quality"})


def make_policy(folder, arch="llama", kind="causal", tokenizer=None):
    """Save a language model whose logits are read, with smaller logits than its weights give."""
    make_model(folder, arch, kind, tokenizer=tokenizer)
    weights = load_file(folder / "model.safetensors")
    if "lm_head.weight" in weights:
        weights["lm_head.weight"] /= 10
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def make_urm(folder):
    head = layers("score", WIDTH, 10, bias=False)
    return make_headed(folder, head | layers("weights.fc", WIDTH, 16, 16, 5), ["LlamaForSequenceClassification"])


def change_config(folder, **fields):
    """Add fields to config.json; return the folder."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return folder


def headed(tensors, architecture="LlamaForCausalLM", **options):
    """Return a function that saves a model with a head."""
    return partial(make_headed, tensors=tensors, architectures=[architecture], **options)


def last_layer(name, architecture="LlamaForCausalLM", **options):
    """Return a function that saves a model whose head is one linear layer without a bias."""
    return headed(layers(name, WIDTH, 1, bias=False), architecture, **options)


token_classifier = headed(layers("score", WIDTH, 2), "LlamaForTokenClassification")
CHECKPOINTS = {
    "armorm": make_armorm,
    "athene": make_athene,
    "better_pairrm": make_pairrm,
    "beaver_cost": partial(make_beaver, kind="cost"),
    "beaver_reward": partial(make_beaver, kind="reward"),
    "cross_encoder": partial(make_cross_encoder, sentence_transformers={}),
    "eurus": last_layer("regression_head", architecture="EurusRewardModel", arch="mistral"),
    "gpm": headed(layers("value_head", WIDTH, 6, bias=False) | layers("prompt_head", WIDTH, 3, bias=False)),
    "grm": headed(layers("v_head.summary", WIDTH, 16, 1)),
    "inf_orm": headed(layers("score", WIDTH, WIDTH, 1), "INFORMForSequenceClassification"),
    "internlm2": make_internlm2,
    "ldl": make_ldl,
    "math_shepherd": partial(make_policy, arch="mistral", tokenizer=mark_tokenizer()),
    "nemotron": make_policy,
    "nemotron_principle": partial(make_policy, tokenizer=make_tokenizer(corpus=[*CORPUS, *["Yes", "No"] * 50])),
    "oasst_pythia": make_oasst_pythia,
    "oasst_pythia_mean": partial(make_oasst_pythia, pooling="mean"),
    "odin": make_odin,
    "openrlhf": last_layer("score", normalize_reward=True, mean=0.5, std=2.0),
    "openrlhf_old": last_layer("value_head", architecture="RewardModel"),
    "pairrm": make_pairrm,
    "qrm": make_qrm,
    "qrm_gemma": make_qrm_gemma,
    "qwen_math_rm": headed(
        layers("score", WIDTH, WIDTH, 1), "Qwen2ForRewardModel", arch="qwen2", max_position_embeddings=4096
    ),
    "qwen_prm": headed(
        layers("score", WIDTH, WIDTH, 2),
        "Qwen2ForProcessRewardModel",
        arch="qwen2",
        tokenizer=make_tokenizer(special=("<extra_0>",)),
    ),
    "sentence_pair": make_cross_encoder,
    "rlhflow_prm": partial(make_policy, tokenizer=llama3_tokenizer()),
    "skywork_prm": headed(layers("v_head.summary", WIDTH, 1), "Qwen2ForPrmModel", arch="qwen2"),
    "skywork_vl": make_skywork_vl,
    "slic_pair": make_policy,
    "starling": last_layer("v_head", prefix="transformer.", tokenizer=make_tokenizer(None)),
    "starling_34b": last_layer("v_head", prefix="transformer.", architecture="LlamaForSequenceClassification"),
    "steamshp": partial(make_policy, arch="t5", kind="seq2seq", tokenizer=mark_tokenizer()),
    "trl_prm": token_classifier,
    "trl_prm_paragraph": token_classifier,
    "ultrarm": last_layer("regression_head"),
    "urm": make_urm,
    "versaprm": make_policy,
    "value_head": headed(layers("v_head.summary", WIDTH, 1), file="value_head"),
    "worldpm": headed(layers("score", WIDTH, WIDTH, 1), "Qwen2ForRewardModel", arch="qwen2"),
    "yes_no": partial(make_policy, tokenizer=make_tokenizer(corpus=[*CORPUS, *[" Yes No"] * 50])),
}
"""For each spec by name, a function that saves a checkpoint in a folder."""
FAMILIES = {name: CHECKPOINTS.get(name) for name, spec in builtin_specs().items() if not spec.reject}
"""The same for each spec of the package that can be scored."""
