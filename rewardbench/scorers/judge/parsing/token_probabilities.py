"""Scores from the log-probabilities of the tokens that express the outcomes of a judgement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter, mul

from rewardbench.scorers.judge.answers import Answer, Reading, TokenLogprob
from rewardbench.scorers.judge.parsing.answer_text import thought_end, without_thought
from rewardbench.scorers.judge.parsing.verdict_texts import NO_VERDICT
from rewardbench.scorers.judge.protocols import AnswerRule

LEAST_LOGPROB = -1000.0
"""Servers write -9999 or -inf for a token without a known probability; such a value counts as absent."""


def read_tokens(rule: AnswerRule, answer: Answer, count: int) -> Reading:
    """Read the probabilities of a rule's outcomes at one position of the answer.

    Args:
        rule: of kind tokens.
        answer: with logprobs, if the server returned them.
        count: completions shown.
    """
    if not answer.logprobs:
        return Reading(failure="no_logprobs")
    outcomes: dict[str, str] = {}
    for name, texts in rule.tokens.items():
        outcomes.update(dict.fromkeys(texts, name))
    token = _token_at(rule, answer, outcomes)
    if token is None:
        return NO_VERDICT
    entries = _entries(token)
    if not entries or (len(entries) < 2 and rule.floor is None):
        return Reading(failure="no_logprobs")
    variants: dict[str, list[float]] = {}
    for text, logprob in entries:
        if text in outcomes:
            variants.setdefault(outcomes[text], []).append(logprob)
    if not variants:
        return NO_VERDICT
    floor = min(map(itemgetter(1), entries)) if rule.floor is None else rule.floor
    logprobs: dict[str, float] = {}
    for name in rule.tokens:
        logprobs[name] = _logsumexp(variants[name]) if name in variants else floor
    scores = _scores(rule, logprobs, count)
    if not scores or not all(map(math.isfinite, scores)):
        return NO_VERDICT
    return Reading(scores, has_floor=len(variants) < len(rule.tokens))


def plain_token(text: str) -> str:
    """Return the text of a token, if a server returned it as its tokenizer stores it (▁Yes, ĠYes)."""
    return text.replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n")


def _token_at(rule: AnswerRule, answer: Answer, outcomes: Mapping[str, str]) -> TokenLogprob | None:
    tokens = answer.logprobs or ()
    if rule.position == "first":
        return next((token for token in tokens if plain_token(token.token).strip()), None)
    start = _answer_start(answer, tokens)
    end = sum(len(token.token) for token in tokens)
    for token in reversed(tokens):
        end -= len(token.token)
        if start is None or end < start:
            return None
        if plain_token(token.token) in outcomes:
            return token
    return None


def _answer_start(answer: Answer, tokens: Sequence[TokenLogprob]) -> int | None:
    """Return the offset of the answer in the joined tokens, after the thought; None if the thought never ended."""
    text = "".join(token.token for token in tokens)
    start = thought_end(text)
    if start:
        return start
    if without_thought(text) is None or without_thought(answer.text) is None:
        return None
    if answer.reasoning and answer.text and text.endswith(answer.text):
        return len(text) - len(answer.text)
    return 0


def _entries(token: TokenLogprob) -> list[tuple[str, float]]:
    """Return the tokens with a known probability at a position: the top-k, and the generated one if it is not there."""
    entries: list[tuple[str, float]] = []
    alternatives = list(token.top)
    if all(text != token.token for text, _ in alternatives):
        alternatives.append((token.token, token.logprob))
    for text, logprob in alternatives:
        if math.isfinite(logprob) and logprob > LEAST_LOGPROB:
            entries.append((plain_token(text), logprob))
    return entries


def _logsumexp(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + math.log(math.fsum(math.exp(value - highest) for value in values))


def _scores(rule: AnswerRule, logprobs: Mapping[str, float], count: int) -> tuple[float, ...]:
    """Return the scores that the log-probabilities of the outcomes give; () if the outcomes do not fit the rule."""
    if len(logprobs) < 2:
        return ()
    if rule.read == "difference":
        first, second, *_ = logprobs.values()
        return (first - second,)
    if rule.read == "expectation":
        try:
            values = list(map(float, logprobs))
        except ValueError:
            return ()
        expectation = math.fsum(map(mul, values, _probabilities(list(logprobs.values()))))
        return (-expectation,) if rule.is_reversed else (expectation,)
    ties: list[float] = []
    labels: list[float] = []
    for name, logprob in logprobs.items():
        (ties if name in rule.tie else labels).append(logprob)
    labels = labels[: max(count, 2)]
    if len(labels) < count:
        return ()
    probabilities = _probabilities(labels + ties)
    shared = math.fsum(probabilities[len(labels) :]) / len(labels)
    return tuple(probability + shared for probability in probabilities[:count])


def _probabilities(logprobs: Sequence[float]) -> list[float]:
    """Return probabilities that sum to 1."""
    total = _logsumexp(logprobs)
    return [math.exp(logprob - total) for logprob in logprobs]
