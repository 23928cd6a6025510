"""The promise of test_invariance over many more architectures: kept, or the items are scored alone, or refused."""

import random
from types import SimpleNamespace

import pytest
from random_models import make_model, make_tokenizer, pairs, words
from reference import by_hand, every_layout, one_by_one
from reference import loaded as opened

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.forward import batch_effects
from rewardbench.forward.packed import Layout
from rewardbench.scorers.classifier import load_classifier
from rewardbench.scorers.dpo import load_dpo
from rewardbench.settings import ModelSpec
from rewardbench.types import Message

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
"""By architecture (what follows its name is for the reader), what it needs beyond the common sizes."""
PADDED = {"falcon", "falcon with ALiBi", "bloom", "mpt", "gpt_oss", "gpt_neo", "qwen3_next"}
"""They take no row: attention of their own, arguments that are not known, or layers that mix what stands in a row."""

ENCODERS = {
    "roberta": {},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "albert": {"embedding_size": 16},
    "longformer": {"attention_window": 16},
}
MOVED = {
    "fnet": {},
    "convbert": {"embedding_size": 32},
    "nystromformer": {"num_landmarks": 8, "segment_means_seq_len": 8},
    "bart": {**BART, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64},
    "t5": NARROW,
}
"""Company moves their scores, or they refuse it, so that they are scored one item at a time."""

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


def scale(model):
    """Random classification heads of encoders are too narrow to show a difference: widen what comes last."""
    import torch

    with torch.no_grad():
        list(model.parameters())[-2].mul_(50.0)


def say(role, text):
    return (Message(role=role, content=text),)


def loaded(folder, name, options, encoder=False):
    return load_classifier(
        spec(make_model(folder, name.split()[0], tokenizer=make_tokenizer(encoder=encoder), **options))
    )


def check_holds(scorer, items):
    requests = [scorer.prepare(i.prompt, c, False) for i in items for c in i.completions]
    truth = one_by_one(scorer.model, requests)
    assert max(truth) - min(truth) >= 0.05
    allowed = 1e-5 * max(1.0, max(map(abs, truth)))
    for scores in every_layout(scorer, items, ("row", "right") if scorer.traits.packed else ("right",)):
        assert max(abs(a - b) for a, b in zip(scores, truth, strict=True)) <= allowed


@pytest.mark.parametrize("name", DECODERS)
def test_decoders_hold_it(name, tmp_path):
    scorer = loaded(tmp_path, name, DECODERS[name])
    assert not scorer.layout.unbatched
    assert scorer.traits.packed == (name not in PADDED)
    assert (batch_effects.PADDED in scorer.report().notes) == (name in PADDED)
    check_holds(scorer, pairs(6, 30))


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_hold_it(name, tmp_path):
    scorer = loaded(tmp_path, name, ENCODERS[name], encoder=True)
    assert not scorer.layout.unbatched
    scale(scorer.model)
    check_holds(scorer, pairs(6, 30))


@pytest.mark.parametrize("name", MOVED)
def test_what_company_moves_is_scored_alone_and_says_so(name, tmp_path):
    scorer = loaded(tmp_path, name, MOVED[name], encoder=True)
    assert scorer.layout.unbatched
    assert batch_effects.NOTE in scorer.report().notes
    scale(scorer.model)
    check_holds(scorer, pairs(6, 30))


def test_the_probe_has_a_reason(tmp_path):
    scorer = loaded(tmp_path, "fnet", {}, encoder=True)
    scale(scorer.model)
    scorer = scorer.with_layout(Layout())
    with pytest.raises(AssertionError):
        check_holds(scorer, pairs(6, 30))


def test_a_model_with_moods_is_refused():
    draws = iter([1.0, 2.0, 3.0, 4.0])
    model = SimpleNamespace(dtype="torch.float32", config=SimpleNamespace(model_type="moody"))
    with pytest.raises(InputError, match=r"does not give a text the same score twice \(moody"):
        batch_effects.moved_by_company(
            model, ["a"], lambda batch: [next(draws) for _ in batch], lambda one: next(draws), "M"
        )


def test_a_model_that_refuses_batches_is_asked_alone_and_one_that_cannot_run_is_refused():
    model = SimpleNamespace(dtype="torch.float32", config=SimpleNamespace(model_type="shy"))

    def shy(batch):
        if len(batch) > 1:
            raise ValueError("one at a time")
        return [float(len(batch[0]))]

    assert batch_effects.moved_by_company(model, ["a", "bb"], shy, lambda one: float(len(one)), "M")
    assert not batch_effects.moved_by_company(model, ["a"], shy, lambda one: float(len(one)), "M")


def test_a_model_whose_forward_fails_is_refused_by_its_architecture(tmp_path):
    with pytest.raises(InputError, match=r"\(architecture xmod\) failed on a text of \d+ tokens"):
        loaded(tmp_path, "xmod", {}, encoder=True)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("big_bird", {}, "attention_type to original_full"),
        ("reformer", {"axial_pos_embds": False, "attention_head_size": 8}, "random hashes"),
    ],
)
def test_scores_that_depend_on_the_order_or_on_chance_are_refused(name, options, says, tmp_path):
    with pytest.raises(InputError, match=says):
        loaded(tmp_path, name, options, encoder=True)


def test_bigbird_with_full_attention_holds_it(tmp_path):
    scorer = loaded(tmp_path, "big_bird", {"attention_type": "original_full"}, encoder=True)
    scale(scorer.model)
    check_holds(scorer, pairs(6, 30))


