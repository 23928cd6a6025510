"""Instructions that a program can check: form, order, number, wording. What is right for one prompt is wrong for its
twin, which exchanges what two things have to be."""

from rewardbench.builders.draw import Mould
from rewardbench.builders.templates.instructions import lists, notices, parts, tables, values, wording

MOULDS: tuple[Mould, ...] = (
    *notices.MOULDS,
    *lists.MOULDS,
    *parts.MOULDS,
    *tables.MOULDS,
    *values.MOULDS,
    *wording.MOULDS,
)
