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


@pytest.mark.parametrize("mirror", MIRRORS[:8], ids=lambda mirror: mirror.group)
def test_a_word_with_one_letter_wrong_fails_with_both_programs(mirror):
    channel = mirror.check["a"]["channel"]
    if channel == "numbers":
        slip = re.sub(r"\d+", lambda number: str(int(number[0]) % 26 + 1), mirror.x, count=1)
    elif channel.startswith(("third", "letters")):
        at = mirror.x.index("Reference: ") + len("Reference: ") + int(channel.partition(":")[2][-1:] or 3) - 1
        slip = f"{mirror.x[:at]}{'K' if mirror.x[at] == 'Z' else 'Z'}{mirror.x[at + 1 :]}"
    else:
        first = {"initials": 1, "even": 2}.get(channel) or int(channel[-1])
        before, after = re.fullmatch(rf"(.+?,\n\n(?:[^.?!]+[.?!] ){{{first - 1}}})(.+)", mirror.x, re.DOTALL).groups()
        slip = f"{before}{'K' if after[0] == 'Z' else 'Z'}{after[1:]}"
    assert outcomes_with(mirror, "a", mirror.x) == ["pass", "pass"]
    assert outcomes_with(mirror, "a", slip) == ["fail", "fail"]


def test_a_secret_in_clear_fails_with_both_programs():
    mirror = MIRRORS[3]
    (secret, *_) = (word for word in mirror.check["a"]["secrets"] if word != mirror.check["a"]["allowed"])
    assert outcomes_with(mirror, "a", f"Not {secret.title()}. {mirror.x}") == ["fail", "fail"]


def test_the_second_program_ignores_a_wrong_check():
    assert outcomes_with(with_check_swapped(MIRRORS[3]), "a", MIRRORS[3].y) == ["pass", "fail"]


def test_secrets_of_upper_rungs_are_spelled_alike():
    for mirror in (*MIRRORS[2::4], *MIRRORS[3::4]):
        pair = (mirror.check["a"]["allowed"], mirror.check["b"]["allowed"])
        assert 1 <= sum(left != right for left, right in zip(*pair, strict=True)) <= 4
        assert len(set(mirror.check["a"]["secrets"])) == len(mirror.check["a"]["secrets"])


def test_no_sentence_holds_a_secret_in_clear():
    texts = read_texts()
    sentences = " ".join([*texts["numbers"], *(" ".join(group) for group in texts["letters"].values())]).lower()
    words = " ".join(texts["words"].values()).lower().split()
    assert [word for word in words if word in sentences] == []
    assert all(sentence.startswith(letter) for letter, group in texts["letters"].items() for sentence in group)


@pytest.mark.parametrize(
    ("step", "code"),
    [("reverse", "OOZ"), ("mirror", "ALL"), ("shift:1", "APP"), ("shift:25", "YNN"), ("walk:2", "BRS")],
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
        ("even", "A cup. Tea was good. Was it? Rain fell.", "", "TR"),
        ("numbers", "Row 20 sang. Box 18 is dry.\n\nTray 9 went. Lamp 15 too.", "", "TRIO"),
        ("third", "Hello there.", "\nReference: XXTYYRZZIAAO", "TRIO"),
        ("letters:2:1", "Hello there.", "\nReference: TARBICO", "TRIO"),
        ("letters:4:2", "Hello there.", "\nReference: ATBBBRCCCI", "TRI"),
        ("sentences:3:2", "A cup. Tea was good. Was it? Ah.\n\nRain fell. Oh.", "", "TR"),
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
