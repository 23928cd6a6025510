"""Read a model's number of parameters, its license and its base model from its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.hub import repository_of
from rewardbench.models.conversion import conversion_of
from rewardbench.models.tensor_file import open_tensor_file
from rewardbench.models.weight_files import weight_files

LONGEST_LICENSE = 40
"""Characters of a license identifier."""
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def read_metadata(folder: Path) -> dict[str, int | str]:
    """Return `parameters`, `license` and `base_model`, as far as they are known.

    No weight is read, and the Hub is not queried. License and base model are those that the model card states; a model
    that was merged from several has no base model. `revision` is added if the weights are those of a pull request that
    the user did not name.
    """
    metadata: dict[str, int | str] = {}
    if conversion := conversion_of(folder):
        metadata["revision"] = conversion.revision
    if parameters := sum(map(_count_parameters, weight_files(folder))):
        metadata["parameters"] = parameters
    card = _read_card(folder / "README.md")
    license_id = card.get("license")
    if isinstance(license_id, str) and 0 < len(license_id) <= LONGEST_LICENSE:
        metadata["license"] = license_id
    if base_model := _base_model(card.get("base_model")):
        metadata["base_model"] = base_model
    return metadata


def read_adapter_metadata(folder: Path, base: Path) -> dict[str, int | str]:
    """Return the metadata of an adapter: the license is its own, and its base model the repository that it changes.

    Args:
        folder: folder of the adapter.
        base: folder of the model that it changes, whose parameters are counted.
    """
    metadata, of_adapter = read_metadata(base), read_metadata(folder)
    metadata.pop("base_model", None)
    if base_model := repository_of(base) or of_adapter.get("base_model"):
        metadata["base_model"] = base_model
    if "license" in of_adapter:
        metadata["license"] = of_adapter["license"]
    return metadata


def _count_parameters(path: Path) -> int:
    """Return the number of parameters in a file of weights; 0 if it is broken."""
    try:
        return sum(map(prod, open_tensor_file(path).shapes.values()))
    except InputError:
        return 0


def _read_card(path: Path) -> Mapping[str, object]:
    """Return the metadata of a model card; empty if there is no card, or it cannot be parsed."""
    from huggingface_hub import metadata_load

    try:
        card = metadata_load(path)
    except Exception:  # a missing file, wrong encoding, YAML errors; a card must not fail a run
        return {}
    return card if isinstance(card, dict) else {}


def _base_model(value: object) -> str:
    """Return the Hub id of a base model on a card, which may be in a list; empty if there is not exactly one.

    >>> _base_model("org/base"), _base_model(["org/base"]), _base_model(["org/a", "org/b"]), _base_model("../base")
    ('org/base', 'org/base', '', '')
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and _HUB_ID.fullmatch(value) else ""
