"""Check that the name of a model belongs to its submitter: the name of an organization is for its members."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rewardbench.errors import InputError
from rewardbench.leaderboard.submissions.checks import ReviewFinding, are_lookalikes
from rewardbench.leaderboard.submissions.fields import BASELINE_NAMES
from rewardbench.results.model_names import owner_of
from rewardbench.store.accounts import HubAccount, read_members
from rewardbench.store.pull_requests import read_pull_request


def check_account(model: str, account: HubAccount) -> None:
    """Check that an account may submit a model by its name.

    Raises:
        InputError: if the name has no organization, or one that the account does not belong to.
    """
    owner, title = owner_of(model), ascii(model.rpartition("/")[2])[1:-1][:80]
    if not owner:
        raise InputError(
            f"The name {title} has no organization: enter {account.name}/{title}, or that of an organization of yours."
        )
    names = (account.name, *account.organizations)
    if owner in names:
        return
    spelled = next((name for name in names if name.casefold() == owner.casefold()), None)
    if spelled:
        raise InputError(f"The Hub spells this organization {spelled}: enter {spelled}/{title}.")
    if account.name not in (read_members(owner) or ()):
        raise InputError(
            f"Only members of {ascii(owner)[1:-1][:80]} on the Hub may submit under its name, and you are signed in as "
            f"{account.name}: enter {account.name}/{title}, or run `rewardbench submit` and a maintainer decides."
        )


def find_owner_doubts(model: str, author: str, names: Iterable[str]) -> Iterator[ReviewFinding]:
    """Yield why the author of a pull request may have no right to the name of a model.

    Args:
        model: name of the model.
        author: account that opened the pull request.
        names: names of the models in the store.

    Raises:
        Unreachable: if the Hub cannot be reached.
    """
    if model in BASELINE_NAMES:  # their scores are recomputed
        return
    owner = owner_of(model)
    if not owner:
        yield ReviewFinding("flagged", f"its name has no organization, so it is not known whether it is {author}'s")
        return
    if owner != author:
        yield from _find_outsider(owner, author)
    for other in sorted({owner_of(name) for name in names} - {"", owner}):
        if are_lookalikes(other, owner):
            yield ReviewFinding("flagged", f"its organization {owner} looks like {other}, which is in the store")


def _find_outsider(owner: str, author: str) -> Iterator[ReviewFinding]:
    """Yield whether an author is no public member of an organization, or this is not known."""
    if owner.casefold() == author.casefold():
        yield ReviewFinding("flagged", f"the Hub spells its organization {author}, not {owner}")
        return
    members = read_members(owner)
    if members is None:
        yield ReviewFinding("flagged", f"it is not known whether {author}, who submitted it, belongs to {owner}")
    elif author not in members:
        yield ReviewFinding("flagged", f"{author}, who submitted it, is not a public member of {owner}")


def author_of(repo: str, number: int) -> str:
    """Return the account that opened a pull request on a dataset."""
    return read_pull_request(repo, number).author
