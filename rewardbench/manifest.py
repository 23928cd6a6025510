"""Build the manifest of a result: what decided its numbers, how it was computed, and where."""

from __future__ import annotations

import math
import os
import platform
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rewardbench.engine.loop import ScoringRun
from rewardbench.engine.noise import count_within_noise, is_exact
from rewardbench.engine.threads import describe_threads
from rewardbench.metrics import is_scored, rule_of
from rewardbench.metrics.steps import best_threshold
from rewardbench.models.fingerprint import digest
from rewardbench.models.linear import describe_linear
from rewardbench.settings import Settings
from rewardbench.types import ItemScores, Scorer, ScorerReport, Suite


@dataclass(frozen=True)
class ScorerFacts:
    """What a result records of its scorer, after a run."""

    name: str
    model_type: str
    fingerprint: Mapping[str, Any]
    report: ScorerReport

    @classmethod
    def of(cls, scorer: Scorer) -> ScorerFacts:
        """Return the facts of a scorer."""
        return cls(scorer.name, scorer.model_type, dict(scorer.fingerprint), scorer.report())


def build_manifest(
    settings: Settings, suite: Suite, scorer: ScorerFacts, scored: ScoringRun, in_memory: Sequence[str] = ()
) -> dict[str, Any]:
    """Build the manifest of a run.

    Args:
        settings: settings of the run.
        suite: the items that were scored.
        scorer: facts of the scorer, after the run.
        scored: scores and counts of the run.
        in_memory: "model" or "dataset" for each that was passed as an object.

    Returns:
        A JSON object: `fingerprint` holds what can change a score, `run` what cannot, `session` counts that are
        printed but not stored.
    """
    fingerprint, report = dict(scorer.fingerprint), scorer.report
    details = dict(report.details)
    pooled_tokens = Counter(scored.pooled_tokens).most_common(10)
    if pooled_tokens:
        details["pooled_tokens"] = dict(pooled_tokens)
    noise = _measure_noise(fingerprint, suite, scored)
    if noise:
        details["batch_noise"] = noise.largest
        details["within_noise"] = noise.items
    return {
        "fingerprint": fingerprint,
        "fingerprint_sha256": digest(fingerprint),
        "model": {
            "model": settings.model.model,
            "revision": settings.model.revision,
            "ref_model": settings.model.ref_model,
            "tokenizer": settings.model.tokenizer or settings.model.model,
            "chat_template": settings.model.chat_template,
            **report.metadata,
        },
        "run": {
            "token_budget": scored.token_budget,
            "batch_size": settings.batch_size,
            "layout": scored.layout,
            "requests": scored.requests,
            "tokens": scored.tokens,
            **details,
        },
        "session": {"computed": scored.computed, "batches": scored.batches, **report.session},
        "environment": describe_environment(fingerprint),
        "command": "" if in_memory else format_command(settings),
        "notes": _notes(suite, (*scored.notes, *report.notes), scored, noise),
    }


@dataclass(frozen=True)
class _Noise:
    """Effect of batching on scores in a dtype of less than full precision."""

    largest: float
    """Largest difference between the batched and the unbatched score of a sampled item."""
    items: int
    """Number of items whose margin is within that noise."""


def _measure_noise(fingerprint: Mapping[str, object], suite: Suite, scored: ScoringRun) -> _Noise | None:
    """Return the batch noise of the run; None in full precision."""
    if is_exact(fingerprint) or scored.noise is None:
        return None
    return _Noise(scored.noise, count_within_noise(suite.items, scored.items, scored.noise))


def _notes(suite: Suite, scorer_notes: Sequence[str], scored: ScoringRun, noise: _Noise | None) -> list[str]:
    """Return sentences for the reader: on the data, the model, unscored items, ties and batch noise."""
    notes = [suite.note] if suite.note else []
    notes += scorer_notes
    notes += note_on_unscored(scored.items)
    notes += note_on_ties(suite, scored.items)
    notes += _note_on_threshold(suite, scored.items)
    if noise and 0 < noise.largest < math.inf:
        notes.append(
            f"In this dtype batching changes a score by up to {noise.largest:.2g}; the margins of "
            f"{noise.items:,} items are within that noise."
        )
    return notes


