"""Reports on a table: each response makes several statements, exactly one of which is false for the other prompt.

    prompt a: a sheet of 30 parcels with driver, area, kg, price and time, and "write this up for the depot manager"
    prompt b: the same, but two parcels have swapped weights
    response x, right for a: 7 statements such as "Of the parcels that went to Old Mill, 4 weighed more than 20 kg."
    response y, right for b: 7 other statements

Both prompts have the same words. All statements but one of each response are true of both tables. On the upper rungs
the rows also change the points of drivers and areas, and the deciding statement is who leads in the end; see `points`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from operator import itemgetter

from rewardbench.builders.draw import MirrorContent, Resample, Rng, SquareContent
from rewardbench.builders.prompts import to_messages
from rewardbench.builders.templates.hard.grounded.claims import KINDS
from rewardbench.builders.templates.hard.grounded.layouts import draw_layout
from rewardbench.builders.templates.hard.grounded.points import League, draw_league
from rewardbench.builders.templates.hard.grounded.scribe import Scribe, Statement
from rewardbench.builders.templates.hard.grounded.table import (
    COLUMNS,
    Rows,
    Setting,
    draw_rows,
    draw_setting,
    evaluate_all,
    read_texts,
    rotate_cells,
)
from rewardbench.types import Messages
from rewardbench.verifiers.hard.grounded import KEY, Table

ATTEMPTS = 600
"""Statements drawn before a table is given up."""
SIMPLE = ("cells", "count", "extreme", "order")
"""Kinds of statements on a small table."""
MIXED = ("cells", "count", "count_two", "total", "extreme", "order", "none", "lead", "total_lead")
"""Kinds of statements on a table of medium size."""
DEEP = ("count_two", "total", "extreme", "none", "lead", "total_lead")
"""Kinds of the deciding statement there: they take many rows."""
GLOBAL = ("count_two", "total", "lead", "total_lead", "rank", "median", "distinct", "run")
"""Kinds of statements on a large table: each is computed from many rows, and names none."""


@dataclass(frozen=True)
class ReportSize:
    """Rows of the table, statements of a response, and the most and the fewest rows that a statement takes."""

    rows: int
    claims: int
    most: int
    least: int = 2
    steps: int = 0
    """Steps of the rule that moves points; 0 if there are no points."""
    passes: int = 1
    """How often that rule goes through all rows."""
    by_time: bool = False
    """Whether that rule takes the rows in the order of their times."""


SIZES = {
    1: ReportSize(8, 3, 4),
    2: ReportSize(30, 7, 12),
    3: ReportSize(36, 6, 18, 4, steps=4),
    4: ReportSize(50, 10, 20, 4, steps=5, passes=12, by_time=True),
}


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror of a rung."""
    return draw_of_size(rng, SIZES[rung])


def draw_of_size(rng: Rng, size: ReportSize) -> MirrorContent:
    """Draw a mirror of a size."""
    edit, prompts, responses, checks = _draw_settings(rng, size, 2)
    (a, b), (x, y) = prompts, responses
    return MirrorContent(edit, a, b, x, y, {"kind": "grounded", "a": checks[0], "b": checks[1]})


def draw_square(rng: Rng, rung: int) -> SquareContent:
    """Draw a square: four cells of a column take turns."""
    edit, prompts, responses, checks = _draw_settings(rng, SIZES[rung], 4)
    check: dict[str, object] = {"kind": "grounded"}
    for n, settings in enumerate(checks):
        check[str(n)] = settings
    return SquareContent(edit, tuple(prompts), tuple(responses), check)


def _draw_settings(
    rng: Rng, size: ReportSize, settings: int
) -> tuple[str, list[Messages], list[str], list[dict[str, object]]]:
    """Return the edit, and for each setting its prompt, its right response and its check."""
    setting = draw_setting(rng, size.rows)
    if size.steps:
        setting = replace(setting, dated=False)
    column, focus, tables = rotate_cells(rng, draw_rows(rng, setting, size.rows), settings)
    league = draw_league(rng, setting, tables, size.steps, size.passes, size.by_time) if size.steps else None
    reports = _draw_reports(rng, setting, size, column, focus, tables, league)
    claims: dict[str, list[object]] = {}
    responses = []
    for statements in reports:
        response, assertions = _write(rng, setting, statements)
        claims |= assertions
        responses.append(response)
    turns, layout = _draw_turns(rng, setting, league.text if league else ""), draw_layout(rng, setting)
    prompts, checks = [], []
    header = [KEY, *COLUMNS]
    for rows in tables:
        text = layout(rows)
        prompts.append(to_messages([turn.replace("<table>", text) for turn in turns]))
        values = list(map(itemgetter(*header), rows))
        check: dict[str, object] = {"header": header, "rows": values, "claims": claims}
        checks.append(check)
    keys = ", ".join(str(tables[0][position][KEY]) for position in focus)
    return f"{setting.header(column)} of {keys}", prompts, responses, checks


