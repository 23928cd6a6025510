"""Write BibTeX entries of suites and of rows. Each row has a key of its own, which no other row of the store has."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from rewardbench.leaderboard import facts
from rewardbench.leaderboard.app import tables
from rewardbench.leaderboard.app.markup import address
from rewardbench.leaderboard.app.tables import escape_latex, shorten_hashes
from rewardbench.leaderboard.types import LeaderboardRow
from rewardbench.suites.registry import SUITES

BASE = "{base}"
"""Stands for the address of the leaderboard, which page.js inserts in the browser."""
AUTHORS = "The authors of rewardbench"
LONGEST_SLUG = 80


def cite_suite(suite: str, base: str, revision: str = "") -> str:
    """Return the BibTeX entry of a suite; of one that others published, that of its paper.

    Args:
        suite: name of the suite.
        base: address of the leaderboard.
        revision: revision of the suite, if it is known.
    """
    published = _published().get(suite)
    if published:
        return published
    is_ours = suite in SUITES
    lines = [f"title = {{rewardbench {_text(suite)}}}"]
    if is_ours:
        lines.append(f"author = {{{{{AUTHORS}}}}}")
    if revision:
        lines.append(f"note = {{Revision {_text(shorten_hashes(revision))}}}")
    lines.append(f"url = {{{base}{address(view='suite', suite=suite)}}}")
    return _entry(f"rewardbench-{suite}" if is_ours else _key("suite", suite), lines)


@lru_cache(maxsize=1)
def _published() -> dict[str, str]:
    content = Path(__file__).with_name("citations.toml").read_text("utf-8")
    return dict(tomllib.loads(content))


def cite_row(row: LeaderboardRow, base: str) -> str:
    """Return the BibTeX entry of a row: model, suite, score, organization, year and address.

    Args:
        row: the row.
        base: address of the leaderboard; empty: no url.
    """
    owner = facts.organization(row)
    lines = [f"title = {{{_text(row.model)} on {_text(row.suite)}}}"]
    if owner:
        lines.append(f"author = {{{{{_text(owner)}}}}}")
    if re.match(r"\d{4}-", row.date, re.ASCII):
        lines.append(f"year = {{{row.date[:4]}}}")
    label, total = tables.headline(row)
    figure = f"{label} {tables.format_percent(total)} ({tables.format_interval(total)})"
    note = f"{row.suite}@{shorten_hashes(row.revision)}: {figure}, {row.badge}"
    lines.append("howpublished = {rewardbench leaderboard}")
    lines.append(f"note = {{{_text(note)}}}")
    if base:
        lines.append(f"url = {{{base}{address(view='model', suite=row.suite, model=row.key)}}}")
    return _entry(_key("rewardbench", row.key), lines)


def cite_with_suite(row: LeaderboardRow, base: str) -> str:
    """Return the BibTeX entries of a row and of its suite."""
    return f"{cite_row(row, base)}\n{cite_suite(row.suite, base, row.revision)}"


def common_revision(rows: Iterable[LeaderboardRow]) -> str:
    """Return the revision of the suite that rows share; empty if they have several."""
    revisions = {row.revision for row in rows}
    return revisions.pop() if len(revisions) == 1 else ""


def cite_rows(rows: Iterable[LeaderboardRow], base: str) -> str:
    """Return the BibTeX entries of rows."""
    return "\n".join(cite_row(row, base) for row in rows)


def _key(prefix: str, name: str) -> str:
    """Return a citation key, which is unique: some readers ignore case, and few accept other than ASCII.

    >>> _key("rewardbench", "org/Model-1.1"), _key("rewardbench", "org/Model-11")
    ('rewardbench-org-Model-1.1-25b2ae', 'rewardbench-org-Model-11-1c7165')
    """
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", name)[:LONGEST_SLUG].strip("-.")
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:6]
    return "-".join(filter(None, (prefix, slug, digest)))


def _text(text: str) -> str:
    r"""Escape text for a field: BibTeX counts braces even after a backslash, so that they must not occur.

    >>> print(_text("org/{a_b"))
    org/\textbraceleft{}a\_b
    """
    printable = "".join(character if character.isprintable() else " " for character in text)
    return escape_latex(printable).replace(r"\{", r"\textbraceleft{}").replace(r"\}", r"\textbraceright{}")


def _entry(key: str, lines: Iterable[str]) -> str:
    fields = ",\n  ".join(" ".join(line.split()) for line in lines)
    return f"@misc{{{key},\n  {fields}\n}}\n"
