"""Statements of derivations as polynomials: `x(y − z) = 0` as the terms of `xy − xz`, compared with 0."""

from __future__ import annotations

import re
from collections import Counter

Terms = dict[str, int]
"""The coefficient of each product of letters, as in `{"ab": 1, "": -4}`."""

STATEMENT = re.compile(r"(?:(\d+) divides (.+))|(?:(.+) is (odd|even))|(?:([^=≠<>≤≥]+) ([=≠<>≤≥]) ([^=≠<>≤≥]+))")


def to_terms(statement: str) -> list[object]:
    """Return a statement as its relation, a modulus and the terms of a polynomial.

    >>> to_terms("x(y − 2) ≥ 1")
    ['≥', 0, {'xy': 1, 'x': -2, '': -1}]
    >>> to_terms("4 divides x²"), to_terms("x is odd")
    (['divides', 4, {'xx': 1}], ['odd', 2, {'x': 1}])
    """
    match = STATEMENT.fullmatch(statement)
    if not match:
        raise ValueError(f"not a statement: {statement!r}")
    if match[1]:
        return ["divides", int(match[1]), _terms(match[2])]
    if match[4]:
        return [match[4], 2, _terms(match[3])]
    return [match[6], 0, _difference(_terms(match[5]), _terms(match[7]))]


def _difference(left: Terms, right: Terms) -> Terms:
    total = Counter(left)
    total.subtract(right)
    return {letters: count for letters, count in total.items() if count}


def _terms(expression: str) -> Terms:
    """Expand a sum of products of numbers, letters, powers and brackets."""
    total: Counter[str] = Counter()
    for sign, summand in re.findall(r"(^|[+−]) ?((?:\([^()]*\)|[^+−()])+)", expression.strip()):
        product: Terms = {"": -1 if sign == "−" else 1}
        for bracket, number, letter, power in re.findall(r"\(([^()]*)\)|(\d+)|([a-z])([²³]?)", summand):
            if bracket:
                product = _product(product, _terms(bracket))
            elif number:
                product = _product(product, {"": int(number)})
            else:
                product = _product(product, {letter * {"": 1, "²": 2, "³": 3}[power]: 1})
        total.update(product)
    return {letters: count for letters, count in total.items() if count}


def _product(left: Terms, right: Terms) -> Terms:
    total: Counter[str] = Counter()
    for letters, count in left.items():
        for others, factor in right.items():
            total["".join(sorted(letters + others))] += count * factor
    return dict(total)
