"""Try settings on a sample of published rows: score the rows with each combination, and measure how far they agree."""

from __future__ import annotations

import copy
import math
import operator
from array import array
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import cast

from rewardbench.chat import Chat
from rewardbench.doctor.agreement import (
    ItemScoreList,
    ScoreAgreement,
    affine_scores,
    measure_agreement,
    row_differences,
)
from rewardbench.doctor.candidates import AFTER_TRUNCATION, Candidate, PaddedBatches, TokenSpan, edits_tokens
from rewardbench.doctor.grid import GridCell, score_cell
from rewardbench.doctor.published import PairedRow
from rewardbench.engine.loop import Prepared, prepare
from rewardbench.engine.noise import is_exact
from rewardbench.engine.views import collect
from rewardbench.errors import InputError
from rewardbench.hub import cache_only
from rewardbench.models.devices import release
from rewardbench.models.failures import first_sentence
from rewardbench.scorers import load_scorer
from rewardbench.scorers.base import BaseScorer, ModelScorer
from rewardbench.scorers.classifier import use_pad_token
from rewardbench.scorers.dpo import Dpo
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.settings import ModelSpec
from rewardbench.types import BatchTraits, Score, TokenRequest

MOST_TOKENS = 8192
"""Maximum tokens of a batch."""
SCREEN = 6
"""Rows that are scored first; a setting that changes none of them, or under which none agrees, ends there."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried, and how far they agree with the published scores."""

    settings: tuple[Candidate, ...]
    conversion: str = ""
    """How the scores of the run become the published ones, besides the settings; empty if they need no conversion."""
    agreement: ScoreAgreement | None = None
    """None if the settings change nothing, or failed."""
    screened: ScoreAgreement | None = None
    """Agreement on the rows that are scored first."""
    problem: str = ""
    """Why there is no agreement to show."""
    exact: bool = False
    """Whether every row is within the strict tolerance."""

    @property
    def loss(self) -> tuple[float, float]:
        """Return the share of rows that disagree, then one minus the correlation; infinite if the trial failed."""
        if self.screened is None:
            return math.inf, math.inf
        correlation = abs(self.screened.pearson)
        share = 1 - self.screened.within / self.screened.items
        return share, 1.0 if math.isnan(correlation) else 1 - correlation

    def describe(self) -> str:
        """Return the settings in words."""
        words = [*(setting.text for setting in self.settings), *filter(None, [self.conversion])]
        return " and ".join(words) or "the settings of this run"


