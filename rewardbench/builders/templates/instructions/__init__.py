"""Instructions that a program can check: form, order, number, wording. What is right for one prompt is wrong for its
twin, which exchanges what two things have to be."""

from rewardbench.builders.draw import Template
from rewardbench.builders.templates.instructions import lists, notices, parts, tables, values, wording

TEMPLATES: tuple[Template, ...] = (
    *notices.TEMPLATES,
    *lists.TEMPLATES,
    *parts.TEMPLATES,
    *tables.TEMPLATES,
    *values.TEMPLATES,
    *wording.TEMPLATES,
)
