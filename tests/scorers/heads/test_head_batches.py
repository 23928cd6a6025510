"""No batch, order, layout or duplicate changes a score of any family of heads."""

import pytest
import torch
from head_families import FAMILIES
from random_models import mixed_items
from reference import LAYOUTS, decisions, largest_difference, score_calls_unbatched, score_in_layouts

from rewardbench.engine.loop import score
from rewardbench.forward.packed import Layout
from rewardbench.scorers import load_scorer

ALL = 10**6
SIZES = ((ALL, 1), (ALL, 2), (ALL, 7), (ALL, None))
"""Maximum tokens and maximum texts of a batch."""
OTHER_LAYOUTS = ("armorm", "qwen_prm", "slic_pair", "urm")
"""Families that the normal tests score in layouts that the scorer did not choose: two gates, steps and pairs."""


def test_every_family_that_can_be_scored_has_a_small_checkpoint():
    missing = [name for name, make in FAMILIES.items() if make is None]
    assert missing == []


def layouts_of(scorer):
    """Return the layouts that a family allows: encoders are padded on the right."""
    return LAYOUTS if scorer.traits.packed else ("padded right",)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_batch_and_no_order_changes_a_score(family, family_scorer):
    scorer, items = family_scorer(family), mixed_items()
    assert scorer.spec.name == family
    expected = score_calls_unbatched(scorer, items)
    assert max(expected) - min(expected) > 1e-3
    chosen, *others = layouts_of(scorer)
    runs = score_in_layouts(scorer, items, (chosen,), SIZES)
    runs += score_in_layouts(scorer, items, others if family in OTHER_LAYOUTS else (), SIZES[2:3])
    for scores in runs:
        assert largest_difference(scores, expected) <= 1e-5
        assert decisions(scores) == decisions(expected)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_no_layout_changes_a_score(family, family_scorer):
    scorer, items = family_scorer(family), mixed_items()
    expected = score_calls_unbatched(scorer, items)
    for scores in score_in_layouts(scorer, items, layouts_of(scorer), (*SIZES, (300, None))):
        assert largest_difference(scores, expected) <= 1e-5
        assert decisions(scores) == decisions(expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_duplicate_has_the_same_score_to_the_last_bit(family, family_scorer):
    items = mixed_items()
    scored = score(items, family_scorer(family), batch_size=3).items
    short, again, swapped = (scored[n] for n in (1, -2, -1))
    assert again.scores == short.scores
    assert swapped.scores == short.scores[::-1]


@pytest.mark.parametrize("family", ["math_shepherd", "qwen_prm"])
def test_no_batch_changes_the_score_of_a_step(family, family_scorer):
    scorer, items = family_scorer(family), mixed_items()
    unbatched = scorer.with_layout(Layout())
    expected = []
    for item in items:
        for completion in item.completions:
            request = scorer.prepare(item.prompt, completion, rendered=False)
            expected.append(unbatched.position_scores([request])[0])
    batched = [steps for item in score(items, scorer).items for steps in item.step_scores]
    assert [len(steps) for steps in batched] == [len(steps) for steps in expected]
    for steps, expected_steps in zip(batched, expected, strict=True):
        assert steps == pytest.approx(expected_steps, abs=1e-5)


@pytest.mark.parametrize("family", ["ldl", "qwen_prm", "slic_pair"])
def test_the_noise_of_bfloat16_is_measured(family, family_spec):
    scorer = load_scorer(family_spec(family, dtype="bfloat16"))
    assert scorer.model.dtype == torch.bfloat16
    run = score(mixed_items(), scorer, noise=True)
    assert run.noise is not None
    assert 0 <= run.noise < 0.5
