"""Find problems in the scores and the model input of an examination."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rewardbench.doctor.grid import GridScores, ScoreList
from rewardbench.doctor.model_input import ModelInput
from rewardbench.doctor.report import CAUSES, DoctorFinding, DtypeDeviations, PreferencePair

SATURATED = 1e-6
"""Largest distance from -1, 0 or 1 of a score that is called saturated."""


def find_problems(
    deviations: DtypeDeviations, truth: GridScores, pairs: Sequence[PreferencePair], model_input: ModelInput
) -> Iterator[DoctorFinding]:
    """Yield the problems of float32 scores and of the model input, the worst first."""
    yield from changed_scores(deviations)
    yield from failed_cells("float32", truth)
    yield from uninformative_scores(truth.reference, pairs)
    yield from wrong_bos(model_input)


def changed_scores(deviations: DtypeDeviations) -> Iterator[DoctorFinding]:
    """Yield a finding if float32 scores change, with the values of each cause that change them."""
    overall = deviations.overall
    if not overall.exceeds_float32:
        return
    causes = []
    for cause in CAUSES:
        values = _deviating_values(deviations, cause)
        if values:
            causes.append(f"{cause} {', '.join(values)}")
    rounding = ""
    if overall.share_of_allowed <= 1:
        rounding = (
            " The differences are within rounding error; the pairs that flip have margins of at most "
            f"{deviations.flips_below_margin:.2g}: treat them as ties."
        )
    yield DoctorFinding(
        f"float32 scores change by up to {overall.max_abs_diff:.2g}, and {overall.flips} preferences flip, with: "
        f"{'; '.join(causes) or 'all values of all causes'}.{rounding}",
        grave=True,
    )
    if "padding side left" in causes:
        yield DoctorFinding(
            "rewardbench pads on the right; a program that pads on the left computes other scores with this model."
        )


def _deviating_values(deviations: DtypeDeviations, cause: str) -> list[str]:
    """Return the values of a cause that change scores, if others of that cause do not."""
    deviating: list[str] = []
    others: list[str] = []
    for deviation in deviations.causes:
        if deviation.cause == cause:
            values = deviating if deviation.exceeds_float32 else others
            values.append(deviation.value)
    return deviating if others else []


def failed_cells(dtype: str, scores: GridScores) -> Iterator[DoctorFinding]:
    """Yield a finding for each reason why grid cells could not be computed; grave if none could in float32."""
    total = len(scores.cells) + len(scores.errors)
    is_grave = not scores.cells and dtype == "float32"
    for reason in dict.fromkeys(scores.errors.values()):
        failed_sizes = [cell.size for cell, error in scores.errors.items() if error == reason]
        sizes = ", ".join(map(str, sorted(set(failed_sizes))))
        yield DoctorFinding(
            f"{len(failed_sizes)} of {total} combinations of batch size, order, padding side and layout failed in "
            f"{dtype} (batch size {sizes}): {reason}.",
            is_grave,
        )


def uninformative_scores(scores: ScoreList, pairs: Sequence[PreferencePair]) -> Iterator[DoctorFinding]:
    """Yield a finding for scores that are not finite, all equal, saturated, or tied."""
    finite = list(filter(math.isfinite, scores))
    if len(finite) < len(scores):
        yield DoctorFinding(f"{len(scores) - len(finite)} of {len(scores)} scores are not finite.", grave=True)
    if len(scores) > 1 and len(set(finite)) == 1:
        yield DoctorFinding(
            f"All {len(finite)} scores are {finite[0]:g}: the head does not distinguish completions.", grave=True
        )
    elif finite and all(map(_is_saturated, finite)):
        yield DoctorFinding("All scores are -1, 0 or 1, as of a saturated sigmoid or tanh: they have no margins.")
    outcomes = [pair.outcome(scores) for pair in pairs]
    ties = outcomes.count("tie")
    if ties:
        yield DoctorFinding(f"{ties} of {len(pairs)} pairs ({ties / len(pairs):.1%}) are exact ties.")


def _is_saturated(score: float) -> bool:
    return min(abs(score + 1), abs(score), abs(score - 1)) <= SATURATED


def wrong_bos(model_input: ModelInput) -> Iterator[DoctorFinding]:
    """Yield a finding if the model reads no BOS token, or more than its template prints (one is right if none)."""
    count, token = model_input.bos, model_input.bos_token
    if token is not None and count == 0:
        yield DoctorFinding(f"The model reads no BOS token, although its tokenizer has one ({token}).")
    elif count > max(1, model_input.bos_printed):
        yield DoctorFinding(
            f"The model reads {count} BOS tokens ({token}), but its template prints {model_input.bos_printed}.",
            grave=True,
        )
    elif count > 1:
        yield DoctorFinding(f"The template prints {count} BOS tokens ({token}), as at the start of turns.")
