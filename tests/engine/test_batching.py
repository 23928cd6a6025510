"""Batches hold requests of similar length, or with shared prefixes, within the token budget."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from rewardbench.engine.batching import count_tokens, plan_batches, plan_packed, plan_padded
from rewardbench.forward.rope import RopeRule, rope_rule
from rewardbench.types import BatchTraits, TokenRequest


def requests(lengths):
    return [TokenRequest(str(i), "", (i,) * n) for i, n in enumerate(lengths)]


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200), st.integers(1, 9))
def test_padded_batches_hold_each_request_once_longest_first_within_the_budget(lengths, budget, max_size):
    batches = plan_padded(requests(lengths), budget, max_size)
    planned = [len(request) for batch in batches for request in batch]
    assert planned == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) <= max_size
        assert len(batch) == 1 or len(batch) * len(batch[0]) <= budget


@given(st.permutations(list(range(12))))
def test_padded_batches_do_not_depend_on_the_order(order):
    ordered = requests([5, 3, 3, 9, 1, 1, 1, 7, 7, 2, 4, 4])
    assert plan_padded([ordered[i] for i in order], 20) == plan_padded(ordered, 20)


def test_lengths_of_different_buckets_never_share_a_batch():
    length_bucket = RopeRule(10, each_length=True).length_bucket
    batches = plan_padded(requests([12, 12, 11, 10, 3, 9]), 10**6, length_bucket=length_bucket)
    assert [list(map(len, batch)) for batch in batches] == [[12, 12], [11], [10, 9, 3]]


def test_rope_rules_come_from_the_configuration():
    nested = {"full_attention": {"rope_type": "default"}, "sliding_attention": {"rope_type": "dynamic"}}
    assert rope_rule(SimpleNamespace(rope_parameters=nested, max_position_embeddings=64)) == RopeRule(64, True)
    assert rope_rule(SimpleNamespace(rope_parameters={"rope_type": "llama3"})) == RopeRule()
    assert rope_rule(SimpleNamespace()) == RopeRule()


GROUPS = st.lists(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=24), min_size=1, max_size=4), max_size=12)
"""Token ids of the requests of each group."""


def groups_of(ids_by_group):
    """Return requests in groups, each request once."""
    seen, groups = set(), []
    for group_ids in ids_by_group:
        new = dict.fromkeys(TokenRequest("", "", ids) for ids in group_ids if TokenRequest("", "", ids) not in seen)
        seen.update(new)
        if new:
            groups.append(list(new))
    return groups


def shared_length(first, second):
    """Count the leading ids that two sequences share."""
    for i, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return i
    return min(len(first), len(second))


def distinct_tokens(batch):
    """Count the nodes of a prefix trie, in which a prefix of fewer than 8 tokens is not shared."""
    ordered = sorted(list(request.ids) for request in batch)
    total = 0
    for before, ids in zip([[], *ordered], ordered, strict=False):
        shared = shared_length(before, ids)
        total += len(ids) - (shared if shared >= 8 else 0)
    return total


def sorted_keys(groups):
    return sorted(request.key for group in groups for request in group)


@given(GROUPS, st.integers(1, 60), st.integers(1, 6))
def test_packed_batches_hold_each_request_once_within_the_budget(ids_by_group, budget, max_size):
    groups = groups_of(ids_by_group)
    batches = plan_packed(groups, budget, max_size)
    assert sorted_keys(batches) == sorted_keys(groups)
    for batch in batches:
        assert len(batch) <= max_size
        assert len(batch) == 1 or distinct_tokens(batch) <= budget
    longest = [max(map(len, batch)) for batch in batches]
    assert longest == sorted(longest, reverse=True)


@given(GROUPS, st.randoms())
def test_packed_batches_do_not_depend_on_the_order(ids_by_group, rng):
    groups = groups_of(ids_by_group)
    shuffled = [rng.sample(group, len(group)) for group in rng.sample(groups, len(groups))]
    assert plan_packed(groups, 40) == plan_packed(shuffled, 40)


def test_a_group_that_fits_stays_in_one_batch_and_groups_share_prefixes():
    system = list(range(20))
    first = [TokenRequest("", "", [*system, 50, *range(n)]) for n in (5, 6)]
    second = [TokenRequest("", "", [*system, 60, *range(n)]) for n in (5, 6)]
    assert plan_packed([second, first], budget=100) == [[*first, *second]]
    assert sorted(map(len, plan_packed([first, second], budget=30))) == [2, 2]
    assert count_tokens([*first, *second], BatchTraits(packed=True)) == 20 + 7 + 7
    assert count_tokens([*first, *second], BatchTraits()) == 4 * 27


def test_a_group_larger_than_the_budget_is_split():
    group = [TokenRequest("", "", [*range(10), n, n, n]) for n in range(20, 30)]
    batches = plan_packed([group], budget=20)
    assert [len(batch) for batch in batches] == [3, 3, 3, 1]  # 13 + 3 + 3 tokens each


def test_the_traits_of_a_scorer_decide_how_requests_are_batched():
    groups = [requests([4, 4]), requests([3])]
    padded = plan_batches(groups, BatchTraits(), budget=100)
    assert [list(map(len, batch)) for batch in padded] == [[4, 4, 3]]
    unbatched = plan_batches(groups, BatchTraits(max_batch_size=1), budget=100)
    assert all(len(batch) == 1 for batch in unbatched)
    dynamic = RopeRule(3, each_length=True).length_bucket
    bucketed = plan_batches(groups, BatchTraits(packed=True, length_bucket=dynamic), budget=100)
    assert [list(map(len, batch)) for batch in bucketed] == [[4, 4], [3]]
