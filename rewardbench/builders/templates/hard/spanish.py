"""Spanish: changing plans, rule books and texts under rules; see `templates.hard.languages`."""

from rewardbench.builders.templates.hard.languages import make_template

draw = make_template("spanish")
