"""What a model's folder says of it besides its scores: its size, and the license on its card."""

from __future__ import annotations

import json
import re
import struct
from math import prod
from pathlib import Path
from typing import Any

from rewardbench.errors import InputError
from rewardbench.models.fingerprint import weight_files
from rewardbench.models.load import locate
from rewardbench.models.spec import resolve
from rewardbench.settings import ModelSpec

_LARGEST_HEADER = 2**27


def facts(spec: ModelSpec) -> dict[str, Any]:
    """`parameters` and `license`, as far as they are known; nothing of a baseline. No weight is read."""
    if spec.model.startswith("baseline/"):
        return {}
    try:
        folder = locate(resolve(spec).model, spec.revision)
    except InputError:
        return {}
    found = {"parameters": sum(map(_parameters, weight_files(folder))) or None, "license": _license(folder)}
    return {name: value for name, value in found.items() if value}


def _parameters(path: Path) -> int:
    """The numbers in a safetensors file, by its header."""
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length <= _LARGEST_HEADER:
            return 0
        header = json.loads(file.read(length))
    return sum(prod(one["shape"]) for name, one in header.items() if name != "__metadata__")


def _license(folder: Path) -> str | None:
    """The license in the front matter of the card."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace")[:20_000] if card.is_file() else ""
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    found = re.search(r"^license:\s*([A-Za-z0-9.+-]{1,40})\s*$", front[1], re.MULTILINE) if front else None
    return found[1] if found else None
