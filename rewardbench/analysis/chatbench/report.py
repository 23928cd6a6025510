"""The analysis chatbench: replies of chat models in chains of turns, judged by verifiers, reward models or judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from operator import attrgetter
from typing import Annotated

import numpy as np

from rewardbench import stats
from rewardbench.analysis.chatbench.chains import Chain, load_chains
from rewardbench.analysis.chatbench.comparison import ChainScore, RunDifference, compare_runs, half_width, score_run
from rewardbench.analysis.chatbench.figure import ScoreCurve, draw_runs, rule_shares
from rewardbench.analysis.chatbench.judging import (
    ScoredReplies,
    ScoreJudgement,
    calibrate_threshold,
    judge_by_threshold,
    score_replies,
    thresholds_for,
)
from rewardbench.analysis.chatbench.options import ChatOptions
from rewardbench.analysis.chatbench.play import ChatRun, read_runs
from rewardbench.analysis.chatbench.references import (
    REFERENCE,
    example_run,
    has_references,
    reference_errors,
    reference_run,
)
from rewardbench.analysis.chatbench.verify import VerifiedTurn, passes_of, verify
from rewardbench.analysis.figures import short_name
from rewardbench.analysis.options import OptionHelp
from rewardbench.analysis.report import Report, ReportTable, Value
from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec

MARKS = {True: "+", False: "-"}
SHOWN = 70
"""Characters of a reply that a table shows."""


@dataclass(frozen=True, kw_only=True)
class ChatbenchOptions(ChatOptions):
    """Options of the analysis chatbench."""

    chains: Annotated[str | None, OptionHelp("YAML file with chains; default: the 40 of the package")] = None
    limit: Annotated[int | None, OptionHelp("Use only the first N chains", min=1)] = None
    transcripts: Annotated[bool, OptionHelp("Evaluate the hand-written replies of the chains")] = False
    judge_protocol: Annotated[str, OptionHelp("Pointwise protocol by which --judge scores a reply")] = "yes_no"
    threshold: Annotated[
        float | None,
        OptionHelp("Lowest score of --model or --judge that counts as a pass; default: set by --pass_rate"),
    ] = None
    pass_rate: Annotated[
        float, OptionHelp("Share of correct hand-written replies that the threshold accepts", min=0.01, max=1)
    ] = 0.9
    model: ModelSpec | None = None


@dataclass(frozen=True)
class JudgedRun:
    """A run with the outcomes of the verifiers and, if a model scores replies, of its threshold."""

    run: ChatRun
    verified: list[VerifiedTurn]
    score: ChainScore
    scored: ScoredReplies | None = None
    judgement: ScoreJudgement | None = None


def analyze(inputs: Sequence[ComparedResult], options: ChatbenchOptions) -> Report:
    """Hold conversations or read them, and judge every reply.

    Args:
        inputs: files of replies (.jsonl) of earlier runs; two are compared.
        options: the chat model, the chains, and the model that scores replies.

    Raises:
        InputError: if there is nothing to judge, a file is of other chains, or a model cannot be loaded.
    """
    chains = load_chains(options.chains)[: options.limit]
    spec = _scoring_model(options)
    chains, runs = _collect_runs(inputs, chains, options)
    judged: list[JudgedRun] = []
    for run in runs:
        verified = verify(chains, run.replies)
        judged.append(JudgedRun(run, verified, score_run(run.model, verified)))
    if spec is not None:
        judged = _add_scores(judged, chains, spec, options)
    return _report(judged, chains, spec, options)


def _collect_runs(
    inputs: Sequence[ComparedResult], chains: list[Chain], options: ChatbenchOptions
) -> tuple[list[Chain], list[ChatRun]]:
    """Return the chains and the runs to judge: of the chat model, of files, the hand-written one, or the example."""
    runs: list[ChatRun] = []
    played = options.hold(chains, "chatbench")
    if played:
        runs.append(played)
    runs += read_runs(inputs, chains, "chatbench", "chains", "--chains and --limit")
    if options.transcripts:
        runs.append(reference_run(chains))
    if not runs:
        chains, example = example_run(chains, options.seed)
        runs.append(example)
    return chains, runs


def _scoring_model(options: ChatbenchOptions) -> ModelSpec | None:
    judge = options.judge_spec(options.judge_protocol)
    if judge and options.model:
        raise InputError("--model and --judge exclude each other: one model scores the replies.")
    return judge or options.model


def _add_scores(
    judged: Sequence[JudgedRun], chains: Sequence[Chain], spec: ModelSpec, options: ChatbenchOptions
) -> list[JudgedRun]:
    """Score the replies, and judge them by a threshold that is calibrated on the hand-written replies."""
    reference: tuple[ScoredReplies, np.ndarray] | None = None
    if options.threshold is None:
        every = chains if has_references(chains) else load_chains()
        replies = reference_run(every).replies
        reference = score_replies(spec, every, replies), passes_of(verify(every, replies))
    results: list[JudgedRun] = []
    for entry in judged:
        if reference is not None and entry.run.model == REFERENCE:
            scored = reference[0]
        else:
            scored = score_replies(spec, chains, entry.run.replies)
        passes = passes_of(entry.verified)
        names = list(map(attrgetter("chain"), entry.verified))
        if reference is None:
            thresholds = np.full(len(passes), float(options.threshold or 0.0))
        elif entry.run.model == REFERENCE:
            thresholds = thresholds_for(scored.scores, passes, names, options.pass_rate)
        else:
            thresholds = np.full(len(passes), calibrate_threshold(reference[0].scores, reference[1], options.pass_rate))
        judgement = judge_by_threshold(scored.scores, passes, names, thresholds, options.seed)
        results.append(JudgedRun(entry.run, entry.verified, entry.score, scored, judgement))
    return results


def _report(
    judged: Sequence[JudgedRun], chains: Sequence[Chain], spec: ModelSpec | None, options: ChatbenchOptions
) -> Report:
    first = judged[0]
    values = _score_values(first.score, len(chains))
    if first.run.model == REFERENCE:
        values["verifier_errors"] = len(reference_errors(chains, first.verified))
    difference = compare_runs(first.verified, judged[1].verified, options.seed) if len(judged) > 1 else None
    if difference:
        values |= _difference_values(difference, judged[1].score)
    if first.judgement and first.scored:
        values |= _judgement_values(first.judgement, first.scored)
    tables = [_chain_table(judged), _rule_table(judged), _failure_table(first, chains)]
    curve = None
    if spec and first.scored and first.judgement:
        curve = ScoreCurve(short_name(spec.model), first.scored.scores, first.judgement)
    return Report(
        name="chatbench",
        values=values,
        sentence=_sentence(judged, difference, spec),
        tables=tables,
        draw=lambda figure: draw_runs(
            figure, list(map(attrgetter("score"), judged)), list(map(attrgetter("verified"), judged)), curve
        ),
        size=(14.0 if curve else 10.5, 5.2),
        details={"runs": list(map(_run_detail, judged))},
        notes=_notes(judged),
        sources=[dict(run.run.settings) for run in judged],
    )


def _score_values(score: ChainScore, chains: int) -> dict[str, Value]:
    prefixes, lengths = np.array(score.prefixes).T
    prefix, complete = int(prefixes.sum()), int((prefixes == lengths).sum())
    return {
        "score": f"{score.passed}/{score.turns}",
        "prefix": f"{prefix}/{score.turns}",
        "chains": chains,
        "complete_chains": complete,
        "share": score.share.value,
        "share_low": score.share.low,
        "share_high": score.share.high,
        "prefix_share": score.prefix.value,
        "prefix_share_low": score.prefix.low,
        "prefix_share_high": score.prefix.high,
        "half_width_at_0.8": half_width(0.8, score.turns),
        "detectable_difference": _detectable(score),
    }


def _detectable(score: ChainScore) -> float | None:
    """Return the minimum detectable difference to another model; None if no error is known, since no chain differs."""
    return stats.detectable(2**0.5 * score.error) if score.error > 0 else None


def _difference_values(difference: RunDifference, second: ChainScore) -> dict[str, Value]:
    return {
        "second_score": f"{second.passed}/{second.turns}",
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "bootstrap_low": difference.bootstrap[0],
        "bootstrap_high": difference.bootstrap[1],
        "gains": difference.gains,
        "losses": difference.losses,
        "mcnemar_p": difference.mcnemar_p,
        "chain_p": difference.chain_p,
        "detectable_difference": difference.detectable,
    }


def _judgement_values(judgement: ScoreJudgement, scored: ScoredReplies) -> dict[str, Value]:
    values: dict[str, Value] = {
        "judge_score": f"{int(judgement.accepts.sum())}/{len(judgement.accepts)}",
        "auc": judgement.auc,
        "auc_low": judgement.low,
        "auc_high": judgement.high,
        "threshold": judgement.threshold,
        "sensitivity": judgement.sensitivity,
        "specificity": judgement.specificity,
        "unscored": int(np.isnan(scored.scores).sum()),
    }
    return values | ({"protocol": scored.protocol} if scored.protocol else {})


def _sentence(judged: Sequence[JudgedRun], difference: RunDifference | None, spec: ModelSpec | None) -> str:
    score, judgement = judged[0].score, judged[0].judgement
    prefix = 100 * score.prefix.value
    sentence = (
        f"{score.model} follows all rules in {score.passed} of {score.turns} turns ({100 * score.share.low:.0f} to "
        f"{100 * score.share.high:.0f} %), and on average {prefix:.0f} % of a chain's turns come before its first "
        "failure"
    )
    if difference:
        verdict = "better" if difference.low > 0 else "worse" if difference.high < 0 else "not distinguishable"
        interval = f"{100 * difference.low:.1f} to {100 * difference.high:.1f}"
        sentence += f"; {judged[1].score.model} is {verdict}, at {100 * difference.value:+.1f} points ({interval})"
        if difference.detectable > 0:
            sentence += f", where {100 * difference.detectable:.1f} points are detected with 80 % power"
    elif detectable := _detectable(score):
        points = f"{100 * detectable:.0f} points"
        sentence += f"; a difference to another model below {points} is not detected with 80 % power"
    if judgement and spec and isnan(judgement.auc):
        sentence += f"; {short_name(spec.model)} cannot be compared with the verifiers, which judge all replies alike"
    elif judgement and spec:
        use = "can replace" if judgement.low > 0.9 else "cannot replace"
        interval = f"{judgement.low:.2f} to {judgement.high:.2f}"
        sentence += f"; {short_name(spec.model)} {use} the verifiers (AUC {judgement.auc:.2f}, {interval})"
    return sentence + "."


def _chain_table(judged: Sequence[JudgedRun]) -> ReportTable:
    rows: list[list[Value]] = []
    for entry in judged:
        outcomes: dict[str, list[bool]] = {}
        for turn in entry.verified:
            outcomes.setdefault(turn.chain, []).append(turn.passes)
        for (chain, passes), (prefix, turns) in zip(outcomes.items(), entry.score.prefixes, strict=True):
            marks = "".join(map(MARKS.__getitem__, passes))
            rows.append([entry.run.model, chain, marks, f"{sum(passes)}/{turns}", prefix])
    return ReportTable("Chains (+ the reply follows all rules)", ("model", "chain", "turns", "passed", "prefix"), rows)


def _rule_table(judged: Sequence[JudgedRun]) -> ReportTable:
    rows: list[list[Value]] = []
    for entry in judged:
        for name, (followed, total) in rule_shares(entry.verified).items():
            low, high = stats.wilson(followed, total)
            rows.append([entry.run.model, name, total, followed / total, f"{low:.2f} to {high:.2f}"])
    return ReportTable("Rules", ("model", "rule", "replies", "follow it", "95 %"), rows)


def _failure_table(entry: JudgedRun, chains: Sequence[Chain]) -> ReportTable:
    """Return the first failure of each chain, to read."""
    by_id = {chain.id: chain for chain in chains}
    rows: list[list[Value]] = []
    failed: set[str] = set()
    for turn in entry.verified:
        if turn.passes or turn.chain in failed:
            continue
        failed.add(turn.chain)
        texts = entry.run.replies.get(turn.chain, ())
        reply = " ".join(texts[turn.turn].split())[:SHOWN] if turn.turn < len(texts) else "(none)"
        broken = ", ".join(name for name, holds in turn.outcomes.items() if not holds)
        user = " ".join(by_id[turn.chain].turns[turn.turn].user.split())[:SHOWN]
        rows.append([turn.chain, turn.turn + 1, broken, user, reply])
    return ReportTable("First failure of each chain", ("chain", "turn", "rules", "user", "reply"), rows)


def _run_detail(entry: JudgedRun) -> dict[str, object]:
    turns: list[dict[str, object]] = []
    for number, turn in enumerate(entry.verified):
        texts = entry.run.replies.get(turn.chain, ())
        row: dict[str, object] = {"chain": turn.chain, "turn": turn.turn, "rules": dict(turn.outcomes)}
        row["reply"] = texts[turn.turn] if turn.turn < len(texts) else None
        if entry.scored and entry.judgement:
            row["score"] = float(entry.scored.scores[number])
            row["accepted"] = bool(entry.judgement.accepts[number])
        turns.append(row)
    return {"model": entry.run.model, "turns": turns}


def _notes(judged: Sequence[JudgedRun]) -> list[str]:
    notes: list[str] = []
    for entry in judged:
        missing = entry.score.turns - sum(map(len, entry.run.replies.values()))
        if missing > 0:
            notes.append(f"{entry.run.model} has no reply to {missing} turns, which count as failures.")
        if entry.scored:
            notes += [f"Some replies are unscored: {reason.rstrip('.')}." for reason in entry.scored.reasons]
    if len(judged) > 2:
        notes.append("The first two runs are compared; the others are in the tables and the figure.")
    if judged[0].judgement:
        notes.append("The threshold is set on hand-written replies; for these themselves, on those of other chains.")
    notes.append("Passing the rules means that the form is right, not that the reply is good.")
    return notes
