"""Test policy-engine: both programs verify it, notice planted slips, and agree with hand-computed policies."""

import re
from statistics import mean

import pytest
from hard_mirrors import draw_mirrors, outcomes_with, with_check_swapped

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.mirrors import to_json
from rewardbench.verifiers import SECOND_VERIFIERS
from rewardbench.verifiers.cells import BrokenCheck
from rewardbench.verifiers.hard.policy_engine import ReadCase, deciding_clause, interpret
from rewardbench.verifiers.hard.policy_points import PointsCase, count_points

MIRRORS = draw_mirrors("policy-engine", range(12))


def test_both_programs_verify_all_rungs():
    report = verify(MIRRORS)
    assert (report.failed, report.pairs, report.confirmed) == ((), 24, 24)


def test_the_same_key_gives_the_same_bytes():
    assert [to_json(draw_mirror("policy-engine", 0, n)) for n in range(4)] == [
        to_json(draw_mirror("policy-engine", 0, n)) for n in range(4)
    ]


def test_prompts_grow_with_the_rung():
    sizes = [mean(len(str(mirror.a)) for mirror in MIRRORS[rung::4]) for rung in range(4)]
    assert sizes == sorted(sizes)
    counts = [len(mirror.check["a"]["policy"]["clauses"]) for mirror in MIRRORS[:4]]
    assert counts == [4, 10, 14, 21]


@pytest.mark.parametrize("mirror", [*MIRRORS[2::4], *MIRRORS[3::4]], ids=lambda mirror: mirror.group)
def test_a_slip_of_one_point_changes_the_final_number_beyond_recognition(mirror):
    policy, facts = mirror.check["a"]["policy"], mirror.check["a"]["facts"]
    final = count_points(policy, facts)
    slips = [count_points({**policy, "start": policy["start"] + n}, facts) for n in range(1, 41)]
    assert sum(abs(slip - final) < policy["modulus"] / 100 for slip in slips) < 10
    outcomes = [slip >= policy["limit"] for slip in slips]
    assert set(outcomes) == {True, False}


@pytest.mark.parametrize("mirror", [*MIRRORS[2::4], *MIRRORS[3::4]], ids=lambda mirror: mirror.group)
def test_responses_of_upper_rungs_hold_no_number(mirror):
    assert not re.search(r"\d", mirror.x + mirror.y)


@pytest.mark.parametrize("mirror", MIRRORS[:4], ids=lambda mirror: mirror.group)
def test_the_other_decision_fails_with_both_programs(mirror):
    label, other = (mirror.check["a"]["labels"][verdict] for verdict in ("allow", "decline"))
    if label not in mirror.x.lower():
        label, other = other, label
    slip = re.sub(re.escape(label), other, mirror.x, count=1, flags=re.IGNORECASE)
    assert outcomes_with(mirror, "a", mirror.x) == ["pass", "pass"]
    assert outcomes_with(mirror, "a", slip) == ["fail", "fail"]


def test_clauses_in_a_circle_are_reported():
    circle = [rule(1, {}, "allow"), clause(2, "off", {}, target=3), clause(3, "off", {}, target=2)]
    with pytest.raises(BrokenCheck, match="circle"):
        interpret({"order": "lowest", "clauses": circle}, {})


def test_the_second_program_ignores_a_wrong_check():
    mirror = with_check_swapped(MIRRORS[3])
    assert outcomes_with(mirror, "a", mirror.y) == ["pass", "fail"]


def test_a_response_without_a_clause_is_no_answer():
    for outcome in outcomes_with(MIRRORS[0], "a", "It depends on the weather."):
        assert outcome.startswith("its check breaks")


def clause(n, kind, when, any_of=False, **fields):
    literals = [(name, "is", value) for name, value in when.items()]
    return {"n": n, "kind": kind, "when": literals, "any": any_of, **fields}


def rule(n, when, verdict, firm=False):
    return clause(n, "rule", when, verdict=verdict, firm=firm)


POLICY = {
    "order": "highest",
    "clauses": [
        rule(1, {}, "decline"),
        clause(2, "rule", {"p": True, "q": True}, any_of=True, verdict="allow", firm=True),
        rule(3, {"p": True}, "decline"),
        clause(4, "off", {"q": True}, target=2),
        clause(5, "off", {"r": True}, target=4),
    ],
}


