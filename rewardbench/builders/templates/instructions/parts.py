"""Moulds on answers in two parts: which is bulleted, which comes first, how many points it has, how they are marked."""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Rng, Template
from rewardbench.builders.templates.instructions.asking import LINES, NUMBERS, ask, both, found_in_order, settle
from rewardbench.builders.templates.instructions.material import Sections, sections
from rewardbench.types import Messages


def _asked(rng: Rng, rules: Sequence[str], parts: Sections) -> tuple[Messages, Messages]:
    named = f"The two parts are {' and '.join(repr(name) for name in parts.names)}.".replace("'", '"')
    job = parts.job if rng.chance() else f"{parts.job.rstrip('.')}. {named}"
    return ask(rng, rules, job, parts.paste)


def _heading(rng: Rng) -> str:
    return rng.pick(("## {}", "**{}**", "{}:", "### {}"))


def _listed(mark: str, points: Sequence[str]) -> str:
    return "\n".join(f"{mark} {point}" for point in points)


def bullets_or_prose(rng: Rng) -> MirrorContent:
    """One part as bullets and the other as running text, or the other way round."""
    parts = sections(rng, rng.number(2, 4))
    p, q = both(*(f'"{name}"' for name in parts.names))
    rules = (
        f"Make the part {p} a bulleted list and the part {q} running text.",
        f"Bullets under {p}, full paragraph under {q}.",
        f"Set {p} as bullets and {q} as a paragraph, each below its own heading.",
    )
    style, mark = _heading(rng), rng.pick("-*•")
    listed = ["\n".join(f"{mark} {point}" for point in points) for points in parts.points]
    prose = [" ".join(points) for points in parts.points]
    one, other = (style.format(name) for name in parts.names)
    texts = (
        f"{one}\n{listed[0]}\n\n{other}\n{prose[1]}",
        f"{one}\n{prose[0]}\n\n{other}\n{listed[1]}",
    )
    bullet = [f"sum(f'{{m}} {{p}}' in {LINES} for m in '-*•' for p in {points!r})" for points in parts.points]
    size = len(parts.points[0])
    counted = f"({bullet[0]}, {bullet[1]})"
    holds = (f"{counted} == ({size}, 0)", f"{counted} == (0, {size})")
    return settle("which part is bulleted", _asked(rng, rules, parts), texts, holds)


def part_order(rng: Rng) -> MirrorContent:
    """Which part comes first."""
    parts = sections(rng, rng.number(2, 3))
    p, q = both(*(f'"{name}"' for name in parts.names))
    rules = (
        f"Begin with {p}, then {q}.",
        f"The upper half is {p}, the lower half {q}.",
        f"Readers see {p} on the front and {q} on the back, so keep that order.",
    )
    style, mark = _heading(rng), rng.pick("-*•")
    one, other = (
        f"{style.format(name)}\n{_listed(mark, points)}" for name, points in zip(parts.names, parts.points, strict=True)
    )
    marks = [points[0] for points in parts.points]
    holds = (found_in_order(marks), found_in_order(marks[::-1]))
    texts = (f"{one}\n\n{other}", f"{other}\n\n{one}")
    return settle("which part comes first", _asked(rng, rules, parts), texts, holds)


def two_markers(rng: Rng) -> MirrorContent:
    """One list marker in one part and another in the other, or the other way round."""
    parts = sections(rng, rng.number(2, 4))
    first, second = rng.sample(("-", "*", "+", ">"), 2)
    p, q = both(first, second)
    name, other = parts.names
    rules = (
        f'Lines under "{name}" start with {p}, lines under "{other}" start with {q}.',
        f'Mark each point of "{name}" with {p} and each point of "{other}" with {q}.',
        f'Our list signs are {p} in "{name}" and {q} in "{other}".',
    )

    def marked(marks: tuple[str, str]) -> str:
        blocks = (
            f"{title}:\n" + "\n".join(f"{mark} {point}" for point in points)
            for title, points, mark in zip(parts.names, parts.points, marks, strict=True)
        )
        return "\n\n".join(blocks)

    def starts(marks: tuple[str, str]) -> str:
        lines = [f"{mark} {point}" for points, mark in zip(parts.points, marks, strict=True) for point in points]
        return f"all(line in {LINES} for line in {lines!r})"

    pairs = ((first, second), (second, first))
    texts, holds = [marked(pair) for pair in pairs], [starts(pair) for pair in pairs]
    return settle("which part has which marker", _asked(rng, rules, parts), (texts[0], texts[1]), (holds[0], holds[1]))


