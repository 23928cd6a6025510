"""Fragments in C++."""

from __future__ import annotations

from textwrap import indent

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.what_prints.fragments import (
    Fragment,
    ProgramLanguage,
    ProgramState,
    listed,
    truncated,
)

HEADERS = {"cstdlib": "std::abs", "map": "std::map", "set": "set<int>", "string": "std::string"}


def frame(definitions: list[str], lines: list[str], state: ProgramState, names: dict[str, str]) -> str:
    """Return the program."""
    x, data = names["x"], names["data"]
    head = [f"int {x} = {state.x};", f"std::vector<int> {data} = {{{', '.join(map(str, state.data))}}};"]
    code = "\n".join([*head, *lines])
    static = "".join(f"{line}\n" for line in definitions)
    includes = "".join(f"#include <{name}>\n" for name, word in HEADERS.items() if word in static + code)
    return f"{includes}#include <iostream>\n#include <vector>\n\n{static}int main() {{\n{indent(code, '    ')}\n}}\n"


def output(state: ProgramState) -> str:
    """Return what the last line prints."""
    return " ".join(map(str, [state.x, *state.data]))


def loop_reference(rng: Rng) -> Fragment:
    """Change the elements of a vector, or copies of them."""
    k = rng.number(2, 4)

    def model(state: ProgramState, variant: int) -> str:
        values = [v * k - state.x % 5 if v % 2 else v for v in state.data]
        if variant:
            state.data[:] = values
        state.x += state.data[0]
        return f"the first element is {state.data[0]}"

    lines = (
        f"for (int⟦¦&⟧ v : $data) if (v % 2 != 0) v = v * {k} - ($x % 5 + 5) % 5;",
        "$x += $data[0];",
    )
    return Fragment(lines, model)


def alias(rng: Rng) -> Fragment:
    """Push to a vector under another name, or to a copy of it."""
    k = rng.number(3, 9)

    def model(state: ProgramState, variant: int) -> str:
        other = state.data if variant else list(state.data)
        other.append(abs(state.x) % k)
        other[0] += 1
        state.x += len(state.data)
        return f"$other ends as {listed(other)}"

    lines = (
        "std::vector<int>⟦¦&⟧ $other = $data;",
        f"$other.push_back(std::abs($x) % {k});",
        "$other[0]++;",
        "$x += (int)$data.size();",
    )
    return Fragment(lines, model)


def unsigned_compare(rng: Rng) -> Fragment:
    """Compare negative numbers with an unsigned one."""
    k, shift = rng.number(3, 8), rng.number(4, 12)

    def model(state: ProgramState, variant: int) -> str:
        count = 0
        for v in state.data:
            value = v - shift
            count += value < k if variant else 0 <= value < k
        state.x += 3 * count
        return f"the condition holds {count} times"

    lines = (
        f"⟦unsigned¦int⟧ $other = {k};",
        f"for (int v : $data) if (v - {shift} < $other) $x += 3;",
    )
    return Fragment(lines, model)


def small_type(rng: Rng) -> Fragment:
    """Keep a product in eight bits, or in an int."""
    n, k = rng.number(3, 5), rng.number(3, 7)

    def model(state: ProgramState, variant: int) -> str:
        value = abs(state.x) % 100
        values = []
        for i in range(n):
            value = value * k + i
            value = value if variant else value % 256
            values.append(value)
        state.x = value % 79
        return f"$other goes through {listed(values)}"

    lines = (
        "⟦unsigned char¦int⟧ $other = std::abs($x) % 100;",
        f"for (int i = 0; i < {n}; ++i) $other = $other * {k} + i;",
        "$x = $other % 79;",
    )
    return Fragment(lines, model)


def static_counter(rng: Rng) -> Fragment:
    """Count calls in a static variable, or start again in every call."""
    k = rng.number(2, 5)

    def model(state: ProgramState, variant: int) -> str:
        calls, results = 0, []
        for v in state.data:
            calls = 1 if variant else calls + 1
            results.append(calls * k + abs(v) % 2)
        state.x += sum(results)
        return f"the calls return {listed(results)}"

    before = (
        "int $call(int v) {",
        "    ⟦static ¦⟧int calls = 0;",
        "    ++calls;",
        f"    return calls * {k} + (v % 2 != 0);",
        "}",
        "",
    )
    return Fragment(("for (int v : $data) $x += $call(v);",), model, before)


