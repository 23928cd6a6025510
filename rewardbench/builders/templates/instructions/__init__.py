"""Instructions that a program can check: form, order, number, wording.

The prompts of a mirror swap the two parts of a rule, so that they have the same words; what is right for one is wrong
for the other. A template draws its material and calls `rendering.make_prompts` and `rendering.make_mirror`; see the
example at the top of each module. To add one, write it into the module of its theme, and add it to `TEMPLATES` at the
end of that module.
"""

from rewardbench.builders.draw import Template
from rewardbench.builders.templates.instructions import lists, notices, sections, tables, values, wording

TEMPLATES: tuple[Template, ...] = (
    *notices.TEMPLATES,
    *lists.TEMPLATES,
    *sections.TEMPLATES,
    *tables.TEMPLATES,
    *values.TEMPLATES,
    *wording.TEMPLATES,
)
