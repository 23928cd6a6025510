"""Fragments in Python."""

from __future__ import annotations

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.what_prints.fragments import Fragment, ProgramLanguage, ProgramState, listed


def frame(definitions: list[str], lines: list[str], state: ProgramState, names: dict[str, str]) -> str:
    """Return the program."""
    head = [f"{names['x']} = {state.x}", f"{names['data']} = {state.data}"]
    parts = [*definitions, *([""] if definitions else []), *head, *lines]
    return "\n".join(parts) + "\n"


def output(state: ProgramState) -> str:
    """Return what the last line prints."""
    return f"{state.x} {state.data}"


def alias(rng: Rng) -> Fragment:
    """Append to a list under another name, or to a copy of it."""
    k = rng.number(3, 9)

    def model(state: ProgramState, variant: int) -> str:
        copy = list(state.data) if variant else state.data
        copy.append(state.x % k)
        copy[0] += 1
        state.x += len(state.data)
        return f"$other ends as {copy}"

    return Fragment(("$other = $data⟦¦[:]⟧", f"$other.append($x % {k})", "$other[0] += 1", "$x += len($data)"), model)


def extend_or_rebind(rng: Rng) -> Fragment:
    """Extend a list in place, or bind the name to a new one."""
    k = rng.number(2, 8)

    def model(state: ProgramState, variant: int) -> str:
        other = state.data
        if variant:
            other = [*other, k, state.x % 4]
        else:
            other += [k, state.x % 4]
        state.x -= sum(state.data) - sum(other) + len(other)
        return f"$other has {len(other)} entries and $data {len(state.data)}"

    line = f"$other ⟦+=¦= $other +⟧ [{k}, $x % 4]"
    return Fragment(("$other = $data", line, "$x -= sum($data) - sum($other) + len($other)"), model)


def floor_or_remainder(rng: Rng) -> Fragment:
    """Divide a negative number."""
    a, b = rng.number(2, 9), rng.number(3, 7)

    def model(state: ProgramState, variant: int) -> str:
        negative = a - state.x * 3
        state.x = negative % b if variant else negative // b
        return f"{a} - 3 * $x is {negative}"

    return Fragment((f"$x = ({a} - 3 * $x) ⟦//¦%⟧ {b}",), model)


def late_binding(rng: Rng) -> Fragment:
    """Call closures that share a loop variable, or that have their own value of it."""
    n, a = rng.number(3, 4), rng.number(2, 3)

    def model(state: ProgramState, variant: int) -> str:
        values = []
        for k in range(n):
            state.x = (state.x + a * (k if variant else n - 1)) % 50
            values.append(state.x)
        return f"the calls give {listed(values)}"

    lines = (
        "$calls = []",
        f"for k in range({n}):",
        f"    $calls.append(lambda v⟦¦, k=k⟧: (v + {a} * k) % 50)",
        "for call in $calls:",
        "    $x = call($x)",
    )
    return Fragment(lines, model)


def used_up(rng: Rng) -> Fragment:
    """Sum a generator twice, or a list twice."""
    k = rng.number(2, 3)

    def model(state: ProgramState, variant: int) -> str:
        values = [v * v for v in state.data if v % k]
        first, second = sum(values), len(values) if variant else 0
        state.x += first % 10 + 5 * second
        return f"the sum is {first} and the count after it {second}"

    left, right = "⟦(¦[⟧", "⟦)¦]⟧"
    lines = (
        f"$other = {left}v * v for v in $data if v % {k}{right}",
        "$x += sum($other) % 10",
        "$x += 5 * len(list($other))",
    )
    return Fragment(lines, model)


