"""Batch invariance of many more architectures: they are packed, padded, scored with batch size 1, or rejected."""

import random
from types import SimpleNamespace

import pytest
import torch
from random_models import make_model, make_tokenizer, pairs, turn, words
from reference import (
    largest_difference,
    load_stage,
    log_probs_by_hand,
    prepare_all,
    score_in_layouts,
    score_unbatched,
)
from transformers import AutoModelForSequenceClassification

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.forward import batch_effects
from rewardbench.forward.packed import Layout
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.dpo import load_dpo
from rewardbench.settings import ModelSpec
from rewardbench.types import TokenRequest

MOE = {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2, "head_dim": 8}
NARROW = {"d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0}
HYBRID = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "shared_expert_intermediate_size": 16,
}
GEMMA = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "sliding_window": 16,
    "pad_token_id": 0,
}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
BART = {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in (("layers", 2), ("attention_heads", 4))}

DECODERS = {
    "falcon": {},
    "falcon with ALiBi": {"alibi": True},
    "bloom": {},
    "mpt": {},
    "gpt_oss": {"num_local_experts": 4, "head_dim": 8, "num_key_value_heads": 2, "sliding_window": 16},
    "mixtral": {"num_local_experts": 4, "num_key_value_heads": 2},
    "qwen3_moe": {**MOE, "num_key_value_heads": 2},
    "gpt_neo": {"num_layers": 2, "attention_types": [[["global", "local"], 1]], "window_size": 16},
    "phi": {},
    "stablelm": {"num_key_value_heads": 4},
    "starcoder2": {"num_key_value_heads": 2, "sliding_window": 16},
    "gpt_bigcode": {},
    "olmo2": {},
    "smollm3": {"num_key_value_heads": 2},
    "gpt_neox in series": {"use_parallel_residual": False},
    "qwen3_next": {**MOE, **HYBRID, "num_key_value_heads": 2},
    "gemma3": {"text_config": GEMMA, "vision_config": VISION, "image_token_index": 500},
}
"""Settings beyond the common sizes; the words after an architecture's name only name the test."""
PADDED = {"falcon", "falcon with ALiBi", "bloom", "mpt", "gpt_oss", "gpt_neo", "qwen3_next"}
"""Not packed: they have attention code of their own, pass unknown arguments, or mix tokens outside of attention."""

ENCODERS = {
    "roberta": {},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "albert": {"embedding_size": 16},
    "longformer": {"attention_window": 16},
}
BATCH_SENSITIVE = {
    "fnet": {},
    "convbert": {"embedding_size": 32},
    "nystromformer": {"num_landmarks": 8, "segment_means_seq_len": 8},
    "bart": {**BART, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64},
    "t5": NARROW,
}
"""Architectures whose scores change with the batch, or that cannot run one: scored with batch size 1."""

POLICIES = {
    "cohere": {"logit_scale": 0.25, "num_key_value_heads": 4},
    "granite": {"num_key_value_heads": 4, "logits_scaling": 4.0},
    "gpt_oss": DECODERS["gpt_oss"],
    "mamba": {"state_size": 4},
    "lfm2": {"layer_types": ["conv", "full_attention"], "num_key_value_heads": 2},
    "llama tied": {"tie_word_embeddings": True, "num_key_value_heads": 2},
}


def spec(folder, **options):
    return ModelSpec(str(folder), device="cpu", **options)


def widen_head(model):
    """Widen the classification head of an encoder, so that differences between texts are visible."""
    with torch.no_grad():
        list(model.parameters())[-2].mul_(50.0)


def load_random(folder, name, options, encoder=False):
    """Make a random classifier of the architecture that begins a test's name, and load it."""
    architecture = name.split()[0]
    return load_classifier(spec(make_model(folder, architecture, tokenizer=make_tokenizer(encoder=encoder), **options)))


def check_invariance(scorer, items):
    """Check that scores in every supported layout equal those of the unbatched forward."""
    expected = score_unbatched(scorer.model, prepare_all(scorer, items))
    assert max(expected) - min(expected) >= 0.05
    allowed = 1e-5 * max(1.0, max(map(abs, expected)))
    layouts = ("packed", "padded right") if scorer.traits.packed else ("padded right",)
    for scores in score_in_layouts(scorer, items, layouts):
        assert largest_difference(scores, expected) <= allowed


