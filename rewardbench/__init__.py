"""Score reward models: `evaluate(model, dataset)` on preference data, `score(model, prompt, completion)` on texts."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rewardbench.comparison.compare import compare
    from rewardbench.comparison.ensemble import ensemble
    from rewardbench.errors import InputError
    from rewardbench.evaluation import Evaluation, evaluate
    from rewardbench.results.read import read_result
    from rewardbench.scorers.base import BaseScorer
    from rewardbench.scoring import LoadedScorer, load_scorer, score
    from rewardbench.settings import Endpoint, JudgeSpec, ServerSpec
    from rewardbench.store import open_store
    from rewardbench.suites import load_suite
    from rewardbench.training import RewardBenchCallback
    from rewardbench.types import (
        BatchTraits,
        Estimate,
        Item,
        ItemScores,
        Message,
        Result,
        Rule,
        ScorerReport,
        Suite,
        TextRequest,
        TokenRequest,
    )

    __version__: str

__all__ = [
    "BaseScorer",
    "BatchTraits",
    "Endpoint",
    "Estimate",
    "Evaluation",
    "InputError",
    "Item",
    "ItemScores",
    "JudgeSpec",
    "LoadedScorer",
    "Message",
    "Result",
    "RewardBenchCallback",
    "Rule",
    "ScorerReport",
    "ServerSpec",
    "Suite",
    "TextRequest",
    "TokenRequest",
    "compare",
    "ensemble",
    "evaluate",
    "load_scorer",
    "load_suite",
    "open_store",
    "read_result",
    "score",
]

_MODULES = {
    "BaseScorer": "scorers.base",
    "Endpoint": "settings",
    "Evaluation": "evaluation",
    "InputError": "errors",
    "JudgeSpec": "settings",
    "LoadedScorer": "scoring",
    "RewardBenchCallback": "training",
    "ServerSpec": "settings",
    "compare": "comparison.compare",
    "ensemble": "comparison.ensemble",
    "evaluate": "evaluation",
    "load_scorer": "scoring",
    "load_suite": "suites",
    "open_store": "store",
    "read_result": "results.read",
    "score": "scoring",
}
"""Modules of the public names; `types` defines the names that are not listed."""


def __dir__() -> list[str]:
    """List the public names, which are imported on first use."""
    return sorted([*__all__, "__version__"])


def __getattr__(name: str) -> object:
    """Import a public name on first use, so that `import rewardbench` is fast."""
    if name == "__version__":
        from importlib.metadata import version

        return version("rewardbench")
    if name not in __all__:
        raise AttributeError(f"module 'rewardbench' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"rewardbench.{_MODULES.get(name, 'types')}"), name)
