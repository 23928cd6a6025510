"""Published model families that want other input than the default: what they were published with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Family:
    """What a family needs beyond what its checkpoints say of themselves."""

    chat_template: str
    """The template that it was published with: one of fastchat's, or of those that rewardbench 0.1 added."""


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
"""By Hub id, after the evaluation configurations of rewardbench 0.1, with which their scores were published."""


def find_family(name: str, folder: Path, config: Any) -> tuple[str, Family] | None:
    """Return the id and the family of a checkpoint, or None.

    A checkpoint is known by the name it was asked for, the id its configuration was loaded from, its folder in the
    cache of the Hub, or the name of its local folder.
    """
    return _match([name, str(getattr(config, "_name_or_path", "")), *_names_of(folder)])


def _names_of(folder: Path) -> list[str]:
    """Return what a folder may be called: its own name, and in the cache of the Hub its repository's."""
    repository = folder.parent.parent.name
    cached = repository.removeprefix("models--").replace("--", "/") if repository.startswith("models--") else ""
    return [cached, folder.resolve().name]


def _match(names: Iterable[str]) -> tuple[str, Family] | None:
    by_name = {key.lower(): id_ for id_ in FAMILIES for key in (id_, id_.rpartition("/")[2], id_.replace("/", "--"))}
    for name in names:
        id_ = by_name.get(name.lower()) or by_name.get(name.rstrip("/").rpartition("/")[2].lower())
        if id_:
            return id_, FAMILIES[id_]
    return None


def choose_template(asked: str | None, name: str, folder: Path, config: Any) -> tuple[str | None, list[str]]:
    """Return the chat template to use, and a note if it is a family's instead of the tokenizer's own.

    Args:
        asked: what the user named, which always holds.
    """
    found = None if asked is not None else find_family(name, folder, config)
    if found is None:
        return asked, []
    id_, family = found
    return family.chat_template, [
        f"{id_} was published with the chat template {family.chat_template}, which was used instead of its "
        "tokenizer's: pass --chat_template tokenizer for that one."
    ]
