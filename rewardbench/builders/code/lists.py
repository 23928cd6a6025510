"""Moulds about lists: which is taken from which, what is kept of repeats, which way things move."""

from __future__ import annotations

from collections import deque
from itertools import product

from rewardbench.builders.code.telling import ints, make
from rewardbench.builders.draw import Draw, Drawn


def in_one_only(draw: Draw) -> Drawn:
    """What the first list has and the second lacks, or the other way round."""
    pool = draw.numbers(7, 10, 99)
    one, other = pool[:4], draw.some(pool[2:], 4)
    return make(
        draw,
        "which list has it, and which lacks it",
        (
            "{missing/unmatched} {invited/asked} {came/present}",
            "$Want, please. $a and $b hold ids, none of them twice in one $list. It returns the ids that stand in "
            "[[$a|$b]] and do not stand in [[$b|$a]], {in the order they have there/keeping the order}.",
        ),
        (
            "{delta/only_one} {monday/before} {friday/after}",
            "inventory on two days, $a and $b = bike numbers (no dupes within a day). which bikes are listed under "
            "[[$a|$b]] but are not listed under [[$b|$a]]? same order as in that $list. $l, $sig",
        ),
        (
            "{to_return/open_loans} {borrowed/taken} {returned/handed_in}",
            "$p compares two registers of the map room in $town. {I'd like/We'd like} $want. From the register [[$a|$b]] "
            "it drops every number that the register [[$b|$a]] has as well, and gives back what remains, order "
            "unchanged. Within a register numbers don't repeat.",
        ),
        takes="ints ints",
        gives="ints",
        bodies={
            "python": "return [x for x in ⟦$a|$b⟧ if x not in ⟦$b|$a⟧]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int x : ⟦$a|$b⟧) {
                    boolean found = false;
                    for (int y : ⟦$b|$a⟧) found = found || x == y;
                    if (!found) out.add(x);
                }
                return out;
            """,
            "javascript": "return ⟦$a|$b⟧.filter((x) => !⟦$b|$a⟧.includes(x));",
            "cpp": """
                std::vector<int> out;
                for (int x : ⟦$a|$b⟧)
                    if (std::find(⟦$b|$a⟧.begin(), ⟦$b|$a⟧.end(), x) == ⟦$b|$a⟧.end()) out.push_back(x);
                return out;
            """,
        },
        wants=(
            lambda u, v: [k for k in dict.fromkeys(u) if v.count(k) == 0],
            lambda u, v: [k for k in dict.fromkeys(v) if u.count(k) == 0],
        ),
        inputs=[(one, other), (pool[:3], pool[3:]), ([4, 6], [6, 4]), ([], [])],
    )


def fastest_index(draw: Draw) -> Drawn:
    """In all combinations, which part changes fastest."""
    m, n = draw.number(2, 3), draw.number(2, 3)
    return make(
        draw,
        "which of two parts changes fastest",
        (
            "{combine/all_pairs} {tens/bases} {ones/extras}",
            "$Want, please: the sums of every entry of $a with every entry of $b, in one $list. The entry of [[$b|$a]] "
            "changes with every step, the entry of [[$a|$b]] {only after a full round/only when a round is over}.",
        ),
        (
            "{timetable/slots} {hours/starts} {gaps/offsets}",
            "bus departures = hour value from $a plus offset from $b, all combinations. make the [[$a|$b]] loop the "
            "outer one and the [[$b|$a]] loop the inner one, {i need that order/order matters}. $l, $sig -> flat $list "
            "of sums",
        ),
        (
            "{prices/variants} {frames/models} {lenses/options}",
            "An optician in $town sells frames at the prices $a and lenses at the prices $b. Write out what each pair "
            "costs: all sums with the first of [[$a|$b]], next all sums with its second, and so on; within these blocks "
            "one goes through [[$b|$a]]. {Could it be/I need it as} $want?",
        ),
        takes="ints ints",
        gives="ints",
        bodies={
            "python": "return [x + y for ⟦x in $a for y in $b|y in $b for x in $a⟧]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int ⟦x : $a|y : $b⟧) {
                    for (int ⟦y : $b|x : $a⟧) out.add(x + y);
                }
                return out;
            """,
        },
        wants=(
            lambda u, v: [sum(pair) for pair in product(u, v)],
            lambda u, v: [sum(pair) for pair in product(v, u)],
        ),
        inputs=[
            (draw.numbers(m, 20, 60, 10), draw.numbers(n, 1, 9)),
            ([100, 200], [5, 6, 7]),
            ([30], [1, 2]),
            ([], [4]),
        ],
    )


