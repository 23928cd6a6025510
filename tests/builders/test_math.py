"""Test the math templates: all verify, prompts use the same words, and the answers follow from the prompts."""

import re
from dataclasses import replace
from fractions import Fraction

import pytest

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.mirrors import Mirror
from rewardbench.builders.prompts import swapped
from rewardbench.builders.templates.math import TEMPLATES
from rewardbench.builders.templates.math.assembly import Solution, math_mirror, number
from rewardbench.builders.templates.math.prices import voucher_price

SEEDS = range(5)


def drawn(number, template, seed):
    """Return the first mirror that a template gives at a seed; degenerate draws are skipped."""
    for attempt in range(300):
        try:
            content = template(Rng(f"test/{seed}/{attempt}"))
        except Resample:
            continue
        parts = {name: getattr(content, name) for name in ("edit", "a", "b", "x", "y", "check")}
        return Mirror("math", **parts, group=f"{template.__name__}-{number}-{seed}")
    raise AssertionError(f"{template.__name__} never gives a mirror")


def text_of(prompt):
    return "\n".join(turn["content"] for turn in prompt)


def words(prompt):
    return set(re.findall(r"\w+|[^\w\s]", text_of(prompt).lower()))


MIRRORS = [drawn(number, template, seed) for number, template in enumerate(TEMPLATES) for seed in SEEDS]


def test_there_are_45_problems_of_three_wordings():
    assert len({template.__name__ for template in TEMPLATES}) == 45
    assert len(TEMPLATES) == 135


def test_every_template_passes_its_verifier():
    report = verify(MIRRORS)
    assert (report.failed, report.pairs) == ((), 2 * 135 * len(SEEDS))


def test_both_prompts_have_the_same_words_and_differ():
    assert [m.group for m in MIRRORS if words(m.a) != words(m.b) or m.a == m.b] == []


def test_texts_contain_no_leftover_notation():
    assert [m.group for m in MIRRORS if re.search(r"\[\[|\]\]|\{|\}", text_of(m.a) + text_of(m.b) + m.x + m.y)] == []


def test_responses_have_similar_length_and_equal_line_counts():
    for mirror in MIRRORS:
        assert abs(len(mirror.x) - len(mirror.y)) <= 0.15 * max(len(mirror.x), len(mirror.y))
        assert mirror.x.count("\n") == mirror.y.count("\n")


def minutes(hour, minute):
    return 60 * int(hour) + int(minute)


