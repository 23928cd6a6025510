"""Programs that check answers, one for each kind of check."""

from __future__ import annotations

from collections.abc import Mapping

from rewardbench.verifiers.arithmetic import verify_knapsack, verify_math
from rewardbench.verifiers.cells import Cell, Verifier, faults
from rewardbench.verifiers.expressions import verify_instructions, verify_logic
from rewardbench.verifiers.hard.amounts import verify_amounts
from rewardbench.verifiers.hard.amounts_second import verify_amounts_again
from rewardbench.verifiers.hard.disguised_count import verify_count, verify_count_by_reading
from rewardbench.verifiers.hard.disguised_leak import verify_disguise, verify_disguise_by_search
from rewardbench.verifiers.hard.enough_to_tell import verify_enough_to_tell
from rewardbench.verifiers.hard.enough_to_tell_second import verify_enough_to_tell_again
from rewardbench.verifiers.hard.grounded import verify_grounded
from rewardbench.verifiers.hard.grounded_second import verify_grounded_again
from rewardbench.verifiers.hard.hard_code import verify_cases, verify_clauses
from rewardbench.verifiers.hard.languages.instruction import verify_rules
from rewardbench.verifiers.hard.languages.policy import verify_book
from rewardbench.verifiers.hard.languages.retraction import verify_turns
from rewardbench.verifiers.hard.languages.stated import verify_outcome, verify_plan, verify_text, verify_total
from rewardbench.verifiers.hard.languages.stock import verify_stock
from rewardbench.verifiers.hard.languages.tariff import verify_tariff
from rewardbench.verifiers.hard.no_certificate import verify_no_certificate
from rewardbench.verifiers.hard.no_certificate_second import verify_no_certificate_again
from rewardbench.verifiers.hard.open_decline import verify_open_decline
from rewardbench.verifiers.hard.open_decline_prompt import verify_open_decline_prompt
from rewardbench.verifiers.hard.policy_engine import verify_policy, verify_policy_by_reading
from rewardbench.verifiers.hard.policy_points import verify_points, verify_points_by_reading
from rewardbench.verifiers.hard.retractions import verify_retractions
from rewardbench.verifiers.hard.retractions_second import verify_retractions_again
from rewardbench.verifiers.hard.rule_by_list import verify_rule_by_list
from rewardbench.verifiers.hard.rule_by_list_prompt import verify_rule_by_list_prompt
from rewardbench.verifiers.hard.scopes import verify_scopes
from rewardbench.verifiers.hard.scopes_prompt import verify_scopes_prompt
from rewardbench.verifiers.hard.tools import verify_tools, verify_tools_by_execution
from rewardbench.verifiers.hard.twelve_rules import verify_twelve_rules
from rewardbench.verifiers.hard.twelve_rules_prompt import verify_twelve_rules_prompt
from rewardbench.verifiers.hard.user_is_sure import verify_user_is_sure
from rewardbench.verifiers.hard.user_is_sure_second import verify_user_is_sure_again
from rewardbench.verifiers.hard.valid_or_not import verify_valid_or_not
from rewardbench.verifiers.hard.valid_or_not_second import verify_valid_or_not_again
from rewardbench.verifiers.hard.what_prints import verify_run, verify_stated_output
from rewardbench.verifiers.hard.who_may_instruct import verify_authority, verify_authority_by_reading
from rewardbench.verifiers.names import verify_names
from rewardbench.verifiers.programs import missing_tools, verify_code

__all__ = ["SECOND_VERIFIERS", "VERIFIERS", "Cell", "Verifier", "faults", "missing_tools"]

_CORE: Mapping[str, Verifier] = {
    "instructions": verify_instructions,
    "ties": verify_instructions,
    "math": verify_math,
    "knapsack": verify_knapsack,
    "logic": verify_logic,
    "code": verify_code,
    "pink-elephant": verify_names,
}

_HARD: Mapping[str, tuple[Verifier, Verifier]] = {
    "no-certificate": (verify_no_certificate, verify_no_certificate_again),
    "policy-engine": (verify_policy, verify_policy_by_reading),
    "policy-points": (verify_points, verify_points_by_reading),
    "who-may-instruct": (verify_authority, verify_authority_by_reading),
    "twelve-rules": (verify_twelve_rules, verify_twelve_rules_prompt),
    "grounded": (verify_grounded, verify_grounded_again),
    "retractions": (verify_retractions, verify_retractions_again),
    "amounts": (verify_amounts, verify_amounts_again),
    "user-is-sure": (verify_user_is_sure, verify_user_is_sure_again),
    "language-retraction": (verify_plan, verify_turns),
    "language-stock": (verify_total, verify_stock),
    "language-tariff": (verify_total, verify_tariff),
    "language-policy": (verify_outcome, verify_book),
    "language-instruction": (verify_text, verify_rules),
    "hard-code": (verify_cases, verify_clauses),
    "rule-by-list": (verify_rule_by_list, verify_rule_by_list_prompt),
    "scopes": (verify_scopes, verify_scopes_prompt),
    "open-decline": (verify_open_decline, verify_open_decline_prompt),
    "tools": (verify_tools, verify_tools_by_execution),
    "disguised-leak": (verify_disguise, verify_disguise_by_search),
    "disguised-count": (verify_count, verify_count_by_reading),
    "what-prints": (verify_stated_output, verify_run),
    "enough-to-tell": (verify_enough_to_tell, verify_enough_to_tell_again),
    "valid-or-not": (verify_valid_or_not, verify_valid_or_not_again),
}
"""Kinds of core-hard: the first program reads the data of the check, the second reads the prompt itself."""

VERIFIERS: Mapping[str, Verifier] = {**_CORE, **{kind: first for kind, (first, _) in _HARD.items()}}
SECOND_VERIFIERS: Mapping[str, Verifier] = {kind: second for kind, (_, second) in _HARD.items()}
"""Second programs, by kind of check: they read the prompt itself, share no code with the first, and must agree."""
