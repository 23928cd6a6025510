"""twelve-rules: every mirror passes both programs, slips are noticed by both, and both count as a person would."""

from dataclasses import replace

import pytest
from hard_mirrors import draw_mirrors, outcomes, right_cells

from rewardbench.builders.build import draw_square
from rewardbench.builders.check import verify
from rewardbench.builders.mirrors import chat, to_lines
from rewardbench.builders.templates.hard.twelve_rules.material import rule_texts, scenes
from rewardbench.verifiers.cells import FAIL, PASS, Cell
from rewardbench.verifiers.hard.twelve_rules import broken_rules, count_words, split_text, verify_twelve_rules
from rewardbench.verifiers.hard.twelve_rules_prompt import verify_twelve_rules_prompt

MIRRORS = draw_mirrors("twelve-rules", range(24))
TEXT = """Dear all,

We met at 7:30. It was a half-empty, COLD room; nobody sang! Did you come?

Ten people stayed for 12 songs.

- a mug, a plate
- tea

Ada, for us"""


def test_mirrors_pass_both_programs():
    verification = verify(MIRRORS)
    assert verification.failed == ()
    assert verification.pairs == verification.confirmed == 48


def test_squares_pass_both_programs():
    squares = [replace(draw_square("twelve-rules", 0, n), group=f"s{n}") for n in range(8)]
    verification = verify(squares)
    assert verification.failed == ()
    assert verification.pairs == verification.confirmed == 32


def test_the_same_key_gives_the_same_bytes():
    assert to_lines(draw_mirrors("twelve-rules", range(8))) == to_lines(MIRRORS[:8])


def test_rules_and_words_grow_with_the_rung():
    rules = [[len(mirror.check["a"]["rules"]) for mirror in MIRRORS[rung::4]] for rung in range(4)]
    assert [set(numbers) for numbers in rules] == [{3}, {6}, {11}, {16}]
    words = [min(count_words(mirror.x) for mirror in MIRRORS[rung::4]) for rung in range(4)]
    assert words == sorted(words)
    assert words[0] >= 40
    assert words[3] >= 250


def test_the_wrong_response_breaks_exactly_one_rule():
    for mirror in MIRRORS:
        assert len(broken_rules(mirror.y, mirror.check["a"]["rules"])) == 1
        assert len(broken_rules(mirror.x, mirror.check["b"]["rules"])) == 1


def test_the_texts_of_upper_rungs_share_few_sentences_and_differ_by_one_in_a_count():
    for mirror in [*MIRRORS[2::4], *MIRRORS[3::4]]:
        pairs = zip(mirror.check["a"]["rules"], mirror.check["b"]["rules"], strict=True)
        (left, right) = next(pair for pair in pairs if pair[0] != pair[1])
        assert abs(left["n"] - right["n"]) == 1
        sentences = [set(split_text(text).sentences) for text in (mirror.x, mirror.y)]
        assert len(sentences[0] & sentences[1]) < 0.4 * min(map(len, sentences))


@pytest.mark.parametrize(
    ("kinds", "slip"),
    [
        ({"words"}, lambda text: text.replace(" the ", " the very ", 1)),
        ({"commas"}, lambda text: text.replace(".", ",.", 1)),
        ({"opens", "closes"}, lambda text: f"Hello!\n\n{text}\n\nBye"),
        ({"letters", "letter_words"}, lambda text: text.replace(".", " abcdefghiklmnoprstuvwy.", 1)),
        ({"doubled_words", "initial_words"}, lambda text: text.replace(".", " aa bb cc dd ee ff gg hh ii kk.", 1)),
        ({"final_words", "length_words"}, lambda text: "\n\n".join(text.split("\n\n")[1:])),
        ({"sentences"}, lambda text: text.replace(".", ". Yes.", 1)),
        ({"paragraphs"}, lambda text: text.replace(". ", ".\n\n", 1)),
    ],
)
def test_a_slip_in_a_right_response_fails_both_programs(kinds, slip):
    cells = [cell for cell in right_cells(MIRRORS) if kinds & {rule["rule"] for rule in cell.check["rules"]}]
    slips = [replace(cell, response=slip(cell.response)) for cell in cells]
    assert len(slips) >= 3
    assert set(outcomes(slips)) == {(FAIL, FAIL)}


def test_the_second_program_rejects_a_wrong_label():
    """The first is given the rules of the other prompt, the second reads the prompt."""
    for mirror in MIRRORS[:8]:
        wrong = Cell("", mirror.check["b"] | {"kind": "twelve-rules"}, mirror.y, True, "", mirror.a)
        assert verify_twelve_rules([wrong]) == [PASS]
        assert verify_twelve_rules_prompt([wrong]) == [FAIL]