def keep_of_repeats(draw: Draw) -> Drawn:
    """Of equal entries the first stays, or the last."""
    u, v, w = draw.numbers(3, 10, 60)
    return make(
        draw,
        "of equal entries the first or the last stays",
        (
            "{thin_out/unique} {calls/visits}",
            "{Please write/Write} $want. Of equal entries in $a only the [[first|last]] stays, not the [[last|first]] "
            "or any between them. Those that stay keep their order.",
        ),
        (
            "{playlist/no_repeats} {tracks/songs}",
            "$l: $sig. playlist of song ids with repeats, kick out the repeats. {when a song is there/if its there} "
            "several times, its [[earliest|latest]] place counts and its [[latest|earliest]] doesn't. example $e1 -> "
            "[[$x|$y]], wrong would be [[$y|$x]]",
        ),
        (
            "{tour/shortened} {stops/towns}",
            "$p drove a parcel round near $town and came by some addresses more than once; $a has their numbers in the "
            "order of driving. Next time each address is to be visited once, at the point where it came up for the "
            "[[first|last]] time rather than for the [[last|first]]. Can you write $want {for the new round/which gives "
            "the new round}?",
        ),
        takes="ints",
        gives="ints",
        bodies={
            "python": "return [x for i, x in enumerate($a) if x not in ⟦$a[:i]|$a[i + 1 :]⟧]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int i = 0; i < $a.length; i++) {
                    boolean again = false;
                    for (int j = ⟦0; j < i|i + 1; j < $a.length⟧; j++) again = again || $a[i] == $a[j];
                    if (!again) out.add($a[i]);
                }
                return out;
            """,
            "javascript": "return $a.filter((x, i) => $a.⟦indexOf|lastIndexOf⟧(x) === i);",
        },
        wants=(
            lambda values: list(dict.fromkeys(values)),
            lambda values: list(dict.fromkeys(values[::-1]))[::-1],
        ),
        inputs=[([u, v, u, w, v],), ([w, v, w],), ([w, w, u],), ([v],), ([],)],
    )


def dropped_at_the_ends(draw: Draw) -> Drawn:
    """How many go at the front, and how many at the back."""
    values = ints(draw, draw.number(6, 8), 1, 40)
    m, n = draw.numbers(2, 1, 3)
    return make(
        draw,
        "which count belongs to which end",
        (
            "{trimmed/middle} {samples/values} {one/cut} {two/clip}",
            "$Want that returns $a without some of its ends: [[$b|$c]] entries less at the front, [[$c|$b]] entries "
            "less at the back. {Something always remains/There is always something left}.",
        ),
        (
            "{usable/clean_part} {film/pictures} {head/h} {tail/t}",
            "$l, $sig. the film scanner spoils pictures at both ends of a strip: the [[first|last]] $b and the "
            "[[last|first]] $c ({ignore the argument names/never mind the names}). give me the rest in order, its never "
            "empty",
        ),
        (
            "{core/heartwood} {rings/widths} {u/p1} {v/p2}",
            "For dating timber from $town we measure tree rings, the innermost is first in $a. The person measuring "
            "rejects $b rings on the [[inner|outer]] side and $c rings on the [[outer|inner]] side. {I need/Please "
            "write} $want for the rings that are kept; at least one is.",
        ),
        takes="ints int int",
        gives="ints",
        bodies={
            "python": "return $a[⟦$b|$c⟧ : len($a) - ⟦$c|$b⟧]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int i = ⟦$b|$c⟧; i < $a.length - ⟦$c|$b⟧; i++) {
                    out.add($a[i]);
                }
                return out;
            """,
            "javascript": "return $a.slice(⟦$b|$c⟧, $a.length - ⟦$c|$b⟧);",
            "cpp": "return std::vector<int>($a.begin() + ⟦$b|$c⟧, $a.end() - ⟦$c|$b⟧);",
        },
        wants=(
            lambda values, m, n: [v for i, v in enumerate(values) if m <= i < len(values) - n],
            lambda values, m, n: [v for i, v in enumerate(values) if n <= i < len(values) - m],
        ),
        inputs=[(values, m, n), (values, 0, 2), (values, 2, 2), ([5], 0, 0)],
    )


