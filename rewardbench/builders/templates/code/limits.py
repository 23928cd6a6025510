"""Templates about limits and neighbours: what belongs to an edge, what ends a loop, and what is compared with what.

Example of a mirror, from `on_the_limit`:

    prompt a: "... loads above `limit` go by truck, loads below by bike. if a load equals `limit` send it by truck"
    prompt b: "... loads above `limit` go by truck, loads below by bike. if a load equals `limit` send it by bike"
    response x, right for a: `return sum(x >= limit for x in loads)`
    response y, right for b: `return sum(x > limit for x in loads)`
"""

from __future__ import annotations

from itertools import takewhile

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.code.assembly import code_mirror, ints


def on_the_limit(rng: Rng) -> MirrorContent:
    """Swap the group to which a value exactly on the limit belongs."""
    limit = rng.number(5, 30)
    return code_mirror(
        rng,
        "a value exactly on the limit counts with the high ones or with the low ones",
        (
            "{count_red/red} {readings/levels} {limit/mark}",
            "River gauge in $town: readings over $b are red, readings under it are green, and one of exactly $b is "
            "[[red|green]], not [[green|red]]. {Please write/I need} $want that tells how many readings are red.",
        ),
        (
            "{heavy/how_many_heavy} {loads/parcels} {limit/cutoff}",
            "$l, $sig. loads above $b go by truck, loads below by bike. if a load equals $b send it by [[truck|bike]] "
            "and not by [[bike|truck]]. returns the number that go by truck",
        ),
        (
            "{seniors/count_seniors} {ages/years} {border/age_limit}",
            "Our chess club splits the players by age. Younger than $b plays with the juniors, older with the seniors, "
            "and {as for somebody of/whoever is of} just that age, the board decided: [[seniors|juniors]] rather than "
            "[[juniors|seniors]]. Could you give me $want returning how many of $a play with the seniors?",
        ),
        parameters="ints int",
        returns="int",
        bodies={
            "python": "return sum(x ⟦>=|>⟧ $b for x in $a)"
            if rng.chance()
            else "return len([x for x in $a if x ⟦>=|>⟧ $b])",
            "java": """
                int count = 0;
                for (int x : $a) {
                    if (x ⟦>=|>⟧ $b) count++;
                }
                return count;
            """,
            "javascript": "return $a.filter((x) => x ⟦>=|>⟧ $b).length;",
        },
        references=(
            lambda values, edge: len(values) - sum(v < edge for v in values),
            lambda values, edge: len(values) - sum(v <= edge for v in values),
        ),
        inputs=[([*ints(rng, 4, 1, 35), limit], limit), ([limit] * 2, limit), ([limit + 1, limit - 1], limit)],
    )


def half_open(rng: Rng) -> MirrorContent:
    """Swap which end of a range belongs to it."""
    low = rng.number(3, 9)
    high = low + rng.number(4, 9)
    return code_mirror(
        rng,
        "the lower or the upper end belongs to the range",
        (
            "{in_range/tally} {hours/times} {first/opening} {last/closing}",
            "{I'm counting/We count} visits between two times. $a is $alist of ints; I want the number of entries "
            "between $b and $c, where an entry equal to [[$b|$c]] is in and an entry equal to [[$c|$b]] is out. "
            "$Want, please.",
        ),
        (
            "{mid_size/medium} {eggs/weights} {low/lightest} {high/heaviest}",
            "egg sorting machine, $l, $sig. medium means from $b to $c grams: the [[lower|upper]] bound itself still "
            "counts as medium, the [[upper|lower]] bound itself doesn't. return how many are medium",
        ),
        (
            "{posts_in/in_section} {posts/post_marks} {start/beginning} {end/ending}",
            "You write $lang for a cycling race in $town. An aid post that stands at the point where a section "
            "[[starts|ends]] belongs to it, one where it [[ends|starts]] belongs to the neighbouring section.## {I "
            "need/Please give me} $want: how many of the aid posts in $a (by kilometre) belong to the section that "
            "starts at $b and ends at $c?",
        ),
        parameters="ints int int",
        returns="int",
        bodies={
            "python": "return sum(1 for x in $a if $b ⟦<= x <|< x <=⟧ $c)",
            "java": """
                int count = 0;
                for (int x : $a) {
                    if (x ⟦>=|>⟧ $b && x ⟦<|<=⟧ $c) count++;
                }
                return count;
            """,
        },
        references=(
            lambda values, lo, hi: sum(v in range(lo, hi) for v in values),
            lambda values, lo, hi: sum(v in range(lo + 1, hi + 1) for v in values),
        ),
        inputs=[
            ([low, *ints(rng, 4, low + 1, high + 2), low], low, high),
            ([high, *ints(rng, 3, 1, high)], low, high),
            ([low + 1, high + 1], low, high),
        ],
    )


