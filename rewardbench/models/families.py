"""Chat templates of published models that were trained with another template than their tokenizer's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.hub import repository_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


@dataclass(frozen=True)
class Family:
    """Settings of a model family that its checkpoints do not contain."""

    chat_template: str
    """Template used at publication: one of fastchat's, or of those that rewardbench 0.1 added."""


FAMILIES: Mapping[str, Family] = {
    "HFXM/RAMO-Llama3.1-8B": Family("Ziya"),
    "IDEA-CCNL/Ziya-LLaMA-7B-Reward": Family("Ziya"),
    "openbmb/UltraRM-13b": Family("openbmb"),
    "PKU-Alignment/beaver-7b-v1.0-reward": Family("pku-align"),
    "PKU-Alignment/beaver-7b-v1.0-cost": Family("pku-align"),
    "PKU-Alignment/beaver-7b-v2.0-reward": Family("pku-align"),
    "PKU-Alignment/beaver-7b-v2.0-cost": Family("pku-align"),
    "OpenAssistant/oasst-rm-2.1-pythia-1.4b-epoch-2.5": Family("oasst_pythia"),
    "OpenAssistant/oasst-rm-2-pythia-6.9b-epoch-1": Family("oasst_pythia"),
    "weqweasdas/hh_rlhf_rm_open_llama_3b": Family("Robin"),
    "berkeley-nest/Starling-RM-7B-alpha": Family("llama-2"),
}
"""Families by Hub id, from the evaluation configurations of rewardbench 0.1, with which scores were published."""


def find_family(name: str, folder: Path, config: PreTrainedConfig) -> tuple[str, Family] | None:
    """Return the id and the family of a checkpoint, or None.

    A checkpoint is recognised by its requested name, the id its configuration was loaded from, its folder in the Hub
    cache, or the name of its local folder.
    """
    return _match([name, str(getattr(config, "_name_or_path", "")), *_names_of(folder)])


def _names_of(folder: Path) -> list[str]:
    """Return the Hub id of a folder in the Hub cache (else an empty string), and the name of the folder."""
    return [repository_of(folder), folder.resolve().name]


def _match(names: Iterable[str]) -> tuple[str, Family] | None:
    by_name: dict[str, str] = {}
    for id_ in FAMILIES:
        for spelling in (id_, id_.rpartition("/")[2], id_.replace("/", "--")):
            by_name[spelling.lower()] = id_
    for name in names:
        match = by_name.get(name.lower()) or by_name.get(name.rstrip("/").rpartition("/")[2].lower())
        if match:
            return match, FAMILIES[match]
    return None


def choose_template(
    requested: str | None, name: str, folder: Path, config: PreTrainedConfig
) -> tuple[str | None, list[str]]:
    """Return the chat template to use (None: the tokenizer's own), and a note if it is a family's.

    Args:
        requested: the user's choice, which takes precedence.
        name: the requested name of the model.
        folder: its files.
        config: its configuration.
    """
    if requested is not None:
        return requested, []
    match = find_family(name, folder, config)
    if match is None:
        return None, []
    id_, family = match
    return family.chat_template, [
        f"{id_} was published with the chat template {family.chat_template}, which was used instead of its "
        "tokenizer's: pass --chat_template tokenizer for that one."
    ]
