"""Self-test of chatbench: verifiers against hand-written replies, the example, and tests on planted models."""

from __future__ import annotations

import numpy as np

from rewardbench.analysis.chatbench.chains import load_chains
from rewardbench.analysis.chatbench.comparison import compare_runs, half_width, mcnemar, score_run
from rewardbench.analysis.chatbench.judging import area_under_curve, calibrate_threshold
from rewardbench.analysis.chatbench.references import (
    example_run,
    reference_errors,
    reference_run,
    verify_references,
)
from rewardbench.analysis.chatbench.verify import VerifiedTurn, passes_of, verify
from rewardbench.analysis.report import Report, ReportTable, Value, parse_bars

SEEDS = 200
CHAINS, TURNS = 40, 4
SPREAD = 0.15
"""Standard deviation of the difficulty of chains in the planted models."""


def selftest(seeds: int | None = None) -> Report:
    """Verify the hand-written replies and the example, and count false findings between planted models.

    Args:
        seeds: number of pairs of planted models; None: 200.
    """
    chains = load_chains()
    verified = verify_references(chains)
    errors = reference_errors(chains, verified)
    example, run = example_run(chains, seed=0)
    example_score = score_run(run.model, verify(example, run.replies))
    false_share, power = _planted_models(SEEDS if seeds is None else seeds)
    values: dict[str, Value] = {
        "score": f"{example_score.passed}/{example_score.turns}",
        "prefix": f"{example_score.prefixes[0][0]}/{example_score.turns}",
        "score_share": example_score.share.value,
        "transcripts": len(chains),
        "turns": len(verified),
        "failing_turns": int((~passes_of(verified)).sum()),
        "verifier_errors": len(errors),
        "wrong_replies_pass": _swapped_pass_share(),
        "mcnemar_p": mcnemar(8, 2),
        "half_width_160": half_width(0.8, 160),
        "half_width_358": half_width(0.8, 358),
        "half_width_2985": half_width(0.8, 2985),
        "false_findings": false_share,
        "power_at_detectable": power,
        "auc": _planted_auc(),
        "seeds": SEEDS if seeds is None else seeds,
    }
    return Report(
        "chatbench",
        values,
        f"The verifiers agree with {len(verified) - len(errors)} of {len(verified)} hand-written turns, and the "
        f"example scores {values['score']}.",
        [ReportTable("Turns whose outcome is not the stated one", ("chain", "turn"), errors)],
        bars=parse_bars(
            "verifier_errors<=0 transcripts>=40 score_share==0.875 wrong_replies_pass<=0.25 false_findings<=0.08 "
            "power_at_detectable>=0.7 auc>=0.75 auc<=0.77"
        ),
    )


def _swapped_pass_share() -> float:
    """Return the share of turns that pass with the hand-written reply to a turn of the next chain instead."""
    chains = load_chains()
    replies = reference_run(chains).replies
    swapped: dict[str, list[str]] = {}
    for number, chain in enumerate(chains):
        texts = replies[chains[(number + 1) % len(chains)].id]
        swapped[chain.id] = [texts[turn % len(texts)] for turn in range(len(chain.turns))]
    verified = verify(chains, swapped)
    return float(passes_of(verified).mean())


def _planted_models(seeds: int) -> tuple[float, float]:
    """Return how often two models differ significantly: equal ones, and ones whose difference should be detectable."""
    findings = 0
    hits = 0
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        difficulty = random.normal(0.0, SPREAD, CHAINS)
        first = _planted_run(random, 0.55 + difficulty)
        second = _planted_run(random, 0.55 + difficulty)
        equal = compare_runs(first, second, seed)
        findings += equal.low > 0 or equal.high < 0
        better = _planted_run(random, 0.55 + difficulty + 0.14)
        hits += compare_runs(first, better, seed).low > 0
    return findings / seeds, hits / seeds


def _planted_run(random: np.random.Generator, chances: np.ndarray) -> list[VerifiedTurn]:
    """Return a run whose turns pass with the chance of their chain."""
    passes = random.random((CHAINS, TURNS)) < chances[:, None]
    verified: list[VerifiedTurn] = []
    for chain in range(CHAINS):
        for turn in range(TURNS):
            verified.append(VerifiedTurn(str(chain), turn, {"planted": bool(passes[chain, turn])}))
    return verified


def _planted_auc() -> float:
    """Return the AUC of normal scores whose means differ by one standard deviation: Φ(1 / √2) = .760 is expected."""
    random = np.random.default_rng(0)
    passes = random.random(20_000) < 0.7
    scores = random.normal(size=20_000) + passes
    assert np.mean(scores[passes] >= calibrate_threshold(scores, passes, 0.9)) >= 0.9
    return area_under_curve(scores, passes)