def points_per_part(rng: Rng) -> MirrorContent:
    """Three points in one part and two in the other, or the other way round."""
    few, many = rng.pick(((2, 3), (2, 4), (3, 4), (1, 3)))
    parts = sections(rng, many)
    p, q = both(NUMBERS[few], NUMBERS[many])
    name, other = parts.names
    rules = (
        f'Number of points under "{name}": {p}. Under "{other}": {q}.',
        f'Keep {p} of the points for "{name}" and {q} for "{other}", the most useful ones.',
        f'It must fit the card: "{name}" gets {p} of the lines, "{other}" gets {q}.',
    )
    style, mark = _heading(rng), rng.pick("-•")

    def cut(sizes: tuple[int, int]) -> str:
        blocks = (
            f"{style.format(title)}\n" + "\n".join(f"{mark} {point}" for point in points[:size])
            for title, points, size in zip(parts.names, parts.points, sizes, strict=True)
        )
        return "\n\n".join(blocks)

    counted = f"[len(re.findall(r'(?m)^[-•] ', part)) for part in r.split({other!r})]"
    holds = (f"{counted} == {[few, many]}", f"{counted} == {[many, few]}")
    texts = (cut((few, many)), cut((many, few)))
    return settle("how many points in which part", _asked(rng, rules, parts), texts, holds)


def bold_or_italic(rng: Rng) -> MirrorContent:
    """Headings bold and points in italics, or the other way round."""
    parts = sections(rng, rng.number(2, 3))
    p, q = both("headings", "points")
    rules = (
        f"Markdown: the {p} in bold with two asterisks, the {q} in italics with one asterisk.",
        f"Make the {p} bold and the {q} italic (asterisks, please).",
        f"Two asterisks on either side of the {p}, one asterisk on either side of the {q}.",
    )

    def set_in(head: str, point: str) -> str:
        blocks = (
            "\n".join([f"{head}{name}{head}", *(f"{point}{text}{point}" for text in texts)])
            for name, texts in zip(parts.names, parts.points, strict=True)
        )
        return "\n\n".join(blocks)

    stars = f"[len(l) - len(l.lstrip('*')) for l in {LINES} if l.strip('*') in {{}}]"
    said = [text for texts in parts.points for text in texts]
    heads, points = stars.format(repr(parts.names)), stars.format(repr(said))
    holds = tuple(f"{heads} == {[a] * 2} and {points} == {[b] * len(said)}" for a, b in ((2, 1), (1, 2)))
    texts = (set_in("**", "*"), set_in("*", "**"))
    return settle("bold headings / bold points", _asked(rng, rules, parts), texts, (holds[0], holds[1]))


def numbering(rng: Rng) -> MirrorContent:
    """The second part starts at 1 again, or counts on."""
    parts = sections(rng, rng.number(2, 4))
    p, q = both("starts again at 1", "counts on from the first")
    rules = (
        f"Number the points. In the second part the numbering {p}; it never {q}.",
        f"All points are numbered. The numbering of the second part {p} (wrong: it {q}).",
        f"Numbered points throughout. Where the second part begins, the numbering {p}. It is a mistake if it {q}.",
    )
    size, style = len(parts.points[0]), _heading(rng)

    def number(second: int) -> str:
        blocks = (
            f"{style.format(name)}\n" + "\n".join(f"{n}. {point}" for n, point in enumerate(points, start))
            for name, points, start in zip(parts.names, parts.points, (1, second), strict=True)
        )
        return "\n\n".join(blocks)

    counts = r"re.findall(r'(?m)^(\d+)\. ', r)"
    once = [str(n) for n in range(1, size + 1)]
    holds = (f"{counts} == {once * 2}", f"{counts} == {[str(n) for n in range(1, 2 * size + 1)]}")
    return settle("starts again at 1 / counts on", _asked(rng, rules, parts), (number(1), number(size + 1)), holds)


def table_sides(rng: Rng) -> MirrorContent:
    """Which part stands in the left column of a table."""
    parts = sections(rng, rng.number(2, 3))
    p, q = both(*(f'"{name}"' for name in parts.names))
    rules = (
        f"A table with {p} in the left column and {q} in the right.",
        f"Two columns, left {p}, right {q}.",
        f"Make it a Markdown table; {p} belongs on the left-hand side, {q} on the right-hand side.",
    )
    rule = rng.pick(("|---|---|", "| --- | --- |"))

    def table(left: int) -> str:
        pairs = zip(parts.points[left], parts.points[1 - left], strict=True)
        rows = [f"| {one} | {other} |" for one, other in pairs]
        return "\n".join([f"| {parts.names[left]} | {parts.names[1 - left]} |", rule, *rows])

    cells = f"[[c.strip() for c in l.strip('|').split('|')] for l in {LINES}]"
    holds = tuple(f"{cells}[0] == {names!r}" for names in (parts.names, parts.names[::-1]))
    return settle("which part is on the left", _asked(rng, rules, parts), (table(0), table(1)), (holds[0], holds[1]))


TEMPLATES: tuple[Template, ...] = (
    bullets_or_prose,
    part_order,
    two_markers,
    points_per_part,
    bold_or_italic,
    numbering,
    table_sides,
)
