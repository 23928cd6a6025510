"""The builder of knapsacks: exact against brute force, one best packing each, and the labels of a tree search."""

import random
import re
from dataclasses import replace
from itertools import combinations, product

import pytest

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.mirrors import Mirror
from rewardbench.builders.templates.knapsack import TEMPLATES
from rewardbench.builders.templates.knapsack.exact import Knapsack, best_packing, greedy_packing, is_unique, value_table
from rewardbench.builders.templates.knapsack.packing import (
    Case,
    Packing,
    draw_case,
    pack,
    weights_exchanged,
    worths_exchanged,
)
from rewardbench.builders.templates.knapsack.search import (
    Search,
    label_agreement,
    random_knapsack,
    siblings,
    study,
    tell_sack,
    tell_state,
)
from rewardbench.errors import InputError

SEEDS = range(5)
CAMP = Knapsack(6, {"tent": (4, 10), "stove": (3, 7), "rope": (3, 7)})


def drawn(number, template, seed):
    """The first draw of a mould at a seed that is not degenerate."""
    for attempt in range(200):
        try:
            made = template(Rng(f"test/{seed}/{attempt}"))
        except Resample:
            continue
        group = f"{template.__name__}-{number}-{seed}"
        return Mirror("knapsack", made.edit, made.a, made.b, made.x, made.y, made.check, group=group)
    raise AssertionError(f"{template.__name__} never gives a mirror")


def told(prompt):
    return "\n".join(turn["content"] for turn in prompt)


def words(text):
    return set(re.findall(r"\w+|[^\w\s]", text.lower()))


def sacks(mirror):
    for half in "ab":
        yield Knapsack(mirror.check[half]["capacity"], {k: tuple(v) for k, v in mirror.check[half]["items"].items()})


def brute_force(sack):
    """Every packing that fits, with its worth, the best first."""
    fitting = [
        (sum(sack.items[name][1] for name in names), names)
        for size in range(len(sack.items) + 1)
        for names in combinations(sack.items, size)
        if sum(sack.items[name][0] for name in names) <= sack.capacity
    ]
    return sorted(fitting, key=lambda found: -found[0])


MIRRORS = [drawn(number, template, seed) for number, template in enumerate(TEMPLATES) for seed in SEEDS]


# --- the exact solution


def test_a_fixed_example_by_hand():
    # 6 kg: the tent alone brings 10, stove and rope weigh 3 + 3 and bring 7 + 7 = 14
    assert best_packing(CAMP) == ("stove", "rope")
    assert greedy_packing(CAMP) == ("tent",)  # 10/4 is more per kg than 7/3, and then nothing else fits
    assert is_unique(CAMP)
    assert not is_unique(CAMP._replace(capacity=3))  # stove or rope
    assert best_packing(CAMP._replace(capacity=2)) == ()
    packing = Packing(CAMP, best_packing(CAMP))
    assert (packing.sum, packing.load, packing.left) == ("7 + 7 = 14", "3 + 3 = 6", "tent")


@pytest.mark.parametrize("seed", range(20))
def test_dynamic_programming_is_brute_force(seed):
    rng = Rng(f"dp/{seed}")
    sack = random_knapsack(rng, rng.number(1, 8))
    (best, names), *others = brute_force(sack)
    assert value_table(list(sack.items.values()), sack.capacity)[0][-1] == best
    assert is_unique(sack) == (not others or others[0][0] < best)
    if is_unique(sack):
        assert best_packing(sack) == names


# --- mirrors


def test_there_are_18_situations_of_three_wordings():
    assert len({template.__name__ for template in TEMPLATES}) == 18
    assert len(TEMPLATES) == 54


def test_every_mould_passes_its_verifier():
    found = verify(MIRRORS)
    assert (found.failed, found.pairs) == ((), 2 * 54 * len(SEEDS))


def test_both_prompts_hold_the_same_words_and_differ():
    assert [m.group for m in MIRRORS if words(told(m.a)) != words(told(m.b)) or m.a == m.b] == []


def test_no_mark_of_a_twin_is_left_over():
    assert [m.group for m in MIRRORS if re.search(r"\[\[|\]\]|[{}]", told(m.a) + told(m.b) + m.x + m.y)] == []


