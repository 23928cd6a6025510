"""Read a model's number of parameters and its license from its files."""

from __future__ import annotations

from math import prod
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.models.conversion import conversion_of
from rewardbench.models.tensor_file import open_tensor_file
from rewardbench.models.weight_files import weight_files

LONGEST_LICENSE = 40
"""Characters of a license identifier."""


def read_metadata(folder: Path) -> dict[str, int | str]:
    """Return `parameters` and `license`, as far as they are known, without reading a weight or querying the Hub.

    `revision` is added if the weights are those of a pull request that the user did not name.
    """
    metadata: dict[str, int | str] = {}
    if conversion := conversion_of(folder):
        metadata["revision"] = conversion.revision
    if parameters := sum(map(_count_parameters, weight_files(folder))):
        metadata["parameters"] = parameters
    if license_id := _read_license(folder / "README.md"):
        metadata["license"] = license_id
    return metadata


def _count_parameters(path: Path) -> int:
    """Return the number of parameters in a file of weights; 0 if it is broken."""
    try:
        return sum(map(prod, open_tensor_file(path).shapes.values()))
    except InputError:
        return 0


def _read_license(card: Path) -> str | None:
    """Return the license identifier on a model card; None if there is no card, or it cannot be parsed."""
    from huggingface_hub import metadata_load

    try:
        license_id = (metadata_load(card) or {}).get("license")
    except Exception:  # a missing file, wrong encoding, YAML errors; a card must not fail a run
        return None
    return license_id if isinstance(license_id, str) and 0 < len(license_id) <= LONGEST_LICENSE else None