class Trials:
    """Scores rows under settings. One model is in memory at a time.

    Args:
        spec: the model as it was run.
        scorer: the loaded model.
        sample: the rows to score; the first `SCREEN` of them decide whether the others are scored.
        published: all rows, in the order of publication, of which padded batches consist.
        strict: largest difference of scores that were computed from the same input in the same way.
        rounding: largest difference that rounding in the dtype of the published scores explains.
    """

    def __init__(
        self,
        spec: ModelSpec,
        scorer: BaseScorer,
        sample: Sequence[PairedRow],
        published: Sequence[PairedRow],
        strict: float,
        rounding: float,
    ) -> None:
        self._spec = spec
        self._scorer: BaseScorer | None = scorer
        self._loaded: ModelSpec | None = spec
        self._sample, self._published = list(sample), list(published)
        self.strict, self.rounding = strict, rounding
        self._seen: set[tuple[object, ...]] = set()

    def run(self, settings: Sequence[Candidate]) -> Trial:
        """Score the sample under settings; a model or a text that fails is a problem of the trial, not an error."""
        settings = tuple(settings)
        try:
            scorer = self._with_settings(settings)
            for setting in settings:
                if setting.batches:
                    rows = self._batch_of_worst(setting.batches.size)
                    return self._judge(settings, rows, self._score_batch(scorer, settings, rows, setting.batches))
            return self._score_in_two_steps(settings, scorer)
        except (InputError, RuntimeError, MemoryError) as error:
            return Trial(settings, problem=first_sentence(error))

    def same_input(self, settings: Sequence[Candidate], others: Sequence[Candidate]) -> list[Candidate]:
        """Return the settings that give the model the same token ids as a combination of settings does."""
        expected = self._signature(settings)
        same = []
        for other in others:
            if other.changes_input and other not in settings and self._signature([other]) == expected:
                same.append(other)
        return same

    def _signature(self, settings: Sequence[Candidate]) -> list[bytes]:
        """Return the keys of all requests of the sample under settings; empty if they cannot be made."""
        try:
            return _keys(self._prepare_all(self._sample, self._with_settings(settings), settings))
        except InputError:
            return []

    def _score_in_two_steps(self, settings: tuple[Candidate, ...], scorer: BaseScorer) -> Trial:
        """Score the first rows, and the others if one of the first agrees."""
        first_rows, other_rows = self._sample[:SCREEN], self._sample[SCREEN:]
        prepared = self._prepare_all(first_rows, scorer, settings)
        if not any(row.requests for row in prepared):
            return Trial(settings, problem=str(prepared[0].reason))
        if not self._is_new(settings, prepared):
            return Trial(settings, problem="changes nothing")
        scores = self._score(scorer, settings, prepared)
        trial = self._judge(settings, first_rows, scores)
        if trial.screened is None or trial.screened.within == 0 or not other_rows:
            return replace(trial, exact=trial.exact and not other_rows)
        prepared = self._prepare_all(other_rows, scorer, settings)
        scores += self._score(scorer, settings, prepared)
        return replace(self._judge(settings, self._sample, scores), screened=trial.screened)

    def _judge(self, settings: tuple[Candidate, ...], rows: Sequence[PairedRow], scores: ItemScoreList) -> Trial:
        """Return the trial with the conversion under which most rows agree."""
        trials = []
        for conversion, converted in conversions(scores):
            trials.append(self._measure(settings, conversion, rows, converted))
        best = min(trials, key=lambda trial: trial.loss[0])
        line = affine_scores(rows, scores)
        if line is not None and not best.exact:
            fitted = self._measure(settings, line[0], rows, line[1])
            return fitted if fitted.exact else best
        return best

    def _measure(
        self, settings: tuple[Candidate, ...], conversion: str, rows: Sequence[PairedRow], scores: ItemScoreList
    ) -> Trial:
        agreement = measure_agreement(rows, scores, self.rounding)
        return Trial(settings, conversion, agreement, agreement, exact=agreement.max_abs_diff <= self.strict)

    def _with_settings(self, settings: Sequence[Candidate]) -> BaseScorer:
        """Return the model as settings load it, with another template and length limit."""
        changes: dict[str, str] = {}
        for setting in settings:
            changes.update(setting.load)
        scorer = self._load(replace(self._spec, **changes))  # type: ignore[arg-type]
        chat = scorer.chat
        if chat is None:
            raise InputError("The model reads no tokens.")
        for setting in settings:
            if setting.is_plain:
                chat = Chat(chat.tokenizer, chat.template, chat.max_length, chat.truncation_side, name=scorer.name)
            chat = chat.variant(setting.template, setting.max_length, setting.truncation_side)
        variant = copy.copy(scorer)
        variant.chat = chat
        for setting in settings:
            if setting.aggregation:
                variant.aggregation = setting.aggregation
        return variant

    def _load(self, spec: ModelSpec) -> BaseScorer:
        """Return the model of a spec; the one that was in memory is freed."""
        if spec != self._loaded:
            self._scorer = self._loaded = None
            release()
            with cache_only():
                self._scorer = load_scorer(spec)
            self._loaded = spec
        assert self._scorer is not None
        return self._scorer

    def _prepare_all(
        self, rows: Sequence[PairedRow], scorer: BaseScorer, settings: Sequence[Candidate]
    ) -> list[Prepared]:
        return [self._prepare(row, scorer, settings) for row in rows]

    def _prepare(self, row: PairedRow, scorer: BaseScorer, settings: Sequence[Candidate]) -> Prepared:
        """Prepare the requests of a row, with the edits of the settings: before and after truncation."""
        item = row.item
        for setting in settings:
            if setting.edit_row:
                item = setting.edit_row(row)
        if not edits_tokens(scorer) or scorer.chat is None:
            return prepare(item, scorer)
        untruncated = copy.copy(scorer)
        untruncated.chat = scorer.chat.variant(max_length=None)
        prepared = prepare(item, untruncated)
        early, late = _split_edits(settings)
        appended = array("i", scorer.chat.appended if isinstance(scorer.chat, HeadChat) else [])
        requests = []
        try:
            for request in prepared.requests:
                assert isinstance(request, TokenRequest)
                body = replace(request, ids=request.ids[: len(request) - len(appended)])
                fitted = scorer.chat.fit(edit_request(body, early))
                all_ids = fitted.ids + appended
                requests.append(edit_request(replace(fitted, ids=all_ids, end=len(all_ids)), late))
        except InputError as error:
            return Prepared(item, reason=str(error))
        return replace(prepared, requests=tuple(requests))

    def _is_new(self, settings: Sequence[Candidate], prepared: Sequence[Prepared]) -> bool:
        """Return True if no earlier trial had the same requests for the same model and the same reading."""
        reading = {(setting.aggregation, setting.reads_padding) for setting in settings} - {(None, False)}
        signature = (self._loaded, frozenset(reading), tuple(_keys(prepared)))
        is_new = signature not in self._seen
        self._seen.add(signature)
        return is_new

    def _score(
        self, scorer: BaseScorer, settings: Sequence[Candidate], prepared: Sequence[Prepared]
    ) -> list[tuple[float, ...]]:
        """Return the scores of prepared rows; NaN where there are none."""
        requests: list[TokenRequest] = []
        for row in prepared:
            for request in row.requests:
                assert isinstance(request, TokenRequest)
                requests.append(request)
        reads_padding = any(setting.reads_padding for setting in settings)
        with use_pad_token(scorer.model, -1) if reads_padding else nullcontext():
            call_scores = iter(score_requests(scorer, requests, unbatched=reads_padding))
        scores = []
        for row in prepared:
            if row.reason is not None:
                scores.append((math.nan,) * len(row.item.completions))
                continue
            values = [next(call_scores) for _ in row.requests]
            scores.append(collect(row.item, scorer.view, values, scorer.aggregation).scores)
        return scores

    def _batch_of_worst(self, size: int) -> list[PairedRow]:
        """Return the rows of the published batch that contains the first row of the sample."""
        ids = [row.item.id for row in self._published]
        start = ids.index(self._sample[0].item.id) // size * size
        return self._published[start : start + size]

    def _score_batch(
        self, scorer: BaseScorer, settings: Sequence[Candidate], rows: Sequence[PairedRow], batches: PaddedBatches
    ) -> list[tuple[float, ...]]:
        """Return the scores of rows in padded batches: one of all first completions, one of all second, and so on."""
        assert isinstance(scorer, ModelScorer)
        columns: list[list[float]] = []
        prepared = self._prepare_all(rows, scorer, settings)
        for index in range(len(rows[0].item.completions)):
            requests = []
            for row in prepared:
                if len(row.by_completion) != len(rows[0].item.completions):
                    raise InputError("A row of the batch cannot be scored.")
                request = row.by_completion[index]
                assert isinstance(request, TokenRequest)
                requests.append(request)
            cell = GridCell(batches.size, "original", batches.side, "padded")
            columns.append(score_cell(scorer, cell, requests, batches.fault))
        return list(zip(*columns, strict=True))