def test_a_rule_that_is_not_read_is_an_error():
    cell = Cell("", {"rules": [], "count": 2}, TEXT, True, "", chat("Exactly 2 paragraphs. Keep it merry."))
    (outcome,) = verify_twelve_rules_prompt([cell])
    assert "1 rules in the prompt instead of 2" in outcome


COUNTED = {
    "words": 31,
    "sentences": 4,
    "paragraphs": 2,
    "commas": 4,
    "exclamations": 1,
    "questions": 1,
    "semicolons": 1,
    "capitals": 1,
    "items": 2,
    "question_paragraphs": 1,
    "longest": 8,
    "shortest": 3,
    "first_words": 4,
}
"""Counts of TEXT, by hand."""


@pytest.mark.parametrize("kind", COUNTED)
def test_both_programs_count_as_by_hand(kind):
    for n, expected in ((COUNTED[kind], PASS), (COUNTED[kind] + 1, FAIL)):
        for wording in rule_texts()[kind]:
            check = {"rules": [{"rule": kind, "n": n}], "count": 1}
            cell = Cell("", check, TEXT, True, "", chat(wording.format(n=n)))
            assert verify_twelve_rules([cell]) == verify_twelve_rules_prompt([cell]) == [expected], wording


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"rule": "uses", "w": "ten", "n": 1}, PASS),
        ({"rule": "letter_words", "w": "L", "n": 5}, PASS),
        ({"rule": "letter_words", "w": "L", "n": 6}, FAIL),
        ({"rule": "letters", "w": "L", "n": 6}, PASS),
        ({"rule": "letters", "w": "L", "n": 7}, FAIL),
        ({"rule": "initial_words", "w": "A", "n": 6}, PASS),
        ({"rule": "initial_words", "w": "A", "n": 5}, FAIL),
        ({"rule": "final_words", "w": "E", "n": 4}, PASS),
        ({"rule": "final_words", "w": "E", "n": 5}, FAIL),
        ({"rule": "length_words", "m": 9, "n": 1}, PASS),
        ({"rule": "length_words", "m": 3, "n": 11}, PASS),
        ({"rule": "length_words", "m": 3, "n": 10}, FAIL),
        ({"rule": "doubled_words", "n": 2}, PASS),
        ({"rule": "doubled_words", "n": 3}, FAIL),
        ({"rule": "long_sentences", "m": 5, "n": 2}, PASS),
        ({"rule": "long_sentences", "m": 6, "n": 2}, FAIL),
        ({"rule": "letter", "w": "Z"}, PASS),
        ({"rule": "letter", "w": "B"}, FAIL),
        ({"rule": "last_word", "k": "second", "w": "songs"}, FAIL),
        ({"rule": "last_word", "k": "last", "w": "songs"}, PASS),
        ({"rule": "first_word", "k": "first", "w": "We"}, PASS),
        ({"rule": "order", "w": "nobody", "v": "songs"}, PASS),
        ({"rule": "order", "w": "songs", "v": "nobody"}, FAIL),
        ({"rule": "opens", "line": "Dear all,"}, PASS),
        ({"rule": "closes", "line": "Ada"}, FAIL),
        ({"rule": "without", "w": "very"}, PASS),
        ({"rule": "starts"}, PASS),
        ({"rule": "plain"}, PASS),
        ({"rule": "paragraph_words", "k": "first", "n": 15}, PASS),
        ({"rule": "paragraph_sentences", "k": "first", "n": 3}, PASS),
        ({"rule": "ten_in_words"}, PASS),
        ({"rule": "ten_in_digits"}, FAIL),
    ],
)
def test_both_programs_decide_as_by_hand(rule, expected):
    if rule.get("k") == "second":
        rule, expected = rule | {"k": "first"}, FAIL
    wordings = rule_texts("numbers" if rule["rule"].startswith("ten_in") else "")[rule["rule"]]
    for wording in wordings:
        cell = Cell("", {"rules": [rule], "count": 1}, TEXT, True, "", chat(wording.format(**rule)))
        assert verify_twelve_rules([cell]) == verify_twelve_rules_prompt([cell]) == [expected], wording


def test_scenes_are_complete():
    assert len(scenes()) == 8
    for scene in scenes():
        assert len(scene["topics"]) == 6
        for topic in scene["topics"]:
            for line in topic["lines"]:
                question, _, statement = line.partition(" || ")
                assert not statement or len(question.split()) == len(statement.split()), line


def test_a_text_without_greeting_and_signature_has_paragraphs_only():
    parts = split_text("We met. Was it cold?\n\n- tea\n- rice")
    assert (parts.greeting, parts.signature, len(parts.paragraphs), parts.items) == ("", "", 1, ["tea", "rice"])
