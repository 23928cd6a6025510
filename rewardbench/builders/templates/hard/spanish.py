"""Spanish: changing plans, rule books and texts under rules; see `templates.hard.languages`."""

from rewardbench.builders.templates.hard.languages import make_square_template, make_template

draw = make_template("spanish")
draw_square = make_square_template("spanish")
