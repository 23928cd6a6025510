"""Collect the notes of requests over a run, and count the requests that carry each note."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rewardbench.types import Request

COUNT = "{count}"
"""Placeholder in a note for the number of different requests that carry it."""


class NoteCounter:
    """The notes of all requests of a run; a request that occurs several times counts once."""

    def __init__(self) -> None:
        self._keys: dict[str, set[bytes]] = {}
        """For each note, the keys of its requests; empty for notes without a count."""

    def add(self, requests: Iterable[Request]) -> None:
        """Add the notes of requests."""
        for request in requests:
            for note in request.notes:
                keys = self._keys.setdefault(note, set())
                if COUNT in note:
                    keys.add(request.key)

    def counts(self) -> dict[str, int]:
        """Return the number of different requests of each note; 0 for notes without a count."""
        return {note: len(keys) for note, keys in self._keys.items()}


def sentences(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return notes in alphabetical order, with their counts."""
    notes = [note.replace(COUNT, str(count)) for note, count in counts.items()]
    return tuple(sorted(notes))


def request_notes(requests: Iterable[Request]) -> tuple[str, ...]:
    """Return the notes of requests in alphabetical order, with their counts."""
    counter = NoteCounter()
    counter.add(requests)
    return sentences(counter.counts())
