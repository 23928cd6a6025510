"""Compute linear layers by oneDNN on processors where MKL does not use AVX-512.

PyTorch computes float32 linear layers by MKL, which uses AVX-512 on Intel processors only. oneDNN, which PyTorch
contains, uses it on other processors too. Measured on an AMD Zen 5: 2.3 times as fast, with up to twice the rounding
error. That is far below the tolerance of a classifier's score, which is read once. A sum over the log-probabilities of
many tokens adds it up, so causal models keep the kernel of torch.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Linear, Module

CPU_INFO = Path("/proc/cpuinfo")
"""Where Linux names the vendor of the processor."""
PACKED_BYTES = 2**31
"""Maximum size of a model's linear weights for which packed copies are kept, that is copies in oneDNN's memory layout.

Without them oneDNN makes these copies for every batch, which took 5 % of the time of a classifier of 50 M parameters.
"""


def use_onednn(model: Module) -> int:
    """Compute the float32 linear layers of a model on the CPU by oneDNN if it is faster here; return their number.

    Only modules of the class `torch.nn.Linear` change, and no layer whose forward is replaced already, such as one that
    is offloaded. They keep their weights, and compute as before if gradients are enabled.
    """
    import torch

    if not is_onednn_faster():
        return 0
    layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear) and _is_plain(module)]
    packs = sum(layer.weight.nbytes for layer in layers) <= PACKED_BYTES
    for layer in layers:
        vars(layer)["forward"] = partial(_forward, layer, packs)
    return len(layers)


@cache
def is_onednn_faster() -> bool:
    """Return True if oneDNN computes float32 linear layers faster than MKL here: with AVX-512, and not on Intel."""
    import torch

    if torch.backends.cpu.get_cpu_capability() != "AVX512" or cpu_vendor() in ("", "GenuineIntel"):
        return False
    has_mkl = bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]
    has_onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return has_mkl and has_onednn and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def cpu_vendor(path: Path = CPU_INFO) -> str:
    """Return the vendor of the processor, such as AuthenticAMD; empty if the system does not name it."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "vendor_id":
            return value.strip()
    return ""


def describe_linear(fingerprint: Mapping[str, object]) -> dict[str, str]:
    """Return what computed the layers of a classifier in float32 on the CPU, `onednn` or `torch`; nothing otherwise.

    Args:
        fingerprint: that of the scorer.
    """
    computed = tuple(fingerprint.get(name) for name in ("kind", "device", "dtype"))
    if computed != ("Seq. Classifier", "cpu", "float32"):
        return {}
    is_compiled = bool(fingerprint.get("compiled"))
    return {"cpu_linear_kernel": "onednn" if is_onednn_faster() and not is_compiled else "torch"}


def uses_onednn(model: Module) -> bool:
    """Return True if `use_onednn` changed a layer of this model."""
    return any(is_onednn_forward(vars(module).get("forward")) for module in model.modules())


def is_onednn_forward(forward: object) -> bool:
    """Return True if `use_onednn` gave a layer this forward."""
    return isinstance(forward, partial) and forward.func is _forward


def _is_plain(linear: Linear) -> bool:
    """Return True if a layer is of no subclass, has the forward of its class, and float32 weights on the CPU."""
    import torch

    is_replaced = type(linear) is not torch.nn.Linear or "forward" in vars(linear)
    return not is_replaced and _is_float32_on_cpu(linear.weight)


def _is_float32_on_cpu(tensor: Tensor) -> bool:
    import torch

    return tensor.dtype == torch.float32 and tensor.device.type == "cpu"


def _forward(linear: Linear, packs: bool, inputs: Tensor) -> Tensor:
    """Return the output of a layer, shape [..., out_features], for inputs of shape [..., in_features]."""
    import torch

    weight, bias = linear.weight, linear.bias
    if torch.is_grad_enabled() or not (_is_float32_on_cpu(weight) and _is_float32_on_cpu(inputs)):
        return torch.nn.functional.linear(inputs, weight, bias)
    if packs and not weight.is_inference():  # inference tensors do not count their changes
        weight = _pack(weight)
    output: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return output


def _pack(weight: Tensor) -> Tensor:
    """Return a weight in oneDNN's memory layout; a weight that has changed is packed again.

    In-place changes through `weight.data` are not noticed, since torch does not count them.
    """
    import torch

    state = weight._version, weight.data_ptr()
    packed = _packed_weights().get(weight)
    if packed is None or packed[0] != state:
        packed = state, torch.ops.mkldnn._reorder_linear_weight(weight.detach())
        _packed_weights()[weight] = packed
    return packed[1]


@cache
def _packed_weights() -> MutableMapping[Tensor, tuple[tuple[int, int], Tensor]]:
    """Return the packed weights of this process, each after the state that was packed: its version and its address.

    An entry is deleted with its weight. Modules with one weight, such as those of two streams, have one packed weight.
    """
    from torch.utils.weak import WeakTensorKeyDictionary

    return WeakTensorKeyDictionary()
