"""The nouns of the house, in plain Python: what is scored, how it counts, and what comes out.

Builders make a Suite of Items; chat turns an Item into Requests; the engine and a Scorer turn
Requests into ItemScores; metrics turn those into the Estimates of a Result; a Store keeps Results.
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

View = Literal["pointwise", "pairwise", "listwise"]
Credit = Literal["strict", "best_of_n", "ties"]


class Message(TypedDict):
    """One turn of a conversation; `role` is system, user, assistant or tool.

    The optional fields are those of OpenAI's and transformers' messages; a field without a value is left out.
    """

    role: str
    content: str
    null_content: NotRequired[bool]
    """Whether the content came as null, as beside tool calls; `content` is then empty."""
    reasoning_content: NotRequired[str]
    reasoning: NotRequired[str]
    thinking: NotRequired[str]
    tool_calls: NotRequired[list[dict[str, Any]]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]


Messages = tuple[Message, ...]
Tools = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Item:
    """A prompt with its completions, of which the first `num_correct` are right.

    A pair is 2 completions with 1 correct, best-of-4 is 4 with 1, Ties is n with k, and a plain
    conversation to be scored without a preference is 1 with 0. `group` names the cluster the item
    belongs to (its mirror, prompt or style cell); items that share it are not independent.
    """

    id: str
    subset: str
    prompt: Messages
    completions: tuple[Messages, ...]
    """Each completion as its turns: nearly always one assistant message, more where conversations diverge early."""
    num_correct: int = 1
    group: str = ""
    rendered: bool = False
    """The text is final (`text_chosen`): no template is applied, and the prompt is empty."""
    problem: str | None = None
    """Why this row cannot be scored by any model (an empty response, say); its scores are NaN."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """The row's other columns, as they came."""
    tools: Tools = ()
    """The functions that the assistant may call, as JSON schemas; templates print them."""

    @property
    def has_preference(self) -> bool:
        """Whether some completions are right and others wrong."""
        return 0 < self.num_correct < len(self.completions)


@dataclass(frozen=True)
class Rule:
    """How one subset counts: its section, its credit rule, and its weight there (None: its number of items)."""

    section: str
    credit: Credit = "strict"
    weight: float | None = None


def is_weight(value: object) -> bool:
    """Whether it can be the weight of a subset or a section.

    >>> [is_weight(value) for value in (0, 2.5, -1, float("nan"), True, "1")]
    [True, True, False, False, False, False]
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


@dataclass(frozen=True)
class Suite:
    """Items with the rules by which they count. `revision` pins the content; Results of two revisions never mix."""

    name: str
    revision: str
    items: Sequence[Item]
    rules: Mapping[str, Rule]
    """Subset to Rule; a subset without one forms a section of its own name, with strict credit."""
    section_weights: Mapping[str, float] = field(default_factory=dict)
    """Weight of each section in the score; a section without one weighs 1."""
    headline: Literal["accuracy", "mirror"] = "accuracy"
    """What the score averages over sections: item credit, or groups in which every item is right."""
    source: str = ""
    """Where the data came from: a Hub id at a commit, or a path with a content hash."""
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TokenRequest:
    """One completion in its context, as token ids. Its length is its cost in tokens.

    `ids[start:end]` are the completion's tokens; `dropped` tokens were cut off to fit. Two requests are equal if they
    have the same ids and span.
    """

    text: str
    completion: str
    ids: array[int] = field(default_factory=lambda: array("i"))
    """32-bit integers (any sequence is taken), so that a window of many thousand long texts stays small."""
    start: int = 0
    end: int = 0
    dropped: int = 0
    pooled_token: str = ""
    """The token whose state is scored, for the manifest; empty for scorers that pool none."""
    key: bytes = field(init=False, repr=False)
    """16 bytes that identify the ids and the span, on any machine and in any process."""

    def __post_init__(self) -> None:
        ids = array("i", self.ids)
        object.__setattr__(self, "ids", ids)
        span = f"{self.start} {self.end} {len(ids)} ".encode()
        object.__setattr__(self, "key", blake2b(span + ids.tobytes(), digest_size=16).digest())

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenRequest) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def sort_key(self) -> tuple[array[int], str, str]:
        """What orders requests of one length."""
        return self.ids, self.text, self.completion

    def encode(self) -> bytes:
        """Return the request as bytes, for another process."""
        numbers = [self.start, self.end, self.dropped]
        header = json.dumps(["tokens", self.text, self.completion, *numbers, self.pooled_token]).encode()
        return header + b"\n" + self.ids.tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class TextRequest:
    """Completions in their context, as text: one of a pointwise call, two of a pairwise, all of a listwise one.

    Its length is 0: no token is counted. Two requests are equal if they have the same texts and messages.
    """

    text: str
    """All that the scorer reads; results record it."""
    completions: tuple[str, ...]
    """In the order in which the call shows them."""
    messages: Messages = ()
    """The conversation, for scorers that render it themselves (a server, a judge)."""
    key: bytes = field(init=False, repr=False)
    """16 bytes that identify the texts, on any machine and in any process."""

    dropped: ClassVar[int] = 0
    pooled_token: ClassVar[str] = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", blake2b(self.encode(), digest_size=16).digest())

    def __len__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextRequest) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def sort_key(self) -> tuple[str, tuple[str, ...]]:
        """What orders requests, which all have one length."""
        return self.text, self.completions

    def encode(self) -> bytes:
        """Return the request as bytes, for another process."""
        return json.dumps(["text", self.text, self.completions, self.messages]).encode() + b"\n"


Request = TokenRequest | TextRequest
"""What one call of a scorer reads; all requests of a scorer are of one kind."""


def decode_request(data: bytes) -> Request:
    """Return the request that `encode` gave as bytes.

    >>> request = TokenRequest("Hi", "i", (7, 8), 1, 2)
    >>> decode_request(request.encode()) == request
    True
    """
    header, _, ids = data.partition(b"\n")  # JSON escapes line breaks
    kind, text, *values = json.loads(header)
    if kind == "text":
        completions, messages = values
        return TextRequest(text, tuple(completions), tuple(messages))
    completion, start, end, dropped, pooled_token = values
    return TokenRequest(text, completion, array("i", ids), start, end, dropped, pooled_token)


Score = float | tuple[float, ...]
"""What one call gives: a number, or, of a listwise call, one number a completion."""


def one_bucket(length: int) -> Hashable:
    """Return the same bucket for every length."""
    return 0


@dataclass(frozen=True)
class BatchTraits:
    """How a scorer takes its batches."""

    packed: bool = False
    """Whether each distinct prefix of a batch is computed once (sequence packing with tree attention)."""
    max_batch_size: int | None = None
    """Requests a batch may hold; None: any number."""
    length_bucket: Callable[[int], Hashable] = one_bucket
    """Requests share a batch only if their lengths give the same bucket."""
    has_tokens: bool = False
    """Whether it reads token ids, so that padding, layout and dtype could move its scores."""


@dataclass(frozen=True)
class ScorerReport:
    """What a scorer adds to the manifest of a run."""

    notes: tuple[str, ...] = ()
    """Sentences for the reader."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Facts for the manifest's section `run`."""
    metadata: Mapping[str, int | str] = field(default_factory=dict)
    """Number of `parameters` and `license`, for the manifest's section `model`."""


