"""Test the knapsack templates: exact solutions against brute force, unique packings, and labels of a tree search."""

import random
import re
from collections import Counter
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
    KnapsackPair,
    Packing,
    draw_pair,
    knapsack_mirror,
    swap_weights,
)
from rewardbench.builders.templates.knapsack.search import (
    Search,
    describe_knapsack,
    describe_state,
    label_agreement,
    random_knapsack,
    siblings,
    study,
)
from rewardbench.errors import InputError

SEEDS = range(5)
CAMP = Knapsack(6, {"tent": (4, 10), "stove": (3, 7), "rope": (3, 7)})


def drawn(number, template, seed):
    """Return the first mirror that a template gives at a seed; degenerate draws are skipped."""
    for attempt in range(200):
        try:
            content = template(Rng(f"test/{seed}/{attempt}"))
        except Resample:
            continue
        group = f"{template.__name__}-{number}-{seed}"
        parts = {name: getattr(content, name) for name in ("edit", "a", "b", "x", "y", "check")}
        return Mirror("knapsack", **parts, group=group)
    raise AssertionError(f"{template.__name__} never gives a mirror")


def text_of(prompt):
    return "\n".join(turn["content"] for turn in prompt)


def words(text):
    return set(re.findall(r"\w+|[^\w\s]", text.lower()))


def knapsacks(mirror):
    for half in "ab":
        yield Knapsack(mirror.check[half]["capacity"], {k: tuple(v) for k, v in mirror.check[half]["items"].items()})


def brute_force(sack):
    """Return every packing that fits, with its worth, the best first."""
    fitting = [
        (sum(sack.items[name][1] for name in names), names)
        for size in range(len(sack.items) + 1)
        for names in combinations(sack.items, size)
        if sum(sack.items[name][0] for name in names) <= sack.capacity
    ]
    return sorted(fitting, key=lambda packing: -packing[0])


MIRRORS = [drawn(number, template, seed) for number, template in enumerate(TEMPLATES) for seed in SEEDS]


# --- the exact solution


def test_a_fixed_example_computed_by_hand():
    # 6 kg: the tent alone brings 10, stove and rope weigh 3 + 3 and bring 7 + 7 = 14
    assert best_packing(CAMP) == ("stove", "rope")
    assert greedy_packing(CAMP) == ("tent",)  # 10/4 is more per kg than 7/3, and then nothing else fits
    assert is_unique(CAMP)
    assert not is_unique(CAMP._replace(capacity=3))  # stove or rope
    assert best_packing(CAMP._replace(capacity=2)) == ()
    packing = Packing(CAMP, best_packing(CAMP))
    assert (packing.sum, packing.load, packing.left_out) == ("7 + 7 = 14", "3 + 3 = 6", "tent")


@pytest.mark.parametrize("seed", range(20))
def test_dynamic_programming_equals_brute_force(seed):
    rng = Rng(f"dp/{seed}")
    sack = random_knapsack(rng, rng.number(1, 8))
    (best, names), *others = brute_force(sack)
    assert value_table(list(sack.items.values()), sack.capacity)[0][-1] == best
    assert is_unique(sack) == (not others or others[0][0] < best)
    if is_unique(sack):
        assert best_packing(sack) == names


# --- mirrors


def test_there_are_18_templates_of_three_wordings():
    assert len({template.__name__ for template in TEMPLATES}) == 18
    assert len(TEMPLATES) == 54


def test_every_template_passes_its_verifier():
    report = verify(MIRRORS)
    assert (report.failed, report.pairs) == ((), 2 * 54 * len(SEEDS))


def test_both_prompts_have_the_same_words_and_differ():
    assert [m.group for m in MIRRORS if words(text_of(m.a)) != words(text_of(m.b)) or m.a == m.b] == []


def test_texts_contain_no_leftover_notation():
    assert [m.group for m in MIRRORS if re.search(r"\[\[|\]\]|[{}]", text_of(m.a) + text_of(m.b) + m.x + m.y)] == []


