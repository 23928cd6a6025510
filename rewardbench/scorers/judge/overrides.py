"""Apply a user's settings to a judge protocol."""

from __future__ import annotations

from rewardbench.errors import InputError
from rewardbench.scorers.judge.protocols import JudgeProtocol
from rewardbench.settings import JudgeSpec


def adjust(protocol: JudgeProtocol, judge: JudgeSpec) -> JudgeProtocol:
    """Return a protocol with the settings of the user in place of its own.

    Raises:
        InputError: if a setting does not apply to the protocol.
    """
    changes: dict[str, object] = {}
    if judge.orders is not None and protocol.view == "pointwise":
        raise InputError(f"The judge protocol {protocol.name} shows one response at a time: leave out --orders.")
    if judge.orders is not None:  # of two orders, both are the default
        changes["orders"] = None if protocol.view == "pairwise" and judge.orders > 1 else judge.orders
    if judge.repeats is not None:
        changes["repeats"] = judge.repeats
    sampling: dict[str, object] = {}
    if judge.temperature is not None:
        sampling["temperature"] = judge.temperature
    if judge.max_tokens is not None:
        sampling["max_tokens"] = judge.max_tokens
    if sampling:
        changes["sampling"] = protocol.sampling.model_copy(update=sampling)
    return protocol.model_copy(update=changes) if changes else protocol
