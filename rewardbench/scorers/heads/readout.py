"""Turn hidden states into scores: the networks of a head, its gate, and how its outputs become one number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.models.labels import log_odds
from rewardbench.scorers.heads.network import build_network
from rewardbench.scorers.heads.spec import Affine, Embeddings, Gate, Grouping, HeadSpec, Network, Output
from rewardbench.scorers.heads.tensors import TensorFiles

if TYPE_CHECKING:
    import torch


def config_value(fields: Mapping[str, object], key: str) -> object:
    """Return the value of `config.KEY`.

    Raises:
        InputError: if config.json has no such key.
    """
    value = fields.get(key.removeprefix("config."))
    if value is None:
        raise InputError(f"config.json has no {key.removeprefix('config.')}, which the head spec names.")
    return value


def check_affine(affine: Affine, fields: Mapping[str, object]) -> None:
    """Check that config.json has the numbers of a normalisation that is on.

    Raises:
        InputError: if it has not; names the key.
    """
    if affine.switch and not fields.get(affine.switch.removeprefix("config.")):
        return
    for key in (affine.mean, affine.std, affine.variance):
        if key and key.startswith("config."):
            config_value(fields, key)


def cross_encoder_activation(fields: Mapping[str, object], name: str) -> Callable[[float], float]:
    """Return the activation of a cross-encoder of sentence-transformers: the one it was saved with, else its default.

    Args:
        fields: of config.json.
        name: the model, for the error.

    Raises:
        InputError: if the activation is not known here; no code of a checkpoint is imported.
    """
    settings = fields.get("sentence_transformers")
    path = settings.get("activation_fn") if isinstance(settings, dict) else None
    if path is None:
        labels = fields.get("id2label")
        return sigmoid if isinstance(labels, dict) and len(labels) == 1 else float
    module, _, function = str(path).rpartition(".")
    if not module.startswith("torch.nn.") or function not in ACTIVATIONS:
        raise InputError(
            f"{name} applies the activation {path} to its logits, which is not known here: declare how it is read with "
            "--adapter FILE."
        )
    return ACTIVATIONS[function]


def sigmoid(logit: float) -> float:
    """Return the probability of a logit; in double precision, so that large logits do not tie early."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else 1 - 1 / (1 + math.exp(logit))


ACTIVATIONS: Mapping[str, Callable[[float], float]] = {"Identity": float, "Sigmoid": sigmoid, "Tanh": math.tanh}
"""Activations of cross-encoders by the name of the class of torch."""


