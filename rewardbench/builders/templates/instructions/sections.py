"""Templates about answers in two sections: which has bullets, which comes first, how many points each has, and more.

The user gives notes for both sections, and a rule that treats them differently. In a rule, {p} and {q} are the two
alternatives that the prompts swap. For example, `two_markers`:

    prompt a: Hi! Write up the kitchen handover for the evening crew, two parts. Lines under "Still open" start with >,
        lines under "Done" start with -. No explanations needed.

        Raw material:
        Still open: one burner will not light; the rice needs rinsing
        Done: the fridge is wiped down; the knives are sharp
    prompt b: the same, but "Still open" with - and "Done" with >
    response x, right for a: Still open:
        > One burner will not light.
        > The rice needs rinsing.

        Done:
        - The fridge is wiped down.
        - The knives are sharp.
    response y, right for b: the same with - in the first section and > in the second
"""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Rng, Template
from rewardbench.builders.prompts import swapped
from rewardbench.builders.templates.instructions.material import Sections, draw_sections
from rewardbench.builders.templates.instructions.rendering import (
    LINES,
    NUMBERS,
    both_ways,
    bullets,
    for_both,
    in_order,
    make_mirror,
    make_prompts,
    numbered,
)
from rewardbench.types import Messages


def _section_prompts(rng: Rng, rules: Sequence[str], sections: Sections) -> tuple[Messages, Messages]:
    job = sections.job
    if not rng.chance():
        first, second = sections.names
        job = f'{job.rstrip(".")}. The two parts are "{first}" and "{second}".'
    return make_prompts(rng, rules, job, sections.notes)


def _draw_heading_style(rng: Rng) -> str:
    return rng.pick(("## {}", "**{}**", "{}:", "### {}"))


def _swapped_names(sections: Sections) -> tuple[str, str]:
    first, second = sections.names
    return swapped(f'"{first}"', f'"{second}"')


def _layout(sections: Sections, style: str, blocks: Sequence[str]) -> str:
    """Return both sections, each a heading in this style with a block of text below it."""
    first, second = sections.names
    return f"{style.format(first)}\n{blocks[0]}\n\n{style.format(second)}\n{blocks[1]}"


def bullets_or_prose(rng: Rng) -> MirrorContent:
    """Ask for a bulleted list in the first section and running text in the second, or the reverse."""
    sections = draw_sections(rng, rng.number(2, 4))
    p, q = _swapped_names(sections)
    rules = (
        f"Make the part {p} a bulleted list and the part {q} running text.",
        f"Bullets under {p}, full paragraph under {q}.",
        f"Set {p} as bullets and {q} as a paragraph, each below its own heading.",
    )
    style, mark = _draw_heading_style(rng), rng.pick("-*•")
    first, second = sections.points
    responses = (
        _layout(sections, style, (bullets(mark, first), " ".join(second))),
        _layout(sections, style, (" ".join(first), bullets(mark, second))),
    )
    counts = f"({_count_bullets(first)}, {_count_bullets(second)})"
    conditions = (f"{counts} == ({len(first)}, 0)", f"{counts} == (0, {len(first)})")
    return make_mirror("which part is bulleted", _section_prompts(rng, rules, sections), responses, conditions)


def _count_bullets(points: list[str]) -> str:
    """Return the expression for the number of these points that are bullets in the response."""
    return f"sum(f'{{m}} {{p}}' in {LINES} for m in '-*•' for p in {points!r})"


def part_order(rng: Rng) -> MirrorContent:
    """Ask for either section first."""
    sections = draw_sections(rng, rng.number(2, 3))
    p, q = _swapped_names(sections)
    rules = (
        f"Begin with {p}, then {q}.",
        f"The upper half is {p}, the lower half {q}.",
        f"Readers see {p} on the front and {q} on the back, so keep that order.",
    )
    style, mark = _draw_heading_style(rng), rng.pick("-*•")
    blocks = []
    for name, points in zip(sections.names, sections.points, strict=True):
        blocks.append(f"{style.format(name)}\n{bullets(mark, points)}")
    responses = ("\n\n".join(blocks), "\n\n".join(blocks[::-1]))
    first_points = [points[0] for points in sections.points]
    conditions = for_both(in_order, first_points, first_points[::-1])
    return make_mirror("which part comes first", _section_prompts(rng, rules, sections), responses, conditions)


def two_markers(rng: Rng) -> MirrorContent:
    """Ask for one list marker in the first section and another in the second, or the reverse."""
    sections = draw_sections(rng, rng.number(2, 4))
    left, right = rng.sample(("-", "*", "+", ">"), 2)
    p, q = swapped(left, right)
    first, second = sections.names
    rules = (
        f'Lines under "{first}" start with {p}, lines under "{second}" start with {q}.',
        f'Mark each point of "{first}" with {p} and each point of "{second}" with {q}.',
        f'Our list signs are {p} in "{first}" and {q} in "{second}".',
    )

    def marked_lists(first_mark: str, second_mark: str) -> tuple[str, str]:
        return bullets(first_mark, sections.points[0]), bullets(second_mark, sections.points[1])

    def response(first_mark: str, second_mark: str) -> str:
        return _layout(sections, "{}:", marked_lists(first_mark, second_mark))

    def condition(first_mark: str, second_mark: str) -> str:
        lines = "\n".join(marked_lists(first_mark, second_mark)).split("\n")
        return f"all(line in {LINES} for line in {lines!r})"

    return make_mirror(
        "which part has which marker",
        _section_prompts(rng, rules, sections),
        both_ways(response, left, right),
        both_ways(condition, left, right),
    )