@pytest.mark.parametrize(
    ("facts", "number"),
    [
        ({"p": True, "q": False, "r": False}, 2),  # firm goes before 3
        ({"p": True, "q": True, "r": False}, 3),  # 4 switches 2 off
        ({"p": True, "q": True, "r": True}, 2),  # 5 switches 4 off
        ({"p": False, "q": True, "r": False}, 1),
        ({"p": False, "q": False, "r": True}, 1),
    ],
)
def test_the_first_program_interprets_by_hand_computed_policies(facts, number):
    assert deciding_clause(POLICY, facts)["n"] == number


def test_statuses_of_a_nested_exception():
    facts = {"p": True, "q": True, "r": True}
    assert interpret(POLICY, facts) == {1: "outranked", 2: "decides", 3: "outranked", 4: "switched off", 5: "active"}


RULES = """Then the {order} number decides, except that clauses marked [firm] go before.

1. If no other clause of these applies: hold it.
2. [firm] Give it out if the guest has a key and the stay is at least 3 nights.
3. Hold it if either the guest does not have a key or was not late (or both).
4. Where either the guest was late or does not have a key (or both): give it out.
5. Clause 2 is switched off if the guest was late.

The question is only about Ada. What now?"""


@pytest.mark.parametrize(
    ("facts", "order", "number"),
    [
        ("Ada has a key, and was not late. The stay is 3 nights.", "highest", 2),
        ("Ada has a key, and was not late. The stay is 2 nights.", "highest", 3),
        ("Ada has a key, and was late. The stay is 5 nights.", "highest", 4),
        ("Ada:\n- does not have a key\n- was late\n- the stay is 5 nights", "highest", 4),
        ("Ada:\n- does not have a key\n- was late\n- the stay is 5 nights", "lowest", 3),
    ],
)
def test_the_second_program_reads_prompts(facts, order, number):
    messages = [{"role": "user", "content": f"{RULES.format(order=order)}\n\n{facts}"}]
    assert ReadCase(messages).deciding() == number


def test_the_second_program_reports_what_it_cannot_read():
    (cell, *_) = MIRRORS[0].cells()
    broken = cell.__class__(cell.row, cell.check, cell.response, True, messages=({"role": "user", "content": "Hi"},))
    assert SECOND_VERIFIERS["policy-engine"]([broken])[0].startswith("its check breaks")


POINTS_RULES = """A case starts with 90 points. Apply the clauses from the first to the last, {rounds} times.
Whenever a clause brings them to 100 points or more, only the remainder counts.

1) Where the guest has a key, unless the number of points is odd: add 15 points; in all other cases take off 95 points.
2) Leave out clause 3 in this round if there are more than 90 points.
3) Always multiply the points by 7.
4) If the last digit of the points is 5 or more: add 3 times the figure for the stay.
5) Where there are fewer than 20 points, unless the stay is at least 9 nights: write the points backwards (12 is 21).

What counts is the number after the last round: from 50 points: let them in; below that: call the manager.

The question is only about Ada.

Ada {key}. The stay is {stay} nights."""


@pytest.mark.parametrize(
    ("key", "stay", "rounds", "points"),
    [
        (True, 8, 2, 72),  # 90, 5, 35, 59; 64, 48, 72
        (False, 9, 2, 16),  # 90, 95, 22; 27, 89, 16
        (False, 8, 2, 20),  # 90, 95, 19, 91; 96, 20
    ],
)
def test_points_by_hand(key, stay, rounds, points):
    text = POINTS_RULES.format(rounds=rounds, key="has a key" if key else "does not have a key", stay=stay)
    case = PointsCase([{"role": "user", "content": text}])
    label = case.label()
    policy = {
        "start": 90,
        "rounds": 2,
        "modulus": 100,
        "limit": 50,
        "clauses": [
            step(1, ["key", "is", True], ["points", "odd", True], ["add", 15], ["take", 95]),
            step(2, ["points", ">", 90], None, ["skip", 3]),
            step(3, None, None, ["times", 7]),
            step(4, ["last digit", "is", True], None, ["each", 3, "stay"]),
            step(5, ["points", "<", 20], ["stay", ">=", 9], ["reverse"]),
        ],
    }
    assert count_points(policy, {"key": key, "stay": stay}) == case.points == points
    assert label == ("let them in" if points >= 50 else "call the manager")


def step(n, when, unless, then, otherwise=None):
    return {"n": n, "when": when, "unless": unless, "then": then, "otherwise": otherwise}


def test_a_prompt_that_does_not_say_how_to_count_is_reported():
    with pytest.raises(BrokenCheck, match="does not say how to count"):
        PointsCase([{"role": "user", "content": "It is only about Ada.\n\nAda has a key."}])
