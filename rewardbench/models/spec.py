"""Resolve the names of models that come with the package, and reject options that do not apply to a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from rewardbench.errors import InputError
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


def reject_options(spec: ModelSpec, names: Sequence[str]) -> None:
    """Reject options that have no effect on a model behind a server.

    Raises:
        InputError: for the first one of these names that is set.
    """
    for field in fields(spec):
        if field.name in names and getattr(spec, field.name) != field.default:
            flag = "torch_dtype" if field.name == "dtype" else field.name
            raise InputError(f"--{flag} has no effect on a model behind a server: leave it out.")