def round_which_way(draw: Draw) -> Drawn:
    """Entries move towards the start or towards the end."""
    values, k = draw.numbers(draw.number(5, 6), 1, 40), draw.number(1, 2)
    return make(
        draw,
        "moved towards the start or towards the end",
        (
            "{rotate/shifted} {values/ring} {k/steps}",
            "{Please write/I need} $want. It returns a new $list in which every entry has moved $b places towards the "
            "[[start|end]]; what falls off there comes back in at the [[end|start]]. $b is less than the length.",
        ),
        (
            "{next_week/rota} {cooks/crew} {weeks/turns}",
            "kitchen rota, $a = ids of the cooks by day of the week. every week everybody's turn comes one day "
            "[[earlier|later]], not [[later|earlier]], and it wraps around. what does it look like $b weeks on? $l, "
            "$sig, $b {smaller/less} than the number of cooks",
        ),
        (
            "{carousel/turn} {horses/seats} {clicks/c}",
            "A ring of seats is listed in $a from left to right. With one click all of them go one place to the "
            "[[left|right]], and the one at the [[left|right]] end lands at the [[right|left]] end. $p from $town needs "
            "$want: the $list after $b clicks ({fewer/less} than there are seats).",
        ),
        takes="ints int",
        gives="ints",
        bodies={
            "python": "return ⟦$a[$b:] + $a[:$b]|$a[len($a) - $b :] + $a[: len($a) - $b]⟧",
            "java": """
                List<Integer> out = new ArrayList<>();
                int n = $a.length;
                for (int i = 0; i < n; i++) {
                    out.add($a[(i ⟦+ $b|+ n - $b⟧) % n]);
                }
                return out;
            """,
            "javascript": "return ⟦[...$a.slice($b), ...$a.slice(0, $b)]|[...$a.slice(-$b), ...$a.slice(0, -$b)]⟧;"
            if draw.chance(0.5)
            else "return $a.map((_, i) => $a[(i ⟦+ $b|+ $a.length - $b⟧) % $a.length]);",
        },
        wants=(lambda values, k: _turned(values, -k), _turned),
        inputs=[(values, k), (values[:3], 1), ([1, 2, 1, 2], 2), ([8, 8], 1)],
    )


def _turned(values: list[int], k: int) -> list[int]:
    ring = deque(values)
    ring.rotate(k)
    return list(ring)