def test_each_half_has_one_best_packing_and_the_other_response_is_that_of_the_twin():
    for mirror in MIRRORS:
        best = [brute_force(sack) for sack in sacks(mirror)]
        for (worth, names), (second, _) in (found[:2] for found in best):
            assert worth > second
            assert len(names) == len(best[0][0][1])
        for response, found in zip((mirror.x, mirror.y), best, strict=True):
            assert f"= {found[0][0]}" in response
            said = response.lower().partition(f"= {found[0][0]}")[0]
            assert [n for n in found[0][1] if n.lower() not in said] == []


def test_the_greedy_packing_misses_the_best_in_most_halves():
    halves = [sack for mirror in MIRRORS for sack in sacks(mirror)]
    misses = sum(greedy_packing(sack) != best_packing(sack) for sack in halves)
    assert misses / len(halves) >= 0.75


def test_the_numbers_stand_in_both_prompts_and_the_totals_in_neither():
    for mirror in MIRRORS:
        given = [{*re.findall(r"\d+", told(prompt))} for prompt in (mirror.a, mirror.b)]
        for sack in sacks(mirror):
            needed = {str(n) for pair in sack.items.values() for n in pair} | {str(sack.capacity)}
            assert needed <= given[0] == given[1]
            assert str(Packing(sack, best_packing(sack)).total) not in given[0]


def test_no_name_stands_within_another_one_or_outside_the_list():
    for mirror in MIRRORS:
        names = [name.lower() for name in mirror.check["a"]["items"]]
        assert [(n, m) for n in names for m in names if n != m and re.search(rf"\b{n}\b", m)] == []
        responses = [response.lower() for response in (mirror.x, mirror.y)]
        assert [n for n in names for text in responses if len(re.findall(rf"\b{n}\b", text)) > 1] == []


def test_responses_are_of_alike_length_and_shape():
    for mirror in MIRRORS:
        assert abs(len(mirror.x) - len(mirror.y)) <= 0.12 * max(len(mirror.x), len(mirror.y))
        assert mirror.x.count("\n") == mirror.y.count("\n")


def test_a_planted_error_is_caught():
    mirror = MIRRORS[0]
    totals = [Packing(sack, best_packing(sack)).total for sack in sacks(mirror)]
    wrong = replace(mirror, x=mirror.x.replace(f"= {totals[0]}", f"= {totals[0] + 1}"))
    assert len(verify([wrong]).failed) == 1
    assert len(verify([replace(mirror, x=mirror.y, y=mirror.x)]).failed) == 4


def test_the_same_seed_gives_the_same_mirror_and_another_one_other_numbers():
    assert draw_mirror("knapsack", 7, 3) == draw_mirror("knapsack", 7, 3)
    moulds = {seed: [draw_mirror("knapsack", seed, n) for n in range(4)] for seed in (1, 2)}
    assert not {m.x for m in moulds[1]} & {m.x for m in moulds[2]}


def test_two_items_change_what_they_weigh_or_what_they_are_worth():
    rng = Rng("exchange")
    for turn, column in ((weights_exchanged, 0), (worths_exchanged, 1)):
        sack = Knapsack(9, {"tent": (4, 10), "stove": (3, 7), "rope": (2, 5)})
        after = turn(rng, sack)
        assert sum(sack.items[name] != after.items[name] for name in sack.items) == 2
        for n in (0, 1):
            assert sorted(pair[n] for pair in after.items.values()) == sorted(pair[n] for pair in sack.items.values())
        assert all(after.items[name][1 - column] == sack.items[name][1 - column] for name in sack.items)


def test_a_total_that_stands_in_the_prompt_is_drawn_again():
    case = Case(CAMP, CAMP._replace(capacity=4))
    tell = "Pack {0.the}: {0.sum}.".format
    with pytest.raises(Resample):
        pack("room", f"{case.room} kg, and 14 others: {case.rows('{name} {weight} {worth}')}", case, tell)


def test_a_turn_that_changes_nothing_gives_no_case():
    with pytest.raises(Resample):
        draw_case(Rng("same"), "tent, stove, rope, lamp", 4, (1, 9, 1), (1, 9, 1), lambda _, sack: sack)


