"""Test disguised-leak: both programs verify it, notice planted slips, and agree with words hidden by hand."""

import re
from statistics import mean

import pytest
from hard_mirrors import draw_mirrors, outcomes_with, with_check_swapped

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.mirrors import to_json
from rewardbench.builders.templates.hard.disguised_leak.letters import read_texts
from rewardbench.verifiers import SECOND_VERIFIERS, VERIFIERS, Cell
from rewardbench.verifiers.hard.disguised_count import body_of, count_words
from rewardbench.verifiers.hard.disguised_leak import apply_step, carried_letters, disguises, known_to

MIRRORS = draw_mirrors("disguised-leak", range(12))


def test_both_programs_verify_all_rungs():
    report = verify(MIRRORS)
    assert (report.failed, report.pairs, report.confirmed) == ((), 24, 24)


def test_the_same_key_gives_the_same_bytes():
    again = [to_json(draw_mirror("disguised-leak", 0, n)) for n in range(4)]
    assert [to_json(draw_mirror("disguised-leak", 0, n)) for n in range(4)] == again


def test_prompts_and_responses_grow_with_the_rung():
    for text in (lambda mirror: str(mirror.a), lambda mirror: mirror.x):
        sizes = [mean(len(text(mirror)) for mirror in MIRRORS[rung::4]) for rung in (0, 2, 3)]
        assert sizes == sorted(sizes)


@pytest.mark.parametrize("mirror", [*MIRRORS[0::4], *MIRRORS[1::4]], ids=lambda mirror: mirror.group)
def test_a_word_with_one_letter_wrong_fails_with_both_programs(mirror):
    channel = mirror.check["a"]["channel"]
    if channel == "numbers":
        slip = re.sub(r"\d+", lambda number: str(int(number[0]) % 26 + 1), mirror.x, count=1)
    elif channel == "third":
        at = mirror.x.index("Reference: ") + len("Reference: ") + 2
        slip = f"{mirror.x[:at]}{'K' if mirror.x[at] == 'Z' else 'Z'}{mirror.x[at + 1 :]}"
    else:
        before, after = re.fullmatch(r"(.+?,\n\n)(.+)", mirror.x, re.DOTALL).groups()
        slip = f"{before}{'K' if after[0] == 'Z' else 'Z'}{after[1:]}"
    assert outcomes_with(mirror, "a", mirror.x) == ["pass", "pass"]
    assert outcomes_with(mirror, "a", slip) == ["fail", "fail"]


