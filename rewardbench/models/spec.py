"""Resolve the names of models that come with the package."""

from __future__ import annotations

from dataclasses import replace

from rewardbench.paths import data_dir
from rewardbench.settings import ModelSpec

EMBEDDED = {
    "tiny-rm": ("models/tiny-rm", None),
    "tiny-dpo": ("models/tiny-dpo/policy", "models/tiny-dpo/reference"),
}
"""Folder of each embedded model, and of its reference."""


def resolve(spec: ModelSpec) -> ModelSpec:
    """Return the spec with an embedded name replaced by its folders; other specs are returned unchanged."""
    if spec.model not in EMBEDDED:
        return spec
    model, reference = EMBEDDED[spec.model]
    ref_model = spec.ref_model
    if ref_model is None and reference and spec.ref_free_type is None:
        ref_model = str(data_dir() / reference)
    return replace(spec, model=str(data_dir() / model), ref_model=ref_model)
