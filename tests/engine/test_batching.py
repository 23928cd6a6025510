"""Batches of similar length within a budget that fits the machine."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from rewardbench.engine.batching import count_tokens, plan_batches, plan_packed, plan_padded
from rewardbench.forward.rope import RopeRule, rope_rule
from rewardbench.types import BatchTraits, TokenRequest


def requests(lengths):
    return [TokenRequest(str(i), "", (i,) * n) for i, n in enumerate(lengths)]


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200), st.integers(1, 9))
def test_every_request_once_longest_first_within_the_budget(lengths, budget, most):
    batches = plan_padded(requests(lengths), budget, most)
    flat = [len(r) for batch in batches for r in batch]
    assert flat == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) <= most
        assert len(batch) == 1 or len(batch) * len(batch[0]) <= budget


@given(st.permutations(list(range(12))))
def test_the_plan_does_not_depend_on_the_order(order):
    made = requests([5, 3, 3, 9, 1, 1, 1, 7, 7, 2, 4, 4])
    assert plan_padded([made[i] for i in order], 20) == plan_padded(made, 20)


def test_lengths_that_may_not_meet_do_not():
    length_bucket = RopeRule(10, each_length=True).length_bucket
    batches = plan_padded(requests([12, 12, 11, 10, 3, 9]), 10**6, length_bucket=length_bucket)
    assert [[len(r) for r in batch] for batch in batches] == [[12, 12], [11], [10, 9, 3]]


def test_rope_rules_come_from_the_configuration():
    nested = {"full_attention": {"rope_type": "default"}, "sliding_attention": {"rope_type": "dynamic"}}
    assert rope_rule(SimpleNamespace(rope_parameters=nested, max_position_embeddings=64)) == RopeRule(64, True)
    assert rope_rule(SimpleNamespace(rope_parameters={"rope_type": "llama3"})) == RopeRule()
    assert rope_rule(SimpleNamespace()) == RopeRule()


FAMILIES = st.lists(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=24), min_size=1, max_size=4), max_size=12)


def families_of(drawn):
    """Requests of the drawn ids, every request once, as the loop gives them."""
    seen, found = set(), []
    for family in drawn:
        new = [r for r in dict.fromkeys(TokenRequest("", "", ids) for ids in family) if r not in seen]
        seen.update(new)
        found += [new] if new else []
    return found


def distinct_tokens(batch):
    """By hand: the nodes of a trie, but a prefix of fewer than 8 tokens is not shared."""
    ordered = sorted(list(r.ids) for r in batch)
    total = 0
    for before, ids in zip([[], *ordered], ordered, strict=False):
        shared = next(
            (i for i, (a, b) in enumerate(zip(before, ids, strict=False)) if a != b), min(len(before), len(ids))
        )
        total += len(ids) - (shared if shared >= 8 else 0)
    return total


@given(FAMILIES, st.integers(1, 60), st.integers(1, 6))
def test_packed_every_request_once_and_within_the_budget(drawn, budget, most):
    families = families_of(drawn)
    batches = plan_packed(families, budget, most)
    assert sorted(r.key for batch in batches for r in batch) == sorted(r.key for family in families for r in family)
    for batch in batches:
        assert len(batch) <= most
        assert len(batch) == 1 or distinct_tokens(batch) <= budget
    longest = [max(map(len, batch)) for batch in batches]
    assert longest == sorted(longest, reverse=True)


@given(FAMILIES, st.randoms())
def test_the_packing_does_not_depend_on_the_order(drawn, rng):
    families = families_of(drawn)
    shuffled = [rng.sample(family, len(family)) for family in rng.sample(families, len(families))]
    assert plan_packed(families, 40) == plan_packed(shuffled, 40)


def test_an_item_stays_whole_where_it_fits_and_neighbours_share_what_they_can():
    system = list(range(20))
    a = [TokenRequest("", "", [*system, 50, *range(n)]) for n in (5, 6)]
    b = [TokenRequest("", "", [*system, 60, *range(n)]) for n in (5, 6)]
    assert plan_packed([b, a], budget=100) == [[*a, *b]]
    assert sorted(map(len, plan_packed([a, b], budget=30))) == [2, 2]
    assert count_tokens([*a, *b], BatchTraits(packed=True)) == 20 + 7 + 7
    assert count_tokens([*a, *b], BatchTraits()) == 4 * 27


def test_an_item_larger_than_the_budget_is_split():
    many = [TokenRequest("", "", [*range(10), n, n, n]) for n in range(20, 30)]
    batches = plan_packed([many], budget=20)
    assert [len(batch) for batch in batches] == [3, 3, 3, 1]  # 13 + 3 + 3 tokens each


def test_a_scorer_says_how_it_is_batched():
    families = [requests([4, 4]), requests([3])]
    padded = plan_batches(families, BatchTraits(), budget=100)
    assert [[len(r) for r in batch] for batch in padded] == [[4, 4, 3]]
    alone = plan_batches(families, BatchTraits(max_batch_size=1), budget=100)
    assert all(len(batch) == 1 for batch in alone)
    dynamic = RopeRule(3, each_length=True).length_bucket
    apart = plan_batches(families, BatchTraits(packed=True, length_bucket=dynamic), budget=100)
    assert [[len(r) for r in batch] for batch in apart] == [[4, 4], [3]]
