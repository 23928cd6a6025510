"""Convert a result to a record of Every Eval Ever, a shared schema of evaluation results (version 0.3.0).

The record has the headline, turn accuracy and the sections, with intervals. Per-item scores are left out: the schema
of items is made for generated text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from uuid import UUID

from rewardbench.errors import InputError
from rewardbench.metrics import JUDGE_TYPES
from rewardbench.results.types import JsonObject, object_field
from rewardbench.suites.registry import find_spec
from rewardbench.types import Estimate, Result

SCHEMA_VERSION = "0.3.0"
RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")
"""Relations of who ran the evaluation to who made the model."""
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
_NAME = re.compile(f"{_PART}/{_PART}")
DESCRIPTIONS = {
    "mirror_accuracy": "Share of mirrors (two prompts that differ in one detail) with all items right",
    "score": "Score by the rules of the suite: the mean credit of items, weighted by subset and section",
    "turn_accuracy": "Share of mirrors whose margins sum above 0, so that the preference turns with the prompt",
}
"""Metric ids within `rewardbench.`, with what each measures."""
BOUNDS = {"score": (-0.01, 1.01)}
"""Bounds of metrics other than 0 and 1: the score of Ties ranges beyond them."""


def to_evaluation_log(
    result: Result,
    organization: str,
    relationship: str = "other",
    name: str | None = None,
    dataset_id: str = "",
    now: float = 0.0,
) -> dict[str, object]:
    """Return the record of a result.

    Args:
        result: the result.
        organization: who ran the evaluation.
        relationship: one of `RELATIONSHIPS`.
        name: name of the model, `org/name`; by default the name that it was scored by.
        dataset_id: Hub id of the dataset of an embedded suite, if it is on the Hub.
        now: seconds since 1970, when the record is made.

    Raises:
        InputError: if the name is not `org/name`.
    """
    model = name or result.model
    if not _NAME.fullmatch(model):
        raise InputError(f"{model} is not the name of a model as org/name: pass it by --name.")
    environment = object_field(result.manifest, "environment")
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"rewardbench-{result.suite}/{model.replace('/', '_')}/{now}",
        "retrieved_timestamp": str(now),
        "source_metadata": {
            "source_name": "rewardbench",
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": relationship,
        },
        "eval_library": {"name": "rewardbench", "version": str(environment.get("rewardbench") or "unknown")},
        "model_info": _model_info(result, model, environment),
        "evaluation_results": list(_evaluation_results(result, dataset_id)),
    }


def _model_info(result: Result, model: str, environment: JsonObject) -> dict[str, object]:
    """Return what is known of the model; every additional detail is text."""
    stated = object_field(result.manifest, "model")
    is_remote = result.model_type in JUDGE_TYPES or "server" in object_field(result.manifest, "fingerprint")
    details = {
        "deployment_type": "unknown" if is_remote else "self_deployed",
        "model_availability": "unknown",
        "model_type": result.model_type,
    }
    optional = {
        "revision": stated.get("revision"),
        "parameters": stated.get("parameters"),
        "license": stated.get("license"),
        "fingerprint_sha256": result.manifest.get("fingerprint_sha256"),
    }
    details |= {key: str(value) for key, value in optional.items() if value}
    info: dict[str, object] = {"name": model, "id": model, "developer": model.partition("/")[0]}
    version = environment.get("transformers")
    if not is_remote and version:
        info["inference_engine"] = {"name": "transformers", "version": str(version)}
    return info | {"additional_details": details}


def _evaluation_results(result: Result, dataset_id: str) -> Iterator[dict[str, object]]:
    """Yield the records of the headline, the sections and turn accuracy; estimates without a value are left out."""
    source = _source_data(result, dataset_id)
    metric = "mirror_accuracy" if result.mirrors else "score"
    figures = [(result.suite, metric, result.score)]
    for section in result.mirrors or result.sections:
        figures.append((f"{result.suite}/{section.name}", metric, section))
    for turn in result.turns[:1]:
        figures.append((f"{result.suite}/turn", "turn_accuracy", turn))
    for name, metric_id, estimate in figures:
        if estimate.value is not None:
            yield {
                "evaluation_name": name,
                "source_data": source,
                "metric_config": _metric(metric_id),
                "score_details": _score(estimate),
            }


def _source_data(result: Result, dataset_id: str) -> dict[str, object]:
    spec = find_spec(result.suite)
    repository = spec.hub if spec and spec.hub else dataset_id
    source: dict[str, object] = {"dataset_name": result.suite, "source_type": "hf_dataset" if repository else "other"}
    if repository:
        source["hf_repo"] = repository
    return source | {"additional_details": {"revision": result.revision}}


def _metric(metric_id: str) -> dict[str, object]:
    low, high = BOUNDS.get(metric_id, (0.0, 1.0))
    return {
        "evaluation_description": DESCRIPTIONS[metric_id],
        "metric_id": f"rewardbench.{metric_id}",
        "metric_name": metric_id.replace("_", " ").capitalize(),
        "metric_unit": "proportion",
        "lower_is_better": False,
        "score_type": "continuous",
        "min_score": low,
        "max_score": high,
    }


def _score(estimate: Estimate) -> dict[str, object]:
    uncertainty: dict[str, object] = {"num_samples": estimate.n}
    if estimate.low is not None and estimate.high is not None:
        uncertainty["confidence_interval"] = {
            "lower": estimate.low,
            "upper": estimate.high,
            "confidence_level": 0.95,
            "method": "clustered",
        }
    return {"score": estimate.value, "uncertainty": uncertainty}


def datastore_path(record: JsonObject, suite: str) -> PurePosixPath:
    """Return the path of a record in the datastore: `data/BENCHMARK/DEVELOPER/MODEL/UUID.json`.

    The UUID depends on the record alone, so that the same record has the same path.
    """
    info = object_field(record, "model_info")
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).digest()
    folder = re.sub(r"[^A-Za-z0-9._-]+", "-", f"rewardbench-{suite}").rstrip(".")
    return PurePosixPath("data", folder, str(info["id"]), f"{UUID(bytes=digest[:16], version=4)}.json")
