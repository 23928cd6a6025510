"""Check what a summary states about its model and no score can confirm: type, license, size, date and command.

Submissions that break a rule are refused; the leaderboard leaves such values out.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TypeGuard

from rewardbench.results.model_names import size_in_name

MODEL_TYPES = (
    *("Seq. Classifier", "Custom Classifier", "DPO", "DPO Ref. Free", "Generative RM", "Generative RM PoLL"),
    *("Generative", "Baseline", "Ensemble"),
    *("DPO Ref. Free (sum)", "DPO Ref. Free (avg)", "DPO Ref. Free (norm)"),
)
FEWEST_PARAMETERS, MOST_PARAMETERS = 1_000, 10**13
EARLIEST = date(2024, 1, 1)
"""Earliest date of a result: RewardBench was published in 2024."""

HUB_LICENSES = frozenset(
    "openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m openrail++ "
    "bsd cc cc-by-nc gpl lgpl lgpl-lr gfdl odc-by odbl pddl c-uda deepfloyd-if-license llama2 llama3 llama3.1 llama3.2 "
    "llama3.3 llama4 gemma apple-ascl apple-amlr fair-noncommercial-research-license intel-research h-research "
    "grok2-community unknown other".split()
)
"""License identifiers of the Hub's model cards that are not SPDX identifiers."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
LONGEST_NAME = 200
"""Characters of a plain name."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SIZE_FACTOR = 2.5
"""Factor by which the size in a name may differ from the number of parameters."""


def is_model_type(value: object) -> bool:
    """Return True if it is a known type of reward model.

    >>> is_model_type("DPO"), is_model_type("Seq. Classifier (verified by AI2)")
    (True, False)
    """
    return isinstance(value, str) and value in MODEL_TYPES


def weights_of(manifest: Mapping[str, object]) -> str:
    """Return the commit or the SHA-256 of the weights that a manifest states; empty if it states none.

    >>> weights_of({"fingerprint": {"weights": {"commit": 40 * "a"}}})[:4], weights_of({"fingerprint": []})
    ('aaaa', '')
    """
    fingerprint = manifest.get("fingerprint")
    weights = fingerprint.get("weights") if isinstance(fingerprint, dict) else None
    if not isinstance(weights, dict):
        return ""
    return next((value for name in ("commit", "sha256") if is_digest(value := weights.get(name))), "")


def base_model_of(manifest: Mapping[str, object]) -> str:
    """Return the base model that a manifest states; empty if it states none.

    >>> base_model_of({"model": {"base_model": "org/base"}}), base_model_of({"model": 7})
    ('org/base', '')
    """
    model = manifest.get("model")
    return plain_name(model.get("base_model")) if isinstance(model, dict) else ""


def is_license(value: object) -> bool:
    """Return True if it is an SPDX license identifier or expression, or a license identifier of the Hub.

    >>> [is_license(name) for name in ("apache-2.0", "llama3.1", "MIT OR Apache-2.0", "MIT - verified by AI2", "")]
    [True, True, True, False, False]
    """
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if not isinstance(value, str) or not value.isascii() or len(value) > 60:
        return False
    if value.lower() in HUB_LICENSES:
        return True
    if "licenseref" in value.lower():  # SPDX allows any name after LicenseRef-
        return False
    try:
        return bool(canonicalize_license_expression(value))
    except InvalidLicenseExpression:
        return False


def is_day(value: object, today: date | None = None) -> bool:
    """Return True if it is a date YYYY-MM-DD from `EARLIEST` to today.

    >>> [is_day(day) for day in ("2026-01-02", "1900-01-01", "9999-12-31", "2026-02-30", 7)]
    [True, False, False, False, False]
    """
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else date.min
    except ValueError:
        return False
    tomorrow = (today or datetime.now(UTC).date()) + timedelta(days=1)  # it is tomorrow already in some time zones
    return day.isoformat() == value and EARLIEST <= day <= tomorrow


def is_parameter_count(value: object) -> bool:
    """Return True if it is a plausible number of parameters.

    >>> is_parameter_count(7_000_000_000), is_parameter_count(1), is_parameter_count(True)
    (True, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and FEWEST_PARAMETERS <= value <= MOST_PARAMETERS


def fits_name(parameters: int, model: str) -> bool:
    """Return True if a number of parameters is near the size in a model's name, or the name has no size.

    >>> fits_name(8_030_000_000, "org/RM-8B"), fits_name(999_000_000_000, "org/RM-8B"), fits_name(5, "org/RM")
    (True, False, True)
    >>> fits_name(46_700_000_000, "org/RM-8x7B"), fits_name(30_500_000_000, "org/RM-30B-A3B")
    (True, True)
    >>> fits_name(14_300_000_000, "org/RM-MoE-A2.7B"), fits_name(70_000_000_000, "org/rm-llama7b")
    (True, False)
    """
    size = size_in_name(model)
    if size is None:
        return True
    fewest = size.parameters / size.experts  # experts share parameters: 8x7B are 47 billion
    return fewest / _SIZE_FACTOR <= parameters <= size.parameters * _SIZE_FACTOR


def is_command(value: object) -> bool:
    """Return True if it is a rewardbench command in one line, quoted as by `shlex.join`.

    >>> is_command("rewardbench --model org/m --dataset 'my data.jsonl'")
    True
    >>> [is_command(text) for text in ("curl x | sh", "rewardbench --model $(id)", "rewardbench --model m; id")]
    [False, False, False]
    """
    if not isinstance(value, str) or "\n" in value or "\t" in value or has_hidden(value):
        return False
    try:
        words = shlex.split(value)
    except ValueError:
        return False
    return len(words) > 1 and words[0] == "rewardbench" and words[1].startswith("--") and shlex.join(words) == value


def plain_name(value: object) -> str:
    """Return a plain name of a model or a user, `name` or `org/name`; empty for any other value.

    >>> [plain_name(value) for value in ("org/RM-8B", "ai2", "../x", "a b", 7)]
    ['org/RM-8B', 'ai2', '', '', '']
    """
    return value if isinstance(value, str) and len(value) <= LONGEST_NAME and _PLAIN_NAME.fullmatch(value) else ""


def is_digest(value: object) -> TypeGuard[str]:
    """Return True if it is the commit of a repository or a SHA-256, in hex digits."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def has_hidden(text: str) -> bool:
    r"""Return True if a text contains control characters, direction marks or other invisible characters.

    Tabs and line feeds are allowed.

    >>> [has_hidden(text) for text in ("é\n", "a\u2028b", "a\u061cb", "a\u202eb", "a\ud800", "a\x1bb")]
    [False, True, True, True, True, True]
    """
    return any(unicodedata.category(c) in _HIDDEN for c in text if c not in "\n\t")
