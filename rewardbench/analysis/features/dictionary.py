"""A trained sparse dictionary: encode states, compute what a feature adds to them, read and write the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.paths import home_path, write_whole

if TYPE_CHECKING:
    import torch

FORMAT = "rewardbench.features/1"
"""Metadata entry `format` of the file."""
CHUNK = 4_096
"""Tokens that are encoded at a time: memory is CHUNK times the number of features."""
MAX_BYTES = 8 * 2**30
"""Largest file that is read."""


@dataclass(frozen=True)
class SparseDictionary:
    """The weights of a TopK sparse autoencoder (Gao et al. 2024, arXiv 2406.04093).

    z = TopK(ReLU(W_enc (h - b_dec) + b_enc)), and the reconstruction is z W_dec + b_dec. Feature j adds z_j W_dec[j]
    to a state h.
    """

    encoder: torch.Tensor
    """W_enc: [features, width]."""
    bias: torch.Tensor
    """b_enc: [features]."""
    decoder: torch.Tensor
    """W_dec: [features, width]."""
    centre: torch.Tensor
    """b_dec: [width]."""
    k: int
    """Number of features that may be active at a token."""
    norm_limit: float = float("inf")
    """States with a larger norm (attention sinks) have no active features."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Where it is from: model, weights, layer, seed."""

    @property
    def size(self) -> int:
        """Return the number of features."""
        return len(self.encoder)

    @property
    def width(self) -> int:
        """Return the width of the states."""
        return self.encoder.shape[1]

    def to(self, device: torch.device) -> SparseDictionary:
        """Copy to a device."""
        encoder, bias, decoder, centre = self.encoder, self.bias, self.decoder, self.centre
        return replace(
            self,
            encoder=encoder.to(device),
            bias=bias.to(device),
            decoder=decoder.to(device),
            centre=centre.to(device),
        )

    def encode(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the active features of states.

        Args:
            states: [tokens, width], of any dtype.

        Returns:
            Activations (float32, 0 or more) and ids of features, both [tokens, k].
        """
        import torch

        exact = states.float()
        active, ids = torch.relu((exact - self.centre) @ self.encoder.T + self.bias).topk(self.k, dim=-1)
        within = exact.norm(dim=-1, keepdim=True) <= self.norm_limit
        return active * within, ids

    def activations(self, states: torch.Tensor, features: Sequence[int]) -> torch.Tensor:
        """Return the activations of some features: [tokens, len(features)]."""
        import torch

        wanted = torch.tensor(list(features), device=states.device)
        parts: list[torch.Tensor] = []
        for part in torch.split(states, CHUNK):
            active, ids = self.encode(part)
            parts.append((active[:, :, None] * (ids[:, :, None] == wanted)).sum(dim=1))
        return torch.cat(parts)

    def remove(self, states: torch.Tensor, features: Sequence[int]) -> torch.Tensor:
        """Subtract what some features add to states [..., width]; the reconstruction error stays."""
        flat = states.reshape(-1, states.shape[-1])
        removed = self.activations(flat, features) @ self.decoder[list(features)]
        return (flat.float() - removed).to(states.dtype).reshape(states.shape)

    def digest(self) -> str:
        """Return the sha256 of everything that decides an ablation, 16 hex digits."""
        total = sha256(f"{self.k} {self.norm_limit!r} {self.facts.get('layer')}".encode())
        for tensor in (self.encoder, self.bias, self.decoder, self.centre):
            total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()[:16]

    def write(self, path: Path) -> None:
        """Write a safetensors file, with the names of the tensors of sparsify's SparseCoder.

        Raises:
            InputError: if the file cannot be written.
        """
        from safetensors.torch import save

        tensors = {"encoder.weight": self.encoder, "encoder.bias": self.bias}
        tensors |= {"W_dec": self.decoder, "b_dec": self.centre}
        stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        metadata = {"format": FORMAT, "k": str(self.k), "norm_limit": repr(self.norm_limit)}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, save(stored, metadata={**metadata, "facts": json.dumps(dict(self.facts), sort_keys=True)}))


def read_dictionary(path: str | Path) -> SparseDictionary:
    """Read a file that `SparseDictionary.write` wrote.

    Raises:
        InputError: if there is no such file, or it is not a sparse dictionary.
    """
    from safetensors import SafetensorError, safe_open

    path = home_path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}: train one with rewardbench analyze features.")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES / 2**30:.0f} GiB, so it is not read.")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(f"{path} is not a file that rewardbench analyze features wrote.")
            names = ("encoder.weight", "encoder.bias", "W_dec", "b_dec")
            encoder, bias, decoder, centre = (file.get_tensor(name).float() for name in names)
        facts = json.loads(metadata["facts"])
        dictionary = SparseDictionary(
            encoder=encoder,
            bias=bias,
            decoder=decoder,
            centre=centre,
            k=int(metadata["k"]),
            norm_limit=float(metadata["norm_limit"]),
            facts={str(name): str(value) for name, value in facts.items()},
        )
    except (SafetensorError, OSError, KeyError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is damaged, so its features cannot be read: train it again.") from error
    if not _is_sound(dictionary):
        raise InputError(f"{path} has tensors of shapes or values that do not fit together: train it again.")
    return dictionary


def _is_sound(dictionary: SparseDictionary) -> bool:
    """Return True if the shapes fit together and all numbers are finite."""
    encoder, tensors = dictionary.encoder, (dictionary.bias, dictionary.decoder, dictionary.centre)
    if encoder.ndim != 2 or not 1 <= dictionary.k <= len(encoder) or not dictionary.norm_limit > 0:
        return False
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if shapes != [(len(encoder),), tuple(encoder.shape), (encoder.shape[1],)]:
        return False
    return all(bool(tensor.isfinite().all()) for tensor in (encoder, *tensors))
