"""Self-test of judge-cost: counts by enumeration, and kappa of raters with planted agreement."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from rewardbench.analysis.judge_cost.agreement import agreement_kappa, error_consistency
from rewardbench.analysis.judge_cost.counts import (
    CallLengths,
    decode_steps,
    flop_ratio,
    judge_tokens,
    ranking_calls,
    reward_tokens,
)
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars
from rewardbench.types import Message

SEEDS = 100
ITEMS = 1200
EXAMPLE = CallLengths(prompt=200, reply=300, instruction=200, output=150)
PARAMETERS = 8e9
COPIED = 0.4
"""Share of items on which the second rater copies the first."""
FIRST_ACCURACY, SECOND_ACCURACY = 0.8, 0.7


def selftest(seeds: int | None = None) -> Report:
    """Compare the closed forms with an enumeration, and the kappas with those of planted raters.

    Args:
        seeds: number of samples of planted raters; None: 100.
    """
    mismatches = _ranking_mismatch() + _prompt_mismatch()
    errors, covered = _planted_kappas(SEEDS if seeds is None else seeds)
    values: dict[str, Value] = {
        "token_mismatch": mismatches,
        "flop_ratio": flop_ratio(EXAMPLE, 1, PARAMETERS, PARAMETERS),
        "flop_ratio_swap": flop_ratio(EXAMPLE, 2, PARAMETERS, PARAMETERS),
        "flop_ratio_error": abs(flop_ratio(EXAMPLE, 1, PARAMETERS, PARAMETERS) - 1.15),
        "flop_ratio_swap_error": abs(flop_ratio(EXAMPLE, 2, PARAMETERS, PARAMETERS) - 2.30),
        "decode_steps_swap": decode_steps(EXAMPLE, 2),
        "kappa_abs_err": float(np.abs(errors.mean(axis=0)).max()),
        "kappa_coverage": covered,
        "seeds": len(errors),
    }
    bars = parse_bars(
        "token_mismatch<=0 flop_ratio_error<=1e-9 flop_ratio_swap_error<=1e-9 kappa_abs_err<=0.02 kappa_coverage>=0.85"
    )
    lengths = [EXAMPLE.prompt, EXAMPLE.reply, EXAMPLE.instruction, EXAMPLE.output]
    row: list[Value] = [*lengths, reward_tokens(EXAMPLE), judge_tokens(EXAMPLE), judge_tokens(EXAMPLE, 2)]
    columns = ("prompt", "reply", "instructions", "answer", "reward model", "judge", "judge, both orders")
    return Report(
        "judge-cost",
        values,
        f"A judge of the same size takes {values['flop_ratio']:.2f} times the FLOPs of a reward model for a pair, and "
        f"{values['flop_ratio_swap']:.2f} times in both orders; both equal an enumeration of all calls.",
        [ReportTable("Tokens of a decision on a pair", columns, [row])],
        bars=bars,
    )


def _ranking_mismatch() -> int:
    """Return by how many tokens and calls the closed forms differ from an enumeration of systems and prompts."""
    systems, prompts = 5, 7
    passes = calls = reward_total = judge_total = 0
    for _ in range(prompts):
        for _ in range(systems):
            passes += 1
            reward_total += EXAMPLE.prompt + EXAMPLE.reply
        for _ in permutations(range(systems), 2):
            calls += 1
            judge_total += EXAMPLE.instruction + EXAMPLE.prompt + 2 * EXAMPLE.reply + EXAMPLE.output
    mismatch = abs(passes - ranking_calls(systems, prompts)) + abs(calls - ranking_calls(systems, prompts, "pairwise"))
    mismatch += abs(reward_total - passes * reward_tokens(EXAMPLE, replies=1))
    return mismatch + abs(judge_total - calls * judge_tokens(EXAMPLE))


def _prompt_mismatch() -> int:
    """Return by how many words prompts of the protocol choice differ from the closed form."""
    from rewardbench.scorers.judge.prompts import render
    from rewardbench.scorers.judge.protocols import load_protocol

    protocol = load_protocol("choice")
    counts: list[int] = []
    for prompt_words, reply_words in ((1, 1), (EXAMPLE.prompt, EXAMPLE.reply)):
        prompt = (Message(role="user", content="why " * prompt_words),)
        reply = (Message(role="assistant", content="so " * reply_words),)
        messages = render(protocol, prompt, (reply, reply), {})
        counts.append(sum(len(message["content"].split()) for message in messages))
    instruction = counts[0] - 3
    lengths = CallLengths(EXAMPLE.prompt, EXAMPLE.reply, instruction, 0)
    return abs(counts[1] - judge_tokens(lengths))


def _planted_kappas(seeds: int) -> tuple[np.ndarray, float]:
    """Return the errors of kappa and of error consistency, [seeds, 2], and the coverage of their intervals.

    The second rater is right or wrong as the first on a share of items, and independent of it on the others.
    """
    second = COPIED * FIRST_ACCURACY + (1 - COPIED) * SECOND_ACCURACY
    same = COPIED + (1 - COPIED) * (FIRST_ACCURACY * SECOND_ACCURACY + (1 - FIRST_ACCURACY) * (1 - SECOND_ACCURACY))
    chance = FIRST_ACCURACY * second + (1 - FIRST_ACCURACY) * (1 - second)
    truth = np.array([2 * same - 1, (same - chance) / (1 - chance)])
    errors = np.zeros((seeds, 2))
    covered = 0
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        is_right = random.random(ITEMS) < FIRST_ACCURACY
        is_copied = random.random(ITEMS) < COPIED
        other = np.where(is_copied, is_right, random.random(ITEMS) < SECOND_ACCURACY)
        clusters, counts = np.arange(ITEMS), np.full(ITEMS, 2)
        _, kappa = agreement_kappa((~is_right).astype(int), (~other).astype(int), counts, clusters, seed)
        (consistency,) = error_consistency(is_right, other, clusters, seed)
        errors[seed] = np.array([kappa.value, consistency.value]) - truth
        covered += kappa.low <= truth[0] <= kappa.high
        covered += consistency.low <= truth[1] <= consistency.high
    return errors, covered / (2 * seeds)
