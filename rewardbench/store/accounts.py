"""Accounts of the Hub: whose token it is, and who belongs to an organization."""

from __future__ import annotations

from dataclasses import dataclass

from rewardbench import hub
from rewardbench.errors import InputError, Unreachable

MOST_MEMBERS = 10_000
"""Maximum number of members that are read of an organization."""


@dataclass(frozen=True)
class HubAccount:
    """An account of the Hub."""

    name: str
    organizations: frozenset[str] = frozenset()
    """Organizations that it belongs to."""


def read_account(token: str) -> HubAccount:
    """Return the account of a token.

    Raises:
        InputError: if the Hub does not accept the token.
        Unreachable: if the Hub cannot be reached.
    """
    from huggingface_hub import HfApi

    with hub.translate_errors("The Hub does not say whose token this is", SIGN_IN):
        answer = HfApi(token=token).whoami()
    if answer.get("type") != "user":
        raise InputError("The token belongs to an organization: sign in with the account of a person.")
    organizations = {str(organization.get("name")) for organization in answer.get("orgs") or ()}
    return HubAccount(str(answer["name"]), frozenset(organizations))


SIGN_IN = "sign out, and sign in again"
"""What a visitor can do if the Hub refuses the token of a session."""


def read_members(organization: str) -> frozenset[str] | None:
    """Return the names of the public members of an organization; None if the Hub does not tell them.

    Raises:
        Unreachable: if the Hub cannot be reached.
    """
    from huggingface_hub import HfApi

    names: set[str] = set()
    try:
        with hub.translate_errors(f"The members of {organization} cannot be read"):
            for member in HfApi().list_organization_members(organization):
                names.add(str(member.username))
                if len(names) >= MOST_MEMBERS:
                    break
    except Unreachable:
        raise
    except InputError:  # it is the name of a user, or of nobody
        return None
    return frozenset(names)