class Readout:
    """Scores of hidden states.

    Args:
        spec: of the head.
        tensors: of the checkpoint.
        fields: of its config.json.
        name: the model, for errors.
        device: where it computes.
        dtype: in which the networks compute, unless the spec names one.

    Raises:
        InputError: if a tensor or a key that the spec names is missing, or several outputs have no rule.
    """

    def __init__(
        self,
        spec: HeadSpec,
        tensors: TensorFiles,
        fields: Mapping[str, object],
        name: str,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        import torch

        self.spec, self.fields, self.name = spec, fields, name
        self.device = device
        self.dtype: torch.dtype = getattr(torch, spec.dtype) if spec.dtype and device.type != "cpu" else dtype
        self._tensors = tensors
        self._network = self._build(spec.head) if spec.head else None
        prompt_head = spec.pair.prompt_head if isinstance(spec.pair, Embeddings) else None
        self._prompt_head = self._build(prompt_head) if prompt_head else None
        self._gate = self._build(spec.gate.network) if spec.gate else None
        self._gate_scale = self._read(spec.gate.scale) if spec.gate and spec.gate.scale else None
        self._matrix = self._read(spec.output.matrix) if spec.output.matrix else None
        is_named = spec.output.activation == "sentence_transformers"
        self._activation = cross_encoder_activation(fields, name) if is_named else float
        self._mean, self._std = self._affine(spec.affine) if spec.affine else (0.0, 1.0)

    @property
    def affine(self) -> tuple[float, float]:
        """Return mean and standard deviation of the normalisation; 0 and 1 if there is none."""
        return self._mean, self._std

    def describe(self) -> list[str]:
        """Return a line for each network and tensor of the head: prefix of its tensors, layers, shapes, activations."""
        lines = []
        networks = {"": (self.spec.head, self._network)}
        if self.spec.gate:
            networks["gate "] = (self.spec.gate.network, self._gate)
        for role, (declared, layers) in networks.items():
            if declared is not None and layers is not None:
                lines.append(f"{role}{declared.tensors}: {', '.join(map(_describe_layer, layers))}")
        if self._matrix is not None:
            lines.append(f"{self.spec.output.matrix} {list(self._matrix.shape)}")
        return lines

    def _build(self, network: Network) -> torch.nn.Sequential:
        tensors = self._tensors.open_beside(network.file) if network.file else self._tensors
        return build_network(network, tensors, self.name).to(self.device, self.dtype)

    def _read(self, tensor: str) -> torch.Tensor:
        if tensor not in self._tensors:
            raise InputError(f"{self.name} has no tensor {tensor}, which its head spec names.")
        return self._tensors.read(tensor).to(self.device, self.dtype)

    def scores(self, states: torch.Tensor, gate_states: torch.Tensor | None = None) -> list[float]:
        """Return a score for each hidden state.

        Args:
            states: [texts, width], at the positions of the head; with a vocabulary, the logits of its tokens.
            gate_states: [texts, width], at the positions of the gate.
        """
        outputs = states.to(self.device, self.dtype)
        if self._network is not None:
            outputs = self._network(outputs)
        rules = self.spec.output
        if rules.group:
            outputs = self._grouped(outputs, rules.group)
        if self._matrix is not None:
            outputs = outputs @ self._matrix
        if self._gate is not None and self.spec.gate and gate_states is not None:
            weights = self._gate_weights(self.spec.gate, gate_states)
            values = (weights * outputs).sum(dim=-1)
        else:
            values = self._one_output(outputs.float(), rules)
        values = values.float().sigmoid() if rules.sigmoid else values
        values = (values.float() - self._mean) / self._std
        numbers: list[float] = (values if self.spec.higher_is_better else -values).tolist()
        return list(map(self._activation, numbers))

    def preference(self, first: torch.Tensor, second: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
        """Compare embeddings by a skew-symmetric form, which is positive where the first is better: [texts].

        Args:
            first: [texts, width], the states of the first completions.
            second: [texts, width], those of the second completions.
            prompt: [texts, width], the states of their prompts, which weigh the blocks of the form.

        Raises:
            InputError: if the head does not give two outputs for each block.
        """
        import torch

        embeddings = []
        for states in (first, second):
            outputs = states.to(self.device, self.dtype)
            outputs = self._network(outputs) if self._network else outputs
            embeddings.append(torch.nn.functional.normalize(outputs.float(), dim=-1))
        if embeddings[0].shape[-1] % 2:
            raise InputError(f"The embeddings of {self.name} have {embeddings[0].shape[-1]} values, which is odd.")
        a, b = embeddings
        blocks: torch.Tensor = a[:, ::2] * b[:, 1::2] - a[:, 1::2] * b[:, ::2]
        if self._prompt_head is None:
            return blocks.sum(dim=-1)
        weights: torch.Tensor = self._prompt_head(prompt.to(self.device, self.dtype)).float().softmax(dim=-1)
        if weights.shape != blocks.shape:
            raise InputError(
                f"The prompt head of {self.name} has {weights.shape[-1]} outputs, and its embeddings "
                f"{blocks.shape[-1]} blocks of two: they must be equal."
            )
        return (weights * blocks).sum(dim=-1)

    def _gate_weights(self, gate: Gate, states: torch.Tensor) -> torch.Tensor:
        """Return the weights of the outputs: [texts, outputs]."""
        if self._gate is None:
            raise InputError("The head spec has no gate.")
        weights: torch.Tensor = self._gate(states.to(self.device, self.dtype))
        softmax = gate.softmax if isinstance(gate.softmax, bool) else bool(config_value(self.fields, gate.softmax))
        if softmax:
            weights = (weights / self._temperature(gate)).softmax(dim=-1)
        return weights if self._gate_scale is None else weights * self._gate_scale

    def _temperature(self, gate: Gate) -> float:
        key = gate.temperature
        is_absent = isinstance(key, str) and self.fields.get(key.removeprefix("config.")) is None
        if is_absent and gate.default_temperature is not None:
            return gate.default_temperature
        return self._number(key)

    def _group_size(self, group: Grouping, outputs: int) -> int:
        """Return the number of outputs in a group; the groups must have the same size."""
        if group.size is not None:
            size = int(self._number(group.size))
        elif self._gate is not None:
            size = outputs // len(self._gate[-1].weight)  # type: ignore[arg-type]  # of a linear layer
        else:
            raise InputError("The head spec has groups without a gate: add output.group.size.")
        if size < 1 or outputs % size:
            raise InputError(f"The head of {self.name} has {outputs} outputs, which are no groups of {size}.")
        return size

    def _grouped(self, outputs: torch.Tensor, group: Grouping) -> torch.Tensor:
        """Reduce groups of outputs: [texts, groups * size] to [texts, groups]."""
        import torch

        size = self._group_size(group, outputs.shape[1])
        grouped = outputs.reshape(len(outputs), -1, size)
        if group.take == "mean":
            return grouped.mean(dim=-1)
        if group.take == "first":
            return grouped[..., 0]
        bins = torch.linspace(group.low, group.high, size, device=outputs.device, dtype=outputs.dtype)
        return (grouped.softmax(dim=-1) * bins).sum(dim=-1)

    def _one_output(self, outputs: torch.Tensor, rules: Output) -> torch.Tensor:
        """Reduce outputs [texts, outputs] to [texts]."""
        if rules.weights:
            return outputs @ outputs.new_tensor(rules.weights)
        if rules.difference:
            first, second = rules.difference
            return outputs[:, first] - outputs[:, second]
        if rules.log_odds is not None:
            return log_odds(outputs, rules.log_odds)
        if rules.softmax is not None:
            return outputs.softmax(dim=-1)[:, rules.softmax]
        index = self._label_index(rules.label) if rules.label else rules.index
        if index is None and outputs.shape[1] != 1:
            raise InputError(
                f"{self.name} gives {outputs.shape[1]} numbers per text, and its head spec does not say which of "
                "them is the reward: add output.index, output.label or output.weights."
            )
        return outputs[:, index or 0]

    def _label_index(self, label: str) -> int:
        names = self.fields.get("id2label")
        labels = names if isinstance(names, dict) else {}
        for index, name in labels.items():
            if name == label:
                return int(index)
        raise InputError(f"{self.name} has no label {label}: its labels are {', '.join(map(str, labels.values()))}.")

    def _number(self, value: float | str) -> float:
        number = config_value(self.fields, value) if isinstance(value, str) else value
        if not isinstance(number, int | float):
            raise InputError(f"{value} of {self.name} is {number!r}, not a number.")
        return float(number)

    def _affine(self, affine: Affine) -> tuple[float, float]:
        """Return mean and standard deviation; 0 and 1 if the switch is off."""
        if affine.switch and not self.fields.get(affine.switch.removeprefix("config.")):
            return 0.0, 1.0
        mean = self._parameter(affine.mean) if affine.mean else 0.0
        std = self._parameter(affine.std) if affine.std else 1.0
        if affine.variance:
            std = self._parameter(affine.variance) ** 0.5
        if not std + affine.epsilon > 0:
            raise InputError(f"The standard deviation of {self.name} is {std}, by which its scores are divided.")
        return mean, std + affine.epsilon

    def _parameter(self, key: str) -> float:
        """Return a number of the configuration, or a tensor with one element."""
        return self._number(key) if key.startswith("config.") else float(self._read(key))


def _describe_layer(layer: torch.nn.Module) -> str:
    """Return the kind of a layer with the shape of its weight; of an activation its name."""
    weight = getattr(layer, "weight", None)
    name = type(layer).__name__
    if weight is None:
        return name
    bias = " with bias" if getattr(layer, "bias", None) is not None else ""
    return f"{name} {list(weight.shape)}{bias}"
