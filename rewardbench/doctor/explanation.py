"""Explain a loaded model: what a short conversation becomes, where it is read, by which head, and six sanity pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rewardbench.chat import Chat
from rewardbench.doctor.report import DoctorFinding, Explanation, SanityPair
from rewardbench.doctor.trials import score_requests
from rewardbench.engine.loop import prepare
from rewardbench.engine.views import collect
from rewardbench.errors import InputError
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.classifier import Classifier
from rewardbench.scorers.dpo import Dpo
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.types import Item, Message, TokenRequest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONVERSATIONS = (
    ("What is the capital of France?", "The capital of France is Paris.", "France is a kind of cheese."),
    ("What is 2 + 3?", "2 + 3 = 5.\n\nThe answer is 5.", "2 + 3 = 9.\n\nThe answer is 9."),
    (
        "How do I boil an egg?",
        "Put the egg into boiling water, and take it out after eight minutes.",
        "egg egg the the boil when yes if",
    ),
    ("Thank you for your help!", "You are welcome! Is there anything else?", "Shut up and leave me alone."),
    (
        "Name three colours.",
        "Red, green and blue are three colours.",
        "I refuse to answer, because colours are dangerous.",
    ),
    ("Translate to French: Good morning.", "Bonjour.", "asdf jkl qwer zxcv"),
)
"""Prompt, good response and bad response. The second has steps, for process reward models."""

MOST_WRONG = 5
"""Sanity pairs in which the bad response has the higher score, from which on the sign is doubted."""


def explain(scorer: BaseScorer) -> Explanation | None:
    """Explain a loaded model; None if it cannot render a short conversation.

    Args:
        scorer: a scorer of token ids.
    """
    chat = scorer.chat
    items = list(_sanity_items())
    first = prepare(items[0], scorer)
    if chat is None or not first.requests:
        return None
    request = first.by_completion[0]
    assert isinstance(request, TokenRequest)
    ids = request.ids.tolist()
    tokenizer = chat.tokenizer
    return Explanation(
        text=request.text,
        tokens=tuple(zip(ids, map(str, tokenizer.convert_ids_to_tokens(ids)), strict=True)),
        read=tuple(_read_positions(scorer, request)),
        template=_describe_template(chat),
        bos=ids.count(tokenizer.bos_token_id),
        eos=ids.count(tokenizer.eos_token_id),
        max_length=chat.max_length,
        truncation_side=chat.truncation_side,
        head=tuple(_describe_head(scorer)),
        output=_describe_output(scorer),
        higher_is_better=scorer.spec.higher_is_better if isinstance(scorer, HeadScorer) else True,
        normalization=_describe_normalization(scorer),
        sanity_pairs=tuple(_score_pairs(scorer, items)),
    )


def _sanity_items() -> Iterator[Item]:
    """Yield the sanity pairs as items, the good response first."""
    for number, (prompt, *responses) in enumerate(CONVERSATIONS, 1):
        completions = tuple((Message(role="assistant", content=text),) for text in responses)
        yield Item(f"sanity pair {number}", "sanity", (Message(role="user", content=prompt),), completions)


def _read_positions(scorer: BaseScorer, request: TokenRequest) -> list[int]:
    """Return the indices of the tokens that decide the score."""
    if isinstance(scorer, Classifier | HeadScorer):
        return scorer.places(request)
    return list(range(request.start, request.end))


def _describe_template(chat: Chat) -> str:
    """Return where the chat template comes from."""
    if isinstance(chat, HeadChat) and chat.pair:
        return "the pairwise text of the head spec"
    if isinstance(chat, HeadChat) and chat.spec.sentence_pair:
        return "none: prompt and response are the two texts of the tokenizer"
    if isinstance(chat, HeadChat) and chat.has_format:
        return "the format of the head spec"
    if not chat.source:
        return "none"
    return "the tokenizer's own" if chat.template in (None, "tokenizer") else f"named: {chat.template}"


def _describe_head(scorer: BaseScorer) -> Iterator[str]:
    """Yield a line for each part of a head: names, shapes, activations."""
    if isinstance(scorer, HeadScorer):
        yield from scorer.readout.describe()
        if scorer.spec.vocabulary:
            yield f"logits of the tokens {', '.join(map(repr, scorer.spec.vocabulary))}"
        if scorer.spec.has_classifier_head:
            yield from _module_head(scorer.model)
    elif isinstance(scorer, Dpo):
        references = " minus those of the reference" if len(scorer.stages) > 1 else " without a reference"
        yield f"log-probabilities of the completion's tokens{references}"
    elif isinstance(scorer, Classifier):
        yield from _module_head(scorer.model)


def _module_head(model: PreTrainedModel) -> Iterator[str]:
    """Yield the parameters outside the base model of a classifier of transformers."""
    prefix = f"{model.base_model_prefix}."
    for name, weight in model.named_parameters():
        if not name.startswith(prefix):
            yield f"{name} {list(weight.shape)}"


def _describe_output(scorer: BaseScorer) -> str:
    """Return how the outputs of the head become one score."""
    if isinstance(scorer, Dpo):
        return f"sum times beta {scorer.beta:g}" if scorer.free is None else f"{scorer.free} of the log-probabilities"
    if not isinstance(scorer, HeadScorer):
        return "the logit"
    rules = scorer.spec.output.model_dump(mode="json", exclude_defaults=True)
    parts = [f"{name} {value}" for name, value in rules.items()]
    if scorer.spec.gate:
        parts.append("weighted by the gate")
    if scorer.spec.steps:
        parts.append(f"{scorer.aggregation} of the steps")
    if scorer.spec.pair:
        parts.append("win rate over both orders")
    return ", ".join(parts) or "the single output"


def _describe_normalization(scorer: BaseScorer) -> str:
    """Return the affine map of the score, and its switch."""
    if not isinstance(scorer, HeadScorer) or scorer.spec.affine is None:
        return "none"
    mean, std = scorer.readout.affine
    if (mean, std) == (0.0, 1.0):
        return f"off ({scorer.spec.affine.switch} is not set)" if scorer.spec.affine.switch else "mean 0, std 1"
    return f"(score - {mean:g}) / {std:g}"


def _score_pairs(scorer: BaseScorer, items: Sequence[Item]) -> Iterator[SanityPair]:
    """Yield the sanity pairs with their scores; NaN for a pair that cannot be scored."""
    for item in items:
        prepared = prepare(item, scorer)
        scores: tuple[float, ...] = (math.nan, math.nan)
        if prepared.requests:
            requests = [request for request in prepared.requests if isinstance(request, TokenRequest)]
            try:
                values = score_requests(scorer, requests, unbatched=True)
                scores = collect(item, scorer.view, values, scorer.aggregation).scores
            except (InputError, RuntimeError):
                pass  # the examination reports why the model fails
        good, bad = scores
        yield SanityPair(
            item.prompt[0]["content"], item.completions[0][0]["content"], item.completions[1][0]["content"], good, bad
        )


def doubt_sign(explanation: Explanation | None) -> Iterator[DoctorFinding]:
    """Yield a finding if the bad response has the higher score in most sanity pairs."""
    pairs = explanation.sanity_pairs if explanation else ()
    wrong = sum(pair.bad_score > pair.good_score for pair in pairs)
    if wrong >= MOST_WRONG:
        yield DoctorFinding(
            f"The bad response has the higher score in {wrong} of {len(pairs)} sanity pairs: the sign may be inverted "
            "(higher_is_better in a head spec), or the head or the chat template is not the one of training."
        )