def which_is_rounded_up(rng: Rng) -> MirrorContent:
    """Swap which of two quotients is rounded up, and which down."""
    per, other = rng.numbers(2, 4, 9)
    return code_mirror(
        rng,
        "which of two quotients is rounded up, and which down",
        (
            "{containers/trays_and_cases} {jars/jar_count} {per_tray/tray_size} {per_case/case_size}",
            "$Want for the jam stall. The jars are put up twice, $b to a tray for the shop and as many again, $c to a "
            "case, for the market. A part-filled [[tray|case]] counts like a full one, a part-filled [[case|tray]] is "
            "left behind. {Give back/It returns} the number of trays plus the number of cases for $a jars each.",
        ),
        (
            "{furniture/seating} {guests/people} {per_bench/bench_seats} {per_table/table_seats}",
            "{ok so/hi,} $a guests sit on benches ($b each) in the hall and afterwards at tables ($c each) outside. i "
            "need benches + tables as one int in $l, $sig. for the [[benches|tables]] round the quotient up, for the "
            "[[tables|benches]] round it down, someone brings stools",
        ),
        (
            "{holders/storage} {slides/slide_count} {per_tray/tray_size} {per_box/box_size}",
            "Our museum has $a slides and a copy of each. The slides go into trays of $b, the copies into boxes of $c, "
            "and I want to know how many trays and boxes that is together. >> What about one that doesn't get full? >> "
            "A [[tray|box]] counts even so, a [[box|tray]] doesn't (we leave the rest out). All numbers are positive. "
            "$Want, please.",
        ),
        parameters="int int int",
        returns="int",
        bodies={
            "python": "return ⟦-(-$a // $b) + $a // $c|$a // $b + -(-$a // $c)⟧",
            "java": "return ⟦($a + $b - 1) / $b + $a / $c|$a / $b + ($a + $c - 1) / $c⟧;",
            "javascript": "return ⟦Math.ceil($a / $b) + Math.floor($a / $c)|Math.floor($a / $b) + Math.ceil($a / $c)⟧;",
        },
        references=(
            lambda n, u, v: len(range(0, n, u)) + (n - n % v) // v,
            lambda n, u, v: len(range(0, n, v)) + (n - n % u) // u,
        ),
        inputs=[
            (per * rng.number(3, 9), per, other),
            (other * rng.number(2, 9), per, other),
            (per * other, per, other),
        ],
    )