def test_each_prompt_has_a_unique_best_packing_which_only_its_response_states():
    for mirror in MIRRORS:
        packings_a, packings_b = map(brute_force, knapsacks(mirror))
        assert len(packings_a[0][1]) == len(packings_b[0][1])
        for response, packings in ((mirror.x, packings_a), (mirror.y, packings_b)):
            (worth, names), (second_worth, _) = packings[:2]
            assert worth > second_worth
            assert f"= {worth}" in response
            before_total = response.lower().partition(f"= {worth}")[0]
            assert [name for name in names if name.lower() not in before_total] == []


def test_the_greedy_packing_is_not_the_best_for_most_prompts():
    halves = [sack for mirror in MIRRORS for sack in knapsacks(mirror)]
    misses = sum(greedy_packing(sack) != best_packing(sack) for sack in halves)
    assert misses / len(halves) >= 0.75


def test_prompts_state_all_numbers_and_no_totals():
    for mirror in MIRRORS:
        numbers_a, numbers_b = (set(re.findall(r"\d+", text_of(prompt))) for prompt in (mirror.a, mirror.b))
        for sack in knapsacks(mirror):
            needed = {str(n) for pair in sack.items.values() for n in pair} | {str(sack.capacity)}
            assert needed <= numbers_a == numbers_b
            assert str(Packing(sack, best_packing(sack)).total) not in numbers_a


def test_no_name_occurs_within_another_or_twice_in_a_response():
    for mirror in MIRRORS:
        names = [name.lower() for name in mirror.check["a"]["items"]]
        assert [(n, m) for n in names for m in names if n != m and re.search(rf"\b{n}\b", m)] == []
        responses = [response.lower() for response in (mirror.x, mirror.y)]
        assert [n for n in names for text in responses if len(re.findall(rf"\b{n}\b", text)) > 1] == []


def test_responses_have_similar_length_and_equal_line_counts():
    for mirror in MIRRORS:
        assert abs(len(mirror.x) - len(mirror.y)) <= 0.12 * max(len(mirror.x), len(mirror.y))
        assert mirror.x.count("\n") == mirror.y.count("\n")


def test_a_planted_error_is_detected():
    mirror = MIRRORS[0]
    totals = [Packing(sack, best_packing(sack)).total for sack in knapsacks(mirror)]
    wrong = replace(mirror, x=mirror.x.replace(f"= {totals[0]}", f"= {totals[0] + 1}"))
    assert len(verify([wrong]).failed) == 1
    assert len(verify([replace(mirror, x=mirror.y, y=mirror.x)]).failed) == 4


def test_a_seed_determines_the_mirrors():
    assert draw_mirror("knapsack", 7, 3) == draw_mirror("knapsack", 7, 3)
    responses = {seed: {draw_mirror("knapsack", seed, n).x for n in range(4)} for seed in (1, 2)}
    assert not responses[1] & responses[2]


def test_two_items_swap_weights():
    sack = Knapsack(9, {"tent": (4, 10), "stove": (3, 7), "rope": (2, 5)})
    after = swap_weights(Rng("exchange"), sack)
    assert sum(sack.items[name] != after.items[name] for name in sack.items) == 2
    assert sorted(weight for weight, _ in after.items.values()) == [2, 3, 4]
    assert all(after.items[name][1] == sack.items[name][1] for name in sack.items)


def test_the_wrong_response_has_only_figures_of_its_prompt():
    """So a look-up of figures does not decide: the wrong packing exceeds the capacity, or is worth less."""
    reasons = Counter()
    for mirror in MIRRORS:
        for sack, wrong in zip(knapsacks(mirror), (mirror.y, mirror.x), strict=True):
            packed = [name for name in sack.items if re.search(rf"\b{name}\b", wrong.partition("=")[0], re.I)]
            weights, worths = zip(*(sack.items[name] for name in packed), strict=True)
            for terms in re.findall(r"\d+(?: \+ \d+)+", wrong):
                assert sorted(map(int, terms.split(" + "))) in (sorted(weights), sorted(worths)), wrong
            reasons["capacity" if sum(weights) > sack.capacity else "worth"] += 1
    assert min(reasons["capacity"], reasons["worth"]) > len(MIRRORS) / 2


