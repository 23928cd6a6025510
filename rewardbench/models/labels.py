"""Choose the output of a classifier with several labels, and how its logit becomes a score.

The score of a label is its logit. Where config.json says that exactly one label holds (`problem_type` is
single_label_classification: the model was trained by cross-entropy on a softmax), a logit alone has no meaning; only
differences of logits do. The score is then the log-odds of the label against all others, which orders texts as its
probability does, without ties where that rounds to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rewardbench.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

Shapes = Mapping[str, tuple[int, ...]]

EXCLUSIVE = "single_label_classification"
"""`problem_type` of classifiers of which exactly one label holds."""

CLASSIFIER_HEADS = (
    "score.weight",
    "classifier.weight",
    "classifier.out_proj.weight",
    "classification_head.out_proj.weight",
)
"""Names that transformers gives to the last layer of a classifier."""


@dataclass(frozen=True)
class Label:
    """An output of a classifier."""

    index: int
    name: str
    log_odds: bool
    """Whether the score is the log-odds of this output against all others; else it is its logit."""

    def describe(self) -> Mapping[str, object]:
        """Return what can change a score, for the fingerprint."""
        return {"index": self.index, "log_odds": self.log_odds}

    def note(self, config: PreTrainedConfig) -> str:
        """Return a sentence for the reader."""
        if self.log_odds:
            return (
                f"Scored by the log-odds of the label {self.name} against the others, since config.json says that its "
                f"{config.num_labels} labels exclude each other (problem_type {EXCLUSIVE})."
            )
        return f"Scored by the logit of the label {self.name}, output {self.index} of {config.num_labels}."


def set_label_count(config: PreTrainedConfig, shapes: Shapes, adapter_shapes: Shapes | None = None) -> None:
    """Set the number of labels by the rows of the head, where config.json has another number.

    transformers assumes two labels where config.json names none; authors often override it by an argument.

    Args:
        config: of the classifier, which is changed.
        shapes: of its tensors, by name.
        adapter_shapes: those of its adapter, by the names of the classifier.
    """
    labels = _adapter_labels(config, adapter_shapes) if adapter_shapes else None
    if labels is None:
        labels = next((shapes[name][0] for name in CLASSIFIER_HEADS if name in shapes), None)
    if labels is not None and labels != config.num_labels:
        config.num_labels = labels


def _adapter_labels(config: PreTrainedConfig, shapes: Shapes) -> int | None:
    """Return the number of outputs of the head that an adapter has; None if it has none.

    The head is recognised by its shape: in a classifier with one label, its last layer has one row.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    single = type(config).from_dict({**config.to_dict(), "num_labels": 1})
    with torch.device("meta"):
        skeleton = AutoModelForSequenceClassification.from_config(single)  # type: ignore[no-untyped-call]
    for name, weight in skeleton.state_dict().items():
        shape = shapes.get(name)
        if shape and weight.dim() == 2 and weight.shape[0] == 1 and shape[1:] == weight.shape[1:]:
            return shape[0]
    return None


def choose_label(config: PreTrainedConfig, requested: str | None, name: str) -> Label | None:
    """Return the output that is the score of a classifier; None if it has one output and none was requested.

    Args:
        config: of the classifier.
        requested: name or index of a label (--label).
        name: of the model, for the error.

    Raises:
        InputError: if there are several outputs and none was requested, or the requested one does not exist.
    """
    saved = {int(index): str(label) for index, label in (config.id2label or {}).items()}
    labels = {index: saved.get(index, f"LABEL_{index}") for index in range(config.num_labels or 1)}
    names = ", ".join(labels.values())
    if requested is None:
        if len(labels) == 1:
            return None
        raise InputError(
            f"{name} outputs {len(labels)} numbers per text ({names}), and which of them is the reward is not "
            "declared: pass --label with the name of that label, or a model with one label."
        )
    indices = [index for index, label in labels.items() if label == requested]
    if not indices and requested.isdecimal():
        indices = [index for index in labels if index == int(requested)]
    if len(indices) != 1:
        raise InputError(f"{name} has no label {requested!r}: pass --label with one of {names}, or an index.")
    is_exclusive = config.problem_type == EXCLUSIVE and len(labels) > 1
    return Label(indices[0], labels[indices[0]], is_exclusive)


def label_scores(logits: torch.Tensor, label: Label | None) -> torch.Tensor:
    """Return one score for each row of logits [rows, labels], in float32."""
    logits = logits.float()
    if label is None:
        return logits.reshape(-1)
    return log_odds(logits, label.index) if label.log_odds else logits[:, label.index]


def log_odds(logits: torch.Tensor, index: int) -> torch.Tensor:
    """Return the log-odds of one of several exclusive outputs: [rows, outputs] to [rows]."""
    import torch

    others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
    return logits[:, index] - others.logsumexp(dim=1)
