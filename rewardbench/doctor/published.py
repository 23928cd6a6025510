"""Read a published result with per-item scores, and pair its rows with the items of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardbench import hub
from rewardbench.errors import InputError
from rewardbench.results.scored import ModelScores, read_scored
from rewardbench.suites import SUITES, load_suite
from rewardbench.templates import answers, shows
from rewardbench.types import Item, Message, Suite

HUB = "hf://datasets/"

MOST_SEARCHES = 100
"""Rows without a matching text after which texts are no longer searched: the dataset is probably another one."""


@dataclass(frozen=True)
class PairedRow:
    """An item of a dataset with the scores that were published for it."""

    item: Item
    scores: tuple[float, ...]
    """One per completion; NaN where none was published."""
    texts: tuple[str, ...] = ()
    """The published model input of each completion; empty if the file has none."""

    def rendered(self) -> Item:
        """Return the item with the published texts as they are, to which no template is applied.

        Raises:
            InputError: if the file has no texts.
        """
        if not self.texts:
            raise InputError("The published file has no texts.")
        completions = tuple((Message(role="assistant", content=text),) for text in self.texts)
        return Item(self.item.id, self.item.subset, (), completions, self.item.num_correct, rendered=True)


@dataclass(frozen=True)
class Pairing:
    """The rows of a published result that belong to items of a dataset, in the order of publication."""

    rows: tuple[PairedRow, ...]
    by_id: int
    by_text: int
    by_position: int
    unpaired: int
    """Published rows for which the dataset has no item."""

    def notes(self) -> list[str]:
        """Return sentences on rows that were not paired by their ids."""
        sentences = []
        if self.by_text:
            sentences.append(f"{self.by_text} rows were paired by their texts, since their ids are missing or wrong.")
        if self.by_position:
            sentences.append(
                f"{self.by_position} rows were paired by their position, since the file has neither ids nor texts."
            )
        if self.unpaired:
            sentences.append(f"{self.unpaired} published rows belong to no item of the dataset.")
        return sentences


def read_published(location: str, model: str) -> ModelScores:
    """Read a published result with per-item scores.

    Args:
        location: a file (a result of any version of rewardbench, the columns of its results repositories, or rows as
            JSON lines), or `hf://datasets/org/name[@revision][/path]`; without a path it is that of the model in a
            results repository.
        model: name of the model.

    Raises:
        InputError: if it cannot be read, or has no scores.
    """
    if "://" in location and not location.startswith(HUB):
        raise InputError(f"{location} is not a file: pass a path, or {HUB}org/name/path/to/file.json.")
    path = _download(location.removeprefix(HUB), model) if location.startswith(HUB) else Path(location)
    return read_scored(path, repeated_ids=True)


def _download(address: str, model: str) -> Path:
    """Download one file of a Hub dataset; `address` is org/name[@revision][/path]."""
    organization, _, tail = address.partition("/")
    name, _, file = tail.partition("/")
    name, _, revision = name.partition("@")
    if not (organization and name):
        raise InputError(f"{HUB}{address} is no file on the Hub: pass {HUB}org/name/path/to/file.json.")
    file = file or f"eval-set-scores/{model}.json"
    if ".." in Path(file).parts:
        raise InputError(
            f"{file} is no path in the dataset {organization}/{name}: pass {HUB}{organization}/{name}/PATH."
        )
    folder = hub.snapshot("dataset", f"{organization}/{name}", revision or None, [file])
    if not (folder / file).is_file():
        raise InputError(f"The dataset {organization}/{name} has no file {file}: pass {HUB}{organization}/{name}/PATH.")
    return folder / file


def load_data(published: ModelScores, dataset: str | None, **options: str | None) -> Suite:
    """Load the items that a published result scored.

    Args:
        published: the result.
        dataset: name, path or Hub id of the data; None is the suite that the result names or whose subsets it has,
            else the texts in the file itself.
        options: other options of `load_suite`.

    Raises:
        InputError: if the data cannot be found or read.
    """
    if dataset is not None:
        return load_suite(dataset, **options)  # type: ignore[arg-type]
    if published.suite.name in SUITES:
        return load_suite(published.suite.name, **options)  # type: ignore[arg-type]
    if not all(map(_texts, published.suite.items)):
        raise InputError(f"{published.path} names no suite and has no texts: pass --dataset, the data that was scored.")
    return published.suite


def _texts(item: Item) -> tuple[str, ...]:
    """Return the published model inputs of an item; empty if the file has none."""
    texts = tuple(completion[0]["content"] for completion in item.completions)
    return texts if all(texts) else ()


def pair_rows(published: ModelScores, suite: Suite) -> Pairing:
    """Pair published rows with items: by id and subset if their texts agree, else by text, else by position.

    Raises:
        InputError: if no row belongs to an item.
    """
    matcher = _Matcher(suite.items)
    by_position = len(published.items) == len(suite.items)
    ways = {"id": 0, "text": 0, "position": 0}
    rows = []
    for number, (row, scored) in enumerate(zip(published.suite.items, published.items, strict=True)):
        texts = _texts(row)
        item, way = matcher.find(row, texts, number, by_position)
        if item is not None:
            ways[way] += 1
            rows.append(PairedRow(item, scored.scores, texts))
    if not rows:
        raise InputError(
            f"No row of {published.path} belongs to an item of {suite.name} (the first is "
            f"{published.suite.items[0].id!r}): pass the --dataset that was scored."
        )
    return Pairing(tuple(rows), ways["id"], ways["text"], ways["position"], len(published.items) - len(rows))


class _Matcher:
    """Finds the item of a published row; each item is found once."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._by_id: dict[tuple[str, str], int] = {}
        self._by_subset: dict[str, list[int]] = {}
        bare_ids: dict[str, list[int]] = {}
        for index, item in enumerate(items):
            bare = item.id.removeprefix(f"{item.subset}/")
            self._by_id[item.subset, bare] = index
            self._by_subset.setdefault(item.subset, []).append(index)
            bare_ids.setdefault(bare, []).append(index)
        self._by_bare_id = {bare: indices[0] for bare, indices in bare_ids.items() if len(indices) == 1}
        self._paired: set[int] = set()
        self._searches = MOST_SEARCHES

    def find(self, row: Item, texts: Sequence[str], number: int, by_position: bool) -> tuple[Item | None, str]:
        """Return the item of a row and how it was found; None if there is none.

        Args:
            row: the published row.
            texts: its texts, if it has any.
            number: its position in the file.
            by_position: whether the file and the dataset have the same number of items.
        """
        bare = row.id.removeprefix(f"{row.subset}/")
        by_id = self._by_id.get((row.subset, bare), self._by_bare_id.get(bare))
        if by_id is not None and not self._is_free(by_id, row):
            by_id = None
        if by_id is not None and (not texts or _has_texts(self._items[by_id], texts)):
            return self._take(by_id), "id"
        if texts and self._searches > 0:
            for index in self._likely(row, number):
                if self._is_free(index, row) and _has_texts(self._items[index], texts):
                    return self._take(index), "text"
            self._searches -= 1
        if by_id is not None:
            return self._take(by_id), "id"
        if by_position and row.id.startswith("row ") and self._is_free(number, row):
            return self._take(number), "position"
        return None, ""

    def _is_free(self, index: int, row: Item) -> bool:
        return index not in self._paired and len(self._items[index].completions) == len(row.completions)

    def _take(self, index: int) -> Item:
        self._paired.add(index)
        return self._items[index]

    def _likely(self, row: Item, number: int) -> Iterator[int]:
        """Yield the items that may have the texts of a row: the one at its position, then those of its subset."""
        if number < len(self._items):
            yield number
        yield from self._by_subset.get(row.subset, range(len(self._items)))


def _has_texts(item: Item, texts: Sequence[str]) -> bool:
    """Return True if each text contains the completion of that position."""
    for completion, text in zip(item.completions, texts, strict=True):
        if not (shows(text, completion) or shows(text, answers(completion))):  # some templates drop thinking
            return False
    return True
