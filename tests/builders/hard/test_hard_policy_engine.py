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
    assert counts[:2] == [4, 10]
    assert 40 < counts[2] < 80 < counts[3]


def proof_depth(policy, facts, number):
    """Return the length of the shortest argument for what becomes of a clause."""
    statuses = interpret(policy, facts)
    switches = [other["n"] for other in policy["clauses"] if other["kind"] == "off" and other["target"] == number]
    depths = [proof_depth(policy, facts, n) for n in switches if statuses[n] == "active"]
    if statuses[number] == "switched off":
        return 1 + min(depths)
    return 1 + max((proof_depth(policy, facts, n) for n in switches if statuses[n] != "not met"), default=0)


@pytest.mark.parametrize("mirror", MIRRORS, ids=lambda mirror: mirror.group)
def test_the_fate_of_both_cited_clauses_hangs_on_a_long_chain_at_upper_rungs(mirror):
    cited = [int(re.search(r"lause (\d+)", response)[1]) for response in (mirror.x, mirror.y)]
    for side in ("a", "b"):
        policy, facts = mirror.check[side]["policy"], mirror.check[side]["facts"]
        depths = [proof_depth(policy, facts, number) for number in cited]
        assert min(depths) >= {1: 1, 2: 1, 3: 6, 4: 10}[mirror.source["rung"]]


def test_clauses_in_a_circle_are_reported():
    circle = [rule(1, {}, "allow"), clause(2, "off", {}, target=3), clause(3, "off", {}, target=2)]
    with pytest.raises(BrokenCheck, match="circle"):
        interpret({"order": "lowest", "terms": {}, "clauses": circle}, {})


CLAIM = re.compile(r"\b(is|are) (not met|met, but outranked|met, but switched off)")


@pytest.mark.parametrize(
    "mirror", filter(lambda mirror: CLAIM.search(mirror.x), MIRRORS), ids=lambda mirror: mirror.group
)
def test_a_claim_about_another_clause_that_is_wrong_fails_with_both_programs(mirror):
    claim = CLAIM.search(mirror.x)
    other = "met, but outranked" if claim[2] == "not met" else "not met"
    slip = mirror.x.replace(claim[0], f"{claim[1]} {other}", 1)
    assert outcomes_with(mirror, "a", mirror.x) == ["pass", "pass"]
    assert outcomes_with(mirror, "a", slip) == ["fail", "fail"]


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
    "terms": {"known": clause(0, "term", {"p": True, "q": True}, any_of=True)},
    "clauses": [
        rule(1, {}, "decline"),
        rule(2, {"known": True}, "allow", firm=True),
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
3. Hold it if the guest is not "known".
4. Where either the guest was late or does not have a key (or both): give it out.
5. Clause 2 is switched off if the guest was late.

"known" means that the guest has a key and was late.

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