def who_starts(draw: Draw) -> Drawn:
    """Two lists taken in turn, and which of them begins."""
    n = draw.number(2, 4)
    pool = draw.numbers(2 * n, 1, 60)
    return make(
        draw,
        "which list begins when entries are taken in turn",
        (
            "{interleave/weave} {left/warp} {right/weft}",
            "$Want, please. $a and $b are equally long; the result takes one entry from each in turn, {beginning/"
            "starting} with [[$a|$b]], so that the very last one comes from [[$b|$a]].",
        ),
        (
            "{deal/turns} {red/north} {blue/south}",
            "card game in $l. two players' cards $a and $b (same number of cards) end up on a pile alternately. "
            "[[$a|$b]] goes first, [[$b|$a]] second, {and so on/etc}. $sig -> the pile as $alist, first card in front",
        ),
        (
            "{programme/running_order} {choirs/singers} {bands/players}",
            "At the festival in $town choirs and bands alternate, and there are as many of one as of the other. >> Who "
            "opens? >> A [[choir|band]], and so a [[band|choir]] closes the evening. $a has the choirs' ids and $b the "
            "bands'; {please write/now write} $want for the evening's order.",
        ),
        takes="ints ints",
        gives="ints",
        bodies={
            "python": "return [x for pair in zip(⟦$a, $b|$b, $a⟧) for x in pair]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int i = 0; i < $a.length; i++) {
                    out.add(⟦$a|$b⟧[i]);
                    out.add(⟦$b|$a⟧[i]);
                }
                return out;
            """,
            "javascript": "return ⟦$a|$b⟧.flatMap((x, i) => [x, ⟦$b|$a⟧[i]]);",
        },
        wants=(
            lambda u, v: [(u, v)[i % 2][i // 2] for i in range(2 * len(u))],
            lambda u, v: [(v, u)[i % 2][i // 2] for i in range(2 * len(u))],
        ),
        inputs=[(pool[:n], pool[n:]), ([1, 2], [3, 4]), ([6], [6]), ([], [])],
    )


def group_in_front(draw: Draw) -> Drawn:
    """Small ones before large ones, or large ones before small ones, order kept otherwise."""
    k = draw.number(12, 25)
    return make(
        draw,
        "which group goes in front, order within groups kept",
        (
            "{regroup/split} {values/numbers} {pivot/mark}",
            "$Want that puts the entries [[below|above]] $b in front of those [[above|below]] $b. Within {each/either} "
            "group the order of $a is kept, none of the entries equals $b, and the result is a new $list.",
        ),
        (
            "{boarding/line_up} {ages/people} {border/limit}",
            "ferry boarding, $l, $sig. ages in the order they queue up, nobody is exactly $b. [[younger|older]] than "
            "that boards first, [[older|younger]] than that boards second, apart from that the queue stays as it is. "
            "{return the new queue/returns the new order}",
        ),
        (
            "{loading_order/stow} {weights/cargo} {middle/threshold}",
            "A van in $town is loaded so that everything [[light|heavy]] goes in before anything [[heavy|light]]. Light "
            "means less than $b, heavy means more than $b, and nothing weighs just $b. {Otherwise/Apart from this} the "
            "sequence in $a is left alone. Could you write $want with the new sequence?",
        ),
        takes="ints int",
        gives="ints",
        bodies={
            "python": "return [x for x in $a if x ⟦<|>⟧ $b] + [x for x in $a if x ⟦>|<⟧ $b]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int x : $a) if (x ⟦<|>⟧ $b) out.add(x);
                for (int x : $a) if (x ⟦>|<⟧ $b) out.add(x);
                return out;
            """,
            "javascript": "return [...$a.filter((x) => x ⟦<|>⟧ $b), ...$a.filter((x) => x ⟦>|<⟧ $b)];",
        },
        wants=(
            lambda values, k: sorted(values, key=lambda v: v > k),
            lambda values, k: sorted(values, key=lambda v: v < k),
        ),
        inputs=[
            ([v for v in ints(draw, 6, 3, 40) if v != k], k),
            ([k + 1, k - 1, k + 3, k - 2], k),
            ([k + 2, k + 1], k),
            ([], k),
        ],
    )