def test_a_total_that_occurs_in_the_prompt_is_resampled():
    pair = KnapsackPair(CAMP, CAMP._replace(capacity=4))
    write = "Pack {0.the_names}: {0.sum}.".format
    with pytest.raises(Resample):
        knapsack_mirror("", f"{pair.capacity} kg, and 14 others: {pair.rows('{name} {weight} {worth}')}", pair, write)


def test_a_change_without_effect_gives_no_pair():
    with pytest.raises(Resample):
        draw_pair(Rng("same"), "tent, stove, rope, lamp", 4, (1, 9, 1), (1, 9, 1), lambda _, sack: sack)


# --- tree search


def test_the_search_of_a_fixed_example_equals_values_computed_by_hand():
    root = Search(CAMP, random.Random(0)).run(400)
    left, taken = root.children
    assert (root.visits, root.best, root.exact) == (400, 14, 14)
    assert (left.exact, taken.exact) == (14, 10)
    assert (left.best, taken.best) == (14, 10)
    assert left.visits + taken.visits == 399  # the first visit of the root has no child
    assert taken.total == 10 * taken.visits  # with the tent, nothing else fits
    assert 0 < left.total / left.visits < 14


def test_visits_and_worths_add_up_and_no_best_exceeds_the_exact_value():
    sack = random_knapsack(Rng("sums"), 7)
    root = Search(sack, random.Random(1)).run(1500)
    pairs = list(siblings(root))
    assert len(pairs) > 50
    for node in (node for pair in pairs for node in pair):
        assert node.worth <= node.best <= node.exact
        assert node.total <= node.best * node.visits
        if node.children:
            assert node.visits == 1 + sum(child.visits for child in node.children)


def test_exact_values_of_rows_equal_brute_force_on_their_texts():
    for row in study(seed=3, instances=2, items=7, iterations=600, label="exact", min_visits=1):
        sack = Knapsack(
            int(re.search(r"holds (\d+)", row["prompt"])[1]),
            {name: (int(w), int(v)) for name, w, v in re.findall(r"(\w+): (\d+) kg, worth (\d+)", row["prompt"])},
        )
        assert describe_knapsack(sack) == row["prompt"]
        for side in ("chosen", "rejected"):
            packed, left = (
                {*re.findall(r"the (\w+)", (re.findall(f"{verb} [^.]*", row[side]) or [""])[0])}
                for verb in ("Pack", "Leave")
            )
            worths = [w for w, names in brute_force(sack) if packed <= {*names} and not left & {*names}]
            assert row[f"exact_{side}"] == worths[0]


def test_the_labels_agree_with_the_exact_values_as_documented():
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


def test_a_study_is_deterministic_and_its_rows_are_pairs_of_siblings():
    rows = study(seed=5, instances=3, items=6, iterations=300, label="best", min_visits=5)
    assert rows == study(seed=5, instances=3, items=6, iterations=300, label="best", min_visits=5)
    assert len({row["id"] for row in rows}) == len(rows) > 10
    for row in rows:
        assert row["value_chosen"] > row["value_rejected"]
        assert row["exact_chosen"] != row["exact_rejected"]
        assert min(row["visits_chosen"], row["visits_rejected"]) >= 5
        assert row["label"] == "best"


def test_states_are_described_in_words():
    sentences = {taken: describe_state(CAMP, taken) for taken in product((True, False), repeat=2)}
    assert sentences[(False, True)] == "Pack the stove. Leave the tent. So far 3 of 6 kg, worth 7."
    assert sentences[(False, False)] == "Leave the tent and the stove. So far 0 of 6 kg, worth 0."


def test_invalid_arguments_are_rejected():
    for arguments in ({"label": "luck"}, {"instances": 0}, {"items": 21}, {"iterations": 0}):
        with pytest.raises(InputError):
            study(**arguments)
    assert label_agreement([]) != label_agreement([])  # NaN


def test_label_agreement_is_the_share_of_right_rows():
    rows = [{"exact_chosen": a, "exact_rejected": b} for a, b in ((5, 3), (3, 5), (9, 1), (2, 1))]
    assert label_agreement(rows) == 0.75
