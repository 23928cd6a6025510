"""Read a model's number of parameters and its license from its files."""

from __future__ import annotations

from math import prod
from pathlib import Path

from rewardbench.models.fingerprint import weight_files

LONGEST_LICENSE = 40
"""Characters of a license identifier."""


def read_metadata(folder: Path) -> dict[str, int | str]:
    """Return `parameters` and `license`, as far as they are known, without reading a weight or querying the Hub."""
    metadata: dict[str, int | str] = {}
    if parameters := sum(map(_count_parameters, weight_files(folder))):
        metadata["parameters"] = parameters
    if license_id := _read_license(folder / "README.md"):
        metadata["license"] = license_id
    return metadata


def _count_parameters(path: Path) -> int:
    """Return the number of parameters in a safetensors file by its header; 0 if it is broken."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118  # not a dict
    except (OSError, SafetensorError):
        return 0


def _read_license(card: Path) -> str | None:
    """Return the license identifier on a model card; None if there is no card, or it cannot be parsed."""
    from huggingface_hub import metadata_load

    try:
        license_id = (metadata_load(card) or {}).get("license")
    except Exception:  # a missing file, wrong encoding, YAML errors; a card must not fail a run
        return None
    return license_id if isinstance(license_id, str) and 0 < len(license_id) <= LONGEST_LICENSE else None
