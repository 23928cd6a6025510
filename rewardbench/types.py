"""Data types shared by all packages: items and suites, requests and scorers, scores and results.

A Suite holds Items. A Scorer turns the completions of an Item into Requests, and the engine turns Requests into
ItemScores. Metrics turn ItemScores into the Estimates of a Result, and a Store saves Results.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from html import escape
from typing import Any, ClassVar, Literal, NotRequired, Protocol, TypedDict

View = Literal["pointwise", "pairwise", "listwise", "stepwise"]
Aggregation = Literal["min", "product", "last", "mean"]
"""How the scores of the steps of a solution become one score."""
Credit = Literal["strict", "best_of_n", "ties", "first_error"]


class Message(TypedDict):
    """One turn of a conversation, with the fields of OpenAI and transformers; unset fields are left out."""

    role: str
    """One of system, user, assistant and tool."""
    content: str
    null_content: NotRequired[bool]
    """True if the content was null in the data, as it is in messages with tool calls; `content` is then empty."""
    reasoning_content: NotRequired[str]
    reasoning: NotRequired[str]
    thinking: NotRequired[str]
    tool_calls: NotRequired[list[dict[str, Any]]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]
    steps: NotRequired[list[str]]
    """The steps of a solution, for process reward models; `content` holds them with blank lines between."""


Messages = tuple[Message, ...]
Tools = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Item:
    """A prompt with its completions, of which the first `num_correct` are right.

    A pair has 2 completions, 1 correct; a best-of-4 item has 4, 1 correct; a Ties item has n, k correct; a
    conversation to be scored without a preference has 1 completion, 0 correct. `group` names the cluster of the item
    (its mirror, prompt or style cell); items of one group are not independent.
    """

    id: str
    subset: str
    prompt: Messages
    completions: tuple[Messages, ...]
    """Each completion as a tuple of messages: usually one assistant message, several if it has more turns."""
    num_correct: int = 1
    group: str = ""
    rendered: bool = False
    """True if the text is final (`text_chosen`): no template is applied, and the prompt is empty."""
    problem: str | None = None
    """Why no model can score this row, for example an empty response; its scores are NaN."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """The other columns of the row, unchanged."""
    tools: Tools = ()
    """The functions that the assistant may call, as JSON schemas; chat templates print them."""
    first_error: int | None = None
    """Of a solution with labelled steps: the index of its first wrong step; -1: all are right."""

    @property
    def has_preference(self) -> bool:
        """Return True if the item has both right and wrong completions."""
        return 0 < self.num_correct < len(self.completions)

    @property
    def is_labelled(self) -> bool:
        """Return True if the item counts in the metrics: it has a preference, or its first wrong step is known."""
        return self.has_preference or self.first_error is not None


@dataclass(frozen=True)
class Rule:
    """How one subset counts: section, credit rule, and weight in the section (None: the number of items)."""

    section: str
    credit: Credit = "strict"
    weight: float | None = None
    threshold: float = 0.5
    """With `first_error`: score below which a step counts as wrong, by default where that class is the more likely."""


def is_weight(value: object) -> bool:
    """Return True if a value can be the weight of a subset or a section.

    >>> [is_weight(value) for value in (0, 2.5, -1, float("nan"), True, "1")]
    [True, True, False, False, False, False]
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


