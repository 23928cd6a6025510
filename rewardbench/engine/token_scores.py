"""Score every token of one text, or every step of one solution.

A classifier or a value head scores the text that ends at each token, a DPO policy the log-ratio of each token of the
response, and a process reward model each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Literal

from rewardbench.engine.batching import plan_batches
from rewardbench.engine.loop import prepare
from rewardbench.engine.loop import score as score_items
from rewardbench.errors import InputError
from rewardbench.models.layers import is_encoder
from rewardbench.scorers.base import ModelScorer
from rewardbench.scorers.classifier import Classifier
from rewardbench.scorers.dpo import Dpo
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.types import Item, Score, Scorer, TokenRequest

TokenKind = Literal["prefix", "log_ratio", "log_probability", "step"]

BUDGET = 16_384
"""Maximum tokens per batch of prefixes."""
REPLACEMENT = "\ufffd"
"""What a part of a character decodes to."""
MOST_TOKENS_OF_CHARACTER = 4
LAST_POSITIONS = ("last", "last_not_pad", "before_first")
"""Positions of a head spec at which a text that is cut has a score too."""


@dataclass(frozen=True)
class TokenScores:
    """The scores of the parts of one response: its tokens, or its steps."""

    kind: TokenKind
    meaning: str
    """What the score of a part is, in a sentence."""
    texts: tuple[str, ...]
    scores: tuple[float, ...]
    """One score for each text; NaN where the cut text has none."""
    score: float
    """The score of the response."""


def token_scores(item: Item, scorer: Scorer) -> TokenScores:
    """Score the tokens of an item with one completion, or the steps of it.

    Raises:
        InputError: if the item cannot be scored, or the scorer has no scores of tokens.
    """
    (scored,) = score_items([item], scorer).items
    prepared = prepare(item, scorer)
    if scored.reason is not None or not prepared.requests:
        raise InputError(f"The response cannot be scored: {scored.reason or 'it has no text'}")
    total = scored.scores[0]
    if scorer.view == "stepwise":
        steps = _step_texts(item, scorer, len(scored.step_scores[0]))
        return TokenScores("step", _step_meaning(scorer), steps, scored.step_scores[0], total)
    request = prepared.requests[0]
    if not isinstance(request, TokenRequest) or not isinstance(scorer, Dpo | ModelScorer) or scorer.view == "pairwise":
        raise InputError(f"{scorer.name} has no scores of tokens: it reads whole texts, or compares two of them.")
    if isinstance(scorer, Dpo):
        return _log_ratios(request, scorer, total)
    return _prefix_scores(request, scorer, total)


def _step_texts(item: Item, scorer: Scorer, count: int) -> tuple[str, ...]:
    """Return the text of each step; a scorer of another package may divide the response in its own way."""
    completion = item.completions[0]
    steps = list(completion[-1].get("steps", ()))
    if isinstance(scorer, HeadScorer):
        steps = scorer.chat.step_texts(completion)
    return tuple(steps) if len(steps) == count else tuple(f"step {n + 1}" for n in range(count))


def _step_meaning(scorer: Scorer) -> str:
    return (
        "The score of a step is read at its end, given all before it; the score of the response is "
        f"{_AGGREGATE_NAMES[scorer.aggregation]}."
    )


_AGGREGATE_NAMES = {
    "min": "their minimum",
    "product": "their product",
    "last": "that of the last step",
    "mean": "their mean",
}


def _log_ratios(request: TokenRequest, scorer: Dpo, total: float) -> TokenScores:
    """Return the log-ratio of each token of the response, or its log-probability without a reference."""
    by_stage: list[list[float]] = []
    for stage in scorer.stages:
        with stage as log_probs:
            by_stage.append(log_probs.log_probs([request])[0].tolist())
    ids = request.ids[max(request.start, 1) : request.end]
    texts = _decode(ids, scorer)
    if scorer.free is not None:
        how = {"sum": "sum", "avg": "mean", "norm": "negative 2-norm"}[scorer.free]
        meaning = f"The score of a token is its log-probability, given all before it; the reward is their {how}."
        return TokenScores("log_probability", meaning, texts, tuple(by_stage[0]), total)
    ratios = [scorer.beta * (policy - reference) for policy, reference in zip(*by_stage, strict=True)]
    meaning = (
        f"The score of a token is its log-ratio, {scorer.beta:g} × (log π − log π_ref), given all before it; the "
        "reward is their sum."
    )
    return TokenScores("log_ratio", meaning, texts, tuple(ratios), total)


def _prefix_scores(request: TokenRequest, scorer: ModelScorer, total: float) -> TokenScores:
    """Return the score of the text that ends at each token, which for a causal model needs nothing after it."""
    _reject_other_positions(scorer)
    prefixes: list[TokenRequest] = []
    for end in range(1, len(request) + 1):
        prefixes.append(replace(request, ids=request.ids[:end], start=min(request.start, end), end=end))
    by_key: dict[bytes, Score] = {}
    scorable = [prefix for prefix in prefixes if _has_score(prefix, scorer)]
    for batch in plan_batches([scorable], scorer.traits, BUDGET):
        requests = [cut for cut in batch if isinstance(cut, TokenRequest)]
        for cut, value in zip(requests, scorer.run(requests), strict=True):
            by_key[cut.key] = value
    scores: list[float] = []
    for prefix in prefixes:
        value = by_key.get(prefix.key, nan)
        scores.append(value if isinstance(value, float) else nan)
    meaning = "The score at a token is that of the text that ends there: a causal model reads nothing after it."
    return TokenScores("prefix", meaning, _decode(request.ids, scorer), tuple(scores), total)


def _has_score(prefix: TokenRequest, scorer: ModelScorer) -> bool:
    """Return True if a cut text has every token at which the model is read, such as that of a gate."""
    if not isinstance(scorer, HeadScorer):
        return True
    try:
        scorer.places(prefix)
    except InputError:
        return False
    return True


def _reject_other_positions(scorer: ModelScorer) -> None:
    """Reject models whose score of a cut text is another one than the score at its last token.

    Raises:
        InputError: names what the model reads.
    """
    config = scorer.model.config
    if is_encoder(config) or config.is_encoder_decoder:
        raise InputError(
            f"{scorer.name} is an encoder, which reads the whole text at once: it has no scores of tokens."
        )
    if isinstance(scorer, Classifier):
        return
    spec = scorer.spec if isinstance(scorer, HeadScorer) else None
    if spec is None or spec.position.at not in LAST_POSITIONS or spec.input.append or spec.input.generation_prompt:
        raise InputError(
            f"{scorer.name} is read at a token that ends a complete text, so a text that is cut has no score: it has "
            "no scores of tokens."
        )


def _decode(ids: Sequence[int], scorer: Dpo | ModelScorer) -> tuple[str, ...]:
    """Return the text that each token adds; of several tokens that make one character, the last one has its text."""
    tokenizer = scorer.chat.tokenizer
    texts: list[str] = []
    context = start = 0
    for end in range(1, len(ids) + 1):
        before = str(tokenizer.decode(list(ids[context:start]), clean_up_tokenization_spaces=False))
        text = str(tokenizer.decode(list(ids[context:end]), clean_up_tokenization_spaces=False))
        if text.endswith(REPLACEMENT) and end - start < MOST_TOKENS_OF_CHARACTER and end < len(ids):
            texts.append("")
            continue
        texts.append(text[len(before) :])
        context, start = start, end
    return tuple(texts)
