"""Names of models: what a user says of one, and the models that come with the package."""

from __future__ import annotations

from dataclasses import replace

from rewardbench.paths import data_dir
from rewardbench.settings import ModelSpec

EMBEDDED = {
    "tiny-rm": ("models/tiny-rm", None),
    "tiny-dpo": ("models/tiny-dpo/policy", "models/tiny-dpo/reference"),
}
"""Names that come with the package: folder of the model, folder of its reference."""


def resolve(spec: ModelSpec) -> ModelSpec:
    """The spec with an embedded name replaced by its folders; every other name stays."""
    if spec.model not in EMBEDDED:
        return spec
    model, reference = EMBEDDED[spec.model]
    free = spec.ref_free_type is not None
    ref_model = spec.ref_model or (str(data_dir() / reference) if reference and not free else None)
    return replace(spec, model=str(data_dir() / model), ref_model=ref_model)
