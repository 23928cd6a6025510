"""Kinds of statements about a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from statistics import median

from rewardbench.builders.draw import Resample
from rewardbench.builders.templates.hard.grounded.scribe import Scribe, Statement
from rewardbench.builders.templates.hard.grounded.table import CATEGORIES, FIGURES, TIME
from rewardbench.verifiers.hard.grounded import KEY, longest_run


def _cells(scribe: Scribe) -> Statement:
    row, setting = scribe.row(), scribe.setting
    first, second = scribe.rng.sample((*CATEGORIES, *FIGURES, TIME), 2)
    if scribe.rng.chance():
        first = scribe.column
    if first == second:
        raise Resample
    values = {first: row[first]}
    fields: dict[str, object] = {"key": row[KEY], "says": setting.says(first, row[first])}
    if scribe.rng.chance():
        values[second] = row[second]
        return scribe.make("cells", ["cells", row[KEY], values], says2=setting.says(second, row[second]), **fields)
    return scribe.make("cells", ["cells", row[KEY], values], "cell", **fields)


def _count(scribe: Scribe) -> Statement:
    condition = scribe.category()
    n = len(scribe.selected(condition))
    return scribe.make("count", ["count", [condition], n], c=scribe.phrase(condition), n=n)


def _count_two(scribe: Scribe) -> Statement:
    condition = scribe.category()
    other = scribe.second(condition)
    n = len(scribe.selected(condition, other))
    if n == len(scribe.table.select([condition])):
        raise Resample
    phrases = {"c": scribe.phrase(condition), "c2": scribe.phrase(other)}
    return scribe.make("count", ["count", [condition, other], n], "count2", n=n, **phrases)


def _total(scribe: Scribe) -> Statement:
    condition, column = scribe.category(), scribe.figure()
    conditions, fields, frame = [condition], {"c": scribe.phrase(condition)}, "total"
    if len(scribe.table.rows) > 20 and scribe.rng.chance():
        other = scribe.second(condition)
        if other[0] == column:
            raise Resample
        conditions, fields["c2"], frame = [condition, other], scribe.phrase(other), "total2"
    scribe.selected(*conditions)
    n = scribe.table.total(conditions, column)
    return scribe.make("total", ["total", conditions, column, n], frame, says=scribe.setting.says(column, n), **fields)


def _extreme(scribe: Scribe) -> Statement:
    condition, largest = scribe.category(), scribe.rng.chance()
    column = TIME if scribe.column == TIME or scribe.rng.chance(0.3) else scribe.figure()
    scribe.selected(condition)
    extreme = scribe.table.extreme([condition], column, largest)
    if extreme is None:
        raise Resample
    frames = ("first", "last") if column == TIME else ("bottom", "top")
    _, key, value = extreme
    phrase = scribe.setting.says(column, value)
    operation = "top" if largest else "bottom"
    assertion = [operation, [condition], column, key, value]
    return scribe.make("extreme", assertion, frames[largest], key=key, c=scribe.phrase(condition), says=phrase)


def _order(scribe: Scribe) -> Statement:
    row, other = scribe.row(), scribe.row()
    if scribe.rng.chance():
        if str(row[TIME]) >= str(other[TIME]):
            raise Resample
        verb = scribe.setting.world[TIME]["says"]
        return scribe.make(
            "order", ["before", TIME, row[KEY], other[KEY]], "before", key=row[KEY], key2=other[KEY], verb=verb
        )
    column = scribe.figure()
    n = int(row[column]) - int(other[column])
    if n < 2:
        raise Resample
    phrase = scribe.setting.says(column, n)
    assertion = ["gap", column, row[KEY], other[KEY], n]
    return scribe.make("order", assertion, "gap", key=row[KEY], key2=other[KEY], says=phrase)


def _all_or_none(scribe: Scribe) -> Statement:
    """State that none, or all, of a group meet a threshold that the extreme of the group almost reaches."""
    condition, other = scribe.category(), scribe.threshold()
    rows = scribe.selected(condition)
    met = len(scribe.table.select([condition, other]))
    phrases = {"c": scribe.phrase(condition), "c2": scribe.phrase(other)}
    if met == 0:
        return scribe.make("none", ["count", [condition, other], 0], **phrases)
    if met == len(rows):
        assertion = ["lead", [condition], [condition, other], 0]
        return scribe.make("none", assertion, "every", **phrases)
    raise Resample


def _lead(scribe: Scribe) -> Statement:
    condition = scribe.category()
    other = scribe.rival(condition)
    n = len(scribe.selected(condition)) - len(scribe.selected(other))
    if n < 2:
        raise Resample
    phrases = {"c": scribe.phrase(condition), "c2": scribe.phrase(other)}
    return scribe.make("lead", ["lead", [condition], [other], n], n=n, **phrases)


def _total_lead(scribe: Scribe) -> Statement:
    condition, column = scribe.category(), scribe.figure()
    other = scribe.rival(condition)
    scribe.selected(condition), scribe.selected(other)
    n = scribe.table.total([condition], column) - scribe.table.total([other], column)
    if n < 2:
        raise Resample
    phrases = {"c": scribe.phrase(condition), "c2": scribe.phrase(other)}
    phrase = scribe.setting.says(column, n)
    return scribe.make("total_lead", ["total_lead", [condition], [other], column, n], says=phrase, **phrases)


COUNTED = (*CATEGORIES, *FIGURES)
RANKS = {3: "third", 4: "fourth", 5: "fifth", 6: "sixth", 7: "seventh"}


def _rank(scribe: Scribe) -> Statement:
    conditions, rows, phrase = scribe.group()
    column, rank, largest = scribe.figure(), scribe.rng.pick(list(RANKS)), scribe.rng.chance()
    if len(rows) < 2 * rank:
        raise Resample
    n = sorted(map(itemgetter(column), rows), reverse=largest)[rank - 1]
    fields = {"c": phrase, "n": n, "nth": RANKS[rank], "column": scribe.setting.header(column)}
    end = "highest" if largest else "lowest"
    return scribe.make("rank", ["rank", conditions, column, end, rank, n], end=end, **fields)


def _median(scribe: Scribe) -> Statement:
    conditions, rows, phrase = scribe.group()
    column = scribe.figure()
    if len(rows) % 2 == 0:
        raise Resample
    n = median(map(int, map(itemgetter(column), rows)))
    header = scribe.setting.header(column)
    return scribe.make("median", ["median", conditions, column, n], c=phrase, column=header, n=n)


def _distinct(scribe: Scribe) -> Statement:
    conditions, rows, phrase = scribe.group()
    column = scribe.column if scribe.column != TIME and scribe.rng.chance() else scribe.rng.pick(COUNTED)
    n = len(set(map(itemgetter(column), rows)))
    if n < 2 or column in map(itemgetter(0), conditions):
        raise Resample
    header = scribe.setting.header(column)
    return scribe.make("distinct", ["distinct", conditions, column, n], c=phrase, column=header, n=n)


def _run(scribe: Scribe) -> Statement:
    condition = scribe.threshold() if scribe.rng.chance(0.7) else scribe.category()
    n = longest_run(scribe.table, [condition])
    if n < 3:
        raise Resample
    return scribe.make("run", ["run", [condition], n], c=scribe.phrase(condition), n=n)


KINDS: Mapping[str, Callable[[Scribe], Statement]] = {
    "cells": _cells,
    "count": _count,
    "count_two": _count_two,
    "total": _total,
    "extreme": _extreme,
    "order": _order,
    "none": _all_or_none,
    "lead": _lead,
    "total_lead": _total_lead,
    "rank": _rank,
    "median": _median,
    "distinct": _distinct,
    "run": _run,
}
