"""Scorers by kind of model, and `load_scorer`, which finds the kind of a model by its name and options."""

from __future__ import annotations

import os

from rewardbench.console.logging import no_weight_bar
from rewardbench.errors import InputError
from rewardbench.models.failures import loading_reported
from rewardbench.models.spec import EMBEDDED, resolve
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.baselines import Baseline
from rewardbench.scorers.plugins import find_plugin, load_plugin
from rewardbench.settings import ModelSpec


def load_scorer(spec: ModelSpec, cache: bool = True) -> BaseScorer:
    """Load the scorer of a model: a baseline, a plug-in of another package, a judge, a DPO policy, or a reward model.

    Args:
        spec: the model.
        cache: True to keep the answers of a judge on disk, and to reuse those of earlier runs.

    Raises:
        InputError: if the model cannot be loaded, or its scores would be meaningless.
    """
    scorer = _find_scorer(spec, cache)
    if spec.step_aggregation and scorer.view != "stepwise":
        raise InputError(
            f"--step_aggregation {spec.step_aggregation} needs a model that scores steps, and {spec.model} gives one "
            "score per response: leave it out."
        )
    scorer.aggregation = spec.step_aggregation or scorer.aggregation
    return scorer


def _find_scorer(spec: ModelSpec, cache: bool) -> BaseScorer:
    if spec.server:
        from rewardbench.scorers.http import load_server_model

        return load_server_model(spec)
    if spec.judge:
        return _load_judge(spec, cache)
    if spec.model.startswith("baseline/"):
        return Baseline(spec.model, spec.seed)
    if spec.model not in EMBEDDED and (entry_point := find_plugin(spec.model)):
        scorer = load_plugin(entry_point, spec)
        scorer.name = spec.model
        return scorer
    if spec.ref_model and spec.ref_free_type:
        raise InputError("--ref_model and --ref_free_type exclude each other: a reference-free reward has none.")
    with loading_reported(spec.model), no_weight_bar():
        scorer = _load(resolve(spec))
    scorer.name = spec.model
    return scorer


def _load_judge(spec: ModelSpec, cache: bool) -> BaseScorer:
    if spec.judge and spec.judge.endpoint:
        from rewardbench.scorers.judge.scorer import load_judge

        return load_judge(spec, cache)
    from rewardbench.scorers.judge.local.load import load_local_judge

    try:
        with loading_reported(spec.model), no_weight_bar():
            scorer = load_local_judge(resolve(spec), cache)
    except InputError as error:
        if "/" in spec.model or os.path.exists(spec.model):
            raise
        raise InputError(f"{error} If {spec.model} is behind a server, pass its address as --base_url.") from error
    scorer.name = spec.model
    return scorer


def _load(spec: ModelSpec) -> BaseScorer:
    if spec.ref_model or spec.ref_free_type:
        from rewardbench.scorers.dpo import load_dpo

        return load_dpo(spec)
    from rewardbench.scorers.heads.load import load_reward_model

    return load_reward_model(spec)


__all__ = ["BaseScorer", "load_scorer"]
