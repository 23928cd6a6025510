"""Closed-form costs of decisions: tokens, FLOPs, generated tokens, and calls to rank systems.

A reward model reads prompt and reply once per reply, and generates nothing. A judge of pairs reads its instructions,
the prompt and both replies, and generates its answer one token after another; with both orders it does so twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from rewardbench.types import View


@dataclass(frozen=True)
class CallLengths:
    """Lengths in tokens: of the prompt, of one reply, of the judge's instructions, and of the judge's answer."""

    prompt: int
    reply: int
    instruction: int
    output: int


def reward_tokens(lengths: CallLengths, replies: int = 2) -> int:
    """Return the tokens that a reward model processes to compare replies: one pass over prompt and reply for each.

    >>> reward_tokens(CallLengths(prompt=200, reply=300, instruction=200, output=150))
    1000
    """
    return replies * (lengths.prompt + lengths.reply)


def judge_tokens(lengths: CallLengths, orders: int = 1, replies: int = 2) -> int:
    """Return the tokens that a judge reads and generates to compare replies in this number of orders.

    >>> judge_tokens(CallLengths(prompt=200, reply=300, instruction=200, output=150), orders=2)
    2300
    """
    return orders * (lengths.instruction + lengths.prompt + replies * lengths.reply + lengths.output)


def decode_steps(lengths: CallLengths, orders: int = 1) -> int:
    """Return the tokens that a judge generates, one forward pass after another; a reward model generates none."""
    return orders * lengths.output


def flops(parameters: float, tokens: float) -> float:
    """Return the floating-point operations of a forward pass, 2·P·T (Kaplan et al. 2020, arXiv 2001.08361).

    >>> flops(8e9, 1000) == 1.6e13
    True

    Args:
        parameters: number of parameters that a token passes through.
        tokens: number of tokens read or generated.
    """
    return 2.0 * parameters * tokens


def flop_ratio(
    lengths: CallLengths, orders: int = 1, judge_parameters: float = 1.0, reward_parameters: float = 1.0
) -> float:
    """Return the FLOPs of a judge's decision on a pair, divided by those of a reward model's.

    >>> round(flop_ratio(CallLengths(prompt=200, reply=300, instruction=200, output=150)), 9)
    1.15
    """
    judge = flops(judge_parameters, judge_tokens(lengths, orders))
    return judge / flops(reward_parameters, reward_tokens(lengths))


def ranking_calls(systems: int, prompts: int, view: View = "pointwise", orders: int = 2) -> int:
    """Return the calls that rank systems by their replies to the same prompts.

    Args:
        systems: number m of systems.
        prompts: number N of prompts.
        view: pointwise: m·N replies are scored. pairwise: each pair of systems is judged on each prompt, N·m(m-1)
            calls in both orders. Listwise and stepwise: one call per reply, as pointwise.
        orders: orders in which a pair is judged, 1 or 2.

    >>> ranking_calls(10, 500), ranking_calls(10, 500, "pairwise")
    (5000, 45000)
    """
    if view != "pairwise":
        return systems * prompts
    return prompts * systems * (systems - 1) // 2 * orders
