"""Score texts by a backbone and a declared head."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from rewardbench.errors import InputError
from rewardbench.forward.packed import Layout, PackedReads, apply_head, collate_packed, hidden_states
from rewardbench.forward.padding import choose_pad_id, filter_inputs, pad_batch, read_pad_id
from rewardbench.metrics.steps import aggregate
from rewardbench.models.devices import input_device
from rewardbench.models.failures import reported, run_reported
from rewardbench.models.limits import embedding_rows, reject_unknown_tokens
from rewardbench.scorers.base import CollatingScorer
from rewardbench.scorers.classifier import describe_model, reset_rope
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.scorers.heads.marks import MarkChecker, find_mark
from rewardbench.scorers.heads.positions import ASSISTANT_HEADER, FindPositions, position_finder, resolve_token
from rewardbench.scorers.heads.readout import Readout
from rewardbench.scorers.heads.spec import HeadSpec, Position
from rewardbench.types import Message, Messages, Score, ScorerReport, TokenRequest, Tools

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel


HeadInputs: TypeAlias = "tuple[PackedReads | tuple[dict[str, torch.Tensor], list[list[int]]], list[int]]"
"""A packed batch, or a padded one with the columns that are read of each row; and the number of reads of each text."""

DESCRIPTIONS = {"name", "title", "checkpoints", "evidence", "source", "needs", "note", "ignore", "match"}
"""Fields of a spec on which no score depends."""


class HeadScorer(CollatingScorer[Any]):
    """Scores hidden states, or logits of some tokens, at the positions that a head spec names.

    Args:
        model: the backbone, or a causal model if the spec reads logits; in evaluation mode.
        chat: renders and tokenises as the spec says.
        name: as results name it.
        spec: the family of the model.
        readout: turns states into scores.
        config: of the checkpoint, for tokens that the spec names by a key.
        identity: what is known of weights, tokenizer and libraries; part of the fingerprint.
        layout: how its batches are laid out.
    """

    model_type = "Custom Classifier"
    chat: HeadChat

    def __init__(
        self,
        model: PreTrainedModel,
        chat: HeadChat,
        name: str,
        spec: HeadSpec,
        readout: Readout,
        config: PreTrainedConfig,
        identity: Mapping[str, object] | None = None,
        layout: Layout | None = None,
    ) -> None:
        super().__init__(model, chat, name, identity, layout)
        self.spec, self.readout = spec, readout
        if spec.pair:
            self.view = "pairwise"
        elif spec.steps:
            self.view, self.aggregation = "stepwise", spec.steps.aggregate
        self.rows = embedding_rows(model, name)
        self._positions = self._finder(spec.position, config)
        self._gate_positions = self._finder(spec.gate.position, config) if spec.gate else None
        self._checker = self._make_checker(config)
        self._token_ids = [self._token_id(token, config) for token in spec.vocabulary]
        self._pad = read_pad_id(model.config.get_text_config())
        self._has_segments = spec.input.sentence_pair and "token_type_ids" in chat.tokenizer.model_input_names

    def _finder(self, position: Position, config: PreTrainedConfig) -> FindPositions:
        return position_finder(self._with_header(position), self.chat.tokenizer, config)

    def _with_header(self, position: Position) -> Position:
        """Return the position with the header that the chat template prints, if it is read there."""
        if position.token != ASSISTANT_HEADER:
            return position
        return position.model_copy(update={"token": self.chat.assistant_header()})

    def _make_checker(self, config: PreTrainedConfig) -> MarkChecker:
        positions = [self.spec.position, *([self.spec.gate.position] if self.spec.gate else [])]
        appended = self.spec.input.append
        marks = [find_mark(self._with_header(p), self.chat.tokenizer, config, appended) for p in positions]
        return MarkChecker(marks)

    def _token_id(self, token: str | int, config: PreTrainedConfig) -> int:
        ids = resolve_token(token, self.chat.tokenizer, config)
        if len(ids) != 1:
            raise InputError(f"{token!r} is {len(ids)} tokens for the tokenizer of {self.name}, not one.")
        return ids[0]

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Return everything that can change a score, and nothing else."""
        head = self.spec.model_dump(mode="json", exclude_defaults=True, exclude=DESCRIPTIONS)
        facts = {**self._identity, **describe_model(self.model), **self.chat.describe()}
        if self.spec.steps:
            facts["step_aggregation"] = self.aggregation
        return {"kind": self.model_type, "head": head, **facts}

    def prepare(self, prompt: Messages, *completions: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Render and tokenize one completion, or the two of a pairwise model, in its context."""
        if self.spec.pair:
            first, second = completions
            request = self.chat.request_pair(prompt, first, second, rendered, tools)
        else:
            (completion,) = completions
            request = self.chat.request(prompt, completion, rendered, tools)
        if not request.ids:
            raise InputError("The text has no tokens.")
        reject_unknown_tokens(request.ids, self.rows, self.chat.tokenizer)
        if self.spec.steps and not rendered:
            request = self._place_steps(request, completions[0])
        position = request.positions[-1] if request.positions else self._positions(request.ids)[-1]
        if self._gate_positions:
            self._gate_positions(request.ids)
        if not rendered:
            self._checker.check(request, (*prompt, *chain.from_iterable(completions)), self.chat)
        token = self.chat.tokenizer.convert_ids_to_tokens(request.ids[position])
        return replace(request, pooled_token=sys.intern(str(token)))

    def _place_steps(self, request: TokenRequest, completion: Messages) -> TokenRequest:
        """Check that there is a position for each step; of turns, only the last ones are steps.

        Raises:
            InputError: if steps that the data names were truncated, or one of them contains the tag.
        """
        steps = self.chat.step_texts(completion)
        places = request.positions or tuple(self._positions(request.ids))
        if self.spec.steps and self.spec.steps.layout == "turns":
            places = places[-len(steps) :]
            request = replace(request, positions=places)
        if "steps" in completion[-1] and len(places) != len(steps):
            if request.dropped:
                raise InputError(f"truncation left {len(places)} of {len(steps)} steps")
            raise InputError(f"the text has {len(places)} tags for {len(steps)} steps: a step contains the tag")
        return request

    def probe(self, text: str) -> TokenRequest:
        """Return a request of a short conversation: the score may be read at a token that only a template prints."""
        question = (Message(role="user", content="How long is the river?"),)
        answer = (Message(role="assistant", content=text),)
        other = (Message(role="assistant", content="I do not know."),)
        completions = (answer, other) if self.spec.pair else (answer,)
        return self.prepare(question, *completions, rendered=False)

    def forward(self, requests: Sequence[TokenRequest]) -> list[float]:
        """Score a batch in one forward pass; exceptions of the model pass through."""
        return [self._aggregate(scores) for scores in self.position_scores(requests)]

    def run(self, requests: Sequence[TokenRequest]) -> Sequence[Score]:
        """Score a batch: one number per text, or a tuple with one per step. Raises ModelFailure if the model fails."""
        if not self.spec.steps:
            return self.run_forward(requests)
        step_scores = run_reported(self.name, self.model.config, requests, self.position_scores)
        return [tuple(scores) for scores in step_scores]

    def _aggregate(self, scores: Sequence[float]) -> float:
        return aggregate(scores, self.aggregation) if self.spec.steps else scores[0]

    def collate(self, requests: Sequence[TokenRequest]) -> Any:
        """Pack or pad a batch, with the positions that are read; see `CollatingScorer.collate`."""
        return self._collate(requests, list(map(self.places, requests)))

    def position_scores(self, requests: Sequence[TokenRequest]) -> list[list[float]]:
        """Return the scores at all positions that are read: one of each text, or one of each of its steps."""
        import torch

        with self.inputs(requests) as inputs, torch.inference_mode():
            return self.read_states(self._states(inputs))

    def places(self, request: TokenRequest) -> list[int]:
        """Return the positions whose states are read: those of the head, then that of the gate, if there is one."""
        ids = request.ids
        if request.positions:
            return list(request.positions)
        return self._positions(ids) + (self._gate_positions(ids) if self._gate_positions else [])

    def read_states(self, states: Sequence[torch.Tensor]) -> list[list[float]]:
        """Return the scores of each text from its states [positions, width]."""
        import torch

        gates = 1 if self._gate_positions else 0
        counts = [len(rows) - gates for rows in states]
        head_states = [rows[:count] for rows, count in zip(states, counts, strict=True)]
        if self.spec.position.at == "mean":
            head_states = [rows.mean(dim=0, keepdim=True) for rows in head_states]
            counts = [1] * len(states)
        gate_states = torch.cat([rows[-1:] for rows in states]) if gates else None
        scores = self.readout.scores(torch.cat(head_states), gate_states)
        split, start = [], 0
        for count in counts:
            split.append(scores[start : start + count])
            start += count
        return split

    def _collate(self, requests: Sequence[TokenRequest], wanted: Sequence[Sequence[int]]) -> HeadInputs:
        """Pack or pad texts; `wanted` are the positions that are read of each."""
        counts = list(map(len, wanted))
        if self.layout.packed:
            ids = [request.ids for request in requests]
            return collate_packed(self.model, ids, wanted, self.layout.last_layer), counts
        fill = choose_pad_id(requests, self._pad, self.model.config.get_text_config().vocab_size)
        inputs = pad_batch(requests, fill, self.layout.side, input_device(self.model))
        if self._has_segments:
            inputs["token_type_ids"] = segment_ids(requests, inputs["input_ids"])
        longest = inputs["input_ids"].shape[1]
        columns: list[list[int]] = []
        for request, places in zip(requests, wanted, strict=True):
            offset = longest - len(request) if self.layout.side == "left" else 0
            columns.append([offset + position for position in places])
        return (inputs, columns), counts

    def _states(self, collated: HeadInputs) -> list[torch.Tensor]:
        """Run the model; return the wanted states of each text: [positions, width]."""
        import torch

        inputs, counts = collated
        reset_rope(self.model, self.rope)
        if not isinstance(inputs, PackedReads):
            states = self._outputs(inputs[0])
            return [states[row, columns] for row, columns in enumerate(inputs[1])]
        states = hidden_states(self.model, inputs.batch, self.layout.last_layer)[inputs.states]
        if self._token_ids:
            ids = inputs.input_ids.to(states.device)
            states = apply_head(self.model, states[:, None], ids[:, None])[:, 0, self._token_ids]
        return list(torch.split(states, counts))

    def _outputs(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Run the model; return its last hidden states, or the logits of the vocabulary: [texts, tokens, width]."""
        import torch

        if self.model.config.is_encoder_decoder:
            start = int(self.model.config.decoder_start_token_id)
            shape = (len(inputs["input_ids"]), 1)
            inputs = {**inputs, "decoder_input_ids": torch.full(shape, start, device=input_device(self.model))}
        output = self.model(**filter_inputs(self.model, inputs))
        if self._token_ids:
            states: torch.Tensor = output.logits[..., self._token_ids]
        elif self.spec.head is None:
            states = output.logits[:, None]
        else:
            states = output[0]
        return states

    def score_unbatched(self, request: TokenRequest) -> float:
        """Score one unpadded text by the model's own forward, which every batch must equal."""
        import torch

        with torch.inference_mode(), reported(self.name, self.model.config, request):
            reset_rope(self.model, self.rope)
            ids = torch.tensor([request.ids], device=input_device(self.model))
            inputs = {"input_ids": ids}
            if self._has_segments:
                inputs["token_type_ids"] = segment_ids([request], ids)
            states = self._outputs(inputs)[0]
            return self._aggregate(self.read_states([states[self.places(request)]])[0])

    def report(self) -> ScorerReport:
        """Return the repairs at load time, the family, and the position that is read."""
        details: dict[str, object] = {"head": self.spec.name, "pooling": str(self.spec.position)}
        if self.spec.steps:
            details["step_aggregation"] = self.aggregation
        return ScorerReport(super().report().notes, details, self.metadata)


def segment_ids(requests: Sequence[TokenRequest], ids: torch.Tensor) -> torch.Tensor:
    """Return 1 for the tokens of each second text, else 0: [texts, longest]. Texts are padded on the right."""
    import torch

    segments = torch.zeros_like(ids)
    for number, request in enumerate(requests):
        segments[number, request.start : request.end] = 1
    return segments