def _draw_reports(
    rng: Rng,
    setting: Setting,
    size: ReportSize,
    column: str,
    focus: list[int],
    tables: list[Rows],
    league: League | None,
) -> list[list[Statement]]:
    """Return for each table its statements: all but one are true of all tables, the last of this table only."""
    evaluated = list(map(Table, tables))
    kinds: tuple[str, ...] = SIMPLE
    deciding_kinds: tuple[str, ...] = (rng.pick(SIMPLE),)
    if size.rows > 50 or league:
        kinds = deciding_kinds = GLOBAL
    elif size.rows > 20:
        kinds, deciding_kinds = MIXED, DEEP
    reports: list[list[Statement]] = []
    taken: list[Statement] = []
    for place, table in enumerate(evaluated):
        scribe = Scribe(rng, setting, table, focus, column, size.most, size.least)
        other = scribe
        if kinds is GLOBAL:  # bounds near the focus, again and again, would show where the prompts differ
            other = Scribe(rng, setting, table, range(size.rows), rng.pick(COLUMNS), size.most, size.least)
        pattern = [n == place for n in range(len(tables))]
        if league:
            deciding = [league.statement(rng, setting, place)]
        else:
            deciding = _draw_statements(scribe, evaluated, deciding_kinds, pattern, 1, taken)
        if reports and kinds == SIMPLE:
            shared = [statement for statement in reports[0] if statement in taken]
        else:
            shared = _draw_statements(other, evaluated, kinds, None, size.claims - 1, taken)
        reports.append([*shared, *deciding])
        taken += shared
    return reports


def _draw_statements(
    scribe: Scribe,
    tables: list[Table],
    kinds: tuple[str, ...],
    pattern: list[bool] | None,
    count: int,
    taken: Sequence[Statement],
) -> list[Statement]:
    """Draw different statements, none of them `taken`, with this pattern of truth over the tables; None: true of all.

    Raises:
        Resample: if too few turn up.
    """
    statements: list[Statement] = []
    assertions = [statement.assertion for statement in taken]
    for attempt in range(ATTEMPTS):
        with suppress(Resample):
            statement = KINDS[kinds[attempt % len(kinds)] if pattern is None else scribe.rng.pick(kinds)](scribe)
            if statement.assertion in assertions or any(table.ties(statement.assertion) for table in tables):
                continue
            if evaluate_all(tables, statement.assertion) == (pattern or [True] * len(tables)):
                statements.append(statement)
                assertions.append(statement.assertion)
        if len(statements) == count:
            return statements
    raise Resample


def _write(rng: Rng, setting: Setting, statements: list[Statement]) -> tuple[str, dict[str, list[object]]]:
    """Return a report, and the assertions of each of its sentences."""
    texts, names = read_texts("phrases")["texts"], setting.names()
    assertions: dict[str, list[object]] = {}
    sentences: list[str] = []
    for n, statement in enumerate(rng.sample(statements, len(statements))):
        sentence = statement.sentence
        if n and sentence.startswith((names["Noun"], "The ")) and rng.chance(0.25):
            sentence = rng.pick(texts["links"]) + sentence[0].lower() + sentence[1:]
        assertions[sentence] = [statement.assertion]
        sentences.append(sentence)
    frame = []
    for name in ("openings", "closings"):
        frame.append(_capital(rng.pick(texts[name]).format(**names)))
        assertions[frame[-1]] = []
    length = rng.number(4, 7)
    paragraphs = []
    for start in range(0, len(sentences), length):
        paragraphs.append(" ".join(sentences[start : start + length]))
    body = "\n\n".join(paragraphs)
    return f"{frame[0]} {body} {frame[1]}", assertions


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _draw_turns(rng: Rng, setting: Setting, rule: str) -> list[str]:
    """Return the turns of a prompt; `<table>` marks the place of the table. The rule of the points may be empty."""
    texts, names = read_texts("phrases")["texts"], setting.names()
    intro = rng.pick(setting.world["intros"])
    request, system, reply, question = (
        rng.pick(texts[name]).format(**names) for name in ("requests", "systems", "replies", "asks")
    )
    if rule:
        request = f"{request}\n\n{rule}"
    forms = (
        [f"{intro}\n\n<table>\n\n{request}"],
        [f"{request}\n{intro}\n\n<table>"],
        [system, f"{intro}\n\n<table>\n\n{request}"],
        [system, f"{request}\n\n<table>\n\n({intro})"],
        [question, reply, f"{intro}\n\n<table>\n\n{request}"],
        [f"{intro}\n{request}", reply.split(".")[0] + ".", "<table>"],
    )
    return list(rng.pick(forms))
