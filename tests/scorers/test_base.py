"""A scorer writes `prepare` and `run`; the base class has defaults for everything else."""

import pytest

from rewardbench.chat import all_text
from rewardbench.engine.loop import score
from rewardbench.scorers.base import BaseScorer, ModelScorer
from rewardbench.types import Item, Message, TextRequest


class Length(BaseScorer):
    def prepare(self, prompt, completion, rendered, tools=()):
        return TextRequest(all_text((*prompt, *completion)), (all_text(completion),))

    def run(self, requests):
        return [float(len(request.completions[0])) for request in requests]


def test_prepare_and_run_are_enough():
    completions = tuple((Message(role="assistant", content=text),) for text in ("Lima", "Oslo?"))
    item = Item("a", "all", (Message(role="user", content="City?"),), completions)
    assert score([item], Length()).items[0].scores == (4.0, 5.0)


def test_the_default_fingerprint_has_the_class_and_the_name():
    scorer = Length()
    scorer.name = "length:1"
    assert scorer.fingerprint == {"kind": f"{__name__}.Length", "name": "length:1"}


def test_a_cached_scorer_must_define_its_fingerprint():
    with pytest.raises(TypeError, match="Cached has is_cached = True: it must define fingerprint too"):
        type("Cached", (Length,), {"is_cached": True})
    type("Cached", (Length,), {"is_cached": True, "fingerprint": {"kind": "cached"}})


def test_a_scorer_of_a_model_must_define_its_fingerprint():
    assert "fingerprint" in ModelScorer.__abstractmethods__
