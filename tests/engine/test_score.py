"""The scoring loop: items in order, identical texts scored once, a reason for every item without scores."""

import math
from typing import ClassVar

import pytest
import torch

from rewardbench.engine.loop import score
from rewardbench.engine.noise import count_within_noise
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
    """Scores by length, records its batches, and fails if a batch is too large."""

    name, model_type = "recorder", "Test"
    fingerprint: ClassVar[dict[str, str]] = {}
    traits = BatchTraits()

    def __init__(self, max_tokens=10**9):
        self.batches: list[int] = []
        self.max_tokens = max_tokens

    def prepare(self, prompt, completion, rendered):
        text = completion[0]["content"]
        if text == "rejected":
            raise InputError("The template rejects it.")
        return TokenRequest(text, text, tuple(map(ord, text)))

    def run(self, requests):
        if len(requests) * max(map(len, requests)) > self.max_tokens:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.batches.append(len(requests))
        return [math.nan if request.text == "not a number" else float(len(request)) for request in requests]


def test_scores_come_back_in_the_order_of_the_items():
    items = [pair("a", "xx", "xxxxx"), pair("b", "x", "xxx")]
    run = score(items, Recorder(), batch_tokens=4)
    assert [(s.id, s.scores) for s in run.items] == [("a", (2.0, 5.0)), ("b", (1.0, 3.0))]


def test_identical_requests_are_scored_once():
    scorer = Recorder()
    run = score([pair("a", "xx", "xx"), pair("b", "xx", "x")], scorer)
    assert sum(scorer.batches) == run.requests == 2
    assert run.items[0].scores == (2.0, 2.0)


def test_items_that_cannot_be_scored_have_a_reason():
    items = [
        pair("a", "xx", "rejected"),
        pair("b", "not a number", "x"),
        pair("c", "x", "xx", problem="the chosen response is empty"),
        pair("d", "x", "xx"),
    ]
    scores = score(items, Recorder()).items
    assert [item_scores.reason for item_scores in scores] == [
        "The template rejects it.",
        "the score of completion 1 is nan",
        "the chosen response is empty",
        None,
    ]
    assert all(map(math.isnan, scores[0].scores + scores[2].scores))
    assert scores[1].scores[1] == 1.0


def test_a_batch_that_does_not_fit_is_halved_and_every_item_scored():
    items = [pair(str(i), "x" * (i + 1), "y" * (i + 1)) for i in range(8)]
    scorer = Recorder(max_tokens=20)
    scores = score(items, scorer, batch_tokens=160).items
    assert [item_scores.scores for item_scores in scores] == [(i + 1.0, i + 1.0) for i in range(8)]
    assert sum(scorer.batches) == 16, "each of the 16 texts ran once"


def test_short_items_share_a_batch_after_a_long_batch_did_not_fit():
    items = [pair("long", "x" * 40, "y" * 40), *(pair(str(i), "a" * (i + 1), "b" * (i + 1)) for i in range(4))]
    scorer = Recorder(max_tokens=60)
    score(items, scorer, batch_tokens=80)
    assert scorer.batches == [1, 1, 8]


def test_a_scorer_with_batch_size_1_gets_one_request_at_a_time():
    scorer = Recorder()
    scorer.traits = BatchTraits(max_batch_size=1)
    score([pair("a", "xx", "xxx"), pair("b", "x", "xxxx")], scorer, batch_size=8)
    assert scorer.batches == [1, 1, 1, 1]


def test_an_item_that_does_not_fit_alone_is_an_error():
    with pytest.raises(InputError, match=r"An item of 50 tokens does not fit into memory: pass --max_length"):
        score([pair("a", "x" * 50, "x")], Recorder(max_tokens=20))


def test_other_errors_of_torch_are_not_taken_for_full_memory():
    scorer = Recorder()
    scorer.run = lambda requests: (_ for _ in ()).throw(RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        score([pair("a", "x", "xx")], scorer)


def test_truncated_items_are_counted(model_folder):
    scorer = load_classifier(ModelSpec(str(model_folder()), max_length=20, device="cpu"))
    long, short = score([pair("a", "x" * 200, "x"), pair("b", "x", "y")], scorer).items
    assert (long.truncated, short.truncated) == (True, False)
    assert max(long.tokens) == 20


def test_progress_counts_every_request_and_token():
    class Counts:
        started, expected, done = (0, 0), [0, 0, 0], [0, 0]

        def start(self, items, parts):
            self.started = (items, parts)

        def expect(self, items, requests, tokens):
            self.expected = [self.expected[0] + items, self.expected[1] + requests, self.expected[2] + tokens]

        def advance(self, requests, tokens):
            self.done = [self.done[0] + requests, self.done[1] + tokens]

    counts = Counts()
    score([pair("a", "xx", "xxx"), pair("b", "x", "xxxx")], Recorder(), batch_tokens=4, progress=counts)
    assert counts.started == (2, 1)
    assert counts.expected == [2, *counts.done] == [2, 4, 10]


def test_a_random_baseline_depends_on_seed_and_text_only():
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


def test_noise_is_the_difference_between_batched_and_unbatched_scores():
    class Noisy(Recorder):
        fingerprint: ClassVar[dict[str, str]] = {"dtype": "bfloat16"}

        def run(self, requests):
            return [float(len(request)) + (0.25 if len(requests) > 1 else 0.0) for request in requests]

    items = [pair("a", "xxx", "x"), pair("b", "xx", "xx y")]
    assert score(items, Noisy(), noise=True).noise == 0.25
    assert score(items, Noisy()).noise is None, "not measured"
    assert score(items, Recorder(), noise=True).noise is None, "float32 is exact"
    scores = [ItemScores("a", (1.0, 1.4)), ItemScores("b", (1.0, 1.6))]
    assert count_within_noise(items, scores, 0.25) == 1


def test_the_noise_of_half_precision_is_noted(model_folder):
    from rewardbench import evaluate

    result = evaluate("tiny-rm", "core", dtype="bfloat16", device="cpu", limit=20)
    run = result.manifest["run"]
    assert 0 <= run["batch_noise"] < 0.5
    has_note = any("batching changes a score" in note for note in result.manifest["notes"])
    assert has_note == (run["batch_noise"] > 0)
    assert result.manifest["fingerprint"]["dtype"] == "bfloat16"
