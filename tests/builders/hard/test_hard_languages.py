"""Test the templates of the languages: both programs agree, sizes grow with the rung, and outcomes computed by hand."""

from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from rewardbench.builders.build import draw_mirror, draw_square
from rewardbench.builders.check import verify
from rewardbench.builders.draw import RUNGS, Resample, Rng
from rewardbench.builders.mirrors import Mirror, to_json
from rewardbench.builders.templates.hard.languages import instruction, policy, retraction
from rewardbench.builders.templates.hard.languages.drafts import TextDraft
from rewardbench.builders.templates.hard.languages.policy import BookClause, BookLiteral, decide_case
from rewardbench.builders.templates.hard.languages.retraction import PlanChange, change_plan, follow_turns
from rewardbench.builders.templates.hard.languages.texts import read_texts
from rewardbench.lint.duplicates import near_duplicates
from rewardbench.verifiers import SECOND_VERIFIERS, VERIFIERS
from rewardbench.verifiers.cells import FAIL, PASS

LANGUAGES = ("german", "french", "spanish", "hindi", "chinese")
TASKS = {"retraction": retraction, "policy": policy, "instruction": instruction}


@cache
def mirror_of(language, task, rung, attempt=0):
    """Return the first mirror of a task that its choices allow."""
    while True:
        attempt += 1
        try:
            content = TASKS[task].draw(language, Rng(f"{language}/{task}/{rung}/{attempt}"), rung)
        except Resample:
            continue
        return Mirror(language, content.edit, content.a, content.b, content.x, content.y, content.check, group="m")


def text(prompt):
    return "\n".join(turn["content"] for turn in prompt)


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_programs_agree_on_every_task_and_rung(language):
    mirrors = []
    for task in TASKS:
        mirrors += [replace(mirror_of(language, task, rung), group=f"{task}-{rung}") for rung in RUNGS]
    verification = verify(mirrors)
    assert verification.failed == ()
    assert verification.pairs == verification.confirmed == 2 * len(mirrors)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_build_takes_the_tasks_in_turn_and_the_same_key_gives_the_same_bytes(language):
    mirrors = [draw_mirror(language, 7, index) for index in range(12)]
    assert len(Counter(mirror.check["kind"] for mirror in mirrors)) == len(TASKS)
    for index in (0, 3):
        assert to_json(draw_mirror(language, 7, index)) == to_json(mirrors[index])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", TASKS)
def test_prompts_and_responses_grow_with_the_rung(language, task):
    mirrors = [mirror_of(language, task, rung) for rung in RUNGS]
    sizes = [[len(text(mirror.a)) for mirror in mirrors], [len(mirror.x) for mirror in mirrors]]
    for lengths in sizes[:1] if task == "policy" else sizes:
        assert lengths == sorted(lengths)
        assert lengths[-1] > 1.5 * lengths[0]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", ["retraction", "instruction"])
def test_twin_prompts_have_the_same_characters(language, task):
    mirror = mirror_of(language, task, 2)
    assert mirror.a != mirror.b
    assert Counter(text(mirror.a)) == Counter(text(mirror.b))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", TASKS)
def test_second_program_reads_the_prompt_and_not_the_check(language, task):
    mirror = mirror_of(language, task, 2)
    mislabelled = replace(mirror, check={**mirror.check, "a": mirror.check["b"], "b": mirror.check["a"]})
    kind = mirror.check["kind"]
    cells = list(mislabelled.cells())
    assert VERIFIERS[kind](cells) == [FAIL, PASS, FAIL, PASS]
    assert SECOND_VERIFIERS[kind](cells) == [PASS, FAIL, PASS, FAIL]


