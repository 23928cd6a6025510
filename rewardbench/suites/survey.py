"""Collect notes on the data for users: how it was read, and which items count in no accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rewardbench.metrics.steps import section_of_steps
from rewardbench.types import Item


@dataclass
class Survey:
    """Counts over the items of a suite, and remarks from reading its rows."""

    remarks: dict[str, None] = field(default_factory=dict)
    items: int = 0
    ties: int = 0
    rendered: int = 0
    identical: int = 0
    with_prompt: int = 0
    unread: str = ""
    """Names of the unread columns of texts without a prompt."""
    explicit: bool = False
    """Whether the columns are named as final texts (text_chosen)."""
    step_sections: dict[str, str] = field(default_factory=dict)
    """The section of each subset of solutions with labelled steps."""
    has_labels: bool = True
    """Whether rows have a preference, or a tie by their label."""

    def remark(self, sentence: str) -> None:
        """Add a sentence, once."""
        self.remarks[sentence] = None

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items while counting them."""
        for item in items:
            self._count(item)
            yield item

    def _count(self, item: Item) -> None:
        if item.problem is not None:
            return
        self.items += 1
        if item.first_error is not None and item.subset not in self.step_sections:
            self.step_sections[item.subset] = section_of_steps(item.subset)
        self.ties += len(item.completions) > 1 and not item.has_preference
        self.rendered += item.rendered
        self.identical += item.has_preference and item.completions.count(item.completions[0]) == len(item.completions)
        self.with_prompt += _repeats_prompt(item)

    def notes(self) -> list[str]:
        """Return one sentence for each finding."""
        notes = list(self.remarks)
        if self.ties and self.has_labels:
            notes.append(
                f"{self.ties} of {self.items} items are ties by their label (no preference): they are scored, and "
                "count in no accuracy."
            )
        if self.rendered and not self.explicit:
            notes.append(
                f"{'All' if self.rendered == self.items else self.rendered} items have no prompt column: chosen and "
                "rejected were scored as final texts, without a chat template"
                f"{f' (not read: {self.unread})' if self.unread else ''}."
            )
        if self.items and self.identical == self.items:
            notes.append("chosen and rejected are the same in every item: there is no preference to score.")
        if self.items and self.with_prompt == self.items:
            notes.append("Every completion begins with its prompt: the model reads the prompt twice.")
        return notes


_SHORT = 12
"""Prompts shorter than this may start an answer by chance."""


def _repeats_prompt(item: Item) -> bool:
    """Return True if every completion begins with the last words of the user."""
    if not item.prompt or len(item.prompt[-1]["content"]) < _SHORT:
        return False
    last_turn = item.prompt[-1]["content"]
    return all(turns[0]["content"].startswith(last_turn) for turns in item.completions)
