"""Publish a result on the Hub: the scores as a dataset, the estimates in the card of the model.

A model's repository has evaluation results in `.eval_results/*.yaml`. Their task ids are those in `eval.yaml` of the
dataset, the file that makes it a benchmark.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from rewardbench import hub, results
from rewardbench.errors import InputError
from rewardbench.paths import data_dir
from rewardbench.results.types import object_field
from rewardbench.suites.registry import SUITES
from rewardbench.types import Result

TASK = "reward-modeling"


def check_login(model: str, with_card: bool) -> str:
    """Return the user's name on the Hub. Called before scoring, so that a missing login is reported at once.

    Args:
        model: the model to score.
        with_card: whether its card is to be written.

    Raises:
        InputError: if nobody is logged in, or the card is to be written and the model is not on the Hub.
    """
    from huggingface_hub import HfApi

    with hub.translate_errors("Nothing can be pushed"):
        try:
            user = HfApi().whoami()
        except OSError as error:  # no token, or an invalid one
            raise InputError("Nothing can be pushed: you are not logged in to the Hub; set HF_TOKEN.") from error
    if with_card and not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise InputError(f"The card of {model} cannot be written: it is not a model on the Hub (org/name).")
    return str(user["name"])


def push_results(path: Path, entity: str, name: str | None = None) -> str:
    """Upload the files of a stored result to a dataset on the Hub, which is created if missing.

    Args:
        path: path of the summary.
        entity: user or organization that owns the dataset.
        name: name of the dataset; by default `rewardbench-` and the model's name.

    Returns:
        The URL of the commit.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    model = str(results.read_summary(path)["model"])
    default = "rewardbench-" + re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.")
    repo = f"{entity}/{name or default}"
    with hub.translate_errors(f"The results were not pushed to {repo}"):
        api = HfApi()
        api.create_repo(repo, repo_type="dataset", exist_ok=True)
        outputs = results.outputs_path(path)
        files = [
            CommitOperationAdd(path.name, path.read_bytes()),
            CommitOperationAdd(outputs.name, outputs.read_bytes()),
        ]
        commit = api.create_commit(repo, files, repo_type="dataset", commit_message=f"Results of {model}")
    return str(commit.commit_url)


def write_card(result: Result) -> str:
    """Write the estimates to the card of a model, and to its evaluation results if the suite is a dataset on the Hub.

    Returns:
        The URL of the model.
    """
    from huggingface_hub import HfApi, constants, metadata_update

    with hub.translate_errors(f"The card of {result.model} was not written"):
        metadata_update(result.model, _model_index(result), overwrite=True, commit_message=f"Results on {result.suite}")
        entries = encode_eval_results(result)
        if entries:
            HfApi().upload_file(
                path_or_fileobj=entries,
                path_in_repo=eval_results_path(result.suite),
                repo_id=result.model,
                commit_message=f"Results on {result.suite}",
            )
    return f"{constants.ENDPOINT}/{result.model}"


def _values(result: Result) -> dict[str, float]:
    """Return the estimates to publish by name: score, accuracy, and each section."""
    estimates = {"score": result.score, "accuracy": result.accuracy}
    for total in result.turns[:1]:
        estimates["turn accuracy"] = total
    for section in result.mirrors or result.sections:
        estimates[section.name] = section
    return {name: estimate.value for name, estimate in estimates.items() if estimate.value is not None}


def _model_index(result: Result) -> dict[str, object]:
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    spec = SUITES.get(result.suite)
    evaluations = []
    for name, value in _values(result).items():
        evaluation = EvalResult(
            task_type=TASK,
            task_name="Reward modeling",
            dataset_type=spec.hub if spec and spec.hub else result.suite,
            dataset_name=result.suite,
            dataset_revision=result.revision,
            metric_type="accuracy",
            metric_name=name,
            metric_value=round(value, 6),
        )
        evaluations.append(evaluation)
    return {"model-index": eval_results_to_model_index(result.model.rpartition("/")[2], evaluations)}


def eval_results_path(suite: str) -> str:
    """Return the path of a suite's evaluation results in the repository of a model."""
    return f".eval_results/rewardbench-{suite}.yaml"


def encode_eval_results(result: Result, dataset_id: str = "") -> bytes:
    """Return the evaluation results as YAML, in percent; empty if it is not known which dataset on the Hub they are of.

    Args:
        result: the result.
        dataset_id: Hub id of the dataset of an embedded suite, as `rewardbench data push` uploads it.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    spec = SUITES.get(result.suite)
    if spec is None or not (spec.hub or (spec.embedded and dataset_id)):
        return b""
    values = _values(result)
    tasks = {name: name for name in values} if spec.hub else benchmark_tasks(result.suite)
    version = object_field(result.manifest, "environment").get("rewardbench")
    entries = []
    for name, task_id in tasks.items():
        if name in values:
            entry = EvalResultEntry(
                dataset_id=spec.hub or dataset_id,
                task_id=task_id,
                value=round(100 * values[name], 4),
                dataset_revision=spec.revision,
                date=datetime.now(UTC).date().isoformat(),
                notes=f"rewardbench {version or ''}".strip() + f", percent, revision {result.revision}",
            )
            entries.append(entry)
    return str(yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False)).encode()


def benchmark_tasks(suite: str) -> dict[str, str]:
    """Return the task id of each estimate of an embedded suite that `eval.yaml` of its dataset lists.

    >>> benchmark_tasks("core")["turn accuracy"], benchmark_tasks("core-long")
    ('core_turn', {})
    """
    prefix = suite.replace("-", "_")
    tasks = {prefix: "score", f"{prefix}_turn": "turn accuracy"}
    for section in SUITES[suite].sections.values():
        tasks[f"{prefix}_{section.lower().replace(' ', '_')}"] = section
    return {tasks[task_id]: task_id for task_id in _listed_tasks() if task_id in tasks}


def _listed_tasks() -> list[str]:
    """Return the task ids of the embedded dataset, in the order of its file."""
    import yaml

    benchmark = yaml.safe_load((data_dir() / "eval.yaml").read_text("utf-8"))
    return [task["id"] for task in benchmark["tasks"]]
