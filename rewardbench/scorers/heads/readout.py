"""Turn hidden states into scores: the networks of a head, its gate, and how its outputs become one number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.scorers.heads.network import build_network
from rewardbench.scorers.heads.spec import Affine, Gate, Grouping, HeadSpec, Network, Output
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
        self._gate = self._build(spec.gate.network) if spec.gate else None
        self._gate_scale = self._read(spec.gate.scale) if spec.gate and spec.gate.scale else None
        self._matrix = self._read(spec.output.matrix) if spec.output.matrix else None
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
        tensors = self._tensors
        if network.file:
            tensors = TensorFiles(tensors.folder, [tensors.folder / f"{network.file}.safetensors"])
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
        outputs = states.to(self.dtype)
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
        values = (values.float() - self._mean) / self._std
        numbers: list[float] = (values if self.spec.higher_is_better else -values).tolist()
        return numbers

    def _gate_weights(self, gate: Gate, states: torch.Tensor) -> torch.Tensor:
        """Return the weights of the outputs: [texts, outputs]."""
        if self._gate is None:
            raise InputError("The head spec has no gate.")
        weights: torch.Tensor = self._gate(states.to(self.dtype))
        softmax = gate.softmax if isinstance(gate.softmax, bool) else bool(config_value(self.fields, gate.softmax))
        if softmax:
            weights = (weights / self._number(gate.temperature)).softmax(dim=-1)
        return weights if self._gate_scale is None else weights * self._gate_scale

    def _grouped(self, outputs: torch.Tensor, group: Grouping) -> torch.Tensor:
        """Reduce groups of outputs: [texts, groups * size] to [texts, groups]."""
        import torch

        size = int(self._number(group.size))
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
