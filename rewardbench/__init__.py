"""Score reward models: `evaluate(model, dataset)` on preference data, `score(model, prompt, completion)` on texts."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewardbench.errors import InputError
    from rewardbench.evaluation import Evaluation, evaluate
    from rewardbench.scoring import LoadedScorer, load_scorer, score
    from rewardbench.training import RewardBenchCallback
    from rewardbench.types import Item, Result, Suite

    __version__: str

__all__ = [
    "Evaluation",
    "InputError",
    "Item",
    "LoadedScorer",
    "Result",
    "RewardBenchCallback",
    "Suite",
    "evaluate",
    "load_scorer",
    "score",
]


def __dir__() -> list[str]:
    """List the public names, which are imported on first use."""
    return sorted([*__all__, "__version__"])


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import rewardbench` costs nothing."""
    if name in ("Evaluation", "evaluate"):
        from rewardbench import evaluation

        return getattr(evaluation, name)
    if name in ("LoadedScorer", "load_scorer", "score"):
        from rewardbench import scoring

        return getattr(scoring, name)
    if name == "RewardBenchCallback":
        from rewardbench.training import RewardBenchCallback

        return RewardBenchCallback
    if name == "__version__":
        from importlib.metadata import version

        return version("rewardbench")
    if name == "InputError":
        from rewardbench.errors import InputError

        return InputError
    if name in __all__:
        from rewardbench import types

        return getattr(types, name)
    raise AttributeError(f"module 'rewardbench' has no attribute {name!r}")
