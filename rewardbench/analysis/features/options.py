"""Options of the analysis `features`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from rewardbench.analysis.options import OptionHelp
from rewardbench.settings import ModelSpec


@dataclass(frozen=True)
class FeaturesOptions:
    """What is read, how the sparse autoencoder is trained, and how many features are examined."""

    model: ModelSpec | None = None
    dataset: Annotated[str | None, OptionHelp("Suite or file with the texts, in place of result files")] = None
    layer: Annotated[
        str | None, OptionHelp("Layer: its index from 0, or the name of a module; default: the middle layer")
    ] = None
    latents: Annotated[
        int | None, OptionHelp("Features of the autoencoder; default: 4 times the hidden size, at most 4,096", min=2)
    ] = None
    k: Annotated[int, OptionHelp("Maximum active features per token (TopK)", min=1)] = 8
    steps: Annotated[int, OptionHelp("Training steps of the autoencoder", min=1)] = 2_000
    max_tokens: Annotated[
        int, OptionHelp("Maximum tokens to read activations of; further texts are left out", min=1)
    ] = 200_000
    examined: Annotated[
        int, OptionHelp("Strongest features of a first pass to measure again on other texts", min=1)
    ] = 50
    texts_per_feature: Annotated[int, OptionHelp("Texts on which each of these features is removed", min=2)] = 64
    shown: Annotated[int, OptionHelp("Features to show on the HTML page", min=1)] = 20
    ablate: Annotated[
        str | None, OptionHelp("Score --dataset with features removed: FILE:IDS, such as sae.safetensors:17,42")
    ] = None
    folder: Annotated[str, OptionHelp("Folder for sae.safetensors and features.html")] = "analysis"
    seed: Annotated[int, OptionHelp("Random seed", min=0)] = 0
