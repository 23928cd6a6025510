"""Every sequence classifier of transformers, tiny and random: exact scores or a one-line error, no traceback."""

import pytest
import torch
from random_models import make_tokenizer, turn
from reference import prepare_all
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.forward.padding import filter_inputs
from rewardbench.models.layers import is_encoder
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Item

pytestmark = pytest.mark.slow

SMALL = {
    "vocab_size": 512,
    **dict.fromkeys(
        ("hidden_size", "d_model", "n_embd", "dim", "embed_dim", "embedding_size", "word_embed_proj_dim"), 32
    ),
    **dict.fromkeys(("intermediate_size", "d_ff", "ffn_dim", "n_inner", "hidden_dim", "d_inner"), 64),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "moe_intermediate_size", "d_kv"), 16),
    **dict.fromkeys(("num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_experts_per_tok"), 2),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("head_dim", "rotary_dim", "attention_head_size", "qk_rope_head_dim", "v_head_dim"), 8),
    **dict.fromkeys(("qk_nope_head_dim", "kv_lora_rank", "q_lora_rank", "state_size"), 8),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), 128),
    "attention_window": 16,
    "num_labels": 1,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "sep_token_id": 2,
    "cls_token_id": 1,
    "decoder_start_token_id": 1,
}
"""Sizes by every name that configurations use for them."""
LARGEST = 20_000_000
"""Maximum number of parameters."""
TEXTS = ("Lima", "the capital of the country is a city by the river", "x y z " * 200)


def set_sizes(config):
    """Set every size that a configuration has."""
    for name, size in SMALL.items():
        if hasattr(config, name):
            setattr(config, name, size)


def tiny_config(arch):
    """Return a tiny configuration; skip the test if the architecture cannot be made small, or has no text."""
    try:
        defaults = AutoConfig.for_model(arch)
        config = AutoConfig.for_model(arch, **{name: size for name, size in SMALL.items() if hasattr(defaults, name)})
        text_config = config.get_text_config()
        if text_config is not config:
            set_sizes(text_config)
        config.num_labels = 1
        with torch.device("meta"):
            parameters = AutoModelForSequenceClassification.from_config(config).parameters()
            size = sum(weight.numel() for weight in parameters)
    except Exception as error:  # sizes that this architecture does not take; not an error of this package
        pytest.skip(f"no tiny configuration: {error}"[:120])
    if size > LARGEST:
        pytest.skip(f"{size} parameters")
    return config


@pytest.mark.parametrize("arch", sorted(CLASSIFIERS))
def test_scores_equal_the_unbatched_forward_or_the_model_is_rejected_in_one_line(arch, tmp_path):
    config = tiny_config(arch)
    torch.manual_seed(0)
    try:
        model = AutoModelForSequenceClassification.from_config(config)
        model.save_pretrained(tmp_path)
    except Exception as error:
        pytest.skip(f"cannot be made or saved: {error}"[:120])
    make_tokenizer(encoder=is_encoder(config)).save_pretrained(tmp_path)
    item = Item("1", "all", turn("user", "Hi"), tuple(turn("assistant", text) for text in TEXTS))
    message = ""
    try:
        scorer = load_scorer(ModelSpec(str(tmp_path), device="cpu"))
        (item_scores,) = score([item], scorer).items
    except InputError as error:
        message = str(error)
    if message:
        assert "\n" not in message
        assert str(tmp_path) in message
        pytest.skip(f"rejected: {message}")
    assert item_scores.reason is None
    expected = []
    with torch.inference_mode():
        for request in prepare_all(scorer, [item]):
            inputs = filter_inputs(model, {"input_ids": torch.tensor([request.ids.tolist()])})
            expected.append(float(model.eval()(**inputs).logits))
    assert item_scores.scores == pytest.approx(expected, abs=1e-5)
