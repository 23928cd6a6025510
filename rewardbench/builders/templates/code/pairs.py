"""Templates about pairs of numbers: what the first and the second number of a pair stand for.

Example of a mirror, from `spots`:

    prompt a: "... in a step the second number is the column and the first number is the row (from 0). ..."
    prompt b: "... in a step the first number is the column and the second number is the row (from 0). ..."
    response x, right for a: `return [maze[i][j] for i, j in steps]`
    response y, right for b: `return [maze[j][i] for i, j in steps]`
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.code.assembly import code_mirror, rows


def pair_roles(rng: Rng) -> MirrorContent:
    """Swap which column of a table holds the person whose rows are counted."""
    table = rows(rng, rng.number(5, 7), 1, 4)
    return code_mirror(
        rng,
        "which column holds whom",
        (
            "{how_many/tally} {rides/trips} {who/driver}",
            "Every row of $a is a lift somebody gave: [[driver|passenger]] id first, [[passenger|driver]] id second. "
            "{I need/Please write} $want that counts the rows in which $b was the driver.",
        ),
        (
            "{wins_of/matches} {games/bouts} {player/fighter}",
            "judo results, two ids per row (ints): the winner is on the [[left|right]], the loser on the "
            "[[right|left]]. $l pls, $sig, how often did $b win?",
        ),
        (
            "{lent_by/times_lent} {entries/loans} {person/member}",
            "In the tool library of $town each entry holds two member ids. The [[first|second]] is the one who lent "
            "a tool, the [[second|first]] the one who {borrowed it/took it home}. $Want should say how many tools "
            "member $b has lent.",
        ),
        parameters="grid int",
        returns="int",
        bodies={
            "python": "return sum(1 for ⟦u, _|_, u⟧ in $a if u == $b)",
            "java": """
                int count = 0;
                for (int[] r : $a) {
                    if (r[⟦0|1⟧] == $b) count++;
                }
                return count;
            """,
        },
        references=(
            lambda table, person: [u for u, v in table].count(person),
            lambda table, person: [v for u, v in table].count(person),
        ),
        inputs=[(table, rng.number(1, 4)), (table, 1), (table, 3), (table, 9), ([], 1)],
    )


def length_or_end(rng: Rng) -> MirrorContent:
    """Swap whether the second number of a row is an end or a length."""
    table = [[rng.number(1, 9), rng.number(10, 16)] for _ in range(3)]
    return code_mirror(
        rng,
        "the second number of a row is an end or a length",
        (
            "{busy_at/shifts_at} {shifts/spans} {t/hour}",
            "$a holds rows of two ints: the hour a shift begins and, as second number, its [[end|length]] (not its "
            "[[length|end]]). $Want should tell how many shifts are running at hour $b. {The end hour/The hour of the "
            "end} itself no longer belongs to a shift.",
        ),
        (
            "{burning/lit} {lamps/times} {minute/at_minute}",
            "$l. street lamps, each row = two numbers. 1st is when it goes on, 2nd is [[when it goes off|how long it "
            "burns]], and not [[how long it burns|when it goes off]]. $sig -> number of lamps on at that minute. a "
            "lamp is on from its first minute, off again in the minute when it goes off",
        ),
        (
            "{docked/berthed} {ferries/visits} {now/moment}",
            "Ferries at $town: every row has an arrival first. What follows is the [[departure|duration]], although an "
            "older sheet has the [[duration|departure]] there. {Could you write/Would you write} $want that says how "
            "many ferries lie in port at $b? At the arrival a ferry is in port, at the departure it is gone.",
        ),
        parameters="grid int",
        returns="int",
        bodies={
            "python": "return sum(1 for u, v in $a if u <= $b < ⟦v|u + v⟧)",
            "java": """
                int count = 0;
                for (int[] r : $a) {
                    if (r[0] <= $b && $b < ⟦r[1]|r[0] + r[1]⟧) count++;
                }
                return count;
            """,
        },
        references=(
            lambda table, time: sum(time in range(start, end) for start, end in table),
            lambda table, time: sum(time in range(start, start + length) for start, length in table),
        ),
        inputs=[(table, rng.number(10, 24)), (table, 12), (table, 0), ([], 3)],
    )


def big_unit_first(rng: Rng) -> MirrorContent:
    """Swap whether a pair holds hours and minutes, or minutes and hours."""
    return code_mirror(
        rng,
        "which of a pair's numbers is the larger unit",
        (
            "{total_minutes/all_minutes} {laps/legs}",
            "$a has a row of two ints per leg of a trip, [[hours|minutes]] on the left and [[minutes|hours]] on the "
            "right. {I want/Please write} $want which adds all of them up and returns the time in minutes.",
        ),
        (
            "{bearing_sum/arc} {angles/readings}",
            "sextant notes from $town: every angle is two numbers, [[degrees|minutes]] then [[minutes|degrees]] (60 "
            "minutes = 1 degree). whats the sum of all angles in minutes? $l, $sig{, returns an int/}. some rows have "
            "more than 60 minutes, no matter",
        ),
        (
            "{playing_time/seconds} {songs/tracks}",
            "My tape deck prints two numbers per song. >> What do they mean? >> The [[left|right]] one is minutes, the "
            "[[right|left]] one is seconds. {Now please write/So write} $want: how long all songs take together, told "
            "in seconds.",
        ),
        parameters="grid",
        returns="int",
        bodies={
            "python": "return sum(⟦u * 60 + v|u + v * 60⟧ for u, v in $a)",
            "java": """
                int total = 0;
                for (int[] r : $a) total += r[⟦0|1⟧] * 60 + r[⟦1|0⟧];
                return total;
            """,
        },
        references=(
            lambda table: 60 * sum(u for u, _ in table) + sum(v for _, v in table),
            lambda table: 60 * sum(v for _, v in table) + sum(u for u, _ in table),
        ),
        inputs=[(rows(rng, rng.number(2, 4), 1, 30),), ([[2, 8]],), ([[5, 5]],), ([],)],
    )


def spots(rng: Rng) -> MirrorContent:
    """Swap whether a position names its row or its column first."""
    grid = rows(rng, 4, 1, 60, 4)
    return code_mirror(
        rng,
        "a spot is row then column, or column then row",
        (
            "{values_at/pick_values} {grid/depths} {spots/buoys}",
            "$a is a square $grid of depths, $b holds positions in it, 0-based, each of them first the [[row|column]] "
            "and then the [[column|row]]. {May I have/Could I get} $want that returns the depths at these positions, "
            "in their order?",
        ),
        (
            "{collect/coins} {maze/tiles} {steps/moves}",
            "{little/small} game in $l: $sig. $a is a square $grid, $b is $alist of steps. in a step the "
            "[[second|first]] number is the column and the [[first|second]] number is the row (from 0). return what "
            "lies on the tiles, step after step",
        ),
        (
            "{shelf_lookup/fetch} {store/drawers} {orders/slips}",
            "Slips in our archive give two numbers, counted from 0, like $e2. >> And in what order? >> "
            "[[Row|Column]], [[column|row]]. Now {write/please write} $want: the entries of $a, which is as high as it "
            "is wide, that the slips point to.",
        ),
        parameters="grid grid",
        returns="ints",
        bodies={
            "python": "return [$a⟦[i][j]|[j][i]⟧ for i, j in $b]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int[] r : $b) {
                    out.add($a[r[⟦0|1⟧]][r[⟦1|0⟧]]);
                }
                return out;
            """,
        },
        references=(
            lambda grid, positions: [grid[row][column] for row, column in positions],
            lambda grid, positions: [grid[row][column] for column, row in positions],
        ),
        inputs=[(grid, rows(rng, 3, 0, 3)), (grid, [[0, 3], [1, 2]]), (grid, [[2, 2], [0, 0]]), (grid, [])],
    )


