"""Fragments in Java."""

from __future__ import annotations

from textwrap import indent

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.what_prints.fragments import (
    Fragment,
    ProgramLanguage,
    ProgramState,
    listed,
    truncated,
    wrapped,
)


def frame(definitions: list[str], lines: list[str], state: ProgramState, names: dict[str, str]) -> str:
    """Return the program."""
    x, data = names["x"], names["data"]
    values = ", ".join(map(str, state.data))
    head = [f"int {x} = {state.x};", f"List<Integer> {data} = new ArrayList<>(List.of({values}));"]
    body = "\n".join([*head, *lines])
    static = "".join(f"    {line}\n" if line else "\n" for line in definitions)
    imports = ["ArrayList", "List", *(["Map", "TreeMap"] if "TreeMap" in static else [])]
    head_lines = "".join(f"import java.util.{name};\n" for name in imports)
    return (
        f"{head_lines}\npublic class Main {{\n{static}"
        f"    public static void main(String[] args) {{\n{indent(body, ' ' * 8)}\n    }}\n}}\n"
    )


def output(state: ProgramState) -> str:
    """Return what the last line prints."""
    return f"{state.x} {state.data}"


def overflow(rng: Rng) -> Fragment:
    """Multiply beyond 32 bits, in an int or in a long."""
    n, k, m = rng.number(5, 7), rng.number(53, 97), rng.pick([89, 97, 101])

    def model(state: ProgramState, variant: int) -> str:
        product = abs(state.x) % 50 + 2
        for _ in range(n):
            product = wrapped(product * k, 64 if variant else 32)
        _, state.x = truncated(product, m)
        return f"$other ends at {product}"

    lines = (
        "⟦int¦long⟧ $other = Math.abs($x) % 50 + 2;",
        f"for (int i = 0; i < {n}; i++) $other *= {k};",
        f"$x = (int) ($other % {m});",
    )
    return Fragment(lines, model)


def remove_which(rng: Rng) -> Fragment:
    """Remove by index, or by value."""
    k = rng.number(1, 2)

    def model(state: ProgramState, variant: int) -> str:
        state.data.append(k)
        if variant:
            state.data.remove(k)
        else:
            del state.data[k]
        state.x += state.data[1] * 2
        return f"index 1 then holds {state.data[1]}"

    lines = (f"$data.add({k});", f"$data.remove(⟦{k}¦Integer.valueOf({k})⟧);", "$x += 2 * $data.get(1);")
    return Fragment(lines, model)


def shift(rng: Rng) -> Fragment:
    """Shift a negative number with or without its sign."""
    a, k = rng.number(5, 30), rng.pick([27, 28])

    def model(state: ProgramState, variant: int) -> str:
        value = wrapped(a - abs(state.x) * 2**24 - 2**25, 32)
        state.x = ((value % 2**32) >> k if variant else value >> k) + a
        return f"$other is {value}"

    lines = (f"int $other = {a} - Math.abs($x) * (1 << 24) - (1 << 25);", f"$x = ($other ⟦>>¦>>>⟧ {k}) + {a};")
    return Fragment(lines, model)


def own_increment(rng: Rng) -> Fragment:
    """Assign the result of an increment to the variable that it changes."""
    n, k = rng.number(3, 5), rng.number(2, 6)

    def model(state: ProgramState, variant: int) -> str:
        values = []
        for i in range(n):
            state.x = (state.x + 1 if variant else state.x) + k * i
            _, state.x = truncated(state.x * 3, 47)
            values.append(state.x)
        return f"the rounds leave {listed(values)}"

    lines = (
        f"for (int i = 0; i < {n}; i++) {{",
        f"    $x = ⟦$x++¦++$x⟧ + {k} * i;",
        "    $x = $x * 3 % 47;",
        "}",
    )
    return Fragment(lines, model)


