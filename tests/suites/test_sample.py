from collections import Counter

import pytest

from rewardbench.errors import InputError
from rewardbench.suites import load_suite
from rewardbench.suites.sample import stratify
from rewardbench.types import Item, Suite


def suite_of(**sizes):
    items = [
        Item(f"{name}{n}", name, (), ((), ()), group=f"{name}{n // 2}") for name, k in sizes.items() for n in range(k)
    ]
    return Suite("toy", "r", tuple(items), {})


def test_each_subset_has_its_share_in_whole_clusters():
    drawn = stratify(suite_of(a=400, b=100, c=4), 100)
    counts = Counter(item.subset for item in drawn.items)
    assert (counts["a"], counts["b"], counts["c"]) == (80, 20, 2)
    assert set(Counter(item.group for item in drawn.items).values()) == {2}
    assert drawn.revision == "r+sample=102,seed=0"


def test_the_draw_depends_on_the_seed_and_the_ids_alone():
    suite = suite_of(a=50, b=50)
    back = Suite("toy", "r", suite.items[::-1], {})
    ids = [{item.id for item in stratify(one, 20, seed).items} for one, seed in ((suite, 1), (back, 1), (suite, 2))]
    assert ids[0] == ids[1] != ids[2]


def test_all_of_it_is_the_suite_itself():
    suite = suite_of(a=4)
    assert stratify(suite, 4) is suite
    with pytest.raises(InputError, match="at least 1"):
        stratify(suite, 0)


def test_core_is_sampled_from_every_subset():
    core = load_suite("core")
    drawn = stratify(core, 256)
    assert {item.subset for item in drawn.items} == {item.subset for item in core.items}
    assert 230 <= len(drawn.items) <= 290
