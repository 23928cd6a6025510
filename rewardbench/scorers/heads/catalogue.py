"""Describe the families of reward models, one row each: those with a head spec, and those that need none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files

from rewardbench.scorers.heads.registry import known_specs
from rewardbench.scorers.heads.spec import INFERRED, HeadSpec, Match, Segments

KINDS = {
    "classifier": "Classifiers",
    "adapter": "Adapters",
    "head": "Heads",
    "logits": "Token logits",
    "pairwise": "Pairwise",
    "steps": "Process rewards",
    "not scored": "Not scored",
}
"""Kinds of families, in the order of the tables, with the heading of each."""


@dataclass(frozen=True)
class FamilyRow:
    """A family of reward models, as `rewardbench models` lists it."""

    name: str
    title: str
    kind: str
    recognised: str
    """How a checkpoint is recognised."""
    position: str
    """The token that is read."""
    needs: str = ""
    """What a user must add to the checkpoint."""
    source: str = ""
    """Where the facts come from, in a few words."""
    evidence: str = ""
    checkpoints: tuple[str, ...] = ()
    reason: str = ""
    """Why the family is not scored."""

    def fields(self) -> dict[str, object]:
        """Return the fields that are not empty."""
        return {key: value for key, value in asdict(self).items() if value}


def list_families() -> list[FamilyRow]:
    """Return all families, by kind and name."""
    rows = [*plain_families(), *map(describe_spec, known_specs().values())]
    order = list(KINDS)
    return sorted(rows, key=lambda row: (order.index(row.kind), row.name))


def plain_families() -> list[FamilyRow]:
    """Return the families that need no spec."""
    import yaml

    text = (files("rewardbench.scorers.heads") / "plain_families.yaml").read_text(encoding="utf-8")
    rows = []
    for fields in yaml.safe_load(text):
        checkpoints = tuple(fields.pop("checkpoints", ()))
        rows.append(FamilyRow(kind=fields.pop("kind", "classifier"), checkpoints=checkpoints, **fields))
    return rows


def describe_spec(spec: HeadSpec) -> FamilyRow:
    """Return the row of a spec."""
    is_scored = not spec.reject
    return FamilyRow(
        name=spec.name,
        title=spec.title,
        kind=spec.kind if spec.kind in KINDS else "head",
        recognised=describe_match(spec),
        position=describe_position(spec) if is_scored else "-",
        needs=spec.needs,
        source=spec.source,
        evidence=spec.evidence.strip(),
        checkpoints=spec.checkpoints,
        reason=spec.reject.strip(),
    )


def describe_match(spec: HeadSpec) -> str:
    """Return what a checkpoint of a family has, in a few words."""
    match = spec.match
    if match.is_empty:
        if spec.name == INFERRED:
            return "the only layer beside the backbone"
        return "its Hub id, or --adapter" if spec.checkpoints else "--adapter"
    named = ["an encoder without a chat template"] if match.encoder else list(match.architectures[:1])
    return ", ".join([*named, *match.tensors, *_describe_config(match)])


def _describe_config(match: Match) -> list[str]:
    """Return the keys of config.json that a match asks for, with their values."""
    conditions: Mapping[str, object] = match.config
    return [f"config.{key}" if value == "any" else f"config.{key}={value}" for key, value in conditions.items()]


def describe_position(spec: HeadSpec) -> str:
    """Return the token that a family is read at, in a few words."""
    if isinstance(spec.pair, Segments):
        return "three prefix tokens"
    token = str(spec.position.token or "").removeprefix("config.")
    token = token if token.strip() == token else repr(token)
    words = f"{spec.position.at.replace('_', ' ')} {token}".strip()
    return f"{words}, and a gate" if spec.gate else words
