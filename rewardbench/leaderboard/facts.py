"""Derive facts of a row that no score contains: organization, size, license class, and checkpoints of one run.

Each fact is what the submitter states, or what the name of the model implies; none of them is checked against weights.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rewardbench.leaderboard.types import LeaderboardRow
from rewardbench.results.model_names import CUT_OFF, LAUNCH, RunMember, run_in_name, size_in_name

STATED, NAME, UNKNOWN = "stated", "name", "unknown"
"""Where a size is from: the manifest, the model's name, or nowhere."""
TOY = 10**7
"""Models with fewer parameters are made for tests."""
OPEN, RESTRICTED, PROPRIETARY = "open", "restricted", "proprietary"
LICENSE_CLASSES = (OPEN, RESTRICTED, PROPRIETARY, UNKNOWN)
"""Free to use and change; weights published under terms that limit their use; served through an API only; unknown."""
HUB = "https://huggingface.co/"
DEVELOPMENT_REPOSITORIES = ("allenai/open_instruct_dev",)
"""Repositories on the Hub whose branches are development runs; a row's name joins both by a dash."""

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_HUB_NAME = re.compile(rf"{_PART}/{_PART}")
_FILE = re.compile(r"\.(?:jsonl?|git|ipynb|csv|parquet)", re.IGNORECASE)

_OPEN_LICENSES = frozenset(
    "0bsd afl-3.0 agpl-3.0 agpl-3.0-only agpl-3.0-or-later apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause "
    "bsd-3-clause-clear bsl-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 "
    "cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 "
    "gfdl gpl gpl-2.0 gpl-2.0-only gpl-2.0-or-later gpl-3.0 gpl-3.0-only gpl-3.0-or-later isc lgpl lgpl-2.1 "
    "lgpl-2.1-only lgpl-2.1-or-later lgpl-3.0 lgpl-3.0-only lgpl-3.0-or-later lppl-1.3c mit mit-0 mpl-2.0 ms-pl ncsa "
    "odbl odbl-1.0 odc-by odc-by-1.0 osl-3.0 pddl pddl-1.0 postgresql unlicense wtfpl zlib".split()
)
_RESTRICTED_LICENSES = frozenset(
    "apple-amlr apple-ascl bigcode-openrail-m bigscience-bloom-rail-1.0 bigscience-openrail-m busl-1.1 c-uda "
    "creativeml-openrail-m deepfloyd-if-license fair-noncommercial-research-license gemma grok2-community h-research "
    "intel-research lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 openrail openrail++".split()
)
_RESTRICTED_PREFIXES = ("cc-by-nc", "cc-by-nd")

_API_MODELS = {
    "openai": r"(?:chat)?gpt(?!-?(?:oss|j|neo|2(?![\d.])))|o[134](?![a-z])|text-|davinci|computer-use",
    "anthropic": r"claude",
    "google": r"gemini|palm|bard|text-bison",
    "cohere": r"",
    "xai": r"grok",
    "x-ai": r"grok",
    "amazon": r"nova|amazon\.nova",
    "poll": r"gpt-|claude|gemini",
}
"""Beginnings, as patterns, of the names of models that are served through an API only, by their organization."""
_UNNAMED_API_MODELS = re.compile(r"chatgpt|gpt-[345]|claude-|gemini-|cohere\b", re.IGNORECASE)
"""Beginnings of such names without an organization."""


@dataclass(frozen=True)
class Size:
    """Number of parameters of a model, and where it is from.

    Args:
        parameters: the number, or None; an upper bound if it is from a name such as 8x7B.
        source: `STATED`, `NAME` or `UNKNOWN`.
        text: the size as the name has it; empty unless it is from the name.
    """

    parameters: int | None
    source: str
    text: str = ""


def organization(row: LeaderboardRow) -> str:
    """Return the organization in a model's name; empty if it has none, or the model is a baseline."""
    owner, slash, name = row.model.partition("/")
    is_plain = bool(slash) and bool(name) and "/" not in name
    return owner if is_plain and owner != "baseline" and re.fullmatch(_PART, owner) else ""


def hub_address(row: LeaderboardRow) -> str:
    """Return the address of a model on the Hub, or "" if its name is not that of a repository.

    Whether the repository exists is not checked. Baselines, models served through an API only, ensembles, paths and
    names that are cut off have no address; of development runs it is that of their repository, if it is known.
    """
    if not organization(row) or row.model_type == "Ensemble" or _is_api_model(row.model):
        return ""
    run = run_in_name(row.model)
    if run is not None and run.unit in (LAUNCH, CUT_OFF):
        return f"{HUB}{run.run}" if run.run in DEVELOPMENT_REPOSITORIES else ""
    return address_of(row.model)


def address_of(name: str) -> str:
    """Return the address on the Hub of a repository of a model; empty if it cannot be the name of one.

    >>> address_of("org/RM-8B"), address_of("org/../x"), address_of("RM-8B")
    ('https://huggingface.co/org/RM-8B', '', '')
    """
    is_name = _HUB_NAME.fullmatch(name) and ".." not in name and "--" not in name and not _FILE.search(name)
    return f"{HUB}{name}" if is_name else ""


def size_of(row: LeaderboardRow) -> Size:
    """Return the size of a model: as its manifest states it, else by its name."""
    if row.parameters is not None:
        return Size(row.parameters, STATED)
    named = size_in_name(row.model)
    return Size(named.parameters, NAME, named.text) if named else Size(None, UNKNOWN)