def note_on_unscored(items: Sequence[ItemScores]) -> list[str]:
    """Return a note with the most frequent reasons why items are unscored, if there are any."""
    reasons = Counter(item.reason for item in items if item.reason is not None)
    if not reasons:
        return []
    frequent = "; ".join(f"{count} × {reason.rstrip('.')}" for reason, count in reasons.most_common(3))
    return [f"Unscored: {frequent}. Their ids are in the outputs file."]


def note_on_ties(suite: Suite, items: Sequence[ItemScores]) -> list[str]:
    """Return a note if the completions of every scored item have equal scores."""
    count = 0
    for item, item_scores in zip(suite.items, items, strict=True):
        if item.has_preference and is_scored(item_scores.scores):
            if min(item_scores.scores) < max(item_scores.scores):
                return []
            count += 1
    if not count:
        return []
    return [
        f"All {count:,} scored items tie: the completions of each have the same score, so no preference is measured. "
        "Check that the model is trained, that its template prints the completions, and that they differ."
    ]


def _note_on_threshold(suite: Suite, items: Sequence[ItemScores]) -> list[str]:
    """Return the threshold by which steps count as wrong, and the one with the highest F1 on the first section."""
    rule = next((rule for rule in suite.rules.values() if rule.credit == "first_error"), None)
    if rule is None:
        return []
    solutions: list[tuple[Sequence[float], int]] = []
    for item, item_scores in zip(suite.items, items, strict=True):
        is_first = rule_of(suite, item.subset).section == rule.section
        if item.first_error is not None and item_scores.step_scores and is_first:
            solutions.append((item_scores.step_scores[0], item.first_error))
    note = f"A step counts as wrong if its score is below {rule.threshold:g}."
    best = best_threshold(solutions)
    if best:
        note += (
            f" The F1 of {rule.section} is highest, {best[1]:.3f}, with --step_threshold {best[0]:.4g}: ProcessBench "
            "chooses so, on gsm8k, the threshold of models whose scores are no probabilities."
        )
    return [note]


def describe_environment(fingerprint: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return the versions of Python and of libraries, the platform, the CPUs, the threads, and the linear kernel.

    Args:
        fingerprint: that of the scorer; None if nothing was scored.
    """
    from importlib.metadata import version

    names = ("rewardbench", "torch", "transformers", "tokenizers", "datasets", "huggingface_hub", "numpy")
    environment: dict[str, object] = {name: version(name) for name in names}
    environment.update(python=platform.python_version(), platform=platform.platform(), cpus=os.cpu_count())
    environment["thread_settings"] = describe_threads()
    environment |= describe_linear(fingerprint or {})
    return environment


def format_command(settings: Settings) -> str:
    """Return the shell command that reproduces the scores, with the options that are not defaults."""
    model, judge, server = settings.model, settings.model.judge, settings.model.server
    parts = ["rewardbench", "--judge" if judge else "--model", model.model, "--dataset", settings.dataset]
    if server:
        parts += ["--engine", "http"]
    remote = judge or server
    for options in (judge, server, remote.endpoint if remote else None, model, settings):
        for field in fields(options) if options else ():
            value = getattr(options, field.name)
            if field.name in NOT_FLAGS or value == field.default:
                continue
            flag = "data_protocol" if judge and field.name == "protocol" and options is settings else field.name
            parts.append(f"--{FLAGS.get(flag, flag)}")
            if value is not True:
                parts.append(str(value))
    return shlex.join(parts)


FLAGS = {"dtype": "torch_dtype", "scores_only": "prioritize_scoring"}
"""Fields whose command-line option has another name."""
NOT_FLAGS = frozenset({"model", "dataset", "cache", "judge", "server", "endpoint"})
"""Fields that are no options of the command line, or are written first."""