def stop_or_skip(rng: Rng) -> MirrorContent:
    """Swap which of two marks ends a list, and which is skipped."""
    low = [*ints(rng, 2, 3, 20), 0, rng.number(3, 20), -1, rng.number(21, 40)]
    return code_mirror(
        rng,
        "which mark ends the list and which is merely passed over",
        (
            "{sum_log/add_up} {log/records}",
            "A logger in $town writes positive ints, and two marks among them: [[0|-1]] says that the log ends there "
            "(ignore whatever stands behind it), [[-1|0]] says that a reading failed (ignore just that one). {Please "
            "write/I need} $want which adds up the readings.",
        ),
        (
            "{litres/milk} {pails/churns}",
            "$l: $sig sums up the litres. special values: -1 and 0. at [[0|-1]] stop, at [[-1|0]] skip and carry on. "
            "everything else is a positive number of litres",
        ),
        (
            "{points/score} {darts/throw_values}",
            "Could I have $want for our darts evening, the sum of all that counts? In $a a throw that missed is noted "
            "as [[-1|0]] and simply doesn't count; [[0|-1]] {means/tells us} the player went home, and from there on "
            "the numbers are somebody else's. So $e1 gives [[$x|$y]], not [[$y|$x]].",
        ),
        parameters="ints",
        returns="int",
        bodies={
            "python": """
                total = 0
                for x in $a:
                    if x == ⟦0|-1⟧:
                        break
                    if x != ⟦-1|0⟧:
                        total += x
                return total
            """,
            "java": """
                int total = 0;
                for (int x : $a) {
                    if (x == ⟦0|-1⟧) break;
                    if (x == ⟦-1|0⟧) continue;
                    total += x;
                }
                return total;
            """,
        },
        references=(
            lambda values: sum(v for v in takewhile(lambda v: v != 0, values) if v > 0),
            lambda values: sum(v for v in takewhile(lambda v: v != -1, values) if v > 0),
        ),
        inputs=[(low,), ([5, -1, 7, 0, 2],), (ints(rng, 4, 1, 9),), ([],)],
    )


def beats_which_neighbour(rng: Rng) -> MirrorContent:
    """Swap the entry before and the entry after, to which each entry is compared."""
    return code_mirror(
        rng,
        "compared with the entry before or with the entry after",
        (
            "{better_days/strong_days} {sales/takings}",
            "How many days were better than the day [[before|after]], however the day [[after|before]] went? The day "
            "without such a neighbour doesn't count. $Want, {please/thanks}; $a has one whole number per day.",
        ),
        (
            "{taller_houses/tall_ones} {heights/houses}",
            "$alist $a of ints = a row of houses seen from the street. count the houses taller than the one to the "
            "[[left|right]] of them, ignoring the one to the [[right|left]]. a house with no such neighbour: no. $l, "
            "$sig",
        ),
        (
            "{longer_stages/longer} {stages/legs}",
            "$p walks a pilgrim path to $town, one entry of kilometres per day. I'd like to print how often a stage "
            "was longer than the one [[preceding|following]] it; the one [[following|preceding]] it is of no interest. "
            "{Could you write/Can you write} $want?",
        ),
        parameters="ints",
        returns="int",
        bodies={
            "python": "return sum(1 for i in range(1, len($a)) if $a[i] ⟦>|<⟧ $a[i - 1])"
            if rng.chance()
            else "return sum(q ⟦>|<⟧ p for p, q in zip($a, $a[1:]))",
            "java": """
                int count = 0;
                for (int i = 1; i < $a.length; i++) {
                    if ($a[i] ⟦>|<⟧ $a[i - 1]) count++;
                }
                return count;
            """,
        },
        references=(
            lambda values: sum(values[i] > values[i - 1] for i in range(1, len(values))),
            lambda values: sum(values[i] > values[i + 1] for i in range(len(values) - 1)),
        ),
        inputs=[(ints(rng, rng.number(5, 8), 2, 30),), ([4, 6, 9],), ([3, 3],), ([8],), ([],)],
    )