@dataclass(frozen=True)
class Suite:
    """Items with the rules by which they count. `revision` pins the content: results of two revisions never mix."""

    name: str
    revision: str
    items: Sequence[Item]
    rules: Mapping[str, Rule]
    """Rule of each subset; a subset without a rule is a section of the same name, with strict credit."""
    section_weights: Mapping[str, float] = field(default_factory=dict)
    """Weight of each section in the score; 1 for a section that is not listed."""
    headline: Literal["accuracy", "mirror"] = "accuracy"
    """What the score averages over sections: item credit, or the share of groups in which every item is right."""
    source: str = ""
    """Source of the data: a Hub id at a commit, or a path with a content hash."""
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TokenRequest:
    """One completion in its context, as token ids; `len()` is the number of tokens.

    `ids[start:end]` are the tokens of the completion; `dropped` tokens were truncated. Two requests are equal if they
    have the same ids and the same span.
    """

    text: str
    completion: str
    ids: array[int] = field(default_factory=lambda: array("i"))
    """Any sequence of integers; stored as 32-bit integers to save memory."""
    start: int = 0
    end: int = 0
    dropped: int = 0
    pooled_token: str = ""
    """The token whose hidden state is scored, for the manifest; empty for scorers that do not pool."""
    notes: tuple[str, ...] = ()
    """What `prepare` repaired or omitted, one sentence each, for the manifest; see `engine.notes`."""
    positions: tuple[int, ...] = ()
    """Tokens at which scores are read, for scorers that cannot find them by their ids."""
    key: bytes = field(init=False, repr=False)
    """16 bytes that identify ids, span and positions, the same on every machine and in every process."""

    def __post_init__(self) -> None:
        ids = array("i", self.ids)
        object.__setattr__(self, "ids", ids)
        span = f"{self.start} {self.end} {len(ids)} {self.positions or ''}".encode()
        object.__setattr__(self, "key", blake2b(span + ids.tobytes(), digest_size=16).digest())

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenRequest) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def sort_key(self) -> tuple[array[int], str, str]:
        """Return the sort key of requests that have the same length."""
        return self.ids, self.text, self.completion

    def encode(self) -> bytes:
        """Serialize the request for another process."""
        fields = [self.text, self.completion, self.start, self.end, self.dropped, self.pooled_token, self.notes]
        return json.dumps(["tokens", *fields, self.positions]).encode() + b"\n" + self.ids.tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class TextRequest:
    """Completions in their context, as text: one (pointwise scorers), two (pairwise) or all (listwise).

    `len()` is 0, since no tokens are counted. Two requests are equal if they have the same texts and messages.
    """

    text: str
    """The whole model input; results record it."""
    completions: tuple[str, ...]
    """The completions, in the order shown."""
    messages: Messages = ()
    """The conversation, for scorers that render it themselves (a server, a judge)."""
    notes: tuple[str, ...] = ()
    """What `prepare` repaired or omitted, one sentence each, for the manifest; see `engine.notes`."""
    key: bytes = field(init=False, repr=False)
    """16 bytes that identify texts and messages, the same on every machine and in every process."""

    dropped: ClassVar[int] = 0
    pooled_token: ClassVar[str] = ""

    def __post_init__(self) -> None:
        content = json.dumps(["text", self.text, self.completions, self.messages]).encode() + b"\n"
        object.__setattr__(self, "key", blake2b(content, digest_size=16).digest())

    def __len__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextRequest) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def sort_key(self) -> tuple[str, tuple[str, ...]]:
        """Return the sort key of requests, which all have the same length."""
        return self.text, self.completions

    def encode(self) -> bytes:
        """Serialize the request for another process."""
        return json.dumps(["text", self.text, self.completions, self.messages, self.notes]).encode() + b"\n"


Request = TokenRequest | TextRequest
"""The input of one call of a scorer; all requests of a scorer are of one type."""


def decode_request(data: bytes) -> Request:
    """Deserialize a request, the inverse of `encode`.

    >>> request = TokenRequest("Hi", "i", (7, 8), 1, 2)
    >>> decode_request(request.encode()) == request
    True
    """
    header, _, ids = data.partition(b"\n")  # JSON escapes line breaks
    kind, text, *values = json.loads(header)
    if kind == "text":
        completions, messages, notes = values
        return TextRequest(text, tuple(completions), tuple(messages), tuple(notes))
    completion, start, end, dropped, token, notes, positions = values
    return TokenRequest(text, completion, array("i", ids), start, end, dropped, token, tuple(notes), tuple(positions))


Score = float | tuple[float, ...]
"""The output of one call: a number, or one number per completion for a listwise scorer."""


def one_bucket(length: int) -> Hashable:
    """Put every length into the same bucket."""
    return 0


@dataclass(frozen=True)
class BatchTraits:
    """How a scorer takes its batches."""

    packed: bool = False
    """True if each distinct prefix of a batch is computed once (sequence packing with tree attention)."""
    max_batch_size: int | None = None
    """Maximum requests per batch; None is unlimited."""
    length_bucket: Callable[[int], Hashable] = one_bucket
    """Bucket of a length in tokens; requests share a batch only if they share a bucket."""
    has_tokens: bool = False
    """True if the scorer reads token ids, so that padding, layout and dtype could change its scores."""


@dataclass(frozen=True)
class ScorerReport:
    """What a scorer adds to the manifest of a run."""

    notes: tuple[str, ...] = ()
    """Notes on the loaded model, one sentence each."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Entries of the manifest's section `run`."""
    metadata: Mapping[str, int | str] = field(default_factory=dict)
    """Number of `parameters` and `license`, for the manifest's section `model`."""


