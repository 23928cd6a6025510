"""The loop: every item once and in order, identical texts scored once, reasons instead of losses."""

import math
from typing import ClassVar

import pytest
import torch

from rewardbench.engine.loop import score
from rewardbench.engine.noise import within_noise
from rewardbench.errors import InputError
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.baselines import Baseline
from rewardbench.scorers.classifier import load_classifier
from rewardbench.settings import ModelSpec
from rewardbench.types import BatchTraits, Item, ItemScores, Message, TokenRequest


def message(text, role="assistant"):
    return (Message(role=role, content=text),)


def pair(name, chosen, rejected, **fields):
    return Item(name, "all", message("Say it.", "user"), (message(chosen), message(rejected)), **fields)


class Recorder(BaseScorer):
    """A scorer by length that records its batches and can fail on demand."""

    name, model_type = "recorder", "Test"
    fingerprint: ClassVar[dict[str, str]] = {}
    traits = BatchTraits()

    def __init__(self, most_tokens=10**9):
        self.batches: list[int] = []
        self.most_tokens = most_tokens

    def prepare(self, prompt, completion, rendered):
        text = completion[0]["content"]
        if text == "refused":
            raise InputError("The template refuses it.")
        return TokenRequest(text, text, tuple(map(ord, text)))

    def run(self, requests):
        if len(requests) * max(map(len, requests)) > self.most_tokens:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.batches.append(len(requests))
        return [math.nan if r.text == "wild" else float(len(r)) for r in requests]


def test_scores_come_back_in_the_order_of_the_items():
    items = [pair("a", "xx", "xxxxx"), pair("b", "x", "xxx")]
    run = score(items, Recorder(), batch_tokens=4)
    assert [(s.id, s.scores) for s in run.items] == [("a", (2.0, 5.0)), ("b", (1.0, 3.0))]


def test_identical_requests_are_scored_once():
    scorer = Recorder()
    run = score([pair("a", "xx", "xx"), pair("b", "xx", "x")], scorer)
    assert sum(scorer.batches) == run.requests == 2
    assert run.items[0].scores == (2.0, 2.0)


def test_what_cannot_be_scored_stays_with_its_reason():
    items = [
        pair("a", "xx", "refused"),
        pair("b", "wild", "x"),
        pair("c", "x", "xx", problem="the chosen response is empty"),
        pair("d", "x", "xx"),
    ]
    found = score(items, Recorder()).items
    assert [s.reason for s in found] == [
        "The template refuses it.",
        "the score of completion 1 is nan",
        "the chosen response is empty",
        None,
    ]
    assert all(math.isnan(x) for x in found[0].scores + found[2].scores)
    assert found[1].scores[1] == 1.0


def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_lost():
    items = [pair(str(i), "x" * (i + 1), "y" * (i + 1)) for i in range(8)]
    scorer = Recorder(most_tokens=20)
    found = score(items, scorer, batch_tokens=160).items
    assert [s.scores for s in found] == [(i + 1.0, i + 1.0) for i in range(8)]
    assert sum(scorer.batches) == 16, "each of the 16 texts ran once"


def test_after_one_long_batch_did_not_fit_short_items_still_share_one():
    items = [pair("long", "x" * 40, "y" * 40), *(pair(str(i), "a" * (i + 1), "b" * (i + 1)) for i in range(4))]
    scorer = Recorder(most_tokens=60)
    score(items, scorer, batch_tokens=80)
    assert scorer.batches == [1, 1, 8]


def test_a_scorer_that_asks_for_it_gets_one_request_at_a_time():
    scorer = Recorder()
    scorer.traits = BatchTraits(max_batch_size=1)
    score([pair("a", "xx", "xxx"), pair("b", "x", "xxxx")], scorer, batch_size=8)
    assert scorer.batches == [1, 1, 1, 1]


def test_one_item_that_never_fits_is_named_not_dropped():
    with pytest.raises(InputError, match=r"An item of 50 tokens does not fit into memory: pass --max_length"):
        score([pair("a", "x" * 50, "x")], Recorder(most_tokens=20))


def test_another_error_of_torch_is_not_taken_for_full_memory():
    scorer = Recorder()
    scorer.run = lambda requests: (_ for _ in ()).throw(RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        score([pair("a", "x", "xx")], scorer)


def test_truncated_items_are_counted(model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder()), max_length=20, device="cpu"))
    found = score([pair("a", "x" * 200, "x"), pair("b", "x", "y")], scorer).items
    assert [s.truncated for s in found] == [True, False]
    assert max(found[0].tokens) == 20


def test_the_progress_bar_hears_of_every_request_and_token():
    class Heard:
        started, expected, done = (0, 0), [0, 0, 0], [0, 0]

        def start(self, items, parts):
            self.started = (items, parts)

        def expect(self, *counts):
            self.expected = [a + b for a, b in zip(self.expected, counts, strict=True)]

        def advance(self, requests, tokens):
            self.done = [self.done[0] + requests, self.done[1] + tokens]

    heard = Heard()
    score([pair("a", "xx", "xxx"), pair("b", "x", "xxxx")], Recorder(), batch_tokens=4, progress=heard)
    assert heard.started == (2, 1)
    assert heard.expected == [2, *heard.done] == [2, 4, 10]


def test_a_random_baseline_depends_on_seed_and_text_alone():
    items = [pair(str(i), f"yes {i}", f"no {i}") for i in range(50)]
    first = [s.scores for s in score(items, Baseline("baseline/random", 1)).items]
    again = [s.scores for s in score(items[::-1], Baseline("baseline/random", 1), batch_size=3).items][::-1]
    other = [s.scores for s in score(items, Baseline("baseline/random", 2)).items]
    assert first == again
    assert first != other
    assert 10 < sum(a > b for a, b in first) < 40


def test_length_baselines_count_characters():
    items = [pair("a", "longer", "short")]
    assert score(items, Baseline("baseline/longest")).items[0].scores == (6.0, 5.0)
    assert score(items, Baseline("baseline/shortest")).items[0].scores == (-6.0, -5.0)


def test_noise_is_the_difference_between_batch_and_alone():
    class Noisy(Recorder):
        fingerprint: ClassVar[dict[str, str]] = {"dtype": "bfloat16"}

        def run(self, requests):
            return [float(len(r)) + (0.25 if len(requests) > 1 else 0.0) for r in requests]

    items = [pair("a", "xxx", "x"), pair("b", "xx", "xx y")]
    assert score(items, Noisy(), noise=True).noise == 0.25
    assert score(items, Noisy()).noise is None, "nobody asked"
    assert score(items, Recorder(), noise=True).noise is None, "float32 is exact"
    near = [ItemScores("a", (1.0, 1.4)), ItemScores("b", (1.0, 1.6))]
    assert within_noise(items, near, 0.25) == ["a"]


def test_half_precision_notes_its_noise(model_folder):
    from rewardbench import evaluate

    result = evaluate("tiny-rm", "core", dtype="bfloat16", device="cpu", limit=20)
    run = result.manifest["run"]
    assert 0 <= run["batch_noise"] < 0.5
    assert any("the batch moves a score" in note for note in result.manifest["notes"])
    assert result.manifest["fingerprint"]["dtype"] == "bfloat16"
