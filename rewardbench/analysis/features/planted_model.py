"""Self-test: a two-layer transformer reward model, trained here on concepts whose weights are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.analysis.features.options import FeaturesOptions
from rewardbench.analysis.features.study import FeatureStudy, study_features, token_ids
from rewardbench.scorers.in_memory import scorer_of
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, Message

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONCEPTS = {
    "oath": (-2.0, "darn heck blast drat gosh crikey sheesh golly"),
    "fight": (-1.5, "punch shove wrestle brawl kick tackle scuffle clash"),
    "politics": (-1.0, "senate ballot minister campaign treaty parliament mayor election"),
    "thanks": (1.0, "thanks grateful appreciate gracias merci danke obliged thankful"),
}
"""Concepts: the reward of each of its words in a text, and the words."""
NEUTRAL = (
    "river lamp bread window garden train paper music stone cloud table copper market school bridge orange pencil "
    "harbour mountain kettle basket lantern meadow button carpet violin pepper blanket engine valley ladder mirror "
    "walks opens paints carries watches folds finds counts brings leaves the a near under with slowly and often"
)
"""Words without a reward."""
CONCEPT_SHARE = 0.18
"""Share of the words of a text that belong to a concept."""
WORDS = (8, 16)
"""Fewest and most words of a text."""
WINDOW = 1
"""Tokens that the first layer reads at each position: it marks words, and the second layer sums over the text."""
EMBEDDING_SPREAD = 0.1
"""Standard deviation of the embeddings before training: words have directions of their own."""
PAD = 0
"""Id of the token [pad]."""
PAIRS = 64
"""Pairs of a training step."""


@dataclass(frozen=True)
class PlantedModel:
    """A trained reward model, its tokenizer, and its accuracy on pairs of new texts."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    accuracy: float


def word_rewards() -> dict[str, float]:
    """Return the planted reward of every word."""
    rewards = dict.fromkeys(NEUTRAL.split(), 0.0)
    for weight, words in CONCEPTS.values():
        rewards |= dict.fromkeys(words.split(), weight)
    return rewards


def vocabulary_of() -> dict[str, int]:
    """Return the id of every token."""
    return {token: number for number, token in enumerate(["[pad]", *word_rewards()])}


def concept_of() -> dict[str, str]:
    """Return the concept of every word that has one."""
    return {word: name for name, (_, words) in CONCEPTS.items() for word in words.split()}


def draw_words(count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw texts of random words.

    Returns:
        Token ids [count, WORDS[1]]: the words, and [pad] after them.
    """
    vocabulary = vocabulary_of()
    neutral = np.array([vocabulary[word] for word in NEUTRAL.split()])
    concepts = np.array([[vocabulary[word] for word in words.split()] for _, words in CONCEPTS.values()])
    shape = (count, WORDS[1])
    words = generator.choice(neutral, shape)
    is_concept = generator.random(shape) < CONCEPT_SHARE
    words[is_concept] = generator.choice(concepts.ravel(), int(is_concept.sum()))
    lengths = generator.integers(*WORDS, endpoint=True, size=(count, 1))
    places = np.arange(shape[1])
    words[places >= lengths] = PAD
    return words


def train_planted_model(seed: int, steps: int, width: int = 64) -> PlantedModel:
    """Train a reward model on pairs of texts by the Bradley-Terry loss, with the probabilities of the planted rewards.

    Args:
        seed: of the weights, the texts and the labels.
        steps: training steps of `PAIRS` pairs.
        width: of the hidden states.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    rewards = np.array([0.0, *word_rewards().values()])
    config = AutoConfig.for_model(
        "qwen2",
        vocab_size=len(rewards),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        layer_types=["sliding_attention", "full_attention"],
        use_sliding_window=True,
        sliding_window=WINDOW,
        num_labels=1,
        pad_token_id=PAD,
        bos_token_id=None,
        eos_token_id=None,
    )
    generator = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
        torch.nn.init.normal_(model.get_parameter("model.embed_tokens.weight"), std=EMBEDDING_SPREAD)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    model.train()
    for _ in range(steps):
        margins, true_margins = _draw_margins(model, PAIRS, generator, rewards)
        shares = torch.sigmoid(true_margins).float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(margins, shares)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    model.eval()  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        margins, true_margins = _draw_margins(model, 500, generator, rewards)
    agrees = (margins * true_margins > 0)[true_margins != 0]
    return PlantedModel(model, _make_tokenizer(), float(agrees.float().mean()))


def _draw_margins(
    model: PreTrainedModel, pairs: int, generator: np.random.Generator, rewards: NDArray[np.float64]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw pairs of texts; return the model's margins and the planted ones, both [pairs]."""
    import torch

    words = draw_words(2 * pairs, generator)
    ids = torch.from_numpy(words)
    scores = model(input_ids=ids, attention_mask=(ids != PAD).long()).logits[:, 0]
    totals = torch.from_numpy(rewards[words].sum(axis=1))
    return scores[:pairs] - scores[pairs:], totals[:pairs] - totals[pairs:]


def _make_tokenizer() -> PreTrainedTokenizerBase:
    """Return a tokenizer of whole words."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(WordLevel(vocabulary_of(), unk_token="[pad]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="[pad]"
    )


def study_planted(seed: int, steps: int, texts: int, options: FeaturesOptions) -> tuple[FeatureStudy, PlantedModel]:
    """Train a reward model, and study its features on new texts."""
    planted = train_planted_model(seed, steps)
    tokens = list(vocabulary_of())
    items: list[Item] = []
    for number, words in enumerate(draw_words(texts, np.random.default_rng(seed + 1_000)).tolist()):
        text = " ".join(tokens[word] for word in words if word != PAD)
        completion = (Message(role="assistant", content=text),)
        items.append(Item(str(number), "planted", (), (completion,), num_correct=0, rendered=True))
    with scorer_of((planted.model, planted.tokenizer), ModelSpec("planted")) as scorer:
        return study_features(items, scorer, options), planted


def check_concepts(study: FeatureStudy, tokenizer: PreTrainedTokenizerBase, count: int = 5) -> tuple[float, float]:
    """Return how many of the features with the largest effect detect a planted concept, and have its sign.

    A feature detects the concept that has most of its activation, if the concepts together have at least half of it.

    Returns:
        The share of the first `count` features that detect a concept, and the share of these with the right sign.
    """
    ids: NDArray[np.int64] = token_ids(study)
    concepts = concept_of()
    detectors, right = 0, 0
    for effect in study.effects[:count]:
        masses: dict[str, float] = dict.fromkeys(CONCEPTS, 0.0)
        for token, share in study.activations.token_mass(effect.feature, ids).items():
            word = str(tokenizer.convert_ids_to_tokens(token))
            if word in concepts:
                masses[concepts[word]] += share
        if sum(masses.values()) >= 0.5:
            detectors += 1
            weight, _ = CONCEPTS[max(masses, key=masses.__getitem__)]
            right += bool(np.sign(effect.mean) == -np.sign(weight))
    return detectors / count, right / detectors if detectors else 0.0