@pytest.mark.parametrize("name", DECODERS)
def test_decoders_are_batch_invariant(name, tmp_path):
    scorer = load_random(tmp_path, name, DECODERS[name])
    assert not scorer.layout.unbatched
    assert scorer.traits.packed == (name not in PADDED)
    assert (batch_effects.PADDED_NOTE in scorer.report().notes) == (name in PADDED)
    check_invariance(scorer, pairs(6, 30))


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_are_batch_invariant(name, tmp_path):
    scorer = load_random(tmp_path, name, ENCODERS[name], encoder=True)
    assert not scorer.layout.unbatched
    widen_head(scorer.model)
    check_invariance(scorer, pairs(6, 30))


@pytest.mark.parametrize("name", BATCH_SENSITIVE)
def test_batch_sensitive_architectures_are_scored_with_batch_size_1_and_a_note(name, tmp_path):
    scorer = load_random(tmp_path, name, BATCH_SENSITIVE[name], encoder=True)
    assert scorer.layout.unbatched
    assert batch_effects.UNBATCHED_NOTE in scorer.report().notes
    widen_head(scorer.model)
    check_invariance(scorer, pairs(6, 30))


def test_a_batch_sensitive_model_fails_the_check_without_the_probe(tmp_path):
    scorer = load_random(tmp_path, "fnet", {}, encoder=True)
    widen_head(scorer.model)
    scorer = scorer.with_layout(Layout())
    with pytest.raises(AssertionError):
        check_invariance(scorer, pairs(6, 30))


SHORT, LONG = (TokenRequest("", "", range(length)) for length in (1, 2))


def fake_model(model_type):
    return SimpleNamespace(dtype="torch.float32", config=SimpleNamespace(model_type=model_type))


def length_of(request):
    """Score a text by its length."""
    return float(len(request))


