"""Publish a result in its author's repositories on the Hub: scores as a dataset, figures in the model's card."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rewardbench import hub, results
from rewardbench.errors import InputError
from rewardbench.suites.registry import SUITES
from rewardbench.types import Result

TASK = "reward-modeling"


def refuse_unable(model: str, with_card: bool) -> str:
    """Ask the Hub before anything is scored who this user is; return the name.

    Raises: InputError where nobody is logged in, or the model is no repository whose card could be written.
    """
    from huggingface_hub import HfApi

    with hub.translate_errors("Nothing can be pushed"):
        try:
            user = HfApi().whoami()
        except OSError as error:  # no token, or one that is not known
            raise InputError("Nothing can be pushed: the Hub does not know this user; set HF_TOKEN.") from error
    if with_card and not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise InputError(f"{model} is no model on the Hub (org/name), so its card cannot be written.")
    return str(user["name"])


def push_results(path: Path, entity: str, name: str | None = None) -> str:
    """Upload the files of a stored result to a dataset of the Hub, created if missing; return the commit's URL."""
    from huggingface_hub import CommitOperationAdd, HfApi

    model = str(results.read_summary(path)["model"])
    repo = f"{entity}/{name or 'rewardbench-' + re.sub(r'[^A-Za-z0-9._-]+', '-', model).strip('-.')}"
    with hub.translate_errors(f"The results were not pushed to {repo}"):
        api = HfApi()
        api.create_repo(repo, repo_type="dataset", exist_ok=True)
        files = (path, results.outputs_path(path))
        added = [CommitOperationAdd(file.name, file.read_bytes()) for file in files]
        commit = api.create_commit(repo, added, repo_type="dataset", commit_message=f"Results of {model}")
    return str(commit.commit_url)


def write_card(result: Result) -> str:
    """Write the figures into the model's card: `model-index`, and evaluation results if the suite is on the Hub.

    Returns the address of the model.
    """
    from huggingface_hub import HfApi, metadata_update

    with hub.translate_errors(f"The card of {result.model} was not written"):
        metadata_update(result.model, _model_index(result), overwrite=True, commit_message=f"Results on {result.suite}")
        entries = _eval_results(result)
        if entries:
            HfApi().upload_file(
                path_or_fileobj=entries,
                path_in_repo=f".eval_results/rewardbench-{result.suite}.yaml",
                repo_id=result.model,
                commit_message=f"Results on {result.suite}",
            )
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{result.model}"


def _figures(result: Result) -> dict[str, float]:
    named = {"score": result.score, "accuracy": result.accuracy}
    named |= {estimate.name: estimate for estimate in result.mirrors or result.sections}
    return {name: estimate.value for name, estimate in named.items() if estimate.value is not None}


def _model_index(result: Result) -> dict[str, Any]:
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    spec = SUITES.get(result.suite)
    evaluations = [
        EvalResult(
            task_type=TASK,
            task_name="Reward modeling",
            dataset_type=spec.hub if spec and spec.hub else result.suite,
            dataset_name=result.suite,
            dataset_revision=result.revision,
            metric_type="accuracy",
            metric_name=name,
            metric_value=round(value, 6),
        )
        for name, value in _figures(result).items()
    ]
    return {"model-index": eval_results_to_model_index(result.model.rpartition("/")[2], evaluations)}


def _eval_results(result: Result) -> bytes:
    """Return evaluation results in the Hub's format; empty if the suite is no dataset of the Hub."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    spec = SUITES.get(result.suite)
    if spec is None or not spec.hub:
        return b""
    entries = [
        EvalResultEntry(
            dataset_id=spec.hub,
            task_id=name,
            value=round(100 * value, 4),
            dataset_revision=spec.revision,
            date=datetime.now(UTC).date().isoformat(),
            notes="rewardbench, percent",
        )
        for name, value in _figures(result).items()
    ]
    return str(yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False)).encode()