def fall_through(rng: Rng) -> Fragment:
    """Fall through the cases of a switch, or leave it after one of them."""
    p, q, r = rng.numbers(3, 2, 9)

    def model(state: ProgramState, variant: int) -> str:
        values = []
        for v in state.data:
            case = abs(v) % 3
            if case == 0:
                state.x += p
            if case == 1 or (case == 0 and not variant):
                state.x -= q
            if case < 3:
                state.x += r * (case == 2 or not (variant and case == 0))
            values.append(state.x)
        return f"$x goes through {listed(values)}"

    lines = (
        "for (int v : $data) {",
        "    switch (Math.abs(v) % 3) {",
        f"        case 0: $x += {p};⟦¦ break;⟧",
        f"        case 1: $x -= {q};",
        f"        default: $x += {r};",
        "    }",
        "}",
    )
    return Fragment(lines, model)


def narrow_cast(rng: Rng) -> Fragment:
    """Cast to a byte, or to a char."""
    k, a = rng.number(11, 29), rng.number(60, 140)

    def model(state: ProgramState, variant: int) -> str:
        value = state.x * k + a
        cast = wrapped(value, 16, signed=False) if variant else wrapped(value, 8)
        _, state.x = truncated(cast, 73)
        return f"the product is {value} before the cast and {cast} after it"

    return Fragment((f"$x = (⟦byte¦char⟧) ($x * {k} + {a}) % 73;",), model)


def both_sides(rng: Rng) -> Fragment:
    """Evaluate the right side of a condition always, or only if it matters."""
    k, m = rng.number(2, 3), rng.number(5, 9)

    def model(state: ProgramState, variant: int) -> str:
        calls = hits = 0
        for v in state.data:
            is_multiple = v % k == 0
            if is_multiple or not variant:
                calls += 1
                hits += is_multiple and calls > 1
        state.x += m * calls + hits
        return f"$other ends at {calls}"

    lines = (
        "int $other = 0;",
        "for (int v : $data) {",
        f"    if (v % {k} == 0 ⟦&¦&&⟧ ++$other > 1) $x++;",
        "}",
        f"$x += {m} * $other;",
    )
    return Fragment(lines, model)


def rounded(rng: Rng) -> Fragment:
    """Round negative halves, or cut them."""
    k = rng.number(1, 9) * 2 + 1

    def model(state: ProgramState, variant: int) -> str:
        values = []
        for position, v in enumerate(state.data):
            half = v - k
            state.data[position] = truncated(half, 2)[0] if variant else (half + 1) // 2
            values.append(half)
        state.x += sum(state.data)
        return f"the numbers before halving are {listed(values)}"

    lines = (f"$data.replaceAll(v -> (int) ⟦Math.round¦⟧((v - {k}) / 2.0));", "for (int v : $data) $x += v;")
    return Fragment(lines, model)


def division(rng: Rng) -> Fragment:
    """Divide negative numbers towards zero, or downwards."""
    a, b = rng.number(2, 9), rng.number(3, 7)

    def model(state: ProgramState, variant: int) -> str:
        negative = a - 3 * abs(state.x)
        state.x = truncated(negative, b)[1] if variant == 0 else negative % b
        state.x = state.x * 5 + a
        return f"$other is {negative}"

    lines = (
        f"int $other = {a} - 3 * Math.abs($x);",
        f"$x = ⟦$other % {b}¦Math.floorMod($other, {b})⟧ * 5 + {a};",
    )
    return Fragment(lines, model)


def string_identity(rng: Rng) -> Fragment:
    """Compare texts that are equal, by identity or by content."""
    a = rng.number(4, 20)

    def model(state: ProgramState, variant: int) -> str:
        state.x = state.x * 2 + (a if variant else -a)
        return f"the two texts count as {'equal' if variant else 'different'}"

    lines = (
        'String $other = "k" + $data.size();',
        'String $second = "k" + $data.size();',
        f"$x = 2 * $x + ($other⟦ == $second¦.equals($second)⟧ ? {a} : -{a});",
    )
    return Fragment(lines, model)


JAVA = ProgramLanguage(
    "Java",
    frame,
    ('System.out.println($x + " " + $data);',),
    "System.out.println($x);",
    output,
    (
        overflow,
        remove_which,
        shift,
        own_increment,
        fall_through,
        narrow_cast,
        both_sides,
        rounded,
        division,
        string_identity,
    ),
)