def _keys(prepared: Sequence[Prepared]) -> list[bytes]:
    """Return the keys of all requests."""
    keys = []
    for row in prepared:
        keys += [request.key for request in row.requests]
    return keys


def _split_edits(settings: Sequence[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Return the settings whose edits precede the truncation, and those whose edits follow it, in their order."""
    by_aspect: dict[str, Candidate] = {}
    for setting in settings:
        by_aspect[setting.aspect] = setting
    late = [by_aspect.pop(aspect) for aspect in AFTER_TRUNCATION if aspect in by_aspect]
    return list(by_aspect.values()), late


def edit_request(request: TokenRequest, settings: Sequence[Candidate]) -> TokenRequest:
    """Return a request with the token edits of settings, in their order."""
    tokens = TokenSpan(request.ids.tolist(), request.start)
    for setting in settings:
        if setting.edit_tokens:
            tokens = setting.edit_tokens(tokens)
    if tokens == TokenSpan(request.ids.tolist(), request.start):
        return request
    if not tokens.ids:
        raise InputError("Nothing is left of a text.")
    return replace(request, ids=array("i", tokens.ids), start=tokens.start, end=len(tokens.ids))


def score_requests(scorer: BaseScorer, requests: Sequence[TokenRequest], unbatched: bool) -> list[Score]:
    """Score texts; the batches of an exact dtype change no score.

    Args:
        scorer: a ModelScorer or a Dpo scorer.
        requests: the texts as token ids.
        unbatched: score each text by the model's own forward pass, without padding.
    """
    if isinstance(scorer, Dpo):
        stages: list[list[float]] = []
        for stage in scorer.stages:
            with stage as log_probs:
                stages.append(cast("list[float]", _score_stage(log_probs, requests, unbatched)))
        return list(scorer.combine(stages))
    assert isinstance(scorer, ModelScorer)
    return _score_stage(scorer, requests, unbatched)


def _score_stage(scorer: ModelScorer, requests: Sequence[TokenRequest], unbatched: bool) -> list[Score]:
    if not unbatched and is_exact(scorer.fingerprint) and scorer.traits.max_batch_size != 1:
        scores: list[Score] = []
        for batch in _batches(requests, scorer.traits):
            scores += scorer.run(batch)
        return scores
    if scorer.view == "stepwise":
        return [scorer.run([request])[0] for request in requests]
    return list(map(scorer.score_unbatched, requests))


def _batches(requests: Sequence[TokenRequest], traits: BatchTraits) -> Iterator[list[TokenRequest]]:
    """Yield consecutive requests of at most `MOST_TOKENS` tokens in all; a longer text is a batch of its own."""
    batch: list[TokenRequest] = []
    for request in requests:
        bucket = traits.length_bucket(len(request))
        is_full = sum(map(len, batch)) + len(request) > MOST_TOKENS
        if batch and (is_full or traits.length_bucket(len(batch[0])) != bucket):
            yield batch
            batch = []
        batch.append(request)
    if batch:
        yield batch


def conversions(scores: ItemScoreList) -> Iterator[tuple[str, ItemScoreList]]:
    """Yield the scores as they are and converted as another program may have done, each with its name."""
    yield "", scores
    negated, swapped, squashed = [], [], []
    for values in scores:
        negated.append(tuple(map(operator.neg, values)))
        swapped.append(values[::-1])
        squashed.append(tuple(map(_sigmoid, values)))
    yield "the sign reversed", negated
    if {2}.issuperset(map(len, scores)):
        yield "chosen and rejected swapped", swapped
    yield "a sigmoid of the score", squashed


def _sigmoid(value: float) -> float:
    return 0.0 if value < -700 else 1 / (1 + math.exp(-value))


def worst_first(rows: Sequence[PairedRow], scores: ItemScoreList) -> list[int]:
    """Return the indices of rows, those with the largest differences first."""
    differences = row_differences(rows, scores)
    return sorted(range(len(rows)), key=lambda index: -differences[index])
