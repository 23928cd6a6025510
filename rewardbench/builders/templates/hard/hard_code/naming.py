"""Other names for the variables, fields and functions of a program."""

from __future__ import annotations

import ast
import re

from rewardbench.builders.draw import Rng

FRESH = ("pos", "idx", "nr", "cursor", "offset", "counter", "j", "k", "m", "u", "v", "w", "slot_no", "lead", "seat_no")
VARIABLES = {
    "output": "result answers log report emitted",
    "parts": "fields words tokens pieces columns",
    "now": "minute t clock tm",
    "name": "label ident tag subject",
    "at": "where index position spot_of",
    "best": "winner choice candidate favourite",
    "highest": "peak record_rank upper maximum",
    "rank": "weight rating grade standing",
    "running": "active_count in_work busy_count",
    "waiting": "idle_count pending backlog",
    "chosen": "selected picked_at target",
    "bar": "threshold minimum floor_rank",
    "left": "remaining remainder open_count",
    "amount": "value_given sum_in figure volume",
    "total": "overall grand_sum tally",
    "oldest": "victim stalest eldest",
    "held": "in_use load occupied",
    "limit": "capacity bound ceiling",
    "step": "sequence tick_no serial",
    "must_fit": "needs_room check_room shrink",
    "is_live": "valid fresh_one usable",
    "margin": "gap_of_goals lead_by spread",
    "change": "delta shift adjusted",
    "ranking": "standings ladder ordered",
    "table": "by_name squads registry",
    "listed": "shown visible final_list",
    "current": "latest_of open_at last_index",
    "is_new": "starts begins fresh_start",
    "last": "previous recent former",
    "pause": "silence idle_for quiet",
    "wish": "request proposal draft",
    "may_book": "permitted acceptable granted",
    "available": "in_stock on_hand supply",
    "taken": "drawn used_up removed",
    "cost": "price_sum charge bill",
    "is_sale": "sells for_sale outgoing",
    "day": "date_no d_now today",
    "closest": "nearest smallest_gap least_off",
    "due": "payable to_pay wanted",
}
FIELDS = {
    "name": "ident label title",
    "priority": "level importance urgency",
    "ready": "ready_at available_from due_at",
    "running": "active busy at_work",
    "gone": "finished closed removed",
    "fails": "failures attempts errors_so_far",
    "picked": "last_pick taken_at started",
    "first": "first_pick initial_pick",
    "entered": "created added_at arrival",
    "owner": "assignee holder handler",
    "key": "ident label code",
    "start": "begin since opening",
    "used": "last_use touched recency",
    "count": "quantity number_of units",
    "price": "unit_price rate cents_each",
    "day": "date_no arrived on_day",
    "points": "score credit standing",
    "diff": "balance difference net",
    "scored": "goals_for made achieved",
    "end": "until last_time finish",
    "is_open": "active unpaid pending",
    "number": "ident ref code",
    "user": "visitor who person",
}
FUNCTIONS = {
    "give_back": "requeue put_back return_it",
    "find_name": "locate index_of seek",
    "find_key": "locate index_of seek",
    "choose": "select_next pick_place best_place",
    "is_expired": "is_stale outdated too_old",
    "points_of": "award credit_for score_of",
    "extra_time_points": "overtime_award late_credit",
    "enter": "lookup entry_of fetch",
    "sum_due": "payable_sum reduced_sum net_due",
    "difference": "distance gap_between apart_by",
    "is_due": "is_candidate can_take payable_by",
    "is_apart": "leaves_gap well_apart no_clash",
    "is_free": "fits has_room no_conflict",
    "is_allowed": "permitted_by meets_rules acceptable_as",
    "count_of": "stock_of pieces_of quantity_of",
}
QUERY_NAMES = {
    "counted": "valid_rows eligible base chosen_rows",
    "reduced": "net adjusted after_returns",
    "limited": "capped bounded clipped",
    "priced": "with_price valued lines_priced",
    "totals": "per_place sums grouped",
}
ALIASES = "a b c d e f g h j k m n o p q r s t u v w x y z".split()


def rename(rng: Rng, tree: ast.Module) -> None:
    """Give variables, fields and functions other names; the main function keeps its name and its parameter."""
    taken = _identifiers(tree)
    variables = _draw(rng, VARIABLES | FUNCTIONS, taken)
    fields = _draw(rng, FIELDS, taken)
    declared: list[ast.Name] = []
    for record in tree.body:
        if isinstance(record, ast.ClassDef):
            for part in record.body:
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                    declared.append(part.target)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and any(node is field for field in declared):
            node.id = fields.get(node.id, node.id)
        elif isinstance(node, ast.Name):
            node.id = variables.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = variables.get(node.arg, node.arg)
        elif isinstance(node, ast.FunctionDef):
            node.name = variables.get(node.name, node.name)
        elif isinstance(node, ast.Attribute) and node.attr not in ("append", "sort", "split"):
            node.attr = fields.get(node.attr, node.attr)


def _identifiers(tree: ast.Module) -> set[str]:
    """Return all names of a program."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names |= {node.name, node.name.lower()}
    return names


def _draw(rng: Rng, choices: dict[str, str], taken: set[str]) -> dict[str, str]:
    """Draw a new name, or the old one, for each; no name is used twice."""
    names: dict[str, str] = {}
    for name, options in choices.items():
        new = rng.pick([name, *options.split()])
        if new == name or new not in taken:
            names[name] = new
            taken.add(new)
    return names


def query_names(rng: Rng, query: str) -> str:
    """Return a query with other names for its parts and its tables."""
    for name, options in QUERY_NAMES.items():
        query = re.sub(rf"\b{name}\b", rng.pick([name, *options.split()]), query)
    aliases = dict.fromkeys(re.findall(r"\bAS ([a-z])\b", query))
    drawn = dict(zip(aliases, rng.sample(ALIASES, len(aliases)), strict=True))
    return re.sub(r"\b([a-z])(?=\.)|(?<=\bAS )([a-z])\b", lambda match: drawn[match[0]], query)
