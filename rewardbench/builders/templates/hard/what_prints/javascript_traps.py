"""Fragments in JavaScript."""

from __future__ import annotations

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.what_prints.fragments import (
    Fragment,
    ProgramLanguage,
    ProgramState,
    listed,
    truncated,
    wrapped,
)

LARGEST_EXACT = 40_000
"""Largest number whose square, times four million, a double holds exactly."""


def frame(definitions: list[str], lines: list[str], state: ProgramState, names: dict[str, str]) -> str:
    """Return the program."""
    x, data = names["x"], names["data"]
    head = [f"let {x} = {state.x};", f"let {data} = {state.data};"]
    return "\n".join([*definitions, *head, *lines]) + "\n"


def output(state: ProgramState) -> str:
    """Return what the last line prints."""
    return f"{state.x} {state.data}"


def default_sort(rng: Rng) -> Fragment:
    """Sort numbers as texts, or as numbers."""
    k = rng.number(1, 3)

    def model(state: ProgramState, variant: int) -> str:
        state.data.sort(key=int if variant else str)
        state.x += state.data[k] - state.data[0]
        return f"index {k} holds {state.data[k]}"

    return Fragment(("$data.sort(⟦¦(p, q) => p - q⟧);", f"$x += $data[{k}] - $data[0];"), model)


def alias(rng: Rng) -> Fragment:
    """Push to an array under another name, or to a copy of it."""
    k = rng.number(3, 9)

    def model(state: ProgramState, variant: int) -> str:
        copy = list(state.data) if variant else state.data
        copy.append(abs(state.x) % k)
        copy[0] += 1
        state.x += len(state.data)
        return f"$other ends as {copy}"

    lines = (
        "const $other = ⟦$data¦[...$data]⟧;",
        f"$other.push(Math.abs($x) % {k});",
        "$other[0]++;",
        "$x += $data.length;",
    )
    return Fragment(lines, model)


def loop_variable(rng: Rng) -> Fragment:
    """Call functions that share a `var`, or that have a `let` each."""
    n, a = rng.number(3, 4), rng.number(2, 3)

    def model(state: ProgramState, variant: int) -> str:
        values = []
        for k in range(n):
            _, state.x = truncated(state.x + a * (k if variant else n), 50)
            values.append(state.x)
        return f"the calls give {listed(values)}"

    lines = (
        "const $other = [];",
        f"for (⟦var¦let⟧ k = 0; k < {n}; k++) {{",
        f"  $other.push((v) => (v + {a} * k) % 50);",
        "}",
        "for (const call of $other) $x = call($x);",
    )
    return Fragment(lines, model)


def zero_or_missing(rng: Rng) -> Fragment:
    """Replace falsy values, or only missing ones."""
    k, m = rng.number(2, 3), rng.number(7, 12)

    def model(state: ProgramState, variant: int) -> str:
        values = []
        for v in state.data:
            _, remainder = truncated(v, k)
            values.append(remainder or (0 if variant else m))
        state.x += sum(values)
        return f"$other is {values}"

    lines = (
        f"const $other = $data.map((v) => (v % {k}) ⟦||¦??⟧ {m});",
        "for (const v of $other) $x += v;",
    )
    return Fragment(lines, model)