def half_even(rng: Rng) -> Fragment:
    """Round halves to even numbers, or halve with floor division."""
    k = rng.number(1, 4)

    def model(state: ProgramState, variant: int) -> str:
        divided = [(v + k) // 2 if variant else round((v + k) / 2) for v in state.data]
        state.data[:] = divided
        state.x += sum(divided)
        return f"their sum is {sum(divided)}"

    return Fragment((f"$data = [round((v + {k}) ⟦/¦//⟧ 2) for v in $data]", "$x += sum($data)"), model)


def shared_default(rng: Rng) -> Fragment:
    """Call a function with a mutable default, or with a new list each time."""
    k = rng.number(2, 5)

    def model(state: ProgramState, variant: int) -> str:
        seen: list[int] = []
        results = []
        for v in state.data:
            if variant:
                seen = []
            seen.append(v)
            results.append(len(seen) * k if v > seen[0] else len(seen))
        state.x += sum(results)
        return f"the calls return {listed(results)}"

    before = (
        "def push(v, seen=[]):",
        "    seen.append(v)",
        f"    return len(seen) * {k} if v > seen[0] else len(seen)",
        "",
    )
    return Fragment(("for v in $data:", "    $x += push(v⟦¦, []⟧)"), model, before)


def short_circuit(rng: Rng) -> Fragment:
    """Append only where the left side leaves it open."""
    k = rng.number(3, 7)

    def model(state: ProgramState, variant: int) -> str:
        log = []
        for v in state.data:
            if (v % k < 2) == bool(variant):
                log.append(v)
        state.x = state.x * 2 - len(log)
        state.data.extend(log[:2])
        return f"$other collects {listed(log)}"

    lines = (
        "$other = []",
        "for v in $data:",
        f"    v % {k} < 2 ⟦or¦and⟧ $other.append(v)",
        "$x = 2 * $x - len($other)",
        "$data += $other[:2]",
    )
    return Fragment(lines, model)


def loop_else(rng: Rng) -> Fragment:
    """Leave a loop that has an `else`, or go on with the next round."""
    k, bonus = rng.number(3, 6), rng.number(7, 20)

    def model(state: ProgramState, variant: int) -> str:
        for n, v in enumerate(state.data):
            if (v + n) % k == 0:
                if not variant:
                    return f"the loop ends at index {n}"
                continue
            state.x += v
        state.x -= bonus
        return "the loop runs to its end"

    lines = (
        "for n, v in enumerate($data):",
        f"    if (v + n) % {k} == 0:",
        "        ⟦break¦continue⟧",
        "    $x += v",
        "else:",
        f"    $x -= {bonus}",
    )
    return Fragment(lines, model)


def sort_key(rng: Rng) -> Fragment:
    """Sort numbers as texts, or as numbers."""
    k = rng.number(1, 3)

    def model(state: ProgramState, variant: int) -> str:
        state.data.sort(key=int if variant else str)
        state.x += state.data[k] - state.data[0]
        return f"index {k} holds {state.data[k]}"

    return Fragment(("$data.sort(key=⟦str¦int⟧)", f"$x += $data[{k}] - $data[0]"), model)


def remove_while_iterating(rng: Rng) -> Fragment:
    """Remove elements of the list that a loop runs over, or of which it has a copy."""
    k = rng.number(2, 3)

    def model(state: ProgramState, variant: int) -> str:
        removed = []
        for v in list(state.data) if variant else state.data:
            if v % k:
                state.data.remove(v)
                removed.append(v)
        state.x += 3 * len(state.data)
        return f"the removed values are {listed(removed)}"

    lines = ("for v in $data⟦¦[:]⟧:", f"    if v % {k}:", "        $data.remove(v)", "$x += 3 * len($data)")
    return Fragment(lines, model)


def mixing(rng: Rng) -> Fragment:
    """Run a loop with a remainder and a condition on the state."""
    n, a, m = rng.number(4, 7), rng.number(3, 7), rng.pick([31, 37, 41, 43])

    def model(state: ProgramState, variant: int) -> str:
        values = []
        for step in range(1, n + 1):
            state.x = (state.x * a + step) % m
            if state.x % 2 == 0 if variant else state.x % 2:
                state.x -= step
            values.append(state.x)
        return f"the rounds leave {listed(values)}"

    lines = (
        f"for step in range(1, {n + 1}):",
        f"    $x = ($x * {a} + step) % {m}",
        "    if ⟦¦not ⟧$x % 2:",
        "        $x -= step",
    )
    return Fragment(lines, model)


def rows_shared(rng: Rng) -> Fragment:
    """Write into one of several rows that are the same list."""
    k, n = rng.number(2, 5), rng.number(3, 4)

    def model(state: ProgramState, variant: int) -> str:
        row = [k, k]
        rows = [list(row) for _ in range(n)] if variant else [row] * n
        for position in range(n):
            rows[position][position % 2] += position
        total = sum(map(sum, rows))
        state.x += total
        return f"all rows together have {total}"

    lines = (
        f"$other = [⟦[{k}, {k}]] * {n}¦[{k}, {k}] for _ in range({n})]⟧",
        f"for n in range({n}):",
        "    $other[n][n % 2] += n",
        "$x += sum(map(sum, $other))",
    )
    return Fragment(lines, model)


PYTHON = ProgramLanguage(
    "Python",
    frame,
    ("print($x, $data)",),
    "print($x)",
    output,
    (
        alias,
        extend_or_rebind,
        floor_or_remainder,
        late_binding,
        used_up,
        half_even,
        shared_default,
        short_circuit,
        loop_else,
        sort_key,
        remove_while_iterating,
        mixing,
        rows_shared,
    ),
)