def climb_or_drop(rng: Rng) -> MirrorContent:
    """Swap the biggest rise and the biggest fall from an earlier entry to a later one."""
    return code_mirror(
        rng,
        "the biggest climb or the biggest drop",
        (
            "{extreme/biggest} {prices/rates}",
            "$Want, please: over all pairs of an earlier and a later price in $a the biggest [[rise|fall]], {as a "
            "positive number/told as a positive number}. A [[fall|rise]] doesn't interest me here. 0 if there is none.",
        ),
        (
            "{swing/max_swing} {levels/tides}",
            "tide gauge data, ints, $l, $sig. whats the most the water went [[up|down]] from any reading to any later "
            "one? when it only ever goes [[down|up]], or stays, return 0. {no negative results/never negative}",
        ),
        (
            "{best_gap/span} {floors/storeys}",
            "$p rides the lift in a tower and notes each stop's floor in $a. Which two stops, not necessarily one "
            "after the other, have the largest [[climb|descent]] between them, and how many floors is it? The largest "
            "[[descent|climb]] is a job for later. {Just the number/Only the number of floors}, 0 for none, as $want.",
        ),
        parameters="ints",
        returns="int",
        bodies={
            "python": """
                best = 0
                for i in range(len($a)):
                    for j in range(i + 1, len($a)):
                        best = max(best, ⟦$a[j] - $a[i]|$a[i] - $a[j]⟧)
                return best
            """,
            "java": """
                int best = 0;
                for (int i = 0; i < $a.length; i++) {
                    for (int j = i + 1; j < $a.length; j++) {
                        best = Math.max(best, ⟦$a[j] - $a[i]|$a[i] - $a[j]⟧);
                    }
                }
                return best;
            """,
        },
        references=(
            lambda values: max([v - min(values[: i + 1]) for i, v in enumerate(values)], default=0),
            lambda values: max([max(values[: i + 1]) - v for i, v in enumerate(values)], default=0),
        ),
        inputs=[(ints(rng, rng.number(5, 7), 3, 40),), ([2, 9, 4],), ([1, 5, 8],), ([6, 6],), ([],)],
    )


def before_or_behind(rng: Rng) -> MirrorContent:
    """Swap the entries before an entry and the entries behind it."""
    queue = rng.numbers(rng.number(5, 7), 10, 99)
    return code_mirror(
        rng,
        "how many stand before it or behind it",
        (
            "{others/waiting} {queue/tickets} {mine/ticket}",
            "$a is a queue of ticket numbers, all different, the first one is served next. How many people stand "
            "[[ahead of|behind]] the one with ticket $b, not [[behind|ahead of]] them? $Want; {the ticket is always "
            "there/the ticket is in the queue for sure}.",
        ),
        (
            "{count_between/between} {train/carriages} {carriage/number}",
            "$l: $sig. {$a has the carriage numbers from the engine to the tail (no repeats), $b is one of them./the "
            "train is in $a, carriage numbers from engine to tail, and no number comes twice. $b is in there.} i want "
            "the count of carriages between $b and the [[engine|tail]]. the ones towards the [[tail|engine]] are "
            "someone else's {problem/business}",
        ),
        (
            "{books_from/how_many_books} {codes/reading_order} {code/chosen}",
            "Our reading group's list $a gives book codes in the order in which we read them, none twice. $p wants to "
            "know how many books come [[before|after]] the one with code $b. {Those/The ones} [[after|before]] it "
            "don't matter. It will certainly be in the list. Could you send $want?",
        ),
        parameters="ints int",
        returns="int",
        bodies={
            "python": "return ⟦$a.index($b)|len($a) - 1 - $a.index($b)⟧",
            "java": """
                int at = 0;
                while ($a[at] != $b) at++;
                return ⟦at|$a.length - 1 - at⟧;
            """,
            "javascript": "return ⟦$a.indexOf($b)|$a.length - 1 - $a.indexOf($b)⟧;",
        },
        references=(
            lambda values, entry: len(list(takewhile(lambda v: v != entry, values))),
            lambda values, entry: len(list(takewhile(lambda v: v != entry, values[::-1]))),
        ),
        inputs=[(queue, rng.pick(queue)), (queue, queue[0]), (queue[:3], queue[1]), ([4], 4)],
    )
