"""Small real models: random weights, a real tokenizer, saved to a folder and loaded like any other."""

import os
import random
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rewardbench.types import Item, Message

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
_cache = tempfile.TemporaryDirectory(prefix="rewardbench")  # removed at the end
os.environ["REWARDBENCH_CACHE"] = os.path.join(_cache.name, "scores.sqlite")
# What a shell starts in the background ignores Ctrl-C, and so would every command that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


SHARED = Path(os.environ.get("REWARDBENCH_SHARED", Path(__file__).parents[2] / "shared"))

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

CORPUS = [
    "the capital of the country is a city by the river and the answer is short",
    "How many apples are left? 12 - 5 = 7. Please write exactly two sentences.",
    "def f(xs): return [x for x in xs if x > 3]  # Ankara, Istanbul, Lima, Oslo",
]

SIZES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2},
    "mistral": {"num_key_value_heads": 2, "sliding_window": 16},
    "qwen2": {"num_key_value_heads": 2},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8},
    "gemma2": {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 16},
    "gemma3_text": {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 16},
    "gpt_neox": {},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 2048},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "bert": {},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "max_relative_positions": -1,
        "position_buckets": 16,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
    },
    "modernbert": {"local_attention": 16},
    "phi3": {"num_key_value_heads": 2},
}
"""What each architecture needs beyond the common sizes; 2 layers, hidden 32."""

VOCABULARY = 512
"""Rows of the embedding: more than the tokenizer has ids, as real models have."""

ENCODERS = {"bert", "deberta-v2", "modernbert"}


WORDS = "the capital of a country is the city by river and answer short apples left exactly two Lima Oslo def".split()


def words(rng: random.Random, n: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(n))


def pairs(count: int = 20, longest: int = 60, seed: int = 0) -> list[Item]:
    rng = random.Random(seed)

    def turn(role: str, most: int) -> tuple[Message, ...]:
        return (Message(role=role, content=words(rng, rng.randint(1, most))),)

    return [
        Item(str(i), "all", turn("user", longest), (turn("assistant", longest), turn("assistant", longest)))
        for i in range(count)
    ]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if lost := [item.nodeid for item in items if "alone" in item.keywords and item.path.name != "test_cli.py"]:
        raise pytest.UsageError(f"scripts/test looks for tests to run alone in tests/test_cli.py only: move {lost[0]}")
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with --slow"))


def make_tokenizer(template: str | None = TEMPLATE, encoder: bool = False, corpus: list[str] = CORPUS) -> Any:
    """A byte-level BPE tokenizer trained on a few lines, with BOS (decoders) or CLS and SEP (encoders)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|bos|>", "<|eos|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    core.train_from_iterator(corpus, trainer)
    if encoder:
        core.post_processor = processors.TemplateProcessing(
            single="<|bos|> $A <|eos|>", special_tokens=[("<|bos|>", 1), ("<|eos|>", 2)]
        )
        names = {"cls_token": "<|bos|>", "sep_token": "<|eos|>"}
    else:
        names = {"bos_token": "<|bos|>", "eos_token": "<|eos|>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<|pad|>", **names)
    tokenizer.chat_template = template.replace("{{ bos_token }}", "") if encoder and template else template
    if encoder and tokenizer.chat_template:
        tokenizer.chat_template = tokenizer.chat_template.replace("{{ eos_token }}", "")
    return tokenizer


def make_config(arch: str, vocabulary: int, **options: Any) -> Any:
    from transformers import AutoConfig

    common = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 2048,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if arch == "gpt2":
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"):
            common.pop(name)
    if arch == "modernbert":
        common.update(cls_token_id=1, sep_token_id=2)
    return AutoConfig.for_model(arch, **{**common, **SIZES.get(arch, {}), **options})


def make_model(folder: Path, arch: str = "llama", kind: str = "reward", seed: int = 0, **options: Any) -> Path:
    """Save a random model with its tokenizer; `kind` is reward or causal. Weights are wide, so that scores spread."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    tokenizer = options.pop("tokenizer", None) or make_tokenizer(encoder=arch in ENCODERS)
    config = make_config(arch, VOCABULARY, **options)
    torch.manual_seed(seed)
    if kind == "reward":
        if "num_labels" not in options:
            config.num_labels = 1
        model = AutoModelForSequenceClassification.from_config(config)
    else:
        model = AutoModelForCausalLM.from_config(config)
    spread(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def spread(model: Any) -> None:
    """Widen random weights until scores of different texts differ by tenths and positions matter."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                weight.mul_(12.0 if "wpe" in name or "position" in name else 4.0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the scores of another."""
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path_factory.mktemp("cache") / "scores.sqlite"))


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A factory of model folders; the same arguments give the same folder."""
    made: dict[str, Path] = {}

    def make(arch: str = "llama", kind: str = "reward", seed: int = 0, **options: Any) -> Path:
        key = repr((arch, kind, seed, sorted(options.items(), key=lambda pair: pair[0])))
        if key not in made:
            made[key] = make_model(tmp_path_factory.mktemp(arch), arch, kind, seed, **options)
        return made[key]

    return make


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A Hub of our own, to which the real client goes; it has an empty dataset org/results."""
    import hubdouble
    from huggingface_hub import HfApi, constants

    with hubdouble.hub() as server:
        for name, value in {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_OFFLINE": False,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_CACHE": str(tmp_path / "home" / "hub"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_ETAG_TIMEOUT": 2,
            "HF_HUB_DOWNLOAD_TIMEOUT": 2,
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_fake")
        monkeypatch.setattr("rewardbench.hub.TIMEOUT", 1.0)
        HfApi().create_repo("org/results", repo_type="dataset")
        yield server