def word_that_wins(draw: Draw) -> Drawn:
    """Where two rules apply at once, which of them wins."""
    m, n = draw.pick(((2, 3), (3, 2), (3, 4), (4, 3), (2, 5), (5, 2)))
    size = m * n + draw.number(0, 2)
    return make(
        draw,
        "which rule wins where both apply",
        (
            "{calendar/jobs} {days/n} {sweep/s} {wash/w}",
            "$Want: $alist of strings for day 1 to day $a. Every $b days we sweep (days $b, 2*$b, ...), \"S\"; every $c "
            "days we wash, \"W\"; other days get \"-\". When both fall on one day, [[sweeping|washing]] wins over "
            "[[washing|sweeping]], {one letter per day/just one letter}.",
        ),
        (
            "{beads/necklace} {length/many} {silver/sil} {wood/woo}",
            "necklace pattern, $l: $sig, positions 1 to $a as $alist of one-letter strings. multiples of $b -> \"S\", "
            "multiples of $c -> \"W\", {anything else/the rest} -> \"-\". multiple of both: take the letter for "
            "[[$b|$c]] and not the one for [[$c|$b]]",
        ),
        (
            "{lights/signals} {seconds/ticks} {red/first_gap} {white/second_gap}",
            "A lighthouse near $town flashes S in seconds divisible by $b and W in seconds divisible by $c, and \"-\" "
            "stands for a dark second. It can't do both: then the [[S|W]] is shown, the [[W|S]] is left out. I'd like "
            "$want {with the letters/giving the letters} of the seconds 1 to $a, in order.",
        ),
        takes="int int int",
        gives="strs",
        bodies={
            "python": """
                out = []
                for i in range(1, $a + 1):
                    if i % ⟦$b|$c⟧ == 0:
                        out.append("⟦S|W⟧")
                    elif i % ⟦$c|$b⟧ == 0:
                        out.append("⟦W|S⟧")
                    else:
                        out.append("-")
                return out
            """,
            "java": """
                List<String> out = new ArrayList<>();
                for (int i = 1; i <= $a; i++) {
                    if (i % ⟦$b|$c⟧ == 0) out.add("⟦S|W⟧");
                    else if (i % ⟦$c|$b⟧ == 0) out.add("⟦W|S⟧");
                    else out.add("-");
                }
                return out;
            """,
        },
        wants=(
            lambda size, m, n: ["SW-"[0 if i % m == 0 else 1 if i % n == 0 else 2] for i in range(1, size + 1)],
            lambda size, m, n: ["SW-"[1 if i % n == 0 else 0 if i % m == 0 else 2] for i in range(1, size + 1)],
        ),
        inputs=[(size, m, n), (m * n - 1, m, n), (1, m, n), (0, m, n)],
    )


def up_the_chain(draw: Draw) -> Drawn:
    """Pairs tell who is above whom; the way up from somebody."""
    a, b, c, d, e = draw.numbers(5, 10, 99)
    chain = draw.some([[a, b], [b, c], [c, d]], 3)
    return make(
        draw,
        "which of a pair is above the other",
        (
            "{top/head_of} {pairs/reports} {worker/person}",
            "Each row of $a holds two staff numbers; the [[second|first]] is the boss of the [[first|second]]. Nobody "
            "has two bosses or two direct reports and there are no circles. $Want: go up from $b as long as there is a "
            "boss, return {where you arrive/the number you end at}.",
        ),
        (
            "{source/spring} {rivers/joins} {here/point}",
            "gauge ids along a stream, $a = pairs of neighbouring gauges, in a pair the [[left|right]] one lies "
            "downstream of the [[right|left]] one. from gauge $b follow the stream UP to the last gauge and return its "
            "id ({$b itself/$b} if there is none above). no forks. $l, $sig",
        ),
        (
            "{eldest/oldest} {lines/links} {start/youngest}",
            "The pedigree of $p's horses: $a has pairs of numbers, of which the [[former|latter]] is a foal of the "
            "[[latter|former]]. Every horse has one known parent at most and one known foal at most. Could you write "
            "$want that goes back from horse $b, parent by parent, and returns the {oldest/earliest} horse it gets to?",
        ),
        takes="grid int",
        gives="int",
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
        wants=(_followed, lambda pairs, at: _followed([pair[::-1] for pair in pairs], at)),
        inputs=[(chain, draw.pick((b, c))), (chain, a), (chain, d), (chain, e), ([], a)],
    )


def _followed(pairs: list[list[int]], at: int) -> int:
    above = [v for u, v in pairs if u == at]
    return _followed(pairs, above[0]) if above else at


