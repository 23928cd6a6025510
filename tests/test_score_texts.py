"""score() and load_scorer(): the scores are those of evaluate(), for every form of the arguments."""

import inspect
from typing import get_type_hints

import pytest

from rewardbench import InputError, evaluate, load_scorer, score
from rewardbench.scoring import Batching, ScorerOptions
from rewardbench.settings import ModelSpec

ROWS = [
    {"id": "a", "prompt": "Name a city.", "chosen": "Lima, by the river.", "rejected": "No."},
    {"id": "b", "prompt": "Name two.", "chosen": "Oslo.", "rejected": "Oslo and Lima, which lie far apart."},
]
PROMPTS = [row["prompt"] for row in ROWS for _ in range(2)]
COMPLETIONS = [text for row in ROWS for text in (row["chosen"], row["rejected"])]
LONGEST = "baseline/longest"


def conversation(prompt, completion):
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]


def shorter(prompt, completion):
    return -len(completion)


CONVERSATIONS = [conversation(*pair) for pair in zip(PROMPTS, COMPLETIONS, strict=True)]


@pytest.mark.parametrize("model", [LONGEST, "tiny-rm", "tiny-dpo", shorter])
def test_texts_get_the_scores_that_evaluate_gives_them(model):
    expected = [number for item in evaluate(model, ROWS).items for number in item.scores]
    with load_scorer(model) as scorer:
        assert scorer.score(PROMPTS, COMPLETIONS) == pytest.approx(expected, abs=1e-5)
        assert scorer.score(messages=CONVERSATIONS) == pytest.approx(expected, abs=1e-5)
        assert scorer.score(PROMPTS[0], COMPLETIONS[0]) == pytest.approx(expected[0], abs=1e-5)
        assert scorer.score(messages=CONVERSATIONS[3]) == pytest.approx(expected[3], abs=1e-5)
    assert score(model, PROMPTS[0], COMPLETIONS[:2]) == pytest.approx(expected[:2], abs=1e-5)


def test_options_reach_the_model_and_the_engine(model_folder):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = model_folder()
    scores = score(folder, PROMPTS, COMPLETIONS, max_length=16, batch_size=1)
    assert scores == pytest.approx(score(folder, PROMPTS, COMPLETIONS, max_length=16), abs=1e-5)
    assert scores != pytest.approx(score(folder, PROMPTS, COMPLETIONS), abs=1e-5)
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    model.train()
    with load_scorer((model, tokenizer), max_length=16) as scorer:
        assert not model.training
        assert scorer.score(PROMPTS, COMPLETIONS) == pytest.approx(scores, abs=1e-5)
    assert model.training


def test_messages_before_a_completion_are_a_prompt():
    before = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a city."}]
    assert score(LONGEST, before, "Lima.") == 5
    assert score(LONGEST, [before, "Hi"], ["Lima.", "Hello!"]) == [5, 6]
    assert score(LONGEST, messages=[]) == score(LONGEST, "Hi", []) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": "a"}, "Pass a prompt and a completion, or messages="),
        ({}, "Pass a prompt and a completion, or messages="),
        ({"prompt": "a", "messages": CONVERSATIONS[0]}, "not both"),
        ({"prompt": ["a", "b"], "completion": ["c"]}, "There are 2 prompts and 1 completions"),
        ({"prompt": ["a"], "completion": "c"}, "There are 1 prompts and 1 completions"),
        ({"prompt": "a", "completion": 3}, "A value of type int is not a list of texts"),
        ({"prompt": "a", "completion": [3]}, "A completion is of type int"),
        ({"prompt": [3], "completion": ["a"]}, "A prompt is of type int"),
        ({"messages": "Hi"}, "A value of type str is not a list of texts"),
        ({"messages": ["Hi"]}, "messages must be a list of dicts"),
        ({"prompt": "a", "completion": ["b", ""]}, "Text 2 of 2 cannot be scored: completion 1 is empty"),
        ({"messages": CONVERSATIONS[0][:1]}, "the prompt is empty"),
        (
            {"prompt": "a", "completion": "b", "max_lenght": 3},
            "no option 'max_lenght': did you mean max_length",
        ),
        ({"prompt": "a", "completion": "b", "batch_size": 0}, "batch_size is 0"),
        ({"prompt": "a", "completion": "b", "max_length": "3"}, "max_length is '3': it must be a whole number or None"),
    ],
)
def test_what_cannot_be_scored_is_one_sentence(arguments, words):
    with pytest.raises(InputError, match=words):
        score(LONGEST, **arguments)


def test_a_score_that_is_no_number_is_an_error():
    with pytest.raises(InputError, match="Text 1 of 1 cannot be scored: the score of completion 1 is nan"):
        score(lambda prompt, completion: float("nan"), "a", "b")


def test_the_typed_options_are_those_of_the_settings():
    hints = get_type_hints(ModelSpec) | get_type_hints(Batching)
    del hints["model"]
    assert get_type_hints(ScorerOptions) == hints
    names = ["model", "prompt", "completion", "messages"]
    assert list(inspect.signature(score).parameters) == [*names, *hints]
    assert list(inspect.signature(load_scorer).parameters) == ["model", *hints]
