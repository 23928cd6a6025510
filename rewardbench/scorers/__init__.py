"""The kinds of models, and how a name finds its kind. A new kind is a file and a row in `load_scorer`."""

from __future__ import annotations

from rewardbench.errors import InputError
from rewardbench.models.failures import loading_reported
from rewardbench.models.spec import EMBEDDED, resolve
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.baselines import Baseline
from rewardbench.scorers.plugins import find_plugin, load_plugin
from rewardbench.settings import ModelSpec


def load_scorer(spec: ModelSpec) -> BaseScorer:
    """Return the scorer of a model: a baseline, one of another package, a DPO policy, or a classifier.

    Raises: InputError, in one sentence, for anything that would not give a meaningful score.
    """
    if spec.model.startswith("baseline/"):
        return Baseline(spec.model, spec.seed)
    if spec.model not in EMBEDDED and (point := find_plugin(spec.model)):
        scorer = load_plugin(point, spec)
        scorer.name = spec.model
        return scorer
    if spec.ref_model and spec.ref_free_type:
        raise InputError("--ref_model and --ref_free_type exclude each other: a reference-free reward has none.")
    with loading_reported(spec.model):
        scorer = _load(resolve(spec))
    scorer.name = spec.model
    return scorer


def _load(spec: ModelSpec) -> BaseScorer:
    if spec.ref_model or spec.ref_free_type:
        from rewardbench.scorers.dpo import load_dpo

        return load_dpo(spec)
    from rewardbench.scorers.classifier import load_classifier

    return load_classifier(spec)


__all__ = ["BaseScorer", "load_scorer"]
