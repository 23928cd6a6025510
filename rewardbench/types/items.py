"""Items and suites: prompts with completions, and the rules by which they count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

View = Literal["pointwise", "pairwise", "listwise", "stepwise"]
Aggregation = Literal["min", "product", "last", "mean"]
"""How the scores of the steps of a solution become one score."""
Credit = Literal["strict", "best_of_n", "ties", "first_error"]
Metric = Literal["pair", "mirror", "turn"]
"""What a mean counts: right items, mirrors in which every item is right, or turn pairs (see `metrics.turns`)."""


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
    label_strength: float | None = None
    """How strongly the label prefers the right completions, on the scale of the data; 0 for a tie, None if unknown."""
    first_error: int | None = None
    """Of a solution with labelled steps: the index of its first wrong step; -1: all are right."""
    completion_hashes: tuple[int, ...] = ()
    """Of an item that was read from a result, which may lack the texts: the hash of each completion."""

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
    cluster_by: str = ""
    """Column whose value is the cluster of an item in intervals, such as the template of a mirror; where it is empty,
    the cluster is the group."""
    breakdowns: Mapping[str, Metric] = field(default_factory=dict)
    """Columns by whose values the score is broken down, each with the metric to report."""
    source: str = ""
    """Source of the data: a Hub id at a commit, or a path with a content hash."""
    note: str = ""