def up_the_chain(rng: Rng) -> MirrorContent:
    """Swap which number of a pair is above the other, on the way up from somebody."""
    a, b, c, d, e = rng.numbers(5, 10, 99)
    chain = rng.sample([[a, b], [b, c], [c, d]], 3)
    return code_mirror(
        rng,
        "which of a pair is above the other",
        (
            "{top/head_of} {pairs/reports} {worker/person}",
            "Each row of $a holds two staff numbers; the [[second|first]] is the boss of the [[first|second]]. Nobody "
            "has two bosses or two direct reports and there are no circles. $Want: go up from $b as long as there is a "
            "boss, return {where you arrive/the number you end at}.",
        ),
        (
            "{source/topmost} {links/joins} {here/gauge}",
            "gauge ids along a stream, $a = pairs of neighbouring gauges, in a pair the [[left|right]] one lies "
            "downstream of the [[right|left]] one. from gauge $b follow the stream UP to the last gauge and return its "
            "id ({$b itself/$b} if there is none above). no forks. $l, $sig",
        ),
        (
            "{eldest/oldest} {pedigree/links} {horse/start}",
            "The pedigree of $p's horses: $a has pairs of numbers, of which the [[former|latter]] is a foal of the "
            "[[latter|former]]. Every horse has one known parent at most and one known foal at most. Could you write "
            "$want that goes back from horse $b, parent by parent, and returns the {oldest/earliest} horse it gets to?",
        ),
        parameters="grid int",
        returns="int",
        bodies={
            "python": """
                up = {⟦u: v|v: u⟧ for u, v in $a}
                at = $b
                while at in up:
                    at = up[at]
                return at
            """,
            "java": """
                int at = $b;
                for (int i = 0; i < $a.length; i++) {
                    for (int[] r : $a) {
                        if (r[⟦0|1⟧] == at) {
                            at = r[⟦1|0⟧];
                            break;
                        }
                    }
                }
                return at;
            """,
            "javascript": """
                const up = new Map($a.map(([u, v]) => ⟦[u, v]|[v, u]⟧));
                let at = $b;
                while (up.has(at)) at = up.get(at);
                return at;
            """,
        },
        references=(_last_above, lambda pairs, entry: _last_above([[v, u] for u, v in pairs], entry)),
        inputs=[(chain, rng.pick((b, c))), (chain, a), (chain, d), (chain, e), ([], a)],
    )


def _last_above(pairs: list[list[int]], entry: int) -> int:
    """Follow the pairs from an entry to the last one above it."""
    for below, above in pairs:
        if below == entry:
            return _last_above(pairs, above)
    return entry