def points_per_part(rng: Rng) -> MirrorContent:
    """Ask for few points in the first section and many in the second, or the reverse."""
    few, many = rng.pick(((2, 3), (2, 4), (3, 4), (1, 3)))
    sections = draw_sections(rng, many)
    p, q = swapped(NUMBERS[few], NUMBERS[many])
    first, second = sections.names
    rules = (
        f'Number of points under "{first}": {p}. Under "{second}": {q}.',
        f'Keep {p} of the points for "{first}" and {q} for "{second}", the most useful ones.',
        f'It must fit the card: "{first}" gets {p} of the lines, "{second}" gets {q}.',
    )
    style, mark = _draw_heading_style(rng), rng.pick("-•")

    def response(first_size: int, second_size: int) -> str:
        first_points, second_points = sections.points
        blocks = (bullets(mark, first_points[:first_size]), bullets(mark, second_points[:second_size]))
        return _layout(sections, style, blocks)

    counts = f"[len(re.findall(r'(?m)^[-•] ', part)) for part in r.split({second!r})]"
    conditions = (f"{counts} == {[few, many]}", f"{counts} == {[many, few]}")
    prompts = _section_prompts(rng, rules, sections)
    return make_mirror("how many points in which part", prompts, both_ways(response, few, many), conditions)


def bold_or_italic(rng: Rng) -> MirrorContent:
    """Ask for bold headings and italic points, or the reverse."""
    sections = draw_sections(rng, rng.number(2, 3))
    p, q = swapped("headings", "points")
    rules = (
        f"Markdown: the {p} in bold with two asterisks, the {q} in italics with one asterisk.",
        f"Make the {p} bold and the {q} italic (asterisks, please).",
        f"Two asterisks on either side of the {p}, one asterisk on either side of the {q}.",
    )
    all_points = [*sections.points[0], *sections.points[1]]

    def response(heading_stars: str, point_stars: str) -> str:
        blocks = []
        for points in sections.points:
            blocks.append("\n".join(f"{point_stars}{point}{point_stars}" for point in points))
        return _layout(sections, f"{heading_stars}{{}}{heading_stars}", blocks)

    def condition(heading_stars: str, point_stars: str) -> str:
        stars = f"[len(l) - len(l.lstrip('*')) for l in {LINES} if l.strip('*') in {{}}]"
        expected_headings, expected_points = [len(heading_stars)] * 2, [len(point_stars)] * len(all_points)
        headings_hold = f"{stars.format(repr(sections.names))} == {expected_headings}"
        return f"{headings_hold} and {stars.format(repr(all_points))} == {expected_points}"

    return make_mirror(
        "bold headings / bold points",
        _section_prompts(rng, rules, sections),
        both_ways(response, "**", "*"),
        both_ways(condition, "**", "*"),
    )


def numbering(rng: Rng) -> MirrorContent:
    """Ask for numbers that start again at 1 in the second section, or continue."""
    sections = draw_sections(rng, rng.number(2, 4))
    p, q = swapped("starts again at 1", "counts on from the first")
    rules = (
        f"Number the points. In the second part the numbering {p}; it never {q}.",
        f"All points are numbered. The numbering of the second part {p} (wrong: it {q}).",
        f"Numbered points throughout. Where the second part begins, the numbering {p}. It is a mistake if it {q}.",
    )
    size, style = len(sections.points[0]), _draw_heading_style(rng)

    def response(second_start: int) -> str:
        first_points, second_points = sections.points
        return _layout(sections, style, (numbered(first_points), numbered(second_points, second_start)))

    def condition(second_start: int) -> str:
        numbers = [*range(1, size + 1), *range(second_start, second_start + size)]
        return rf"re.findall(r'(?m)^(\d+)\. ', r) == {list(map(str, numbers))}"

    prompts = _section_prompts(rng, rules, sections)
    responses, conditions = for_both(response, 1, size + 1), for_both(condition, 1, size + 1)
    return make_mirror("starts again at 1 / counts on", prompts, responses, conditions)


def table_sides(rng: Rng) -> MirrorContent:
    """Ask for either section as the left column of a table."""
    sections = draw_sections(rng, rng.number(2, 3))
    p, q = _swapped_names(sections)
    rules = (
        f"A table with {p} in the left column and {q} in the right.",
        f"Two columns, left {p}, right {q}.",
        f"Make it a Markdown table; {p} belongs on the left-hand side, {q} on the right-hand side.",
    )
    divider = rng.pick(("|---|---|", "| --- | --- |"))

    def response(left: int, right: int) -> str:
        lines = [f"| {sections.names[left]} | {sections.names[right]} |", divider]
        for left_point, right_point in zip(sections.points[left], sections.points[right], strict=True):
            lines.append(f"| {left_point} | {right_point} |")
        return "\n".join(lines)

    cells = f"[[c.strip() for c in l.strip('|').split('|')] for l in {LINES}]"
    conditions = (f"{cells}[0] == {sections.names!r}", f"{cells}[0] == {sections.names[::-1]!r}")
    prompts = _section_prompts(rng, rules, sections)
    return make_mirror("which part is on the left", prompts, both_ways(response, 0, 1), conditions)


TEMPLATES: tuple[Template, ...] = (
    bullets_or_prose,
    part_order,
    two_markers,
    points_per_part,
    bold_or_italic,
    numbering,
    table_sides,
)