# --- tree search


def test_the_search_of_a_fixed_example_by_hand():
    root = Search(CAMP, random.Random(0)).run(400)
    left, taken = root.children
    assert (root.visits, root.best, root.exact) == (400, 14, 14)
    assert (left.exact, taken.exact) == (14, 10)
    assert (left.best, taken.best) == (14, 10)
    assert left.visits + taken.visits == 399  # the root's own first visit is the one more
    assert taken.total == 10 * taken.visits  # beside the tent nothing fits
    assert 0 < left.total / left.visits < 14


def test_visits_and_worths_add_up_and_no_best_is_beyond_the_exact_one():
    sack = random_knapsack(Rng("sums"), 7)
    root = Search(sack, random.Random(1)).run(1500)
    pairs = list(siblings(root))
    assert len(pairs) > 50
    for node in (node for pair in pairs for node in pair):
        assert node.worth <= node.best <= node.exact
        assert node.total <= node.best * node.visits
        if node.children:
            assert node.visits == 1 + sum(child.visits for child in node.children)


def test_exact_values_of_rows_are_those_of_brute_force_read_from_the_text():
    for row in study(seed=3, instances=2, items=7, iterations=600, label="exact", min_visits=1):
        sack = Knapsack(
            int(re.search(r"holds (\d+)", row["prompt"])[1]),
            {name: (int(w), int(v)) for name, w, v in re.findall(r"(\w+): (\d+) kg, worth (\d+)", row["prompt"])},
        )
        assert tell_sack(sack) == row["prompt"]
        for side in ("chosen", "rejected"):
            packed, left = (
                {*re.findall(r"the (\w+)", (re.findall(f"{verb} [^.]*", row[side]) or [""])[0])}
                for verb in ("Pack", "Leave")
            )
            begun = [w for w, names in brute_force(sack) if packed <= {*names} and not left & {*names}]
            assert row[f"exact_{side}"] == begun[0]


def test_the_labels_agree_with_the_truth_as_they_should():
    agreement = {
        label: label_agreement(study(seed=0, instances=12, label=label)) for label in ("exact", "best", "meanq")
    }
    assert agreement["exact"] == 1
    assert agreement["best"] >= 0.98
    assert 0.7 <= agreement["meanq"] <= 0.93
    assert agreement["meanq"] < agreement["best"]


def test_with_few_visits_the_best_value_seen_is_a_worse_label():
    few, many = (
        label_agreement(study(seed=0, instances=12, iterations=1000, label="best", min_visits=visits))
        for visits in (1, 50)
    )
    assert few < 0.95 < many


def test_a_study_is_the_same_again_and_its_rows_are_pairs_of_siblings():
    rows = study(seed=5, instances=3, items=6, iterations=300, label="best", min_visits=5)
    assert rows == study(seed=5, instances=3, items=6, iterations=300, label="best", min_visits=5)
    assert len({row["id"] for row in rows}) == len(rows) > 10
    for row in rows:
        assert row["value_chosen"] > row["value_rejected"]
        assert row["exact_chosen"] != row["exact_rejected"]
        assert min(row["visits_chosen"], row["visits_rejected"]) >= 5
        assert row["label"] == "best"


def test_every_state_is_told_in_words():
    sentences = {taken: tell_state(CAMP, taken) for taken in product((True, False), repeat=2)}
    assert sentences[(False, True)] == "Pack the stove. Leave the tent. So far 3 of 6 kg, worth 7."
    assert sentences[(False, False)] == "Leave the tent and the stove. So far 0 of 6 kg, worth 0."


def test_what_makes_no_sense_is_refused():
    for wrong in ({"label": "luck"}, {"instances": 0}, {"items": 21}, {"iterations": 0}):
        with pytest.raises(InputError):
            study(**wrong)
    assert label_agreement([]) != label_agreement([])  # no rows, no share


def test_agreement_is_counted():
    rows = [{"exact_chosen": a, "exact_rejected": b} for a, b in ((5, 3), (3, 5), (9, 1), (2, 1))]
    assert label_agreement(rows) == 0.75