def is_toy(row: LeaderboardRow) -> bool:
    """Return True if a model has fewer than 10 million parameters; False if its size is unknown."""
    parameters = size_of(row).parameters
    return parameters is not None and parameters < TOY


def license_class(row: LeaderboardRow) -> str:
    """Return the class of a model's license, one of `LICENSE_CLASSES`.

    The name of a model that is served through an API only decides before the stated license.
    """
    return PROPRIETARY if _is_api_model(row.model) else classify_license(row.license)


@lru_cache(maxsize=1024)
def classify_license(license_id: str) -> str:
    """Return the class of a license identifier of SPDX or of the Hub, or of an expression with OR or AND.

    >>> [classify_license(name) for name in ("apache-2.0", "Gemma", "CC-BY-NC-4.0", "other", "")]
    ['open', 'restricted', 'restricted', 'unknown', 'unknown']
    >>> classify_license("MIT OR LLAMA3"), classify_license("MIT AND llama3.1"), classify_license("mit AND other")
    ('open', 'restricted', 'unknown')
    """
    name = license_id.strip().casefold()
    order = (OPEN, RESTRICTED, UNKNOWN)
    if "(" not in name:
        for operator, choose in ((" or ", min), (" and ", max)):
            if operator in name:
                return choose(map(classify_license, name.split(operator)), key=order.index)
    if name in _OPEN_LICENSES:
        return OPEN
    is_restricted = name in _RESTRICTED_LICENSES or name.startswith(_RESTRICTED_PREFIXES)
    return RESTRICTED if is_restricted else UNKNOWN


def is_open_weights(row: LeaderboardRow) -> bool | None:
    """Return True if a license states that weights are published, False if a model is served through an API only.

    None if neither is known.
    """
    return {OPEN: True, RESTRICTED: True, PROPRIETARY: False}.get(license_class(row))


@lru_cache(maxsize=4096)
def _is_api_model(model: str) -> bool:
    """Return True if a name is that of a model that is served through an API only."""
    owner, slash, name = model.partition("/")
    if not slash:
        return bool(_UNNAMED_API_MODELS.match(model))
    pattern = _API_MODELS.get(owner.casefold())
    return pattern is not None and bool(re.match(pattern, name, re.IGNORECASE))


@dataclass(frozen=True)
class RunGroup:
    """Rows that a table shows as one: the checkpoints of a run, or a single row.

    Args:
        rows: the rows by their place in the run; those whose names are cut off, in the order of the table.
        run: name of the run; of a single row, that of the model.
        unit: what tells the rows apart, as in `RunMember.unit`; empty for a single row.
        steps: place of each row in the run; empty for a single row.
    """

    rows: tuple[LeaderboardRow, ...]
    run: str
    unit: str = ""
    steps: tuple[float | None, ...] = ()

    @property
    def head(self) -> LeaderboardRow:
        """The row that stands for the run: the last checkpoint, which is not chosen by its score.

        Where the names are cut off so that the last one is unknown, the first in the table.
        """
        return self.rows[0] if self.unit == CUT_OFF else self.rows[-1]

    @property
    def is_folded(self) -> bool:
        """Whether there are several rows."""
        return len(self.rows) > 1


def fold_checkpoints(rows: Sequence[LeaderboardRow]) -> list[RunGroup]:
    """Group the checkpoints of each run; each group takes the place of its head in the order of the rows.

    Checkpoints are folded only if they are of one suite, revision and protocol, all verified or all not, and equal in
    kind, size, license class and base model, so that a filter applies to all of them.
    """
    members: dict[tuple[object, ...], list[tuple[RunMember, LeaderboardRow]]] = {}
    for row in rows:
        member = run_in_name(row.model)
        if member is not None:
            members.setdefault((member.run, member.unit, *_common(row)), []).append((member, row))
    by_head: dict[str, RunGroup] = {}
    hidden: set[str] = set()
    for run_members in members.values():
        group = _group(run_members)
        if group.is_folded:
            by_head[group.head.key] = group
            hidden |= {row.key for row in group.rows} - {group.head.key}
    groups: list[RunGroup] = []
    for row in rows:
        if row.key not in hidden:
            groups.append(by_head.get(row.key) or RunGroup((row,), row.model))
    return groups


def run_group(rows: Sequence[LeaderboardRow], row: LeaderboardRow) -> RunGroup | None:
    """Return the group of checkpoints that has a row, if there are several."""
    member = run_in_name(row.model)
    if member is None:
        return None
    for group in fold_checkpoints([other for other in rows if member.run in other.model]):
        if group.is_folded and any(member.key == row.key for member in group.rows):
            return group
    return None


def _common(row: LeaderboardRow) -> tuple[object, ...]:
    """Return what the rows of a group must have in common besides their run."""
    table = (row.suite, row.revision, row.protocol, row.is_verified, row.model_type)
    return (*table, size_of(row).parameters, license_class(row), row.base_model)


def _group(members: Sequence[tuple[RunMember, LeaderboardRow]]) -> RunGroup:
    """Return the group of some members of one run, sorted by their places."""
    ordered = sorted(members, key=lambda entry: entry[0].step or 0.0)
    first = ordered[0][0]
    steps = tuple(member.step for member, _ in ordered)
    return RunGroup(tuple(row for _, row in ordered), first.run, first.unit, steps)