class Scorer(Protocol):
    """A model that scores completions, the higher the better. `scorers.base.BaseScorer` has most defaults."""

    name: str
    model_type: str
    view: View
    aggregation: Aggregation
    """How a stepwise scorer's scores of steps become one."""
    model: Any
    """The torch model, whose size limits the batch; None for scorers without one."""
    is_cached: bool
    """True if scores are cached. The fingerprint must then cover everything that can change a score."""

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Return everything that can change a score, as plain JSON values, and nothing else."""

    @property
    def traits(self) -> BatchTraits:
        """Return how the scorer takes its batches."""

    @property
    def stages(self) -> Sequence[AbstractContextManager[Scorer]]:
        """Return the scorers that run in turn, each loaded only while its context is open."""

    def prepare(self, prompt: Messages, *args: Any, **kwargs: Any) -> Request:
        """Render the completions of one call; see `BaseScorer.prepare`."""

    def run(self, requests: Sequence[Any]) -> Sequence[Score]:
        """Score one batch, NaN where there is no score."""

    def combine(self, stage_scores: Sequence[Sequence[Any]]) -> Sequence[Score]:
        """Combine the scores that each stage returned for the same requests."""

    def report(self) -> ScorerReport:
        """Return what the manifest records after a run."""


@dataclass(frozen=True)
class ItemScores:
    """The scores of an item's completions, in the item's order; NaN with a reason where there is none."""

    id: str
    scores: tuple[float, ...]
    reason: str | None = None
    truncated: bool = False
    tokens: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()
    """The model input of each completion: its rendered text in its context."""
    order_inconsistency: float | None = None
    """For pairwise scorers, the share of pairs whose winner depends on the order shown; None for others."""
    step_scores: tuple[tuple[float, ...], ...] = ()
    """Of stepwise scorers: for each completion, the scores of its steps."""


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % confidence interval; `value` is None if no item was scored."""

    name: str
    n: int
    value: float | None
    low: float | None = None
    high: float | None = None
    ties: int = 0
    unscored: int = 0
    truncated: int = 0
    section: str = ""


@dataclass(frozen=True, repr=False)
class Result:
    """The result of one run: estimates, per-item scores, and the manifest of how they were computed."""

    suite: str
    revision: str
    model: str
    model_type: str
    score: Estimate
    """The headline: the weighted mean of the sections."""
    accuracy: Estimate
    """Mean item credit over the whole suite, as rewardbench 0.1 prints it."""
    sections: tuple[Estimate, ...]
    subsets: tuple[Estimate, ...]
    mirrors: tuple[Estimate, ...] = ()
    """Per section, the share of groups in which every item is right; empty if groups are not mirrors."""
    items: tuple[ItemScores, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    gap: tuple[Estimate, ...] = ()
    """Mirror accuracy on the built mirrors, on a fresh draw of them, and the difference; empty without a draw."""
    order_inconsistency: Estimate | None = None
    """Of pairwise scorers, the share of items whose preferred completion changes with the order shown."""

    def __repr__(self) -> str:
        """Format model, suite and headline as one line."""
        return (
            f"{type(self).__name__}({self.model!r} on {self.suite}@{self.revision}: score {_percent(self.score)}, "
            f"accuracy {_percent(self.accuracy)}, {len(self.items)} items)"
        )

    def _repr_html_(self) -> str:
        """Format sections, 95 % intervals and notes as an HTML table, for notebooks."""
        title = escape(f"{self.model} ({self.model_type}) on {self.suite}@{self.revision}")
        estimates = [*self.sections, replace(self.accuracy, name="accuracy"), replace(self.score, name="score")]
        if self.order_inconsistency:
            estimates.append(replace(self.order_inconsistency, name="order inconsistency"))
        rows = "".join(map(_html_row, estimates))
        notes = "".join(f"<li>{escape(str(note))}</li>" for note in self.manifest.get("notes", ()))
        head = "<tr><th>section</th><th>n</th><th>%</th><th>95 % interval</th><th>ties</th><th>unscored</th></tr>"
        return f"<table><caption>{title}</caption><thead>{head}</thead><tbody>{rows}</tbody></table><ul>{notes}</ul>"


def _percent(estimate: Estimate) -> str:
    interval = _interval(estimate)
    return f"{_share(estimate)} [{interval}]" if interval else _share(estimate)


def _share(estimate: Estimate) -> str:
    return "–" if estimate.value is None else f"{100 * estimate.value:.1f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{100 * estimate.low:.1f}–{100 * estimate.high:.1f}"


def _html_row(estimate: Estimate) -> str:
    cells = (escape(estimate.name), estimate.n, _share(estimate), _interval(estimate), estimate.ties, estimate.unscored)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