def remainder_sign(rng: Rng) -> Fragment:
    """Take the remainder, or the quotient, of a negative number."""
    a, b = rng.number(2, 9), rng.number(3, 7)

    def model(state: ProgramState, variant: int) -> str:
        negative = a - 3 * state.x
        quotient, remainder = truncated(negative, b)
        state.x = (negative // b if variant else quotient) + remainder
        return f"{a} - 3 * $x is {negative}"

    line = f"$x = Math.⟦trunc¦floor⟧(({a} - 3 * $x) / {b}) + (({a} - 3 * $x) % {b});"
    return Fragment((line,), model)


def splice_or_slice(rng: Rng) -> Fragment:
    """Cut a part out of an array, or copy it."""
    start, count = rng.number(1, 2), rng.number(2, 3)

    def model(state: ProgramState, variant: int) -> str:
        if variant:
            part = state.data[start:count]
        else:
            part = state.data[start : start + count]
            del state.data[start : start + count]
        state.x += 2 * sum(part) - len(state.data)
        return f"$other is {part}"

    lines = (
        f"const $other = $data.⟦splice¦slice⟧({start}, {count});",
        "for (const v of $other) $x += 2 * v;",
        "$x -= $data.length;",
    )
    return Fragment(lines, model)


def bit_width(rng: Rng) -> Fragment:
    """Multiply beyond 32 bits, and keep the sign or lose it in a shift."""
    k, shift = rng.pick([1000003, 2000003, 4000037]), rng.pick([24, 25, 26])

    def model(state: ProgramState, variant: int) -> str:
        if abs(state.x) > LARGEST_EXACT:
            raise Resample
        low = wrapped(state.x * state.x * k + 2**31 * (state.x % 2), 32)
        shifted = (low % 2**32) >> shift if variant else low >> shift
        state.x = shifted
        return f"as a signed 32-bit number the product is {low}"

    line = f"$x = ($x * $x * {k} + 2 ** 31 * Math.abs($x % 2)) ⟦>>¦>>>⟧ {shift};"
    return Fragment((line,), model)


def rounding(rng: Rng) -> Fragment:
    """Round halves upwards, negative ones too."""
    k = rng.number(1, 9) * 2 + 1

    def model(state: ProgramState, variant: int) -> str:
        halves = [v - k for v in state.data]
        state.data[:] = [truncated(v, 2)[0] if variant else (v + 1) // 2 for v in halves]
        state.x += state.data[0] * 2
        return f"the numbers before halving are {listed(halves)}"

    return Fragment((f"$data = $data.map((v) => Math.⟦round¦trunc⟧((v - {k}) / 2) + 0);", "$x += $data[0] * 2;"), model)


def plus_text(rng: Rng) -> Fragment:
    """Add to a text from left to right, or add the numbers first."""
    a, b = rng.number(1, 9), rng.number(11, 40)

    def model(state: ProgramState, variant: int) -> str:
        left = abs(state.x) % 100
        text = f"{left + a + b}" if variant else f"{left}{a}{b}"
        state.x = int(text) % 89
        return f'$other is "{text}"'

    lines = (
        f'const $other = ⟦"" + (Math.abs($x) % 100) + {a} + {b}¦(Math.abs($x) % 100) + {a} + {b} + ""⟧;',
        "$x = Number($other) % 89;",
    )
    return Fragment(lines, model)


def increment(rng: Rng) -> Fragment:
    """Use a counter before or after it is raised."""
    n, a = rng.number(3, 5), rng.number(2, 4)

    def model(state: ProgramState, variant: int) -> str:
        step, values = 0, []
        while step < n:
            operand = step + 1 if variant else step
            step += 1
            _, state.x = truncated(state.x * a + operand * step, 61)
            values.append(state.x)
        return f"the rounds leave {listed(values)}"

    lines = (
        "let $other = 0;",
        f"while ($other < {n}) {{",
        f"  $x = ($x * {a} + ⟦$other++¦++$other⟧ * $other) % 61;",
        "}",
    )
    return Fragment(lines, model)


def labelled(rng: Rng) -> Fragment:
    """Leave the inner loop only, or go on with the outer one."""
    k = rng.number(3, 6)

    def model(state: ProgramState, variant: int) -> str:
        passes = 0
        for p in state.data:
            for q in state.data:
                if abs(p + q) % k == 0:
                    if variant:
                        continue
                    break
                passes += 1
        state.x += passes
        return f"$other reaches {passes}"

    lines = (
        "let $other = 0;",
        "for (const p of $data) {",
        "  for (const q of $data) {",
        f"    if (Math.abs(p + q) % {k} === 0) ⟦break¦continue⟧;",
        "    $other++;",
        "  }",
        "}",
        "$x += $other;",
    )
    return Fragment(lines, model)


def shared_rows(rng: Rng) -> Fragment:
    """Fill an array with one and the same row."""
    n, k = rng.number(3, 4), rng.number(2, 6)

    def model(state: ProgramState, variant: int) -> str:
        row = [k]
        rows = [list(row) for _ in range(n)] if variant else [row] * n
        for position in range(n):
            rows[position].append(position)
        total = sum(map(len, rows))
        state.x += total
        return f"all rows together have {total} entries"

    creation = f"⟦new Array({n}).fill([{k}])¦Array.from({{ length: {n} }}, () => [{k}])⟧"
    lines = (
        f"const $other = {creation};",
        f"for (let n = 0; n < {n}; n++) $other[n].push(n);",
        "for (const row of $other) $x += row.length;",
    )
    return Fragment(lines, model)


JAVASCRIPT = ProgramLanguage(
    "JavaScript",
    frame,
    ('console.log($x + " [" + $data.join(", ") + "]");',),
    "console.log($x);",
    output,
    (
        default_sort,
        alias,
        loop_variable,
        zero_or_missing,
        remainder_sign,
        splice_or_slice,
        bit_width,
        rounding,
        plus_text,
        increment,
        labelled,
        shared_rows,
    ),
)