class Scorer(Protocol):
    """A score per completion: higher is better. `scorers.base.BaseScorer` holds defaults for most of it."""

    name: str
    model_type: str
    view: View
    model: Any
    """The torch model whose size decides the batch; None for scorers without one."""
    is_cached: bool
    """Whether the score cache serves it: its fingerprint tells all that can move a score, and a look-up is quicker."""

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What can move a score, as plain JSON values; nothing that must not."""

    @property
    def traits(self) -> BatchTraits:
        """How it takes its batches."""

    @property
    def stages(self) -> Sequence[AbstractContextManager[Scorer]]:
        """The scorers that run one after the other, each loaded while its context is open."""

    def prepare(self, prompt: Messages, *args: Any, **kwargs: Any) -> Request:
        """Render the completions of one call. Raises: InputError if this model cannot take them."""

    def run(self, requests: Sequence[Any]) -> Sequence[Score]:
        """Run one batch that the engine planned; a score is NaN where it does not exist."""

    def combine(self, stage_scores: Sequence[Sequence[Any]]) -> Sequence[Score]:
        """Return the scores of requests from what each stage gave for them."""

    def report(self) -> ScorerReport:
        """Return what the manifest adds after a run."""


@dataclass(frozen=True)
class ItemScores:
    """One score per completion of an item, in the item's order; NaN with a reason where there is none."""

    id: str
    scores: tuple[float, ...]
    reason: str | None = None
    truncated: bool = False
    tokens: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()
    """What the model read: the rendered text of each completion in its context."""
    order_inconsistency: float | None = None
    """Of a pairwise scorer: the share of pairs whose two orders give different winners."""


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval. `value` is None where nothing was scored: an empty subset has no accuracy."""

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
    """Everything known of one run: the figures, the per-item scores, and the manifest of what decided them."""

    suite: str
    revision: str
    model: str
    model_type: str
    score: Estimate
    """The headline: the weighted mean of its sections."""
    accuracy: Estimate
    """Plain mean of item credit over the whole suite, as the incumbent prints it."""
    sections: tuple[Estimate, ...]
    subsets: tuple[Estimate, ...]
    mirrors: tuple[Estimate, ...] = ()
    """Per section, the share of groups in which every item is right; only where groups are mirrors."""
    items: tuple[ItemScores, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    gap: tuple[Estimate, ...] = ()
    """Mirror accuracy on the suite's built mirrors, on a fresh draw of them, and the difference; empty if not asked."""

    def __repr__(self) -> str:
        """Return one line: model, suite and headline."""
        return (
            f"{type(self).__name__}({self.model!r} on {self.suite}@{self.revision}: score {_percent(self.score)}, "
            f"accuracy {_percent(self.accuracy)}, {len(self.items)} items)"
        )

    def _repr_html_(self) -> str:
        """Return the table of sections with 95 % intervals, and the notes, for a notebook."""
        title = escape(f"{self.model} ({self.model_type}) on {self.suite}@{self.revision}")
        estimates = [*self.sections, replace(self.accuracy, name="accuracy"), replace(self.score, name="score")]
        rows = "".join(_html_row(estimate) for estimate in estimates)
        notes = "".join(f"<li>{escape(str(note))}</li>" for note in self.manifest.get("notes", ()))
        head = "<tr><th>section</th><th>n</th><th>%</th><th>95 % interval</th><th>ties</th><th>unscored</th></tr>"
        return f"<table><caption>{title}</caption><thead>{head}</thead><tbody>{rows}</tbody></table><ul>{notes}</ul>"


def _percent(estimate: Estimate) -> str:
    """Format a share and its interval in percent."""
    if estimate.value is None:
        return "–"
    interval = _interval(estimate)
    return f"{100 * estimate.value:.1f}" + (f" [{interval}]" if interval else "")


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{100 * estimate.low:.1f}–{100 * estimate.high:.1f}"


def _html_row(estimate: Estimate) -> str:
    """Format an estimate as a row of the table; its name comes from the data, so it is escaped."""
    share = "–" if estimate.value is None else f"{100 * estimate.value:.1f}"
    cells = (escape(estimate.name), estimate.n, share, _interval(estimate), estimate.ties, estimate.unscored)
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
