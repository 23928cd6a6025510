"""Notes travel with requests: `prepare` changes no scorer, and a run counts each text once."""

from functools import partial

import pytest
from random_models import TEMPLATE, make_model, make_tokenizer

from rewardbench.engine.backends.pool import Pool
from rewardbench.engine.loop import score
from rewardbench.engine.notes import request_notes
from rewardbench.scorers import load_scorer
from rewardbench.scorers.in_memory import FunctionScorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, Message, TextRequest, TokenRequest

FORGETFUL = TEMPLATE.replace("m.content }}", "m.content.split('</think>')[-1] }}")
"""A template that leaves out the thinking, and every field but the content."""
THINKING = "The template leaves out the thinking of assistant turns, up to </think>."
REASONING = "The chat template leaves out the reasoning_content of messages: {count} texts were scored without."


def completion(text, **fields):
    return (Message(role="assistant", content=text, **fields),)


def items(count=12):
    """Return pairs of which each has reasoning in both completions, and thinking in one."""
    result = []
    for n in range(count):
        prompt = (Message(role="user", content=f"City {n}?"),)
        right = completion(f"<think>Peru?</think>Lima {n}", reasoning_content="Peru.")
        wrong = completion(f"Oslo {n}", reasoning_content="Norway.")
        result.append(Item(str(n), "all", prompt, (right, wrong)))
    return result


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    """Return the options of a scorer by its kind."""
    folder = tmp_path_factory.mktemp("models")
    tokenizer = make_tokenizer(template=FORGETFUL)
    make_model(folder / "classifier", tokenizer=tokenizer)
    for seed, name in enumerate(("policy", "reference")):
        make_model(folder / name, kind="causal", seed=seed, tokenizer=tokenizer)
    return {
        "baseline": ModelSpec("baseline/longest"),
        "classifier": ModelSpec(str(folder / "classifier"), device="cpu"),
        "dpo": ModelSpec(str(folder / "policy"), ref_model=str(folder / "reference"), device="cpu"),
        "reference-free": ModelSpec(str(folder / "policy"), ref_free_type="avg", device="cpu"),
    }


def make_scorer(kind, specs):
    return FunctionScorer(lambda prompt, text: len(text)) if kind == "function" else load_scorer(specs[kind])


@pytest.mark.parametrize("kind", ["baseline", "function", "classifier", "dpo", "reference-free"])
def test_prepare_twice_changes_nothing(kind, specs):
    scorer = make_scorer(kind, specs)
    before = (scorer.report(), scorer.fingerprint)
    requests = []
    for _ in range(2):
        for item in items(3):
            requests.append([scorer.prepare(item.prompt, text, rendered=False) for text in item.completions])
    assert requests[:3] == requests[3:]
    assert [[request.notes for request in pair] for pair in requests[:3]] == [
        [request.notes for request in pair] for pair in requests[3:]
    ]
    assert (scorer.report(), scorer.fingerprint) == before


@pytest.mark.parametrize("kind", ["classifier", "dpo", "reference-free"])
def test_a_text_is_counted_once_however_often_it_is_prepared(kind, specs):
    scorer = load_scorer(specs[kind])
    expected = (REASONING.format(count=24), THINKING)
    assert score(items(), scorer).notes == expected
    assert score(items() + items(), scorer, window=12).notes == expected


def test_a_pool_counts_the_notes_of_one_process(specs):
    load = partial(load_scorer, specs["classifier"])
    single = score(items(), load(), batch_size=1)
    pool = score(items(), load(), batch_size=1, workers=Pool(2, load))
    assert pool.notes == single.notes == (REASONING.format(count=24), THINKING)


@pytest.mark.parametrize("make", [partial(TokenRequest, "", "", (1,)), partial(TextRequest, "a", ("a",))])
def test_notes_are_no_part_of_the_identity_of_a_request(make):
    bare, noted = make(), make(notes=("A note.",))
    assert (bare.key, hash(bare)) == (noted.key, hash(noted))
    assert bare == noted


def test_the_keys_of_requests_are_those_of_stored_scores():
    """A cache that was filled earlier stays valid."""
    text = TextRequest("Hi\nHello", ("Hello",), ({"role": "user", "content": "Hi"},))
    assert TokenRequest("Hi", "i", (7, 8), 1, 2).key.hex() == "36148777e9d6ba869937785baf1f45db"
    assert text.key.hex() == "9b9ad17a1c5d528b195fdfbf45a7b252"


def test_a_note_without_a_count_is_listed_once():
    requests = [TextRequest(str(n), ("a",), notes=("Repaired.", "Cut {count} texts.")) for n in range(3)]
    assert request_notes([*requests, *requests]) == ("Cut 3 texts.", "Repaired.")
