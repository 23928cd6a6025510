"""Decide who may reach the page: check host names and origins of requests, and set security headers."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from rewardbench.leaderboard.app.uploads import RejectedError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
WILDCARDS = ("0.0.0.0", "::", "")
SPACES = ".hf.space"
_HOST = re.compile(r"(?:([A-Za-z0-9._-]{1,253})|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{1,5}))?")
POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",  # Gradio's page has inline scripts, and compiles ours
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
UNUSED = ("accelerometer", "camera", "geolocation", "gyroscope", "magnetometer", "microphone", "payment", "usb")


@dataclass(frozen=True)
class Access:
    """Describe how a leaderboard is reached.

    Args:
        host: address to serve on.
        hosts: additional host names, such as that of a proxy.
        writable: whether visitors may add results to a local folder.
        space: whether it runs as a Space, behind the proxy of the Hub.
    """

    host: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()
    writable: bool = False
    space: bool = False

    @classmethod
    def of_environment(cls) -> Access:
        """Return the access of a Space or a script from environment variables."""
        space = bool(os.environ.get("SPACE_ID"))
        names = [name for value in ("SPACE_HOST", "REWARDBENCH_HOSTS") for name in os.environ.get(value, "").split(",")]
        return cls(
            host="0.0.0.0" if space else "127.0.0.1",
            hosts=tuple(filter(None, map(str.strip, names))),
            writable=os.environ.get("REWARDBENCH_WRITABLE") == "1",
            space=space,
        )

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the page."""
        return self.host in LOOPBACK and not self.hosts and not self.space

    def check(self, method: str, headers: Headers) -> None:
        """Check the host name and the origin of a request.

        Raises:
            RejectedError: if the host name is not served here (protects against DNS rebinding), or a page of another
                origin sends a request that is not GET or HEAD.
        """
        hosts = headers.getlist("host")
        forwarded = headers.getlist("x-forwarded-host")
        if len(hosts) != 1 or not all(map(self.serves, hosts + forwarded)):
            raise RejectedError(400, "This host name is not served here. `--allow_host NAME` adds one.")
        if method in ("GET", "HEAD"):
            return
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "same-origin")
        is_ours = site in ("same-origin", "none") if origin is None else self._is_ours(origin, hosts + forwarded)
        if not is_ours or len(headers.getlist("origin")) > 1:
            raise RejectedError(403, "The request comes from a page of another origin. Open this page directly.")

    def serves(self, host: str) -> bool:
        """Return True if a Host header names this server."""
        name = _name(host)
        if name is None:
            return False
        if name in LOOPBACK or name in map(_plain, (self.host, *self.hosts)):
            return True
        if self.space and name.endswith(SPACES):
            return True
        if self.host not in WILDCARDS:
            return False
        return _is_address(name) or name == _plain(socket.gethostname())

    def _is_ours(self, origin: str, hosts: Iterable[str]) -> bool:
        """Return True if an origin is one of these hosts."""
        try:
            parts = urlsplit(origin)
            name, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.scheme not in ("http", "https"):
            return False
        if name in map(_plain, self.hosts):
            return True
        default = {"http": 80, "https": 443}[parts.scheme]
        return (name, port or default) in [(_name(host), _port(host) or default) for host in hosts]

    def client(self, scope: Scope, headers: Headers) -> str:
        """Return the address of the client; on a Space, the last X-Forwarded-For entry, set by the Hub's proxy."""
        if self.space and (forwarded := headers.getlist("x-forwarded-for")):
            return forwarded[-1].rpartition(",")[2].strip()
        return str((scope.get("client") or ("unknown",))[0])

    def headers(self) -> dict[str, str]:
        """Return the headers of every response."""
        parents = "'self' https://huggingface.co https://*.hf.space" if self.space else "'self'"
        policy = {**POLICY, "frame-ancestors": parents}
        return {
            "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": ", ".join(f"{name}=()" for name in UNUSED),
        }


def _name(host: str) -> str | None:
    """Return the name or address in a Host header, without its port; None if it is invalid.

    >>> [_name(host) for host in ("LocalHost:7860", "[::1]:80", "a@b", "a b", "")]
    ['localhost', '::1', None, None, None]
    """
    parts = _HOST.fullmatch(host)
    return _plain(parts[1] or parts[2]) if parts else None


def _port(host: str) -> int | None:
    parts = _HOST.fullmatch(host)
    return int(parts[3]) if parts and parts[3] else None


def _plain(name: str) -> str:
    return name.lower().strip("[]")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
