"""Sign visitors in with their Hub account by OpenID Connect, so that pull requests are opened in their name.

Authlib runs the protocol. The signed cookie has only the key of a session: the access token is kept in the memory of
this process, and is dropped when the visitor signs out, the session expires, or the server stops. Gradio's LoginButton
and huggingface_hub's routes are not used: they keep the token itself in the cookie, and outside a Space they sign every
visitor in with the token of the operator.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from rewardbench.errors import InputError
from rewardbench.store.accounts import HubAccount, read_account

if TYPE_CHECKING:
    from authlib.integrations.starlette_client import StarletteOAuth2App

LOGIN, CALLBACK, LOGOUT = "/login/huggingface", "/login/callback", "/logout"
LONGEST_SESSION = 7_200.0
"""Seconds until a visitor has to sign in again."""
MOST_SESSIONS = 1_000
"""Sessions that are kept; beyond that the oldest is dropped."""
PROBLEMS = {
    "declined": "You did not sign in. Checks work without.",
    "failed": "The sign-in failed: try again. If it fails again, allow this page to set cookies.",
    "unavailable": "The Hub cannot be reached right now: try to sign in later.",
}
"""What the page says after a sign-in that failed, by the value of its parameter `sign_in`."""


@dataclass(frozen=True)
class OAuthApp:
    """The OAuth app of a Space, as its environment describes it.

    Args:
        client_id: id of the app.
        client_secret: its secret.
        scopes: rights that it asks for, separated by spaces.
        provider: address of the Hub.
        address: public address of the leaderboard, without a slash at the end.
    """

    client_id: str
    client_secret: str = field(repr=False)
    scopes: str
    provider: str
    address: str

    @classmethod
    def of_environment(cls) -> OAuthApp | None:
        """Return the app that the environment describes; None if it describes none.

        A Space with `hf_oauth: true` sets all variables. On another server, REWARDBENCH_URL is its public address.

        Raises:
            InputError: if a variable is missing.
        """
        space = os.environ.get("SPACE_HOST", "").split(",")[0].strip()  # own domains follow
        names = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")
        values = [os.environ.get(name, "").strip() for name in names]
        address = f"https://{space}" if space else os.environ.get("REWARDBENCH_URL", "").rstrip("/")
        if not any(values):
            return None
        if missing := [name for name, value in zip(names, values, strict=True) if not value]:
            raise InputError(f"Visitors cannot sign in: {', '.join(missing)} is not set.")
        if not address.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise InputError("Visitors cannot sign in: set REWARDBENCH_URL to the https address of this page.")
        return cls(values[0], values[1], values[2], values[3].rstrip("/"), address)


@dataclass(frozen=True)
class Visitor:
    """A visitor who is signed in.

    Args:
        account: the account, as of the sign-in.
        token: access token, which is never shown.
        expires: time at which the session ends, in seconds since 1970.
    """

    account: HubAccount
    token: str = field(repr=False)
    expires: float

    @property
    def name(self) -> str:
        """Name of the account."""
        return self.account.name


class VisitorSessions:
    """Sessions of visitors by a random key, in memory."""

    def __init__(self) -> None:
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, visitor: Visitor) -> str:
        """Start a session, and return its key."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._drop_expired()
            self._visitors[key] = visitor
            if len(self._visitors) > MOST_SESSIONS:
                self._visitors.popitem(last=False)
        return key

    def get(self, key: object) -> Visitor | None:
        """Return the visitor of a session; None if there is none, or it has expired."""
        with self._lock:
            self._drop_expired()
            return self._visitors.get(str(key))

    def drop(self, key: object) -> None:
        """End a session."""
        with self._lock:
            self._visitors.pop(str(key), None)

    def _drop_expired(self) -> None:
        now = time.time()
        for key in [key for key, visitor in self._visitors.items() if visitor.expires <= now]:
            del self._visitors[key]


class SignIn:
    """Sign-in with an account of the Hub: its routes, and the sessions of visitors.

    Args:
        app: the OAuth app.
    """

    def __init__(self, app: OAuthApp) -> None:
        self.app = app
        self.sessions = VisitorSessions()
        self._client = _make_client(app)
        self.routes = [
            Route(LOGIN, self._start),
            Route(CALLBACK, self._finish),
            Route(LOGOUT, self._end, methods=["POST"]),
        ]
        is_https = app.address.startswith("https://")
        self.middleware = Middleware(
            SessionMiddleware,
            secret_key=secrets.token_urlsafe(32),
            session_cookie="__Host-rewardbench" if is_https else "rewardbench",
            max_age=int(LONGEST_SESSION),
            same_site="lax",  # the cookie is not sent from pages that frame or post to this one
            https_only=is_https,
        )
        """Signs the cookie, which scripts cannot read."""

    def visitor(self, session: Mapping[str, object]) -> Visitor | None:
        """Return the visitor of a request; None if there is none.

        Args:
            session: content of the cookie.
        """
        return self.sessions.get(session.get("key"))

    async def _start(self, request: Request) -> Response:
        """Redirect to the Hub, which asks the visitor for consent."""
        try:
            answer: Response = await self._client.authorize_redirect(request, self.app.address + CALLBACK)
        except Exception as error:  # of three libraries
            return self._return(_log(error, "unavailable"))
        return answer

    async def _finish(self, request: Request) -> Response:
        """Exchange the code for a token, and start a session under a new key."""
        from authlib.integrations.starlette_client import OAuthError

        try:
            answer = await self._client.authorize_access_token(request)
            token = str(answer["access_token"])
            account = await asyncio.to_thread(read_account, token)
            if account.name != answer["userinfo"]["preferred_username"]:
                return self._return("failed")
        except OAuthError as error:
            return self._return("declined" if error.error == "access_denied" else _log(error, "failed"))
        except Exception as error:  # of three libraries
            return self._return(_log(error, "failed"))
        self.sessions.drop(request.session.get("key"))
        request.session.clear()
        now = time.time()
        expires = min(float(answer.get("expires_at") or now + LONGEST_SESSION), now + LONGEST_SESSION)
        request.session["key"] = self.sessions.add(Visitor(account, token, expires))
        return self._return()

    async def _end(self, request: Request) -> Response:
        """Sign the visitor out."""
        self.sessions.drop(request.session.get("key"))
        request.session.clear()
        return self._return()

    def _return(self, problem: str = "") -> Response:
        """Redirect to the page on which results are submitted."""
        query = f"&sign_in={problem}" if problem else ""
        return RedirectResponse(f"{self.app.address}/?view=submit{query}", 303, headers={"Cache-Control": "no-store"})


def _log(error: Exception, problem: str) -> str:
    """Log the kind of an error, without its text, which may have a code or token; return the problem."""
    logging.getLogger("uvicorn.error").warning("sign-in %s: %s", problem, type(error).__name__)
    return problem


def _make_client(app: OAuthApp) -> StarletteOAuth2App:
    """Return the client of the protocol.

    Raises:
        InputError: if Authlib is missing.
    """
    try:
        from authlib.integrations.starlette_client import OAuth
    except ImportError as error:
        raise InputError("Sign-in needs Authlib. Run pip install 'rewardbench[leaderboard]'.") from error
    client: StarletteOAuth2App = OAuth().register(
        "huggingface",
        client_id=app.client_id,
        client_secret=app.client_secret,
        server_metadata_url=f"{app.provider}/.well-known/openid-configuration",
        client_kwargs={"scope": app.scopes, "code_challenge_method": "S256"},
    )
    return client