def shared_place(draw: Draw) -> Drawn:
    """Equal scores share the better or the worse of the places they take up."""
    u, v, w = sorted(draw.numbers(3, 10, 60))
    return make(
        draw,
        "equals share the better or the worse place",
        (
            "{places/ranking} {scores/points}",
            "$Want that gives the place of every score in $a, in the order of $a; the highest score is in place 1. Equal "
            "scores share a place, {namely/and that is} the [[best|worst]] of those they take up together, not the "
            "[[worst|best]]. So $e1 gives [[$x|$y]] and not [[$y|$x]].",
        ),
        (
            "{grades/rank_list} {marks/results}",
            "$l: $sig. rank the results, the more the better, best = rank 1, output in the input order. if e.g. two "
            "are equal and take up two ranks, {both get/give both} the [[smaller|larger]] number of the two, not the "
            "[[larger|smaller]], same thing for three or more",
        ),
        (
            "{finish/positions} {jumps/metres}",
            "The long jump club in $town prints a place beside each jump of $a (the longest jump is number 1). Jumpers "
            "who tie all get the place of whoever of them would be listed [[first|last]], never that of whoever would "
            "be listed [[last|first]]. {Please write/Could I have} $want with the places in the order of $a?",
        ),
        takes="ints",
        gives="ints",
        bodies={
            "python": "return [sum(y ⟦> x for y in $a) + 1|>= x for y in $a)⟧ for x in $a]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int x : $a) {
                    int place = ⟦1|0⟧;
                    for (int y : $a) {
                        if (y ⟦>|>=⟧ x) place++;
                    }
                    out.add(place);
                }
                return out;
            """,
        },
        wants=(
            lambda values: [sorted(values)[::-1].index(v) + 1 for v in values],
            lambda values: [len(values) - sorted(values).index(v) for v in values],
        ),
        inputs=[(draw.some([u, v, v, w, u], 4),), ([w, w, u],), ([v, u, v, v],), ([u, w, v],), ([u],), ([],)],
    )


def blank_or_dash(draw: Draw) -> Drawn:
    """Which mark stands for an answer, and which for none."""
    words = draw.some(("yes", "no", "tea", "milk", "left", "right", "maybe"), 3)
    answers = draw.some([*words, "", "", "-", "?"], 6)
    return make(
        draw,
        "an empty string or a dash counts as an answer",
        (
            "{answered/count_answers} {fields/replies}",
            "$Want, please: how many entries of $a are answers. {An entry that is/A string like} \"[[-|?]]\" counts as "
            "an answer, \"[[?|-]]\" and the empty string don't, any other text does.",
        ),
        (
            "{filled/non_blank} {cells/boxes}",
            "survey form, $alist of strings. [[?|-]] means nobody touched the box, [[-|?]] means somebody crossed it out "
            "on purpose. {count/I need the number of} boxes somebody wrote in, crossed out ones included, untouched and "
            "empty ones (\"\") not. $l, $sig",
        ),
        (
            "{votes/valid} {slips/ballots}",
            "Board election in $town. On a slip, \"[[-|?]]\" is an abstention, \"[[?|-]]\" is something nobody could "
            "read. Valid are all slips except the unreadable and the empty ones; an abstention is valid. Could you send "
            "$want {counting/that counts} the valid slips in $a?",
        ),
        takes="strs",
        gives="int",
        bodies={
            "python": 'return sum(1 for s in $a if s not in ("", "⟦?|-⟧"))',
            "java": """
                int count = 0;
                for (String s : $a) {
                    if (!s.isEmpty() && !s.equals("⟦?|-⟧")) count++;
                }
                return count;
            """,
            "javascript": 'return $a.filter((s) => s !== "" && s !== "⟦?|-⟧").length;',
            "cpp": """
                int count = 0;
                for (const std::string& s : $a) {
                    if (!s.empty() && s != "⟦?|-⟧") ++count;
                }
                return count;
            """,
        },
        wants=(
            lambda texts: len(texts) - texts.count("") - texts.count("?"),
            lambda texts: len(texts) - texts.count("") - texts.count("-"),
        ),
        inputs=[([*answers, draw.pick("-?")],), (["-", "?", "x"],), (["a", "", "-", "-"],), ([],)],
    )
