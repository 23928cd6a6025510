"""Connect to a Ray cluster, count how many actors it has room for, and report what is missing in one line."""

from __future__ import annotations

import logging
import math
import os
import platform
import signal
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

from rewardbench.console.terminal import echo
from rewardbench.errors import InputError
from rewardbench.processes import whole_number

START_SECONDS = 600
"""Time limit for an actor to be placed; the environment variable REWARDBENCH_RAY_SECONDS overrides it."""
SILENT_SECONDS = 5.0
"""Time after which a run that waits for an actor prints a message."""
CONNECT_SECONDS = 5.0
"""Time limit of a connection to the head node; Ray itself would try for two minutes, then end this process."""
OBJECT_STORE = 256 * 2**20
"""Bytes of the object store of a local Ray, which holds batches in flight only."""
LONGEST_MESSAGE = 300
"""Characters of a message of Ray that are printed."""
ANY = "this machine"
"""Address that stands for the cluster of this machine, or else a local Ray."""
HTTP2_CLIENT = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
HTTP2_SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What a gRPC client and server send first: the type of a SETTINGS frame is its fourth byte."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # of a lost node, Ray would print its log to stdout
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Environment variables to set before Ray is imported, unless the user has set them."""
PACKAGES = ("rewardbench", "ray", "torch", "transformers", "tokenizers")
"""Packages that must have the same version on all nodes."""


@dataclass(frozen=True)
class ActorNeeds:
    """What Ray reserves for an actor."""

    cpus: int
    gpus: float

    def __str__(self) -> str:
        return f"{self.cpus} CPU" + (f" and {self.gpus:g} GPU" if self.gpus else "")

    def room(self, resources: Mapping[str, float]) -> int:
        """Return how many actors a node of these resources has room for.

        >>> ActorNeeds(2, 0.5).room({"CPU": 7, "GPU": 1}), ActorNeeds(2, 0).room({"CPU": 7})
        (2, 3)
        """
        room = int(resources.get("CPU", 0) // self.cpus)
        return min(room, math.floor(resources.get("GPU", 0) / self.gpus + 1e-9)) if self.gpus else room


class Cluster:
    """The Ray cluster to which this process is connected.

    Args:
        address: HOST:PORT of its head node, or `auto` for a cluster of which this machine is a node; `local` starts
            Ray on this machine. None is RAY_ADDRESS, else `auto` if there is such a cluster, else `local`.

    Raises:
        InputError: if Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, address: str | None = None) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        if find_spec("ray") is None:
            raise InputError("--engine ray needs the package ray: pip install 'rewardbench[ray]'.")
        import ray

        self.address = address or os.environ.get("RAY_ADDRESS", "").strip() or ANY
        if not ray.is_initialized():
            self._connect()
        self._waiting_since: float | None = None
        self._is_announced = False
        limit = whole_number("REWARDBENCH_RAY_SECONDS")
        self._limit = START_SECONDS if limit is None else max(1, limit)

    def _connect(self) -> None:
        if self.address not in (ANY, "auto", "local"):
            self._check_head()
        try:
            with suppress(ConnectionError) if self.address == ANY else nullcontext():
                _init("auto" if self.address == ANY else self.address)
                return
            _init("local")
        except (Exception, SystemExit) as error:
            raise InputError(
                f"Cannot join the Ray cluster ({self.address}): {_one_line(error)}. Check --ray_address and the "
                "versions of Ray and Python, which must be those of the cluster."
            ) from error

    def _check_head(self) -> None:
        """Check that a head node of Ray answers, by the greeting of its gRPC server.

        Raises:
            InputError: if none does, or the address is not HOST:PORT.
        """
        host, _, port = self.address.rpartition(":")
        if not (host and port.isdigit()) or "/" in host:
            raise InputError(
                f"--ray_address {self.address} must be HOST:PORT of a head node, auto, or local: start the command on "
                "a node of the cluster, or by ray job submit."
            )
        try:
            with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS) as connection:
                connection.sendall(HTTP2_CLIENT)
                answer = connection.recv(len(HTTP2_SETTINGS))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"No Ray cluster answers at {self.address} ({_one_line(error)}): start one with ray start --head, or "
                "correct --ray_address."
            ) from error
        if answer[3:4] != HTTP2_SETTINGS[3:4] and not os.environ.get("RAY_USE_TLS"):
            raise InputError(
                f"The server at {self.address} is not the head node of a Ray cluster: pass the address that ray start "
                "--head printed, with its port (6379 by default)."
            )

    def room(self, needs: ActorNeeds) -> int:
        """Return how many actors the nodes of the cluster have room for now; at least 1, which asks for a node."""
        import ray

        return max(1, sum(needs.room(node["Resources"]) for node in ray.nodes() if node["Alive"]))

    def await_actor(self, needs: ActorNeeds, is_placed: bool) -> None:
        """Watch how long no actor has been placed; print a message once.

        Args:
            needs: what an actor needs.
            is_placed: True if there is an actor on a node.

        Raises:
            InputError: after the time limit.
        """
        now = time.monotonic()
        if is_placed or self._waiting_since is None:
            self._waiting_since = None if is_placed else now
            return
        waited = now - self._waiting_since
        if waited <= SILENT_SECONDS:
            return
        status = f"no node has room for an actor of {needs}; the cluster {self._describe()}"
        if waited > self._limit:
            raise InputError(
                f"After {self._limit} s {status}: add nodes, or pass a smaller --gpus_per_actor "
                "(REWARDBENCH_RAY_SECONDS sets the limit)."
            )
        if not self._is_announced:
            self._is_announced = True
            echo(f"rewardbench: waiting: {status} (limit {self._limit} s)", error=True)

    def _describe(self) -> str:
        """Describe the free CPUs and GPUs of the cluster."""
        import ray

        free, total = ray.available_resources(), ray.cluster_resources()
        counts = [f"{free.get(kind, 0):g} of {total.get(kind, 0):g} {kind}" for kind in ("CPU", "GPU")]
        return f"has {' and '.join(counts)} free"


def _init(address: str) -> None:
    """Call `ray.init`, and undo its handler of SIGTERM: the command has one."""
    import ray

    options = {"include_dashboard": False, "object_store_memory": OBJECT_STORE} if address == "local" else {}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **options)
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _one_line(error: BaseException) -> str:
    """Return a message of Ray on one line.

    >>> _one_line(RuntimeError("Versions differ:" + chr(10) + "  Ray: 2.49.0")), _one_line(SystemExit(15))
    ('Versions differ: Ray: 2.49.0', 'it does not answer as a Ray head node')
    """
    if isinstance(error, SystemExit):
        return "it does not answer as a Ray head node"
    return " ".join(str(error).split())[:LONGEST_MESSAGE].rstrip(".:") or type(error).__name__


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that must be the same on all nodes."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def reject_versions(node: str, versions: Mapping[str, str]) -> None:
    """Reject a node whose packages differ from those of this process.

    Raises:
        InputError: for the first one that differs.
    """
    for name, value in package_versions().items():
        if versions.get(name) != value:
            raise InputError(
                f"Node {node} has {name} {versions.get(name)}, and this process has {value}: install the same versions "
                "on all nodes."
            )
