"""The clauses of a ledger, computed on a list of claims by rules that are tried in turn."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from rewardbench.verifiers.hard.tickets.clauses import Ticket

CLAUSES = {
    "inv": [r"^`D (?P<inv>\w+) N C A`: on day", r"^With `D (?P<inv>\w+) N C A`, an open"],
    "pay": [r"^`D (?P<pay>\w+) C A` settles", r"^On `D (?P<pay>\w+) C A`, an open"],
    "tie": [r"^If several \w+ fit equally", r"^Of several \w+ that fit"],
    "none": [r"^For a `\w+` line that settles nothing", r"^If no rule finds a use"],
    "tol": [r"^A difference of \D*(?P<tol>\d+)", r"need not be exact: .*?(?P<tol>\d+)"],
    "fast": [
        r"^When a payment is compared .*?(?P<fast>\d+) days after its day, .* as (?P<off>\d+) euros lower",
        r"^Early payers: .*?(?P<fast>\d+) days have .* less (?P<off>\d+) euros",
    ],
    "part": [r"^If nothing fits, the payment reduces", r"^A payment that fits nothing"],
    "whole": [r"^Before anything else is tried", r"^A payment over exactly the sum"],
    "void": [r"^`D (?P<void>\w+) N` removes", r"^After `D (?P<void>\w+) N`, N"],
    "block": [
        r"^From `D (?P<block>\w+) N` until `D (?P<free>\w+) N`",
        r"^`D (?P<block>\w+) N` hides .* `D (?P<free>\w+) N`",
    ],
    "alias": [r"^After `D (?P<alias>\w+) C E`", r"^`D (?P<alias>\w+) C E`: from now"],
    "dead": [r"^Before each line of day D, .*?(?P<dead>\d+)", r"^An open \w+ that is \D*(?P<dead>\d+)"],
    "tiny": [r"^Payments of \D*(?P<tiny>\d+)", r"^Skip every `\w+` line .*?(?P<tiny>\d+)"],
    "list": [r"^At the end of the ledger, output `N: A`", r"^After the last line, list"],
    "sum": [r"`settled X`"],
    "remind": [
        r"^`D (?P<remind>\w+) C` raises .*? entered \D*(?P<due>\d+).* by (?P<fee>\d+) euros",
        r"^On `D (?P<remind>\w+) C`, .*?(?P<due>\d+) days old become (?P<fee>\d+)",
    ],
}
SETTINGS = {
    "tie": (r"first|earliest", r"last|latest"),
    "tol": (r"up to|or less", r"less than|not quite"),
    "fast": (r"at most|no more than", r"comes less than|fewer than"),
    "part": (r"greater than A|more than A", r"A \+ 10"),
    "whole": (r"two", r"three"),
    "dead": (r"more than|older than", r"or more|or older"),
    "tiny": (r"less than|below \d", r"at most|or below"),
    "sum": (r"that payments have|settled by payments", r"payments that (?:have )?settled"),
    "remind": (r"or more|at least", r"more than"),
}


@dataclass
class _Claim:
    number: str
    payer: str
    amount: int
    day: int


@dataclass
class _Ledger:
    """Open claims in order of entry, and what is known about payers."""

    open_claims: list[_Claim] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)
    settled: int = 0
    successful_payments: int = 0

    def settle(self, claims: list[_Claim]) -> list[str]:
        """Close claims; return the answers."""
        self.settled += len(claims)
        self.successful_payments += 1
        answers = []
        for claim in claims:
            self.open_claims.remove(claim)
            answers.append(f"{claim.number} by {claim.payer}")
        return answers

    def write_off(self, oldest_day: int) -> list[str]:
        """Close claims of days before this one; return the answers."""
        answers = []
        for claim in tuple(self.open_claims):
            if claim.day < oldest_day:
                self.open_claims.remove(claim)
                answers.append(f"{claim.number} lost")
        return answers

    def matching(self, payer: str) -> list[_Claim]:
        """Return the open claims of a payer that rules about payments see."""
        return [claim for claim in self.open_claims if claim.payer == payer and claim.number not in self.hidden]


def expected_output(ticket: Ticket, lines: list[str]) -> list[str]:
    """Return the output that the clauses demand."""
    ledger = _Ledger()
    answers: list[str] = []
    commands = ticket.commands("inv", "pay", "void", "block", "free", "alias", "remind")
    for day_text, word, *values in map(str.split, lines):
        day, command = int(day_text), commands[word]
        if ticket.has("dead"):
            oldest_day = day - ticket.number("dead") + ticket.is_second("dead")
            answers += ledger.write_off(oldest_day)
        if command == "inv":
            ledger.open_claims.append(_Claim(values[0], values[1], int(values[2]), day))
        elif command == "pay":
            payer = ledger.aliases.get(values[0], values[0])
            answers += _pay(ticket, ledger, (day, payer, int(values[1])))
        elif command == "void":
            ledger.open_claims = [claim for claim in ledger.open_claims if claim.number != values[0]]
        elif command == "block":
            ledger.hidden.add(values[0])
        elif command == "free":
            ledger.hidden.discard(values[0])
        elif command == "alias":
            ledger.aliases[values[0]] = values[1]
        elif command == "remind":
            latest_day = day - ticket.number("due") - ticket.is_second("remind")
            for claim in ledger.open_claims:
                if claim.payer == values[0] and claim.day <= latest_day:
                    claim.amount += ticket.number("fee")
    if ticket.has("list"):
        for claim in ledger.open_claims:
            answers.append(f"{claim.number}: {claim.amount}")
    if ticket.has("sum"):
        counted = ledger.successful_payments if ticket.is_second("sum") else ledger.settled
        answers.append(f"settled {counted}")
    return answers


def _pay(ticket: Ticket, ledger: _Ledger, payment: tuple[int, str, int]) -> list[str]:
    """Use a payment; return the answers."""
    day, payer, amount = payment
    if ticket.has("tiny") and amount < ticket.number("tiny") + ticket.is_second("tiny"):
        return []
    claims = ledger.matching(payer)
    total = sum(claim.amount for claim in claims)
    if ticket.has("whole") and len(claims) >= 2 + ticket.is_second("whole") and total == amount:
        return ledger.settle(claims)
    widest = ticket.number("tol") - ticket.is_second("tol") if ticket.has("tol") else 0
    distances = []
    for position, claim in enumerate(claims):
        is_early = ticket.has("fast") and day - claim.day <= ticket.number("fast") - ticket.is_second("fast")
        distance = abs(claim.amount - (ticket.number("off") if is_early else 0) - amount)
        if distance <= widest:
            distances.append((distance, -position if ticket.is_second("tie") else position))
    if distances:
        return ledger.settle([claims[abs(min(distances)[1])]])
    least = amount + (10 if ticket.is_second("part") else 1)
    for claim in claims:
        if ticket.has("part") and claim.amount >= least:
            claim.amount -= amount
            return [f"{claim.number} part"]
    return [f"{payer} ? {amount}"]


def random_lines(generator: random.Random, ticket: Ticket) -> list[str]:
    """Return a random ledger."""
    names = ticket.present("void", "block", "free", "alias", "remind")
    day, number = 1, 0
    amounts = [20, 20, 30, 33, 41, 50, 10, 15]
    lines = []
    for _ in range(generator.randint(5, 20)):
        command = generator.choice(["inv"] * 4 + ["pay"] * 4 + names) if number else "inv"
        number += command == "inv"
        amount = generator.choice(amounts) + generator.choice([0, 0, 0, 1, -1, 2, 3, -4, -5, -6, 20, 30, 41])
        payer = generator.choice("kkl")
        values = {
            "inv": f"n{number} {payer} {generator.choice(amounts)}",
            "pay": f"{payer} {amount}",
            "alias": f"{payer} {generator.choice('kl')}",
            "remind": payer,
        }
        lines.append(f"{day} {ticket.word(command)} {values.get(command, f'n{generator.randint(1, number)}')}")
        day += generator.choice([0, 1, 1, 2, 2, 4])
    return lines
