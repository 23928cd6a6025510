"""Random texts in random batches: each score is that of the text alone, or both have a reason."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_models import turn
from reference import largest_difference, score_calls_unbatched

from rewardbench.engine.loop import score
from rewardbench.types import Item

PIECES = [
    "Lima",
    " by",
    " ",
    "\n",
    "\n\n",
    "<|pad|>",
    "<|eos|>",
    "<|eot_id|>",
    "<extra_0>",
    "<|assistant|>",
    "é東",
    "7",
]
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=30).map("".join)
ITEMS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=9)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["armorm", "internlm2", "ldl", "pairrm", "qwen_prm", "sentence_pair", "steamshp"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=ITEMS, batch_size=st.integers(1, 9), batch_tokens=st.integers(1, 400))
def test_any_texts_have_their_unbatched_scores(contents, batch_size, batch_tokens, family, family_scorer):
    scorer = family_scorer(family)
    items = []
    for n, (question, *answers) in enumerate(contents):
        completions = tuple(turn("assistant", text) for text in answers)
        items.append(Item(str(n), "all", turn("user", question), completions))
    scored = score(items, scorer, batch_size=batch_size, batch_tokens=batch_tokens).items
    for item, item_scores in zip(items, scored, strict=True):
        if item_scores.reason is None:
            assert largest_difference(item_scores.scores, score_calls_unbatched(scorer, [item])) <= 1e-5
        else:
            assert score([item], scorer).items[0].reason == item_scores.reason
