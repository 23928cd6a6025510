"""Count the labels of a classifier by its weights, if its config.json does not name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.models.fingerprint import weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

COUNT_KEYS = ("id2label", "num_labels", "_num_labels")
"""Keys of config.json of which each says how many labels there are; without them transformers assumes two."""

HEADS = ("score.weight", "classifier.weight")
"""Names of the heads of transformers' classifiers, whose rows are the labels."""


def set_label_count(folder: Path, config: PreTrainedConfig) -> None:
    """Set the number of labels by the rows of the classifier's head, unless config.json names it."""
    from safetensors import SafetensorError, safe_open

    try:
        fields = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if any(key in fields for key in COUNT_KEYS):
            return
        for path in weight_files(folder):
            with safe_open(path, framework="pt") as file:
                for name in set(HEADS) & set(file.keys()):
                    config.num_labels = file.get_slice(name).get_shape()[0]
    except (OSError, ValueError, SafetensorError):  # reported when the weights are loaded
        return
