"""Planted fragility: scorers that score at random where they see one perturbation, and one that sees none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rewardbench.analysis.report import Value
from rewardbench.analysis.robustness.flips import measure_robustness
from rewardbench.analysis.robustness.perturbations import PERTURBATIONS, read_texts
from rewardbench.analysis.robustness.suite import PerturbedSuite, perturb_suite
from rewardbench.builders.check import Verification
from rewardbench.builders.checked_rows import read_checked_rows
from rewardbench.console.progress import StepBar
from rewardbench.console.terminal import make_console
from rewardbench.scorers.base import BaseScorer
from rewardbench.suites import load_suite, suite_of_rows
from rewardbench.suites.in_memory import read_in_memory
from rewardbench.types import Messages, Suite, TextRequest

BARS = "named==1 robust_flips==0 fragile_flip_rate>=0.3 labels_failed==0 labels_verified>=500"
ITEMS = 300
"""Number of planted pairs."""
VERIFIED_SUBSET = "instructions"
"""Subset of core whose labels depend on the form, so that perturbations may break them."""
REMARKS = (
    "Neighbours usually compare several offers",
    "Markets rarely settle within a single season",
    "Visitors often bring their own umbrellas",
    "Gardens need patience, water and sunlight",
)
LIST = "- apples from Almaty\n- bananas from Guayaquil\n- cherries from Malatya"
QUALITY = re.compile(r"\b\d{3}\b")
"""The quality of a response is the number with three digits in it, which no perturbation changes."""


def _has_unknown_word(text: str) -> bool:
    words = set(re.findall(r"[a-z]{5,}", text))
    return not words <= _known_words()


def _known_words() -> set[str]:
    texts = [*REMARKS, LIST]
    for sentences in read_texts().values():
        texts += sentences
    return set(re.findall(r"[a-z]{5,}", " ".join(texts)))


def _starts_with(*kinds: str) -> Callable[[str], bool]:
    return lambda text: any(text.startswith(tuple(read_texts()[kind])) for kind in kinds)


def _never(text: str) -> bool:
    return False


def _is_unsorted(text: str) -> bool:
    items = re.findall(r"^- (.*)$", text.replace("**", ""), re.MULTILINE)
    return items != sorted(items)


TRIGGERS: Mapping[str, Callable[[str], bool]] = {
    "prefix": _starts_with("prefix", "neutral_prefix"),
    "typos": _has_unknown_word,
    "whitespace": lambda text: text.endswith("\n"),
    "markdown-on": lambda text: re.search(r"\*\*[a-z]", text) is not None,
    "markdown-off": lambda text: "**Note**" not in text,
    "list-order": _is_unsorted,
    "flattery": _starts_with("flattery"),
    "language": lambda text: text.endswith(tuple(read_texts()["language"])),
}
"""By perturbation, how a planted scorer recognises it in a response."""


class PlantedFragile(BaseScorer):
    """Score a response by its quality, and by a hash of its text where a perturbation is recognised.

    Args:
        trigger: the perturbation; empty: none.
    """

    def __init__(self, trigger: str) -> None:
        self.name = f"fragile-{trigger}" if trigger else "robust"
        self._is_perturbed: Callable[[str], bool] = TRIGGERS.get(trigger, _never)

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool) -> TextRequest:
        """Take the response."""
        text = completion[-1]["content"]
        return TextRequest(text, (text,))

    def run(self, requests: Sequence[TextRequest]) -> list[float]:
        """Return one number per request."""
        scores: list[float] = []
        for request in requests:
            if self._is_perturbed(request.text):
                scores.append(float(hashlib.sha256(request.text.encode()).digest()[0]))
            else:
                (quality,) = QUALITY.findall(request.text)
                scores.append(float(quality))
        return scores


def planted_suite(items: int = ITEMS) -> Suite:
    """Return pairs of responses with bold, a list and shared words, to which every perturbation applies."""
    rows = []
    for number in range(items):
        remark = REMARKS[number % len(REMARKS)]
        right, wrong = (
            f"**Note** {quality}. {remark}.\n\n{LIST}" for quality in (500 + number % 400, 100 + number % 300)
        )
        rows.append({"prompt": f"Question {number}", "chosen": right, "rejected": wrong})
    return suite_of_rows(read_in_memory(rows))


def measure_planted_robustness(seeds: int) -> dict[str, Value]:
    """Measure planted scorers, and verify the labels of perturbed items of core.

    Args:
        seeds: number of random seeds of the perturbations.

    Returns:
        `named`: share of the fragile scorers whose perturbation is named the worst; `fragile_flip_rate`: their lowest
        flip rate; `robust_flips`: decisions of the robust scorer that change; `labels_verified` and `labels_failed`:
        rows that pass and fail when a file of the perturbed items is verified; `left_out`: items that are not in it.
    """
    suite = planted_suite()
    checked = load_suite("core", subset=VERIFIED_SUBSET)
    named: list[bool] = []
    rates: list[float] = []
    robust_flips = verified = failed = left_out = 0
    with StepBar("planted robustness", seeds * (len(TRIGGERS) + 2), make_console(stderr=True)) as tick:
        for seed in range(seeds):
            for name in PERTURBATIONS:
                worst = measure_robustness(PlantedFragile(name), suite, seed=seed).worst()
                named.append(worst.name == name)
                rates.append(worst.flips.value)
                tick()
            for effect in measure_robustness(PlantedFragile(""), suite, seed=seed).effects:
                robust_flips += round(effect.flips.value * effect.items)
            tick()
            perturbed = perturb_suite(checked, seed=seed)
            left_out += sum(perturbed.left_out.values())
            verification = _verify_file(perturbed)
            verified += verification.pairs
            failed += len(verification.failed_rows)
            tick()
    return {
        "seeds": seeds,
        "named": sum(named) / len(named),
        "fragile_flip_rate": min(rates),
        "robust_flips": robust_flips,
        "labels_verified": verified,
        "labels_failed": failed,
        "left_out": left_out,
    }


def _verify_file(perturbed: PerturbedSuite) -> Verification:
    """Write perturbed items into a file, and verify what is read from it, as `data verify FILE` does."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "perturbed.jsonl"
        perturbed.write(path)
        return read_checked_rows(path).verify()
