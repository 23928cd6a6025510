"""Test the templates of the languages: both programs agree, sizes grow with the rung, and outcomes computed by hand."""

from collections import Counter
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import pairwise

import pytest

from rewardbench.builders.build import draw_mirror, draw_square
from rewardbench.builders.check import verify
from rewardbench.builders.draw import RUNGS, Resample, Rng
from rewardbench.builders.mirrors import Mirror, to_json
from rewardbench.builders.templates.hard.languages import instruction, policy, retraction, stock, tariff
from rewardbench.builders.templates.hard.languages.drafts import TextDraft
from rewardbench.builders.templates.hard.languages.policy import BookClause, BookLiteral, decide_case
from rewardbench.builders.templates.hard.languages.retraction import PlanChange, change_plan, follow_turns
from rewardbench.builders.templates.hard.languages.stock import StockChange, change_stock, follow_messages
from rewardbench.builders.templates.hard.languages.tariff import DAYS, SUM, TariffCase, TariffClause, fee
from rewardbench.builders.templates.hard.languages.texts import read_texts
from rewardbench.lint.duplicates import near_duplicates
from rewardbench.verifiers import SECOND_VERIFIERS, VERIFIERS
from rewardbench.verifiers.cells import FAIL, PASS

LANGUAGES = ("german", "french", "spanish", "hindi", "chinese")
SMALL_TASKS = {"retraction": retraction, "policy": policy, "instruction": instruction}
LARGE_TASKS = {"stock": stock, "tariff": tariff, "instruction": instruction}
TASKS = SMALL_TASKS | LARGE_TASKS
SUCCESSORS = {"retraction": "stock", "policy": "tariff", "instruction": "instruction"}
"""Task of the upper rungs that follows each task of the lower ones."""
LONGEST = {"hindi": 4000, "chinese": 1700}
"""Most characters of prompt and both responses; 4,500 in the other languages."""


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
    for rung in RUNGS:
        tasks = SMALL_TASKS if rung < 3 else LARGE_TASKS
        mirrors += [replace(mirror_of(language, task, rung), group=f"{task}-{rung}") for task in tasks]
    verification = verify(mirrors)
    assert verification.failed == ()
    assert verification.pairs == verification.confirmed == 2 * len(mirrors)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_build_takes_the_tasks_in_turn_and_the_same_key_gives_the_same_bytes(language):
    mirrors = [draw_mirror(language, 7, index) for index in range(24)]
    assert {mirror.check["kind"] for mirror in mirrors} == {f"language-{task}" for task in TASKS}
    for index in (0, 3):
        assert to_json(draw_mirror(language, 7, index)) == to_json(mirrors[index])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", SMALL_TASKS)
def test_prompts_grow_with_the_rung_but_stay_short_enough_for_a_reward_model(language, task):
    mirrors = [mirror_of(language, task if rung < 3 else SUCCESSORS[task], rung) for rung in RUNGS]
    lengths = [len(text(mirror.a)) for mirror in mirrors]
    assert lengths[0] < lengths[1] < lengths[3]
    assert lengths[2] < lengths[3]
    assert lengths[3] > 1.5 * lengths[0]
    assert len(text(mirrors[-1].a) + mirrors[-1].x + mirrors[-1].y) < LONGEST.get(language, 4500)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", ["retraction", "stock", "instruction"])
def test_twin_prompts_have_the_same_characters(language, task):
    mirror = mirror_of(language, task, 3 if task == "stock" else 2)
    assert mirror.a != mirror.b
    assert Counter(text(mirror.a)) == Counter(text(mirror.b))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", TASKS)
def test_second_program_reads_the_prompt_and_not_the_check(language, task):
    mirror = mirror_of(language, task, 2 if task in SMALL_TASKS else 4)
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
    mirror = mirror_of(language, "retraction", 2)
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
    for rung, attempt in ((1, 40), (2, 40), (2, 80), (2, 120), (1, 160), (4, 40), (4, 80)):
        mirror = mirror_of(language, "instruction", rung, attempt)
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
def test_a_total_or_a_count_that_is_off_by_one_fails(language):
    for task in ("stock", "tariff"):
        mirror = mirror_of(language, task, 4)
        total = mirror.check["a"]["total"]
        slip = f"{total[:-1]}{(int(total[-1]) + 1) % 10}"
        assert mirror.x.replace(total, mirror.check["b"]["total"]) == mirror.y
        assert outcomes(mirror, mirror.x) == [PASS, PASS]
        assert outcomes(mirror, mirror.x.replace(total, slip)) == [FAIL, FAIL]
    mirror = mirror_of(language, "instruction", 4)
    counts = []
    for half in "ab":
        counts.append([rule["count"] for rule in mirror.check[half]["rules"] if "count" in rule])
    assert len(counts[0]) == 5
    assert sorted(abs(a - b) for a, b in zip(*counts, strict=True)) == [0, 0, 0, 0, 1]
    assert outcomes(mirror, mirror.x) == [PASS, PASS]
    assert outcomes(mirror, mirror.y) == [FAIL, FAIL]