NAME = r"([\w ]+?)"
READERS = {
    "share_of_rest": (
        r"got (\d+) free tickets\. (half|an? \w+) of them .* (half|an? \w+) of the remaining",
        lambda n, i, j: int(n) * (1 - PARTS[i]) * PARTS[j],
    ),
    "voucher_orders": (
        r"for ([\d.]+) \w+ in .* applies the (voucher|discount) of ([\d.]+).* and the \w+ of ([\d.]+)",
        lambda price, first, u, v: (
            (Fraction(price) - Fraction(u)) * (100 - Fraction(v)) / 100
            if first == "voucher"
            else Fraction(price) * (100 - Fraction(u)) / 100 - Fraction(v)
        ),
    ),
    "dearer_than": (
        rf"{NAME} earns (\d+) \w+ an hour, and {NAME} earns (\d+)% more than",
        lambda known, pay, rich, percent: (
            int(pay) / (1 + Fraction(percent) / 100) if rich == known else int(pay) * (1 + Fraction(percent) / 100)
        ),
    ),
    "exchange_desk": (
        r"one of your \w+ for (\d+) \w+ and sells one to you for (\d+) \w+\. I (have|want) (\d+)",
        lambda buy, sell, verb, n: int(n) * int(buy if verb == "have" else sell),
    ),
    "shared_ride": (
        rf"costs (\d+) \w+ a kilometer.*; {NAME} gets out after (\d+) km and {NAME} rides on to km (\d+)"
        rf".*does {NAME} pay",
        lambda price, _, near, late, far, payer: (
            int(price) * (Fraction(int(near), 2) + (int(far) - int(near) if late == payer else 0))
        ),
    ),
    "work_pair": (
        rf"^{NAME} alone needs (\d+) hours .* boat\. {NAME} mends (\w+)",
        lambda known, alone, fast, m: (
            1 / (Fraction(1, int(alone)) * (1 + (Fraction(1, MANY[m]) if fast == known else MANY[m])))
        ),
    ),
    "two_clocks": (
        r"says (\d+):(\d+), and I need (\d+) minutes.*comparison, (my watch|the station clock) is (\d+) minutes ahead",
        lambda h, m, walk, fast, off: minutes(h, m) - int(walk) + (int(off) if fast == "my watch" else -int(off)),
    ),
    "calendar": (
        r"In (\w+) the (\d+)\w\w is a (\w+)\. The choir sings every (\w+) .* for the (\d)",
        lambda _, date, day, rehearsal_day, nth: [
            d for d in range(1, 32) if (d - int(date) + WEEK.index(day)) % 7 == WEEK.index(rehearsal_day)
        ][int(nth) - 1],
    ),
    "choices": (
        r"choose (one|two) of (\d+) songs and (one|two) of (\d+) poems",
        lambda song_count, n, _, m: (
            int(n) * (int(n) - 1) * int(m) // 2 if song_count == "two" else int(m) * (int(m) - 1) * int(n) // 2
        ),
    ),
    "tournament": (
        r"In one, (\d+) players meet in a knock-out.* other, (\d+) players",
        lambda out, league: int(out) - 1 + sum(range(int(league))),
    ),
    "queue": (
        rf"{NAME} lives on floor (\d+)\. \w+ is (\d+) floors (above|below) \w+, \w+ is (\d+) floors",
        lambda _, at, u, way, v: int(at) + (int(u) - int(v)) * (1 if way == "above" else -1),
    ),
    "packing": (
        rf"laid (\d+) eggs; (\d+) go in a tray\. .* pay (\d+) \w+ a tray, but {NAME} pays for full .* would {NAME} pay",
        lambda n, size, pay, only, payer: (int(n) // int(size) + (only != payer)) * int(pay),
    ),
    "percent_of_percent": (
        r"to (\d+) addresses, (\d+)% opened it, (\d+)% of the openers",
        lambda n, i, j: Fraction(int(n) * int(i) * (100 - int(j)), 10000),
    ),
    "tank": (
        r"brings (\d+) liters.* lets (\d+) liters.* shut for (\d+) minutes and was then open for (\d+)",
        lambda inn, out, u, v: int(inn) * (int(u) + int(v)) - int(out) * int(v),
    ),
}
"""For one wording of a template: what to read from its prompt, and the answer computed from that alone."""

PARTS = {"half": Fraction(1, 2), "a third": Fraction(1, 3), "a quarter": Fraction(1, 4)} | {
    "a fifth": Fraction(1, 5),
    "a sixth": Fraction(1, 6),
}
MANY = {"twice": 2, "three": 3, "four": 4}
WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@pytest.mark.parametrize("name", READERS)
def test_the_answer_computed_from_the_prompt_equals_that_of_the_check(name):
    pattern, solve = READERS[name]
    prompts_read = 0
    for mirror in (mirror for mirror in MIRRORS if mirror.group.startswith(f"{name}-")):
        for prompt, check in ((mirror.a, mirror.check["a"]), (mirror.b, mirror.check["b"])):
            plain = re.sub(r"(?<=\d),(?=\d{3})", "", text_of(prompt))
            match = re.search(pattern, plain, re.DOTALL)
            if match:
                assert solve(*match.groups()) == Fraction(check["answer"]), plain
                prompts_read += 1
    assert prompts_read >= len(SEEDS)


def test_a_fixed_example_computed_by_hand():
    # 120 − 15 = 105, less a fifth of it: 84; and 120 less a fifth: 96, 96 − 15 = 81
    assert voucher_price(120, 15, 20, "euros", True) == (
        "120 − 15 = 105. Then 20% of 105 is 21, and 105 − 21 = 84 euros."
    )
    assert voucher_price(120, 15, 20, "euros", False) == (
        "20% of 120 is 24, and 120 − 24 = 96. Then 96 − 15 = 81 euros."
    )


def test_recipes_use_between_50_and_130_grams_a_person():
    recipes = [mirror for mirror in MIRRORS if mirror.group.startswith("recipe-")]
    assert len(recipes) == 3 * len(SEEDS)
    for mirror in recipes:
        text = text_of(mirror.a)
        amount = max(map(int, re.findall(r"\d+", text)))
        head_counts = re.findall(r"\b\d{1,2}\b", text)
        assert all(50 <= amount / int(count) <= 130 for count in head_counts), text


def test_a_seed_determines_the_mirrors():
    assert [draw_mirror("math", 3, n) for n in range(8)] == [draw_mirror("math", 3, n) for n in range(8)]
    assert not {text_of(draw_mirror("math", 3, n).a) for n in range(40)} & {
        text_of(draw_mirror("math", 4, n).a) for n in range(40)
    }


def test_108_mirrors_repeat_no_wording():
    names = [draw_mirror("math", 0, n).source["mould"] for n in range(108)]
    assert max(map(names.count, names)) == 3


def test_a_planted_error_is_detected():
    mirror = MIRRORS[0]
    assert len(verify([replace(mirror, x=mirror.y, y=mirror.x)]).failed) == 4
    slip = replace(mirror, x="So 2 + 2 = 5. " + mirror.x)
    (sentence,) = verify([slip]).failed
    assert "the right response 'So 2 + 2 = 5." in sentence


U, V = swapped(3, 5)


@pytest.mark.parametrize(
    ("frame", "a", "b"),
    [
        (f"{U} or {V}?", Solution("2+2", "It is 4."), Solution("1+3", "It is 4.")),
        (f"{U} or {V}, or 4?", Solution("2+2", "It is 4."), Solution("3+3", "It is 6.")),
        (f"{U} or {V}?", Solution("1/3", "It is a third."), Solution("3+3", "It is 6.")),
        (f"{U} or {V}?", Solution("3-5", "It is −2."), Solution("3+3", "It is 6.")),
        (f"{U} or {V}?", Solution("2+2", "It is 4."), Solution("3+3", "After long thought, it is 6.")),
    ],
    ids=["alike", "given", "not round", "negative", "unlike in length"],
)
def test_degenerate_problems_are_resampled(frame, a, b):
    with pytest.raises(Resample):
        math_mirror("", frame, a, b)


def test_the_first_of_an_even_number_of_texts_is_a_system_message():
    content = math_mirror("", ("Count.", f"{U} {V}"), Solution("2+2", "It is 4."), Solution("3+3", "It is 6."))
    assert [turn["role"] for turn in content.a] == ["system", "user"]
    assert (content.a[1]["content"], content.b[1]["content"]) == ("3 5", "5 3")
    assert content.check == {"kind": "math", "a": {"value": "2+2", "answer": "4"}, "b": {"value": "3+3", "answer": "6"}}


def test_numbers_with_more_than_two_decimals_are_resampled():
    assert number(Fraction(1999, 100)) == "19.99"
    with pytest.raises(Resample):
        number(Fraction(1, 3))
