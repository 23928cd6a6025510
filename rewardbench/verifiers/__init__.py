"""Programs that check answers, one for each kind of check."""

from __future__ import annotations

from collections.abc import Mapping

from rewardbench.verifiers.arithmetic import verify_knapsack, verify_math
from rewardbench.verifiers.cells import Cell, Verifier, faults
from rewardbench.verifiers.expressions import verify_instructions, verify_logic
from rewardbench.verifiers.hard.no_certificate import verify_no_certificate
from rewardbench.verifiers.hard.no_certificate_second import verify_no_certificate_again
from rewardbench.verifiers.hard.policy_engine import verify_policy, verify_policy_by_reading
from rewardbench.verifiers.hard.who_may_instruct import verify_authority, verify_authority_by_reading
from rewardbench.verifiers.hard.twelve_rules import verify_twelve_rules
from rewardbench.verifiers.hard.twelve_rules_prompt import verify_twelve_rules_prompt
from rewardbench.verifiers.hard.grounded import verify_grounded
from rewardbench.verifiers.hard.grounded_second import verify_grounded_again
from rewardbench.verifiers.hard.languages.instruction import verify_rules
from rewardbench.verifiers.hard.languages.policy import verify_book
from rewardbench.verifiers.hard.languages.retraction import verify_turns
from rewardbench.verifiers.hard.languages.stated import verify_outcome, verify_plan, verify_text
from rewardbench.verifiers.hard.hard_code import verify_cases, verify_clauses
from rewardbench.verifiers.names import verify_names
from rewardbench.verifiers.programs import missing_tools, verify_code

__all__ = ["SECOND_VERIFIERS", "VERIFIERS", "Cell", "Verifier", "faults", "missing_tools"]

VERIFIERS: Mapping[str, Verifier] = {
    "instructions": verify_instructions,
    "ties": verify_instructions,
    "math": verify_math,
    "knapsack": verify_knapsack,
    "logic": verify_logic,
    "code": verify_code,
    "pink-elephant": verify_names,
    "no-certificate": verify_no_certificate,
}

SECOND_VERIFIERS: Mapping[str, Verifier] = {
    "no-certificate": verify_no_certificate_again,
    "policy-engine": verify_policy,
    "who-may-instruct": verify_authority,
}

SECOND_VERIFIERS: Mapping[str, Verifier] = {
    "policy-engine": verify_policy_by_reading,
    "who-may-instruct": verify_authority_by_reading,
    "twelve-rules": verify_twelve_rules,
}

SECOND_VERIFIERS: Mapping[str, Verifier] = {
    "twelve-rules": verify_twelve_rules_prompt,
    "grounded": verify_grounded,
}

SECOND_VERIFIERS: Mapping[str, Verifier] = {
    "grounded": verify_grounded_again,
    "language-retraction": verify_plan,
    "language-policy": verify_outcome,
    "language-instruction": verify_text,
}

SECOND_VERIFIERS: Mapping[str, Verifier] = {
    "language-retraction": verify_turns,
    "language-policy": verify_book,
    "language-instruction": verify_rules,
    "hard-code": verify_cases,
}

SECOND_VERIFIERS: Mapping[str, Verifier] = {
    "hard-code": verify_clauses,
}
"""Second programs, by kind of check: they read the prompt itself, share no code with the first, and must agree."""