@pytest.mark.parametrize("language", LANGUAGES)
def test_counted_texts_share_few_pairs_of_neighbouring_sentences(language):
    mirror = mirror_of(language, "instruction", 4)
    mark = "।" if language == "hindi" else "。" if language == "chinese" else ". "
    pairs = []
    for response in (mirror.x, mirror.y):
        sentences = "".join(response.split("\n\n")[:2]).split(mark)
        pairs.append(set(pairwise(sentences)))
    assert len(pairs[0] & pairs[1]) < 0.4 * len(pairs[0])


def test_turns_are_followed_in_order():
    initial = {"1": "a", "2": "b", "3": ""}
    swap, move = PlanChange("swap", "1", "2"), PlanChange("move", "2", "3")
    assert change_plan(initial, initial, swap) == {"1": "b", "2": "a", "3": ""}
    assert follow_turns(initial, [swap, move]) == {"1": "b", "2": "", "3": "a"}
    assert follow_turns(initial, [PlanChange("replace", entry="a", new="b")]) == {"1": "b", "2": "b", "3": ""}
    assert follow_turns(initial, [swap, PlanChange("restore", "1")]) == {"1": "a", "2": "a", "3": ""}
    for change in (PlanChange("swap", "1", "3"), PlanChange("cancel", "3")):
        assert follow_turns(initial, [change]) is None


def test_shares_are_rounded_down_and_messages_taken_back():
    initial = {"A": 1005, "B": 2000, "C": 300}
    move, share = StockChange("move", "A", "B", number=370), StockChange("share", "B", "A", "C", 7)
    assert change_stock(initial, initial, move) == {"A": 634, "B": 2371, "C": 300}
    assert change_stock(initial, initial, share) == {"A": 1290, "B": 1430, "C": 585}
    assert follow_messages(initial, [(move, share)]) == {"A": 972, "B": 1695, "C": 638}
    assert change_stock(initial, initial, StockChange("swap", "A", "C")) == {"A": 300, "B": 2000, "C": 1005}
    undo = (StockChange("undo", number=2),)
    assert follow_messages(initial, [(move,), (share,), undo]) == initial
    changed = follow_messages(initial, [(move,), (StockChange("restore", "A"), StockChange("remove", "C", number=99))])
    assert changed == {"A": 1005, "B": 2371, "C": 201}
    assert change_stock(initial, initial, StockChange("move", "A", "B", number=374)) == {"A": 630, "B": 2375, "C": 300}
    assert follow_messages(initial, [(move,), (StockChange("undo", number=1),), undo]) is None
    assert follow_messages(initial, [(StockChange("remove", "C", number=280),)]) is None


def test_a_fee_counts_both_days_and_is_rounded_after_every_clause():
    case = TariffCase(date(2028, 2, 27), date(2028, 3, 1), 333, {0: True, 1: False})
    up, down = TariffClause(((0, 0, True),), "up", 170), TariffClause(((1, 0, False),), "down", 90)
    assert fee(case, []) == 4 * 333
    assert fee(case, [up]) == 1558
    assert fee(case, [up, down]) == 1417
    assert fee(case, [replace(up, value=174)]) == 1563
    assert fee(case, [TariffClause(((SUM, 1332, True),), "plus", 100)]) == 1332
    assert fee(case, [TariffClause(((SUM, 1331, True), (DAYS, 4, False)), "plus", 100)]) == 1432
    assert fee(case, [TariffClause(((0, 0, False),), "up", 500)]) == 1332
    assert fee(case, [TariffClause(((0, 0, True),), "minus", 1332)]) is None


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
    for scene in read_texts(language, "tariff")["scenes"]:
        assert len(scene["facts"]) > 5
        assert max(scene["facts"]) < len(read_texts(language, "policy")["scenes"][scene["base"]]["facts"])
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
