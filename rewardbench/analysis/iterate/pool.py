"""Candidates of a file as a world: features of their texts or scores, and a gold reward from a column or a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, cast

import numpy as np

from rewardbench.analysis.candidates import CandidatePool, read_candidates
from rewardbench.analysis.iterate.policy import PromptSegments
from rewardbench.analysis.iterate.rounds import ScoredCandidates
from rewardbench.errors import InputError
from rewardbench.scoring import open_scorer
from rewardbench.settings import ModelSpec
from rewardbench.suites.readers import iterate_file

FeatureKind = Literal["text", "scores", "both"]
TEXT_FEATURES = 128
"""Dimensions of the features of texts."""
BUCKETS = 2**16
"""Hashed words and word pairs, before their projection."""
PART = 20_000
"""Characters of a text, from its start, that are read."""
MOST = 20_000
"""Candidates of which prompts are sampled: labels are few, and time grows with candidates and seeds."""
FEWEST = 20
"""Minimum number of candidates."""


def read_world(
    path: str, gold_column: str, model: ModelSpec | None, features: FeatureKind, seed: int
) -> tuple[ScoredCandidates, int]:
    """Read a file of candidates.

    Args:
        path: the file; see `candidates.read_candidates`.
        gold_column: column of the gold reward, if no model is the gold reward.
        model: reward model whose scores are the gold reward; rows then need a column `prompt`.
        features: what the linear reward model reads.
        seed: seed of the projection of text features, and of the sample of prompts.

    Returns:
        The world, and the number of usable candidates that were left out by the sample.

    Raises:
        InputError: if the file cannot be read, too few candidates can be used, or all have the same gold reward.
    """
    pool = read_candidates(path, gold_column)
    texts = pool.read_texts() if features != "scores" or model is not None else []
    if model is not None:
        pool = replace(pool, gold=score_gold(pool, texts, model))
    usable = np.isfinite(pool.gold)
    columns: list[np.ndarray] = []
    if features != "text":
        columns += pool.scores.values()
        for scores in pool.scores.values():
            usable &= np.isfinite(scores)
    usable &= np.bincount(pool.prompts[usable], minlength=len(pool.prompt_ids))[pool.prompts] > 1
    order = np.flatnonzero(usable)[np.argsort(pool.prompts[usable], kind="stable")]
    _check(pool, order, gold_column, model)
    total = len(order)
    order = sample_prompts(order, pool.prompts, seed)
    starts, sizes = np.unique(pool.prompts[order], return_index=True, return_counts=True)[1:]
    segments = PromptSegments(starts, sizes)
    matrices = [np.stack(columns, axis=1)[order]] if columns else []
    if features != "scores":
        matrices.append(text_features([texts[index] for index in order], seed))
    gold = standardize_within(pool.gold[order, None], segments)[:, 0]
    return ScoredCandidates(standardize_within(np.hstack(matrices), segments), gold, segments), total - len(order)


def sample_prompts(order: np.ndarray, prompts: np.ndarray, seed: int) -> np.ndarray:
    """Return the candidates of a random sample of prompts, of about `MOST` candidates; all if they are fewer.

    Args:
        order: indices of candidates, those of a prompt next to each other: [n].
        prompts: prompt of each candidate of the file.
        seed: seed of the sample.
    """
    if len(order) <= MOST:
        return order
    names, sizes = np.unique(prompts[order], return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    chosen = shuffled[np.cumsum(sizes[shuffled]) <= MOST]
    return order[np.isin(prompts[order], names[chosen])]


def _check(pool: CandidatePool, order: np.ndarray, gold_column: str, model: ModelSpec | None) -> None:
    """Raise InputError if the usable candidates are too few, or their gold rewards are all the same."""
    source = f"score by {model.model}" if model else f"{gold_column}"
    if len(order) < FEWEST:
        raise InputError(
            f"{pool.path} has {len(order)} candidates with a {source} whose prompt has two or more, and this needs "
            f"{FEWEST}: add candidates, or name another --gold_column or --model."
        )
    gold, prompts = pool.gold[order], pool.prompts[order]
    if not (np.diff(gold)[prompts[1:] == prompts[:-1]] != 0).any():
        raise InputError(f"{pool.path}: all candidates of a prompt have the same {source}: there is nothing to learn.")


def score_gold(pool: CandidatePool, texts: Sequence[str], model: ModelSpec) -> np.ndarray:
    """Score each candidate by a reward model: [n].

    Raises:
        InputError: if a row has no prompt, or a text cannot be scored.
    """
    prompts: list[str] = []
    for number, row in enumerate(iterate_file(pool.path)):
        prompt = row.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise InputError(
                f"{pool.path}, row {number + 1}: a gold model reads the text of the prompt: add a column prompt."
            )
        prompts.append(prompt)
    with open_scorer(model, cache=True) as scorer:
        return np.array(scorer.score(prompts, list(texts)), dtype=np.float64)


def text_features(texts: Sequence[str], seed: int = 0) -> np.ndarray:
    """Return features of texts: hashed words and word pairs, projected at random, and the logarithm of the length.

    A sparse sign matrix keeps inner products of the tf-idf vectors up to noise (Achlioptas 2003).

    Args:
        texts: the texts.
        seed: seed of the projection.

    Returns:
        Features: [texts, TEXT_FEATURES + 1].
    """
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.random_projection import SparseRandomProjection

    counter = HashingVectorizer(
        ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", n_features=BUCKETS, alternate_sign=False, norm=None
    )
    vectors = TfidfTransformer().fit_transform(counter.transform([text[:PART] for text in texts]))
    projection = SparseRandomProjection(TEXT_FEATURES, random_state=seed, dense_output=True)
    lengths = np.log1p([[len(text)] for text in texts])
    return np.hstack([cast("np.ndarray", projection.fit_transform(vectors)), lengths])


def standardize_within(values: np.ndarray, segments: PromptSegments) -> np.ndarray:
    """Subtract the mean of each prompt, and divide columns by their standard deviation; constant ones are 0.

    Pairs are of one prompt, so that differences between prompts are nothing that labels or policies depend on.
    """
    means = np.add.reduceat(values, segments.starts, axis=0) / segments.sizes[:, None]
    centred = values - np.repeat(means, segments.sizes, axis=0)
    spreads = centred.std(axis=0)
    standardized: np.ndarray = centred / np.where(spreads > 0, spreads, 1.0)
    return standardized
