"""The instructions builder: all templates pass their verifier, prompts share their words, and material is sound."""

import re
import unicodedata
from contextlib import suppress
from dataclasses import replace

import pytest

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.instructions import TEMPLATES, material, rendering, tables, values, wording

SEEDS = range(5)


def text(prompt):
    return "\n".join(turn["content"] for turn in prompt)


def words(content):
    return set(re.findall(r"\w+|[^\w\s]", content.lower()))


@pytest.fixture(scope="module")
def mirrors():
    numbered = []
    for seed in SEEDS:
        for index in range(len(TEMPLATES)):
            numbered.append(replace(draw_mirror("instructions", seed, index), group=f"m{len(numbered)}"))
    return numbered


def test_there_are_60_templates_with_different_names():
    assert len({template.__name__ for template in TEMPLATES}) == len(TEMPLATES) == 60


def test_every_template_passes_its_verifier_at_five_seeds(mirrors):
    assert {mirror.source["mould"] for mirror in mirrors} == {template.__name__ for template in TEMPLATES}
    verification = verify(mirrors)
    assert verification.failed == ()
    assert verification.pairs == 2 * len(SEEDS) * len(TEMPLATES)


def test_prompts_differ_but_have_the_same_words(mirrors):
    for mirror in mirrors:
        assert words(text(mirror.a)) == words(text(mirror.b)), mirror.source
        assert mirror.a != mirror.b
        assert mirror.x != mirror.y


def test_no_place_is_left_unfilled_and_no_message_is_empty(mirrors):
    for mirror in mirrors:
        for content in (*(turn["content"] for turn in (*mirror.a, *mirror.b)), mirror.x, mirror.y):
            assert content.strip(), mirror.source
            assert not re.search(r"\[\[|\]\]|\{\w*\}|\bNone\b", content), mirror.source


def test_responses_have_similar_lengths(mirrors):
    differences = sorted(abs(len(m.x) - len(m.y)) / max(len(m.x), len(m.y)) for m in mirrors)
    assert differences[len(differences) // 2] <= 0.05


def test_rule_is_in_the_system_message_or_first_in_about_half_of_the_prompts(mirrors):
    """Of seven places the system message has two and the start of the prompt two: 4/7 of 300 is 171."""
    early = 0
    for mirror in mirrors:
        start_a, start_b = mirror.a[0]["content"][:40], mirror.b[0]["content"][:40]
        early += mirror.a[0]["role"] == "system" or (len(mirror.a) == 1 and start_a != start_b)
    assert 100 < early < 240


def test_mirrors_depend_on_the_seed():
    first, second, other_seed = ([draw_mirror("instructions", seed, n) for n in range(20)] for seed in (0, 0, 1))
    assert first == second
    assert not {text(mirror.a) for mirror in first} & {text(mirror.a) for mirror in other_seed}


def test_verify_rejects_a_response_copied_from_the_other_prompt(mirrors):
    broken = [replace(mirror, x=mirror.y) for mirror in mirrors[: len(TEMPLATES)]]
    assert len(verify(broken).failed) == 2 * len(TEMPLATES)  # the copy fails for a, and passes as the wrong one for b


def test_expressions_count_sentences_and_lines_and_check_order():
    from rewardbench.verifiers.evaluator import evaluate_expression

    response = "The bus leaves at 8:15. Bring a jumper, and {p} takes the register.\n\nThank you!"
    assert evaluate_expression(rendering.SENTENCES, r=response) == 3
    assert len(evaluate_expression(rendering.LINES, r=response)) == 2
    response = "4 June 2020, Ida\n5 May 2019, Jun"
    assert evaluate_expression(rendering.in_order(["Ida", "Jun"]), r=response)
    assert not evaluate_expression(rendering.in_order(["Jun", "Ida"]), r=response)
    assert not evaluate_expression(rendering.in_order(["Ida", "Omar"]), r=response)


@pytest.mark.parametrize("key", range(10))
def test_degrees_are_converted_exactly(key):
    """0 °C is 32 °F and 100 °C is 212 °F, and the scale between is straight."""
    content = values.degrees(Rng(str(key)))
    celsius, fahrenheit = (re.findall(r"(\d+) °", response) for response in (content.x, content.y))
    assert len(celsius) >= 3
    for c, f in zip(celsius, fahrenheit, strict=True):
        assert (int(f) - 32) * 100 == int(c) * 180


def test_total_is_the_sum_of_the_lines():
    content = tables.total_line(Rng("0"))
    total, *numbers = (int(line.split()[-1]) for line in content.x.splitlines() if line)
    assert total == sum(numbers)


def test_names_are_sorted_without_regard_to_accents():
    names = ["Jonas", "João", "Ayşe", "Azadeh"]
    assert sorted(names, key=tables._without_accents) == ["Ayşe", "Azadeh", "João", "Jonas"]


def test_notices_have_short_and_long_headlines_and_seven_single_sentences():
    for kind in material.read_kinds("notices"):
        assert {len(headline.split()) for headline in kind["heads"]} == {3, 4}
        assert len(kind["facts"]) == 7
        for _, sentence in kind["facts"]:
            assert len(re.findall(r"[.!?](?=\s|$)", sentence)) == 1
            assert sentence[0].isupper()


def test_sections_have_four_points_each():
    for kind in material.read_kinds("sections"):
        assert len(kind["first"]) == len(kind["second"]) == 4


def test_acrostics_have_lines_for_every_letter():
    entry, lines = material.read_texts("acrostic")
    assert set("".join(entry["words"])) <= lines.keys()
    for letter, lines_of_letter in lines.items():
        assert all(line[0] == letter for line in lines_of_letter)


def test_slogans_have_one_optional_word():
    for entry in material.read_texts("tagline"):
        assert all(re.search(r"\[\w+\]", slogan) for slogan in entry["said"])


@pytest.mark.parametrize("key", range(20))
def test_notice_starts_with_its_subject_and_keeps_the_order_of_the_file(key):
    notice = material.draw_notice(Rng(str(key)), 4)
    (kind,) = (kind for kind in material.read_kinds("notices") if kind["hello"] == notice.hello)
    starts = [sentence.partition("{")[0] for _, sentence in kind["facts"]]
    positions = [next(n for n, start in enumerate(starts) if s.startswith(start)) for s in notice.sentences]
    assert positions[0] == 0
    assert positions == sorted(set(positions))


def test_quotation_occurs_in_the_prompt_word_for_word(mirrors):
    quoting = [mirror for mirror in mirrors if mirror.source["mould"] == "quote_sentence"]
    assert quoting
    for mirror in quoting:
        for response in (mirror.x, mirror.y):
            assert re.search(r"[\"“](.*)[\"”]", response)[1] in text(mirror.a)


@pytest.mark.parametrize("key", range(10))
def test_notes_of_tense_have_both_tenses(key):
    content = wording.tense(Rng(str(key)))
    note_words = words(text(content.a))
    assert (words(content.x) - words(content.y)) & note_words
    assert (words(content.y) - words(content.x)) & note_words


def test_stock_listing_uses_the_job_and_title_for_stock():
    stock_names = [kind.get("stock") for kind in material.read_kinds("lists")]
    listings = []
    for key in range(20):
        with suppress(Resample):
            listings.append(material.draw_listing(Rng(str(key)), 4, stock=True))
    assert listings
    for listing in listings:
        assert [listing.job, listing.title] in stock_names


@pytest.mark.parametrize("name", ["notices", "sections", "records", "lists"])
def test_material_is_normalized_unicode(name):
    assert unicodedata.is_normalized("NFC", str(material.read_kinds(name)))