def outcomes(mirror, response):
    """Return what both programs say of a response to prompt a."""
    cell = replace(next(iter(mirror.cells())), response=response)
    kind = mirror.check["kind"]
    return [programs[kind]([cell])[0] for programs in (VERIFIERS, SECOND_VERIFIERS)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_slip_in_one_slot_of_a_plan_fails(language):
    mirror = mirror_of(language, "retraction", 4)
    entry = next(entry for entry in mirror.check["a"]["plan"].values() if entry)
    other = next(other for other in mirror.check["a"]["entries"] if other != entry)
    assert outcomes(mirror, mirror.x) == [PASS, PASS]
    assert outcomes(mirror, mirror.x.replace(entry, other, 1)) == [FAIL, FAIL]
    lines = mirror.x.split("\n")
    assert outcomes(mirror, "\n".join(lines[:2] + lines[3:])) == [FAIL, FAIL]


@pytest.mark.parametrize("language", LANGUAGES)
def test_another_deciding_clause_or_status_fails(language):
    mirror = mirror_of(language, "policy", 2)
    lines = mirror.x.split("\n")
    number = mirror.check["a"]["clause"]
    assert outcomes(mirror, mirror.x) == [PASS, PASS]
    for line, slip in ((1, number % 11 + 1), (4, 12)):
        old = str(number) if line == 1 else "1"
        wrong = [*lines[:line], lines[line].replace(old, str(slip)), *lines[line + 1 :]]
        assert outcomes(mirror, "\n".join(wrong)) == [FAIL, FAIL]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_added_sentence_or_item_fails(language):
    kinds = {"sentences": 0, "lists": 0}
    for attempt in range(40, 200, 40):
        mirror = mirror_of(language, "instruction", 4, attempt)
        rules = {rule["rule"] for rule in mirror.check["a"]["rules"]}
        first_sentence = mirror.x.split("\n")[0].split("。" if language == "chinese" else ". ")[0]
        for kind, response in (
            ("sentences", f"{first_sentence}{'。' if language in ('chinese',) else '. '}{mirror.x}"),
            ("lists", f"{mirror.x}\n- X"),
        ):
            if kind in rules and language != "hindi":
                kinds[kind] += 1
                assert outcomes(mirror, response) == [FAIL, FAIL]
    assert language == "hindi" or all(kinds.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_one_response_of_a_square_follows_the_rules_of_a_prompt(language):
    squares = [replace(draw_square(language, 0, n), group=f"square-{n}") for n in range(4)]
    verification = verify(squares)
    assert verification.failed == ()
    assert verification.confirmed == 16


@pytest.mark.parametrize("language", LANGUAGES)
def test_large_books_ask_for_a_total_and_large_texts_for_an_exact_count(language):
    mirror = mirror_of(language, "policy", 4)
    applicable = len(mirror.check["a"]["applicable"])
    lines = mirror.x.split("\n")
    assert str(applicable) in lines[2]
    slip = [*lines[:2], lines[2].replace(str(applicable), str(applicable + 1)), *lines[3:]]
    assert outcomes(mirror, mirror.x) == [PASS, PASS]
    assert outcomes(mirror, "\n".join(slip)) == [FAIL, FAIL]
    mirror = mirror_of(language, "instruction", 4)
    counts = []
    for half in "ab":
        counts.append(next(rule["count"] for rule in mirror.check[half]["rules"] if "count" in rule))
    assert abs(counts[0] - counts[1]) == 1
    assert outcomes(mirror, mirror.x) == [PASS, PASS]
    assert outcomes(mirror, mirror.y) == [FAIL, FAIL]


def test_turns_are_followed_in_order():
    initial = {"1": "a", "2": "b", "3": ""}
    swap, move = PlanChange("swap", "1", "2"), PlanChange("move", "2", "3")
    assert change_plan(initial, initial, swap) == {"1": "b", "2": "a", "3": ""}
    assert follow_turns(initial, [(swap,), (move,)]) == {"1": "b", "2": "", "3": "a"}
    assert follow_turns(initial, [(swap, move), (PlanChange("undo"),)]) == initial
    assert follow_turns(initial, [(PlanChange("replace", entry="a", new="b"),)]) == {"1": "b", "2": "b", "3": ""}
    assert follow_turns(initial, [(swap,), (PlanChange("restore", "1"),)]) == {"1": "a", "2": "a", "3": ""}
    undo = (PlanChange("undo"),)
    assert follow_turns(initial, [(swap,), (move,), (PlanChange("undo", count=2),)]) == initial
    filled = {"1": "a", "2": "b", "3": "c"}
    assert change_plan(filled, filled, PlanChange("rotate", "1", "2", "3")) == {"1": "c", "2": "a", "3": "b"}
    for turns in ([undo], [(swap,), undo, undo], [(PlanChange("swap", "1", "3"),)], [(PlanChange("cancel", "3"),)]):
        assert follow_turns(initial, turns) is None


def test_a_case_is_decided_by_precedence_exceptions_and_exclusions():
    true, high = BookLiteral(0, True), BookLiteral(1, True, limit=10)
    clauses = [
        BookClause((), approves=True),
        BookClause((true,), approves=False),
        BookClause((high,), excludes=1),
        BookClause((true,), exception=high, approves=True),
    ]
    assert decide_case(clauses, (1, 5), highest=True) == policy.BookOutcome(True, 3, (0, 1, 3))
    assert decide_case(clauses, (1, 11), highest=True) == policy.BookOutcome(True, 0, (0, 2))
    assert decide_case(clauses, (1, 10), highest=False) == policy.BookOutcome(True, 0, (0, 1, 3))
    assert decide_case(clauses, (0, 0), highest=True) == policy.BookOutcome(True, 0, (0,))
    chain = [*clauses[:2], BookClause((true,), excludes=1), BookClause((high,), excludes=2)]
    assert decide_case(chain, (1, 5), highest=True) == policy.BookOutcome(True, 0, (0, 2))
    assert decide_case(chain, (1, 11), highest=True) == policy.BookOutcome(False, 1, (0, 1, 3))


def test_swapped_values_keep_everything_else():
    draft = TextDraft(("a", "{date0}", "b", "{date1}", "c"), 2, (0, 1, 1, 0, 1), (0, 1), (1, 0), ("i", "j", "k"), 1)
    swapped = {kind: instruction.swap_values(draft, kind) for kind in ("sentences", "words", "dates", "order", "lists")}
    assert swapped["sentences"].split == 3
    assert swapped["words"].words == (0, 0, 1, 0, 1)
    assert swapped["dates"].date_forms == (1, 0)
    assert swapped["order"].sentences == ("a", "{date1}", "b", "{date0}", "c")
    assert swapped["lists"].list_split == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_fit_together(language):
    for scene in read_texts(language, "retraction")["scenes"]:
        assert len(scene["places"]) == 12
        assert len(set(scene["entries"])) >= 13
        for entry in scene["entries"]:
            assert sum(entry in other for other in scene["entries"]) == 1, entry
    for scene in read_texts(language, "policy")["scenes"]:
        assert len(scene["leans"]) == len(scene["facts"]) + len(scene["numbers"]) == 9
        assert all(len(fact) == len(set(fact)) == 4 for fact in scene["facts"])
    for scene in read_texts(language, "instruction")["scenes"]:
        body = " ".join([*scene["sentences"], *scene["endings"]])
        assert len(scene["sentences"]) == 14
        for word in scene["pair"]:
            assert word not in body, word


def test_chinese_prompts_are_no_near_duplicates_character_by_character():
    prompts, groups = [], []
    for index in range(36):
        mirror = draw_mirror("chinese", 0, index)
        prompts.append(" ".join(text(mirror.a)))
        groups.append(str(index))
    assert near_duplicates(prompts, groups, 0.8) <= 0.01
    assert near_duplicates(prompts, groups, 0.5) <= 0.25