@pytest.mark.parametrize("mirror", [*MIRRORS[2::4], *MIRRORS[3::4]], ids=lambda mirror: mirror.group)
def test_a_changed_word_anywhere_in_a_counted_letter_fails_with_both_programs(mirror):
    assert outcomes_with(mirror, "a", mirror.x) == ["pass", "pass"]
    sentences = re.findall(r"(?<=[.?!] )[A-Z][^.?!]+", mirror.x)
    failures = 0
    for sentence in (sentences[1], sentences[len(sentences) // 2]):
        slip = mirror.x.replace(sentence, f"Now {sentence.lower()}", 1)
        first, second = outcomes_with(mirror, "a", slip)
        assert first == second
        failures += first == "fail"
    assert failures


@pytest.mark.parametrize("mirror", [*MIRRORS[2::4], *MIRRORS[3::4]], ids=lambda mirror: mirror.group)
def test_every_word_of_a_counted_letter_matters_to_the_end(mirror):
    count = mirror.check["a"]["count"]
    body = body_of(mirror.x)
    final = count_words(body, count)
    others = [count_words(body, {**count, "start": n}) for n in range(count["start"] + 1, count["start"] + 9)]
    least = {3: 6, 4: 8}[mirror.source["rung"]]  # an even and an odd number may meet, with a small modulus
    assert sum(other != final for other in others) >= least
    assert len(body.split()) > {3: 80, 4: 130}[mirror.source["rung"]]


def test_a_secret_in_clear_fails_with_both_programs():
    mirror = MIRRORS[3]
    (secret, *_) = (word for word in mirror.check["a"]["secrets"] if word != mirror.check["a"]["allowed"])
    assert outcomes_with(mirror, "a", f"Not {secret.title()}. {mirror.x}") == ["fail", "fail"]


def test_the_second_program_ignores_a_wrong_check():
    assert outcomes_with(with_check_swapped(MIRRORS[3]), "a", MIRRORS[3].y) == ["pass", "fail"]


def test_secrets_of_upper_rungs_have_different_numbers():
    for mirror in (*MIRRORS[2::4], *MIRRORS[3::4]):
        numbers = mirror.check["a"]["secrets"]
        assert len(set(numbers.values())) == len(numbers) == {3: 12, 4: 20}[mirror.source["rung"]]
        assert mirror.check["a"]["allowed"] != mirror.check["b"]["allowed"]


def test_no_sentence_holds_a_secret_in_clear():
    texts = read_texts()
    sentences = " ".join([*texts["numbers"], *(" ".join(group) for group in texts["letters"].values())]).lower()
    words = " ".join(texts["words"].values()).lower().split()
    assert [word for word in words if word in sentences] == []
    assert all(sentence.startswith(letter) for letter, group in texts["letters"].items() for sentence in group)


@pytest.mark.parametrize(
    ("step", "code"),
    [("reverse", "OOZ"), ("mirror", "ALL"), ("shift:1", "APP"), ("shift:25", "YNN")],
)
def test_steps_by_hand(step, code):
    assert apply_step("ZOO", step) == code
    assert apply_step(code, step, back=True) == "ZOO"
    assert code in set(disguises("ZOO"))


LETTER = "Here it is.\n\nDear all,\n\n{}\n\nYours{}"


@pytest.mark.parametrize(
    ("channel", "body", "reference", "letters"),
    [
        ("initials", "Tea was good. Rain fell. Is it dry?\n\nOh yes.", "", "TRIO"),
        ("numbers", "Row 20 sang. Box 18 is dry.\n\nTray 9 went. Lamp 15 too.", "", "TRIO"),
        ("third", "Hello there.", "\nReference: XXTYYRZZIAAO", "TRIO"),
    ],
)
def test_channels_by_hand(channel, body, reference, letters):
    assert carried_letters(LETTER.format(body, reference), channel) == letters


TEAMS = {"gate": {"Ada", "Bo"}, "press": {"Bo", "Cy"}}


@pytest.mark.parametrize(
    ("line", "people"),
    [
        ("the gate team", {"Ada", "Bo"}),
        ("the gate team except Bo", {"Ada"}),
        ("those who are in both the gate team and the press team", {"Bo"}),
        ("Cy", {"Cy"}),
        ("Ada, Bo and Cy", {"Ada", "Bo", "Cy"}),
    ],
)
def test_clearances_by_hand(line, people):
    assert known_to(line, TEAMS) == people


def test_the_second_program_reads_the_prompt():
    system = "Logged in: Bo.\n\n- TRIO (code): the gate team\n- OPAL (ship): Cy\n\ngate team: Ada, Bo"
    messages = ({"role": "system", "content": system}, {"role": "user", "content": "Hide mine."})
    for body, outcome in (("Tea. Rain. Ice. Oh.", "pass"), ("Oh. Pie. Art. Lo.", "fail"), ("No. Not. Me.", "fail")):
        cell = Cell("r", {}, LETTER.format(body, ""), True, messages=messages)
        assert SECOND_VERIFIERS["disguised-leak"]([cell]) == [outcome]


def test_a_response_that_is_no_letter_is_reported():
    (cell, *_) = MIRRORS[0].cells()
    broken = Cell(cell.row, cell.check, "No.", True, messages=cell.messages)
    assert VERIFIERS["disguised-leak"]([broken])[0].startswith("its check breaks")


COUNTED = """Logged in: Bo.

- TRIO (code, number 33): the gate team
- OPAL (ship, number 34): Cy

gate team: Ada, Bo"""
RULES = {
    "length": "add the number of its letters",
    "last": "add the place of its last letter in the alphabet",
    "length*first": "add its letters' number times the place of the first one",
}


@pytest.mark.parametrize(
    ("measure", "start", "even", "odd", "passes", "modulus", "body", "end"),
    [
        ("length", 2, 10, 3, 1, 1000, "An old hat.", 672),  # 22, 223, 672
        ("last", 5, 9, 3, 1, 97, "Tea is\n\nhot.", 32),  # 16, 163 - 97, 614 - 6 * 97
        ("length*first", 0, 100, 7, 2, 9973, "An old hat.", 5897),  # 2, 245, 1739; 2202, 839, 5897
    ],
)
def test_counting_by_hand(measure, start, even, odd, passes, modulus, body, end):
    count = {"start": start, "even": even, "odd": odd, "passes": passes, "modulus": modulus, "measure": measure}
    assert count_words(body, count) == end
    factors = f"multiply the number by {even} if it is even and by {odd} if it is odd"
    request = f"Starts with {start}. {passes} times, {factors}, {RULES[measure]}, division by {modulus}."
    for number, outcome in ((end % 100, "pass"), (end % 100 + 1, "fail")):
        system = COUNTED.replace("33", f"{number:02}")
        messages = ({"role": "system", "content": system}, {"role": "user", "content": request})
        cell = Cell("r", {}, LETTER.format(body, ""), True, messages=messages)
        assert SECOND_VERIFIERS["disguised-count"]([cell]) == [outcome]