def test_a_model_whose_scores_are_random_is_rejected():
    draws = iter([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(InputError, match=r"gives the same text different scores \(random draws"):
        batch_effects.is_batch_sensitive(
            fake_model("random"), [SHORT], lambda batch: [next(draws) for _ in batch], lambda request: next(draws), "M"
        )


def test_a_model_that_fails_on_batches_is_batch_sensitive():
    def run_single_only(batch):
        if len(batch) > 1:
            raise ValueError("batch size 1 only")
        return [length_of(batch[0])]

    model = fake_model("single")
    assert batch_effects.is_batch_sensitive(model, [SHORT, LONG], run_single_only, length_of, "M")
    assert not batch_effects.is_batch_sensitive(model, [SHORT], run_single_only, length_of, "M")


def test_a_model_whose_forward_fails_is_rejected_with_its_architecture(tmp_path):
    with pytest.raises(InputError, match=r"\(architecture xmod\) failed on a text of \d+ tokens"):
        load_random(tmp_path, "xmod", {}, encoder=True)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("big_bird", {}, "attention_type to original_full"),
        ("reformer", {"axial_pos_embds": False, "attention_head_size": 8}, "random hashes"),
    ],
)
def test_architectures_whose_scores_depend_on_order_or_chance_are_rejected(name, options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        load_random(tmp_path, name, options, encoder=True)


def test_bigbird_with_full_attention_is_batch_invariant(tmp_path):
    scorer = load_random(tmp_path, "big_bird", {"attention_type": "original_full"}, encoder=True)
    widen_head(scorer.model)
    check_invariance(scorer, pairs(6, 30))


def test_an_encoder_decoder_is_pooled_at_its_eos_and_rejects_a_text_without_one(tmp_path):
    scorer = load_random(tmp_path, "t5", NARROW)
    with pytest.raises(InputError, match="no EOS token"):
        scorer.prepare((), turn("assistant", "Lima"), True)
    request = scorer.prepare(turn("user", "Hi"), turn("assistant", "Lima"), False)
    assert len(scorer.run([request])) == 1
    assert (scorer.report().details, request.pooled_token) == ({"pooling": "last EOS token"}, "<|eos|>")


@pytest.mark.parametrize(("arch", "pad"), [("llama", -1), ("gpt2", -1), ("gpt2", 512), ("gpt2", 9999)])
def test_a_pad_id_without_an_embedding_counts_as_none(arch, pad, model_folder):
    scorer = load_classifier(spec(model_folder(arch, pad_token_id=pad)))
    check_invariance(scorer, pairs(6, 30))
    assert scorer.model.config.pad_token_id == pad
    assert any("names no pad token" in note for note in scorer.report().notes)


@pytest.mark.parametrize("arch", ["llama", "roberta"])
def test_texts_of_one_token_or_with_pad_tokens_inside(arch, tmp_path):
    scorer = load_random(tmp_path, arch, {}, encoder=arch == "roberta")
    texts = ["a", "<|pad|>a<|pad|>b", "b<|pad|><|pad|>", words(random.Random(0), 30)]
    if arch == "roberta":
        texts.insert(0, "")
    requests = [scorer.prepare((), turn("assistant", text), True) for text in texts]
    assert scorer.run(requests) == pytest.approx(score_unbatched(scorer.model, requests), abs=1e-5)


def test_an_empty_text_is_rejected(model_folder):
    scorer = load_classifier(spec(model_folder()))
    with pytest.raises(InputError, match="no tokens"):
        scorer.prepare((), turn("assistant", ""), True)


def test_shards_and_bfloat16_weights_are_loaded_in_float32_on_a_cpu(tmp_path, model_folder):
    single_file = load_classifier(spec(model_folder()))
    model = AutoModelForSequenceClassification.from_pretrained(model_folder(), dtype=torch.bfloat16)
    model.save_pretrained(tmp_path, max_shard_size="40KB")
    single_file.chat.tokenizer.save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    scorer = load_classifier(spec(tmp_path))
    assert scorer.model.dtype == torch.float32
    request = scorer.prepare(turn("user", "Hi"), turn("assistant", "Lima"), False)
    assert scorer.run([request])[0] == pytest.approx(single_file.run([request])[0], abs=0.02)


@pytest.mark.parametrize("name", POLICIES)
def test_rewards_of_policies_equal_those_by_hand(name, tmp_path):
    arch, options = name.split()[0], POLICIES[name]
    for seed, folder in enumerate(("policy", "reference")):
        make_model(tmp_path / folder, arch, "causal", seed, tokenizer=make_tokenizer(), **options)
    scorer = load_dpo(spec(tmp_path / "policy", ref_model=str(tmp_path / "reference")))
    policy, reference = map(load_stage, scorer.stages)
    assert not policy.layout.unbatched
    rng = random.Random(3)
    prompt = turn("user", words(rng, 12))
    requests = [scorer.prepare(prompt, turn("assistant", words(rng, n)), False) for n in (2, 30, 60)]
    for request, reward in zip(requests, scorer.run(requests), strict=True):
        policy_log_probs = log_probs_by_hand(policy.model, request)
        reference_log_probs = log_probs_by_hand(reference.model, request)
        magnitude = float(policy_log_probs.abs().sum() + reference_log_probs.abs().sum())
        assert abs(reward - float((policy_log_probs - reference_log_probs).sum())) <= 1e-7 * magnitude + 1e-5


def test_rendered_text_of_a_policy_is_scored_from_its_second_token(model_folder):
    scorer = load_dpo(spec(model_folder("llama", "causal"), ref_free_type="sum"))
    short, long = (scorer.prepare((), turn("assistant", text), True) for text in ("Lima", "a river by Lima"))
    assert (short.start, short.end) == (0, len(short.ids))
    from_second = TokenRequest(short.text, short.completion, short.ids, 1, short.end)
    expected = float(log_probs_by_hand(load_stage(scorer.stages[0]).model, from_second).sum())
    assert scorer.run([short, long])[0] == pytest.approx(expected, abs=1e-4)


def test_the_reference_also_limits_length_and_which_lengths_share_a_batch(tmp_path):
    dynamic = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}
    tokenizer = make_tokenizer()
    make_model(tmp_path / "policy", "llama", "causal", tokenizer=tokenizer)
    options = {"rope_parameters": dynamic, "max_position_embeddings": 60}
    make_model(tmp_path / "reference", "llama", "causal", tokenizer=tokenizer, **options)
    scorer = load_dpo(spec(tmp_path / "policy", ref_model=str(tmp_path / "reference")))
    assert scorer.chat.max_length == 60
    policy, reference = (load_stage(stage).traits.length_bucket for stage in scorer.stages)
    assert list(map(policy, (10, 60, 61, 70))) == [0, 0, 0, 0]
    assert list(map(reference, (10, 60, 61, 70))) == [0, 0, 61, 70]


def test_no_forward_keeps_a_kv_cache(model_folder):
    scorer = load_classifier(spec(model_folder()))
    caches = []
    scorer.model.register_forward_hook(lambda module, inputs, output: caches.append(output.past_key_values))
    score(pairs(2, 5), scorer)
    assert set(caches) == {None}
