"""Find out whether two results state that their models are related: of the same weights, base model or run.

Related models may have nearly the same scores: quantisations, or late checkpoints of one run. A relation counts only
within one organization, in whose name others cannot submit on the Hub.
"""

from __future__ import annotations

import re

from rewardbench.results.scored import ModelScores

VARIANT = re.compile(
    r"(?:bf16|fp?16|fp?32|fp8|bfloat16|float(?:16|32)|nf4|int[248]|w\da\d+|[2-8]bit|awq|gptq|gguf|quant(?:i[sz]ed)?"
    r"|q\d\w*|(?:steps?|ckpt|checkpoint|epochs?|iter|seed|run|lr|bs|wd|beta|share|s|v|e|c)?\d*(?:\.\d+)?[bmk]?|last|final)"
)
"""A part of a name that distinguishes variants of a model: its dtype, step, epoch, seed, size or version."""


def stated_relation(scored: ModelScores, other: ModelScores) -> str:
    """Return how the models of two results are related, as the results state; empty if they are not.

    Args:
        scored: a result.
        other: another result.
    """
    if split_name(scored.model)[0] != split_name(other.model)[0]:
        return ""
    if scored.weights and scored.weights == other.weights:
        return "of the same weights"
    if scored.base_model and scored.base_model == other.base_model:
        return f"trained from {scored.base_model}"
    if are_variants(scored.model, other.model):
        return "variants of one model by their names"
    return ""


def are_variants(model: str, other: str) -> bool:
    """Return True if two names are of one organization, and differ by a dtype, step, seed, size or version only.

    >>> are_variants("org/rm-7b-step300", "org/rm-7b-bf16"), are_variants("org/rm-7b", "lab/rm-7b")
    (True, False)
    """
    organization, name = split_name(model)
    other_organization, other_name = split_name(other)
    return organization == other_organization and bool(stem_of(name)) and stem_of(name) == stem_of(other_name)


def split_name(model: str) -> tuple[str, str]:
    """Return the organization of a model in lower case, and its name; the organization is empty if it has none."""
    organization, _, name = model.lower().rpartition("/")
    return organization, name


def stem_of(name: str) -> tuple[str, ...]:
    """Return the parts of a name without those of a variant.

    >>> stem_of("good-rm-7b-step300"), stem_of("good-rm-bf16"), stem_of("v2")
    (('good', 'rm'), ('good', 'rm'), ())
    """
    parts = re.split(r"[-_. ]+", name.lower())
    return tuple(part for part in parts if not VARIANT.fullmatch(part))
