"""The builder of instructions: all four cells of every mould, and twins that are made of the same words."""

import re
import unicodedata
from dataclasses import replace

import pytest

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.instructions import TEMPLATES, asking, material, tables, values, wording

SEEDS = range(5)


def text(prompt):
    return "\n".join(turn["content"] for turn in prompt)


def words(said):
    return set(re.findall(r"\w+|[^\w\s]", said.lower()))


@pytest.fixture(scope="module")
def mirrors():
    drawn = [draw_mirror("instructions", seed, index) for seed in SEEDS for index in range(len(TEMPLATES))]
    return [replace(mirror, group=f"m{n}") for n, mirror in enumerate(drawn)]


def test_there_are_enough_moulds_each_with_a_name_of_its_own():
    assert len({template.__name__ for template in TEMPLATES}) == len(TEMPLATES) == 60


def test_every_mould_passes_its_verifier_at_five_seeds(mirrors):
    assert {mirror.source["mould"] for mirror in mirrors} == {template.__name__ for template in TEMPLATES}
    verified = verify(mirrors)
    assert verified.failed == ()
    assert verified.pairs == 2 * len(SEEDS) * len(TEMPLATES)


def test_both_prompts_are_made_of_the_same_words(mirrors):
    unlike = {mirror.source["mould"] for mirror in mirrors if words(text(mirror.a)) != words(text(mirror.b))}
    assert unlike == set()
    assert all(mirror.a != mirror.b and mirror.x != mirror.y for mirror in mirrors)


def test_no_template_is_left_open_and_no_message_is_empty(mirrors):
    for mirror in mirrors:
        said = [turn["content"] for turn in (*mirror.a, *mirror.b)] + [mirror.x, mirror.y]
        assert all(part.strip() for part in said)
        assert not [part for part in said if re.search(r"\[\[|\]\]|\{\w*\}|\bNone\b", part)], mirror.source


def test_responses_differ_little_in_length(mirrors):
    gaps = sorted(abs(len(m.x) - len(m.y)) / max(len(m.x), len(m.y)) for m in mirrors)
    assert gaps[len(gaps) // 2] <= 0.05


def test_the_rule_stands_in_a_system_message_or_first_in_about_half(mirrors):
    """Of seven places the system message has two and the start of the prompt two: 4/7 of 300 is 171."""
    early = 0
    for mirror in mirrors:
        first, other = mirror.a[0]["content"], mirror.b[0]["content"]
        early += mirror.a[0]["role"] == "system" or (len(mirror.a) == 1 and first[:40] != other[:40])
    assert 100 < early < 240


def test_the_same_draw_twice_is_the_same_and_another_seed_is_another():
    again = [[draw_mirror("instructions", seed, index) for index in range(20)] for seed in (0, 0, 1)]
    assert again[0] == again[1]
    assert not {text(mirror.a) for mirror in again[0]} & {text(mirror.a) for mirror in again[2]}


def test_a_planted_error_is_caught(mirrors):
    broken = [replace(mirror, x=mirror.y) for mirror in mirrors[: len(TEMPLATES)]]
    assert len(verify(broken).failed) == 2 * len(TEMPLATES)  # the copy fails for a, and passes as the wrong one for b


def test_what_the_checks_count():
    from rewardbench.verifiers.evaluator import evaluate_expression

    said = "The bus leaves at 8:15. Bring a jumper, and {p} takes the register.\n\nThank you!"
    assert evaluate_expression(asking.SENTENCES, r=said) == 3
    assert len(evaluate_expression(asking.LINES, r=said)) == 2
    jun = "4 June 2020, Ida\n5 May 2019, Jun"
    assert evaluate_expression(asking.found_in_order(["Ida", "Jun"]), r=jun)
    assert not evaluate_expression(asking.found_in_order(["Jun", "Ida"]), r=jun)
    assert not evaluate_expression(asking.found_in_order(["Ida", "Omar"]), r=jun)


def test_degrees_of_both_scales_name_the_same_heat():
    """0 °C is 32 °F and 100 °C is 212 °F, and the scale between is straight."""
    for key in range(10):
        drawn = values.degrees(Rng(str(key)))
        celsius, fahrenheit = ([int(n) for n in re.findall(r"(\d+) °", said)] for said in (drawn.x, drawn.y))
        assert len(celsius) == len(fahrenheit) >= 3
        assert [(f - 32) * 100 == c * 180 for c, f in zip(celsius, fahrenheit, strict=True)] == [True] * len(celsius)


def test_the_total_is_the_sum_of_the_lines():
    drawn = tables.total_line(Rng("0"))
    total, *lines = (int(line.split()[-1]) for line in drawn.x.splitlines() if line)
    assert total == sum(lines)


def test_names_are_sorted_without_regard_to_accents():
    assert sorted(["Jonas", "João", "Ayşe", "Azadeh"], key=tables._plain) == ["Ayşe", "Azadeh", "João", "Jonas"]


def test_headlines_and_facts_are_as_the_moulds_need_them():
    for kind in material.kinds("notices"):
        assert {len(head.split()) for head in kind["heads"]} == {3, 4}
        assert len(kind["facts"]) == 7
        for _, sentence in kind["facts"]:
            assert len(re.findall(r"[.!?](?=\s|$)", sentence)) == 1
            assert sentence[0].isupper()
    for kind in material.kinds("sections"):
        assert len(kind["first"]) == len(kind["second"]) == 4
    for words_, lines in [material.short_texts("acrostic")]:
        assert all(letter in lines for word in words_["words"] for letter in word)
        assert all(line[0] == letter for letter, held in lines.items() for line in held)
    for text_ in material.short_texts("tagline"):
        assert all(re.search(r"\[\w+\]", line) for line in text_["said"])  # one word, there or not


def test_a_notice_says_first_what_it_is_about_and_keeps_the_order_of_the_file():
    for key in range(20):
        drawn = material.notice(Rng(str(key)), 4)
        (kind,) = [kind for kind in material.kinds("notices") if kind["hello"] == drawn.hello]
        openings = [sentence.partition("{")[0] for _, sentence in kind["facts"]]
        places = [next(n for n, text_ in enumerate(openings) if said.startswith(text_)) for said in drawn.sentences]
        assert places[0] == 0
        assert places == sorted(set(places))


def test_what_is_quoted_word_for_word_stands_in_the_prompt_as_it_is(mirrors):
    found = [mirror for mirror in mirrors if mirror.source["mould"] == "quote_sentence"]
    assert found
    for mirror in found:
        for said in (mirror.x, mirror.y):
            assert re.search(r"[\"“](.*)[\"”]", said)[1] in text(mirror.a)


def test_the_notes_of_the_mould_on_tense_hold_both_tenses():
    for key in range(10):
        drawn = wording.tense(Rng(str(key)))
        notes = text(drawn.a)
        now, then = (words(said) - words(other) for said, other in ((drawn.x, drawn.y), (drawn.y, drawn.x)))
        assert now & words(notes)
        assert then & words(notes)


def test_only_what_can_be_missing_is_checked():
    for key in range(20):
        try:
            drawn = material.listing(Rng(str(key)), 4, stock=True)
        except Resample:
            continue
        assert [drawn.job, drawn.title] in [kind.get("stock") for kind in material.kinds("lists")]


def test_the_material_is_plain_text():
    for name in ("notices", "sections", "records", "lists"):
        assert unicodedata.is_normalized("NFC", str(material.kinds(name)))