def by_reference(rng: Rng) -> Fragment:
    """Pass a number by value, or by reference."""
    k, n = rng.number(2, 4), rng.number(3, 4)

    def model(state: ProgramState, variant: int) -> str:
        results = []
        for i in range(n):
            _, value = truncated(state.x * k + i, 53)
            if variant:
                state.x = value
            results.append(value)
            state.x += value % 3 if value >= 0 else truncated(value, 3)[1]
        return f"the calls return {listed(results)}"

    before = (
        "int $call(int⟦¦&⟧ v, int i) {",
        f"    v = (v * {k} + i) % 53;",
        "    return v;",
        "}",
        "",
    )
    lines = (f"for (int i = 0; i < {n}; ++i) {{", "    int r = $call($x, i);", "    $x += r % 3;", "}")
    return Fragment(lines, model, before)


def inserting_lookup(rng: Rng) -> Fragment:
    """Look up keys in a map with an operator that inserts them, or with one that does not."""
    k, m = rng.number(3, 5), rng.number(2, 6)

    def model(state: ProgramState, variant: int) -> str:
        remainders = {truncated(v, k)[1] for v in state.data[:2]} | set(range(0 if variant else m))
        state.x += 2 * len(remainders)
        return f"$other has {len(remainders)} keys in the end"

    lines = (
        "std::map<int, int> $other;",
        f"for (int i = 0; i < 2; ++i) $other[$data[i] % {k}]++;",
        f"for (int i = 0; i < {m}; ++i) if ($other⟦[i]¦.count(i)⟧ > 5) $x++;",
        "$x += 2 * (int)$other.size();",
    )
    return Fragment(lines, model)


def negative_division(rng: Rng) -> Fragment:
    """Divide a negative number, or take its remainder."""
    a, b = rng.number(2, 9), rng.number(3, 7)

    def model(state: ProgramState, variant: int) -> str:
        negative = a - 3 * abs(state.x)
        state.x = truncated(negative, b)[variant] * 2 + a
        return f"$other is {negative}"

    lines = (f"int $other = {a} - 3 * std::abs($x);", f"$x = $other ⟦/¦%⟧ {b} * 2 + {a};")
    return Fragment(lines, model)


def distinct(rng: Rng) -> Fragment:
    """Collect remainders in a set, or in a multiset."""
    k, m = rng.number(2, 4), rng.number(3, 5)

    def model(state: ProgramState, variant: int) -> str:
        values = [abs(v) % k for v in state.data]
        collected = sorted(values) if variant else sorted(set(values))
        for v in collected:
            _, state.x = truncated(state.x * m + v, 59)
        return f"$other has {listed(collected)}"

    lines = (
        "std::⟦set¦multiset⟧<int> $other;",
        f"for (int v : $data) $other.insert(std::abs(v) % {k});",
        f"for (int v : $other) $x = ($x * {m} + v) % 59;",
    )
    return Fragment(lines, model)


def fraction(rng: Rng) -> Fragment:
    """Divide integers before they become a double, or after it."""
    k, m = rng.pick([4, 8]), rng.number(3, 9)  # exact in binary

    def model(state: ProgramState, variant: int) -> str:
        value = abs(state.x)
        doubled = value * 4 * m // k if variant else value // k * 4 * m
        state.x = doubled - value
        return f"the product is {doubled}{' after cutting' if variant else ''}"

    lines = (f"double $other = std::abs($x) / {k}⟦¦.0⟧;", f"$x = (int)($other * {4 * m}) - std::abs($x);")
    return Fragment(lines, model)


def counting_down(rng: Rng) -> Fragment:
    """Test a counter before or after it is lowered."""
    n, a = rng.number(3, 5), rng.number(2, 4)

    def model(state: ProgramState, variant: int) -> str:
        counter, values = n, []
        while True:
            operand = counter - 1 if variant else counter
            counter -= 1
            if operand <= 0:
                break
            _, state.x = truncated(state.x * a + counter, 67)
            values.append(state.x)
        state.x -= counter
        return f"the rounds leave {listed(values)}"

    lines = (
        f"int $other = {n};",
        f"while (⟦$other--¦--$other⟧ > 0) $x = ($x * {a} + $other) % 67;",
        "$x -= $other;",
    )
    return Fragment(lines, model)


CPP = ProgramLanguage(
    "C++",
    frame,
    ("std::cout << $x;", "for (int v : $data) std::cout << ' ' << v;", "std::cout << '\\n';"),
    "std::cout << $x << '\\n';",
    output,
    (
        loop_reference,
        alias,
        unsigned_compare,
        small_type,
        static_counter,
        by_reference,
        inserting_lookup,
        negative_division,
        distinct,
        fraction,
        counting_down,
    ),
)
