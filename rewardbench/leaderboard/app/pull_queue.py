"""The pull requests of a Hub dataset with their states: cached for the pages, and opened within limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.leaderboard.app.limits import describe_wait
from rewardbench.leaderboard.submissions.owners import check_account
from rewardbench.leaderboard.submissions.package import pull_request_text
from rewardbench.leaderboard.submissions.pull_state import CLOSED, WAITING, PullState, read_maintainers, state_of
from rewardbench.results import PackedResult
from rewardbench.store.accounts import read_account
from rewardbench.store.hub import HubStore, title_of
from rewardbench.store.pull_requests import OPEN, list_pulls, read_pull_request

if TYPE_CHECKING:
    from huggingface_hub import Discussion

FRESH, FRESH_OLD = 30.0, 600.0
"""Seconds until the list, and the state of a pull request older than a day, are read again."""
LONGEST_WAIT = 8.0
"""Seconds that the first page waits for the Hub."""
MOST_SHOWN, MOST_DECIDED = 100, 20
"""Maximum number of pull requests that are listed, and of those that are decided."""
MOST_WAITING, MOST_A_DAY = 5, 10
"""Pull requests of one author that may be open, and that may be opened in 24 hours."""
MOST_WAITING_IN_ALL, MOST_A_DAY_IN_ALL = 100, 200
"""The same of all authors."""
DAY = timedelta(days=1)


@dataclass(frozen=True)
class QueuedPull:
    """A pull request as the queue lists it.

    Args:
        number: its number.
        title: its title, which its author may choose.
        author: account that opened it.
        opened: time at which it was opened.
        url: its address on the Hub.
        state: its state.
    """

    number: int
    title: str
    author: str
    opened: datetime
    url: str
    state: PullState


class PullQueue:
    """Pull requests of a dataset, read in the background.

    Args:
        repo: the dataset, `org/name`.
    """

    def __init__(self, repo: str) -> None:
        self.repo = repo
        self.offline = ""
        """Why the list is outdated; empty if it is not."""
        self._pulls: dict[int, QueuedPull] = {}
        self._read_at: dict[int, float] = {}
        self._listed_at = float("-inf")
        self._refreshing = threading.Lock()
        self._loaded = threading.Event()

    def pulls(self) -> Sequence[QueuedPull]:
        """Return the open pull requests, then those that were decided last; the newest first."""
        if time.monotonic() - self._listed_at > FRESH and self._refreshing.acquire(blocking=False):
            threading.Thread(target=self._refresh, daemon=True).start()
        self._loaded.wait(LONGEST_WAIT)
        pulls = sorted(self._pulls.values(), key=lambda pull: -pull.number)
        return sorted(pulls, key=lambda pull: pull.state.name in DECIDED)

    def add(self, pull: QueuedPull) -> None:
        """Add a pull request that was just opened."""
        self._pulls = {**self._pulls, pull.number: pull}

    def _refresh(self) -> None:
        try:
            started = time.monotonic()
            listed = self._list()
            newest = max(listed, default=0)
            added = {number: pull for number, pull in self._pulls.items() if number > newest}  # meanwhile
            self._pulls = listed | added
            self._listed_at, self.offline = started, ""
        except InputError as error:
            self._listed_at, self.offline = time.monotonic(), str(error)
        finally:
            self._loaded.set()
            self._refreshing.release()

    def _list(self) -> dict[int, QueuedPull]:
        """Return the pull requests by number, with their states."""
        maintainers = read_maintainers(self.repo)
        pulls: dict[int, QueuedPull] = {}
        decided = 0
        for discussion in list_pulls(self.repo):
            is_open = discussion.status in OPEN
            decided += not is_open
            if len(pulls) >= MOST_SHOWN:
                break
            if is_open or decided <= MOST_DECIDED:
                pulls[discussion.num] = self._with_state(discussion, maintainers)
        return pulls

    def _with_state(self, discussion: Discussion, maintainers: frozenset[str]) -> QueuedPull:
        """Return a pull request with its state, which is read again from time to time."""
        number, now = discussion.num, time.monotonic()
        known = self._pulls.get(number)
        is_old = datetime.now(UTC) - discussion.created_at > DAY
        is_recent = now - self._read_at.get(number, float("-inf")) < (FRESH_OLD if is_old else FRESH)
        is_decided = known is not None and known.state.name in DECIDED
        if known and is_decided == (discussion.status not in OPEN) and (is_decided or is_recent):
            return known
        state = state_of(read_pull_request(self.repo, number), maintainers)
        self._read_at[number] = now
        return QueuedPull(number, discussion.title, discussion.author, discussion.created_at, discussion.url, state)


DECIDED = ("merged", CLOSED)


class Proposals:
    """Open pull requests in the name of a visitor, within limits that the Hub's own list decides.

    Args:
        store: the dataset.
        queue: its pull requests.
    """

    def __init__(self, store: HubStore, queue: PullQueue) -> None:
        self.store, self.queue = store, queue
        self._lock = threading.Lock()

    def propose(self, entry: PackedResult, token: str) -> QueuedPull:
        """Open a pull request with a result.

        Args:
            entry: the result.
            token: access token of the visitor, which is not kept.

        Raises:
            InputError: if the name of the model is not the visitor's, a limit is reached, or the Hub refuses.
        """
        with self._lock:
            account = read_account(token)
            check_account(str(entry.summary["model"]), account)
            title = title_of([entry])
            self._check_limits(account.name, title)
            url = self.store.propose([entry], pull_request_text(entry), token)
        number = int(url.rpartition("/")[2])
        pull = QueuedPull(number, title, account.name, datetime.now(UTC), url, PullState(WAITING))
        self.queue.add(pull)
        return pull

    def _check_limits(self, author: str, title: str) -> None:
        """Check how many pull requests are open or were opened in the last 24 hours.

        Raises:
            InputError: if there are too many, or one with the same title is open.
        """
        repo = self.store.repo
        waiting = list(list_pulls(repo, author, is_open=True))
        for pull in waiting:
            if pull.title == title:
                raise InputError(
                    f"Your pull request {pull.num} submits this model on this suite already: close it on the Hub first."
                )
        if len(waiting) >= MOST_WAITING:
            numbers = ", ".join(str(pull.num) for pull in waiting)
            raise InputError(
                f"You have {len(waiting)} open pull requests ({numbers}), and the limit is {MOST_WAITING}: try again "
                "when one is decided, or close one on the Hub."
            )
        self._check_day(author, MOST_A_DAY, "You have")
        if sum(1 for _ in list_pulls(repo, is_open=True)) >= MOST_WAITING_IN_ALL:
            raise InputError(
                f"{MOST_WAITING_IN_ALL} submissions wait for a review, which is the limit: try again tomorrow."
            )
        self._check_day(None, MOST_A_DAY_IN_ALL, "All visitors have")

    def _check_day(self, author: str | None, most: int, who: str) -> None:
        """Check the number of pull requests that were opened in the last 24 hours.

        Raises:
            InputError: if it is `most` or more.
        """
        start = datetime.now(UTC) - DAY
        times: list[datetime] = []
        for pull in list_pulls(self.store.repo, author):
            if pull.created_at < start:
                break
            times.append(pull.created_at)
        if len(times) >= most:
            wait = (times[most - 1] - start).total_seconds()
            raise InputError(f"{who} opened {len(times)} pull requests in 24 hours: try again {describe_wait(wait)}.")
