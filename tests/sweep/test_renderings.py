"""Texts are rendered once for all models with the same tokenizer, template and limit, and for no others."""

import pytest
from random_models import make_tokenizer, mixed_items

from rewardbench.chat import Chat
from rewardbench.engine.loop import prepare
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.sweep.renderings import Renderings, chat_identity

FIELDS = ("text", "completion", "ids", "start", "end", "dropped", "pooled_token", "notes", "positions", "key")


def all_fields(items, scorer):
    requests = [request for item in items for request in prepare(item, scorer).requests]
    assert len(requests) >= 18
    return [[getattr(request, field) for field in FIELDS] for request in requests]


@pytest.mark.parametrize("options", [{}, {"kind": "causal", "free": "sum"}, {"max_length": 24}])
def test_shared_requests_equal_those_that_a_model_makes_itself(model_folder, options):
    kind, free, limit = options.get("kind", "reward"), options.get("free"), options.get("max_length")
    scorers = []
    for seed in (1, 2):
        spec = ModelSpec(str(model_folder(kind=kind, seed=seed)), ref_free_type=free, max_length=limit, device="cpu")
        scorers.append(load_scorer(spec))
    items, renderings = mixed_items(), Renderings()
    separate = all_fields(items, scorers[1])
    for scorer in scorers:
        renderings.share(scorer.chat)
    first, second = (all_fields(items, scorer) for scorer in scorers)
    assert first == second == separate
    distinct = len({tuple(map(str, fields[:2])) for fields in first})
    assert (renderings.rendered, renderings.reused) == (distinct, 2 * len(first) - distinct)


@pytest.mark.parametrize("family", ["math_shepherd", "armorm"])
def test_models_with_a_head_share_too(family_scorer, family):
    scorer, items = family_scorer(family), mixed_items()[4:6]
    renderings, before = Renderings(), [prepare(item, scorer) for item in items]
    renderings.share(scorer.chat)
    try:
        for _ in range(2):
            for item, prepared in zip(items, before, strict=True):
                assert [request.key for request in prepare(item, scorer).requests] == [
                    request.key for request in prepared.requests
                ]
    finally:
        scorer.chat.shared = None
    assert renderings.reused >= renderings.rendered > 0


def test_another_tokenizer_template_limit_or_side_is_another_rendering():
    chats = [
        Chat(make_tokenizer()),
        Chat(make_tokenizer(), spans=True),
        Chat(make_tokenizer(), "raw"),
        Chat(make_tokenizer(), max_length=20),
        Chat(make_tokenizer(), max_length=20, truncation_side="right"),
        Chat(make_tokenizer(corpus=["a b c"])),
    ]
    assert len({chat_identity(chat) for chat in chats}) == len(chats)
    assert chat_identity(Chat(make_tokenizer(), name="another")) == chat_identity(chats[0])


def test_a_variant_of_a_chat_does_not_share_and_errors_name_their_model():
    first, second = (
        Chat(make_tokenizer(template=None), name="first"),
        Chat(make_tokenizer(template=None), name="second"),
    )
    renderings = Renderings()
    for chat in (first, second):
        renderings.share(chat)
        with pytest.raises(InputError, match=chat.name):
            chat.request((), ({"role": "assistant", "content": "a"},))
    assert first.variant(max_length=3).shared is None
    assert renderings.rendered == 0