def test_an_encoder_decoder_reads_its_eos_and_a_text_without_one_keeps_its_reason(tmp_path):
    scorer = loaded(tmp_path, "t5", NARROW)
    with pytest.raises(InputError, match="no EOS token"):
        scorer.prepare((), say("assistant", "Lima"), True)
    request = scorer.prepare(say("user", "Hi"), say("assistant", "Lima"), False)
    assert len(scorer.run([request])) == 1
    assert (scorer.report().details, request.pooled_token) == ({"pooling": "last EOS token"}, "<|eos|>")


@pytest.mark.parametrize(("arch", "pad"), [("llama", -1), ("gpt2", -1), ("gpt2", 512), ("gpt2", 9999)])
def test_a_pad_id_without_an_embedding_counts_as_none(arch, pad, model_folder):
    scorer = load_classifier(spec(model_folder(arch, pad_token_id=pad)))
    check_holds(scorer, pairs(6, 30))
    assert scorer.model.config.pad_token_id == pad
    assert any("names no pad token" in note for note in scorer.report().notes)


@pytest.mark.parametrize("arch", ["llama", "roberta"])
def test_texts_of_one_token_or_with_pad_tokens_inside(arch, tmp_path):
    scorer = loaded(tmp_path, arch, {}, encoder=arch == "roberta")
    texts = ["", "a", "<|pad|>a<|pad|>b", "b<|pad|><|pad|>", words(random.Random(0), 30)]
    requests = [scorer.prepare((), say("assistant", text), True) for text in texts if text or arch == "roberta"]
    for one, truth in zip(scorer.run(requests), one_by_one(scorer.model, requests), strict=True):
        assert one == pytest.approx(truth, abs=1e-5)


def test_an_empty_text_keeps_its_reason(model_folder):
    scorer = load_classifier(spec(model_folder()))
    with pytest.raises(InputError, match="no tokens"):
        scorer.prepare((), say("assistant", ""), True)


def test_shards_and_bfloat16_on_a_cpu(tmp_path, model_folder):
    import torch
    from transformers import AutoModelForSequenceClassification

    whole = load_classifier(spec(model_folder()))
    model = AutoModelForSequenceClassification.from_pretrained(model_folder(), dtype=torch.bfloat16)
    model.save_pretrained(tmp_path, max_shard_size="40KB")
    whole.chat.tokenizer.save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    scorer = load_classifier(spec(tmp_path))
    assert scorer.model.dtype == torch.float32
    request = scorer.prepare(say("user", "Hi"), say("assistant", "Lima"), False)
    assert scorer.run([request])[0] == pytest.approx(whole.run([request])[0], abs=0.02)


@pytest.mark.parametrize("name", POLICIES)
def test_policies_hold_it(name, tmp_path):
    arch, options = name.split()[0], POLICIES[name]
    for seed, folder in enumerate(("policy", "reference")):
        make_model(tmp_path / folder, arch, "causal", seed, tokenizer=make_tokenizer(), **options)
    scorer = load_dpo(spec(tmp_path / "policy", ref_model=str(tmp_path / "reference")))
    policy, reference = (opened(part) for part in scorer.stages)
    assert not policy.layout.unbatched
    rng = random.Random(3)
    asked = say("user", words(rng, 12))
    requests = [scorer.prepare(asked, say("assistant", words(rng, n)), False) for n in (2, 30, 60)]
    for request, reward in zip(requests, scorer.run(requests), strict=True):
        p, r = by_hand(policy.model, request), by_hand(reference.model, request)
        assert abs(reward - float((p - r).sum())) <= 1e-7 * float(p.abs().sum() + r.abs().sum()) + 1e-5


def test_rendered_text_of_a_policy_is_scored_from_its_second_token(model_folder):
    scorer = load_dpo(spec(model_folder("llama", "causal"), ref_free_type="sum"))
    short, long = (scorer.prepare((), say("assistant", text), True) for text in ("Lima", "a river by Lima"))
    assert (short.start, short.end) == (0, len(short.ids))
    whole = type(short)(short.text, short.completion, short.ids, 1, short.end)
    assert scorer.run([short, long])[0] == pytest.approx(
        float(by_hand(opened(scorer.stages[0]).model, whole).sum()), abs=1e-4
    )


def test_the_reference_limits_length_and_company_too(tmp_path):
    dynamic = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}
    tokenizer = make_tokenizer()
    make_model(tmp_path / "policy", "llama", "causal", tokenizer=tokenizer)
    options = {"rope_parameters": dynamic, "max_position_embeddings": 60}
    make_model(tmp_path / "reference", "llama", "causal", tokenizer=tokenizer, **options)
    scorer = load_dpo(spec(tmp_path / "policy", ref_model=str(tmp_path / "reference")))
    assert scorer.chat.max_length == 60
    companies = [[opened(part).traits.length_bucket(n) for part in scorer.stages] for n in (10, 60, 61, 70)]
    assert companies == [[0, 0], [0, 0], [0, 61], [0, 70]]


def test_no_forward_keeps_a_cache(model_folder):
    scorer = load_classifier(spec(model_folder()))
    kept = []
    scorer.model.register_forward_hook(lambda module, given, found: kept.append(found.past_key_values))
    score(pairs(2, 5), scorer)
    assert set(kept) == {None}
