"""Judge replies by a score: of a reward model or of an LLM judge, with a threshold calibrated on verified replies."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import floor, nan

import numpy as np

from rewardbench.analysis.chatbench.chains import Chain
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec
from rewardbench.stats import percentile_interval
from rewardbench.types import Message

RESAMPLES = 1000


@dataclass(frozen=True)
class ScoredReplies:
    """Scores of replies: [replies], NaN where the judge gave none; and what the scorer reports."""

    scores: np.ndarray
    reasons: tuple[str, ...]
    """Why replies are unscored, each reason once."""
    protocol: str
    """Protocol of a judge with its version and hash; empty for a reward model."""


@dataclass(frozen=True)
class ScoreJudgement:
    """How well a score distinguishes replies that pass the verifier from those that fail.

    Attributes:
        auc: chance that a reply that passes scores higher than one that fails.
        low: lower limit of the 95 % interval of the AUC.
        high: upper limit.
        threshold: lowest score of a pass.
        accepts: judged passes: [replies].
        sensitivity: share of verified passes that are judged so.
        specificity: share of verified failures that are judged so.
    """

    auc: float
    low: float
    high: float
    threshold: float
    accepts: np.ndarray
    sensitivity: float
    specificity: float


def score_replies(spec: ModelSpec, chains: Sequence[Chain], replies: Mapping[str, Sequence[str]]) -> ScoredReplies:
    """Score the reply to each turn in its conversation; a missing or empty reply has no score.

    Args:
        spec: a reward model, or a judge whose protocol rates one response.
        chains: the conversations.
        replies: for each chain, by id, the replies to its turns in order.

    Raises:
        InputError: if the model cannot be loaded, or scores no reply.
    """
    from rewardbench.evaluation import evaluate
    from rewardbench.results.judges import protocol_of

    rows: list[dict[str, object]] = []
    places: list[int] = []
    count = 0
    for chain in chains:
        texts = replies.get(chain.id, ())
        for turn in range(len(chain.turns)):
            if turn < len(texts) and texts[turn].strip():
                answer = Message(role="assistant", content=texts[turn])
                rows.append({"messages": [*chain.conversation(texts, turn), answer]})
                places.append(count)
            count += 1
    if not rows:
        raise InputError("There is no reply to score: each one is missing or empty.")
    options: dict[str, object] = {}
    for field in fields(spec):
        if field.name != "model" and getattr(spec, field.name) != field.default:
            options[field.name] = getattr(spec, field.name)
    options["cache"] = spec.judge is not None  # so that no answer of a judge is paid twice
    result = evaluate(spec.model, rows, scores_only=True, **options)  # type: ignore[arg-type]  # fields of ModelSpec
    scores = np.full(count, np.nan)
    reasons: dict[str, None] = {}
    for place, item in zip(places, result.items, strict=True):
        scores[place] = item.scores[0] if len(item.scores) == 1 else np.nan
        if item.reason is not None:
            reasons[item.reason] = None
    return ScoredReplies(scores, tuple(reasons), protocol_of(result.manifest))


def calibrate_threshold(scores: np.ndarray, passes: np.ndarray, pass_rate: float) -> float:
    """Return the highest threshold that accepts at least this share of the replies that pass.

    >>> calibrate_threshold(np.array([1.0, 2.0, 3.0, 4.0, 0.0]), np.array([1, 1, 1, 1, 0], dtype=bool), 0.75)
    2.0

    Args:
        scores: score of each reply: [replies]; NaN is left out.
        passes: True where the verifier passes it: [replies].
        pass_rate: share of passes to accept, above 0.

    Raises:
        InputError: if no reply with a score passes.
    """
    accepted = np.sort(scores[passes & np.isfinite(scores)])
    if not len(accepted):
        raise InputError("No reply with a score passes the verifier, so there is no threshold: pass --threshold.")
    return float(accepted[min(len(accepted) - 1, floor((1 - pass_rate) * len(accepted) + 1e-9))])


def area_under_curve(scores: np.ndarray, passes: np.ndarray) -> float:
    """Return the chance that a reply that passes scores above one that fails; half of it for equal scores.

    >>> area_under_curve(np.array([3.0, 1.0, 2.0]), np.array([True, False, False]))
    1.0

    Returns:
        The AUC; NaN if all pass or all fail.
    """
    from scipy.stats import rankdata

    positives = int(passes.sum())
    negatives = len(passes) - positives
    if not positives or not negatives:
        return float("nan")
    rank_sum = float(rankdata(scores)[passes].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def judge_by_threshold(
    scores: np.ndarray, passes: np.ndarray, clusters: Sequence[Hashable], thresholds: np.ndarray, seed: int = 0
) -> ScoreJudgement:
    """Compare judged passes, scores of at least a threshold, with those of the verifier.

    Args:
        scores: score of each reply: [replies]; an unscored one is judged to fail, and not counted in the AUC.
        passes: True where the verifier passes it: [replies].
        clusters: chain of each reply, resampled together: [replies].
        thresholds: threshold of each reply: [replies].
        seed: seed of the bootstrap.
    """
    accepts = np.nan_to_num(scores, nan=-np.inf) >= thresholds
    is_scored = np.isfinite(scores)
    names = [str(cluster) for cluster in clusters]
    _, numbers = np.unique(np.array(names)[is_scored], return_inverse=True)
    low, high = _auc_interval(scores[is_scored], passes[is_scored], numbers, seed)
    return ScoreJudgement(
        auc=area_under_curve(scores[is_scored], passes[is_scored]),
        low=low,
        high=high,
        threshold=float(np.median(thresholds)),
        accepts=accepts,
        sensitivity=float(accepts[passes].mean()) if passes.any() else float("nan"),
        specificity=float((~accepts)[~passes].mean()) if (~passes).any() else float("nan"),
    )


def _auc_interval(scores: np.ndarray, passes: np.ndarray, clusters: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of the AUC by a bootstrap of chains; NaN if all pass or all fail."""
    if passes.all() or not passes.any():
        return nan, nan
    random = np.random.default_rng(seed)
    count = int(clusters.max()) + 1
    areas = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        draws = np.bincount(random.integers(0, count, count), minlength=count)
        places = np.repeat(np.arange(len(scores)), draws[clusters])
        areas[number] = area_under_curve(scores[places], passes[places])
    return percentile_interval(areas)


def thresholds_for(
    scores: np.ndarray, passes: np.ndarray, clusters: Sequence[Hashable], pass_rate: float
) -> np.ndarray:
    """Return a threshold for each reply, calibrated on the replies of all other chains: [replies].

    Args:
        scores: score of each reply: [replies].
        passes: True where the verifier passes it: [replies].
        clusters: chain of each reply: [replies].
        pass_rate: share of passes to accept.
    """
    names = np.array([str(cluster) for cluster in clusters])
    thresholds = np.zeros(len(scores))
    for name in np.unique(names):
        is_other = names != name
        thresholds[~is_other] = calibrate_threshold(scores[is_other], passes[is_other], pass_rate)
    return thresholds
