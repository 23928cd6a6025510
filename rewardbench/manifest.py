"""The manifest of a result: what decided its numbers, what must not have, and where it ran."""

from __future__ import annotations

import math
import os
import platform
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from rewardbench.engine.loop import ScoringRun
from rewardbench.engine.noise import is_exact, within_noise
from rewardbench.metrics import is_scored
from rewardbench.models.fingerprint import digest
from rewardbench.settings import ModelSpec, Settings
from rewardbench.types import ItemScores, Scorer, Suite


def manifest(
    settings: Settings, suite: Suite, scorer: Scorer, scored: ScoringRun, in_memory: Sequence[str] = ()
) -> dict[str, Any]:
    """What decided the numbers (the fingerprint), what must not have (the run), and where it ran."""
    fingerprint = dict(scorer.fingerprint)
    report = scorer.report()
    pooled = Counter(scored.pooled_tokens).most_common(10)
    details = {**report.details, **({"pooled_tokens": dict(pooled)} if pooled else {})}
    noise = _noise(fingerprint, suite, scored)
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
            **noise,
        },
        "session": {"computed": scored.computed, "batches": scored.batches},  # told, but not stored: see results
        "environment": environment(),
        "command": "" if in_memory else command(settings),
        "notes": _notes(suite, (*scored.notes, *report.notes), scored, noise),
    }


def _noise(fingerprint: Mapping[str, Any], suite: Suite, scored: ScoringRun) -> dict[str, Any]:
    """In a short number format the batch moves a score; by how much, and which decisions that could turn."""
    if is_exact(fingerprint) or scored.noise is None:
        return {}
    return {"batch_noise": scored.noise, "within_noise": within_noise(suite.items, scored.items, scored.noise)}


def _notes(suite: Suite, scorer_notes: Sequence[str], scored: ScoringRun, noise: Mapping[str, Any]) -> list[str]:
    notes = [suite.note] if suite.note else []
    notes += scorer_notes
    reasons = Counter(item.reason for item in scored.items if item.reason is not None)
    if reasons:
        most = "; ".join(f"{count} × {reason.rstrip('.')}" for reason, count in reasons.most_common(3))
        notes.append(f"Unscored: {most}. Their ids are in the outputs file.")
    notes += _note_on_ties(suite, scored.items)
    if noise and math.isfinite(noise["batch_noise"]):
        notes.append(
            f"In this number format the batch moves a score by up to {noise['batch_noise']:.2g}; the margin of "
            f"{len(noise['within_noise'])} items lies inside that."
        )
    return notes


def _note_on_ties(suite: Suite, items: Sequence[ItemScores]) -> list[str]:
    """Say so if the model gives the completions of every item that it scores the same score."""
    pairs = zip(suite.items, items, strict=True)
    scored = [found.scores for item, found in pairs if item.has_preference and is_scored(found.scores)]
    if not scored or any(min(scores) < max(scores) for scores in scored):
        return []
    return [
        f"All {len(scored):,} scored items tie: the completions of each have one score, so no preference is measured. "
        "Check that the model is a trained one, that its template shows the completions, and that they differ."
    ]


def environment() -> dict[str, Any]:
    """The machine and the libraries that a rerun may want to compare."""
    from importlib.metadata import version

    names = ("rewardbench", "torch", "transformers", "tokenizers", "datasets", "huggingface_hub", "numpy")
    facts: dict[str, Any] = {name: version(name) for name in names}
    facts.update(python=platform.python_version(), platform=platform.platform(), cpus=os.cpu_count())
    return facts


def command(settings: Settings) -> str:
    """The command that gives these figures again."""
    parts = ["rewardbench", "--model", settings.model.model, "--dataset", settings.dataset]
    said = {f.name: getattr(settings.model, f.name) for f in fields(ModelSpec) if f.name != "model"}
    said |= {f.name: getattr(settings, f.name) for f in fields(Settings) if f.name not in ("model", "dataset")}
    defaults = {f.name: f.default for f in (*fields(ModelSpec), *fields(Settings))}
    for name, value in said.items():
        if value == defaults[name] or name == "cache":
            continue
        parts += [f"--{FLAGS.get(name, name)}"] + ([] if value is True else [str(value)])
    return shlex.join(parts)


FLAGS = {"dtype": "torch_dtype", "scores_only": "prioritize_scoring"}
"""Fields whose flag has another name."""
