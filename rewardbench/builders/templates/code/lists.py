"""Templates about lists: which is subtracted from which, which repeats stay, and in which direction entries move.

Example of a mirror, from `keep_of_repeats`:

    prompt a: "... Of equal entries in calls only the first stays, not the last or any between them. ..."
    prompt b: "... Of equal entries in calls only the last stays, not the first or any between them. ..."
    response x, right for a: `return [x for i, x in enumerate(calls) if x not in calls[:i]]`
    response y, right for b: `return [x for i, x in enumerate(calls) if x not in calls[i + 1 :]]`
"""

from __future__ import annotations

from collections import deque
from itertools import product

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.code.assembly import code_mirror, ints


def in_one_only(rng: Rng) -> MirrorContent:
    """Swap the list that has an entry and the list that lacks it."""
    pool = rng.numbers(7, 10, 99)
    first, second = pool[:4], rng.sample(pool[2:], 4)
    return code_mirror(
        rng,
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
            "$p compares two registers of the map room in $town. {I'd like/We'd like} $want. From the register "
            "[[$a|$b]] it drops every number that the register [[$b|$a]] has as well, and gives back what remains, "
            "order unchanged. Within a register numbers don't repeat.",
        ),
        parameters="ints ints",
        returns="ints",
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
        references=(
            lambda u, v: [k for k in dict.fromkeys(u) if v.count(k) == 0],
            lambda u, v: [k for k in dict.fromkeys(v) if u.count(k) == 0],
        ),
        inputs=[(first, second), (pool[:3], pool[3:]), ([4, 6], [6, 4]), ([], [])],
    )


def fastest_index(rng: Rng) -> MirrorContent:
    """Swap which of two parts changes fastest when all combinations are listed."""
    m, n = rng.number(2, 3), rng.number(2, 3)
    return code_mirror(
        rng,
        "which of two parts changes fastest",
        (
            "{combine/all_pairs} {tens/bases} {ones/extras}",
            "$Want, please: the sums of every entry of $a with every entry of $b, in one $res. The entry of [[$b|$a]] "
            "changes with every step, the entry of [[$a|$b]] {only after a full round/only when a round is over}.",
        ),
        (
            "{timetable/slots} {hours/starts} {gaps/offsets}",
            "bus departures = hour value from $a plus offset from $b, all combinations. make the [[$a|$b]] loop the "
            "outer one and the [[$b|$a]] loop the inner one, {i need that order/order matters}. $l, $sig -> flat $res "
            "of sums",
        ),
        (
            "{prices/variants} {frames/models} {lenses/options}",
            "An optician in $town sells frames at the prices $a and lenses at the prices $b. Write out what each pair "
            "costs: all sums with the first of [[$a|$b]], next all sums with its second, and so on; within these "
            "blocks one goes through [[$b|$a]]. {Could it be/May I have it as} $want?",
        ),
        parameters="ints ints",
        returns="ints",
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
        references=(
            lambda u, v: [sum(pair) for pair in product(u, v)],
            lambda u, v: [sum(pair) for pair in product(v, u)],
        ),
        inputs=[
            (rng.numbers(m, 20, 60, 10), rng.numbers(n, 1, 9)),
            ([100, 200], [5, 6, 7]),
            ([30], [1, 2]),
            ([], [4]),
        ],
    )


def keep_of_repeats(rng: Rng) -> MirrorContent:
    """Swap whether the first or the last of equal entries stays."""
    u, v, w = rng.numbers(3, 10, 60)
    return code_mirror(
        rng,
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
            "[[first|last]] time rather than for the [[last|first]]. Can you write $want {for the new round/which "
            "gives the new round}?",
        ),
        parameters="ints",
        returns="ints",
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
        references=(
            lambda values: list(dict.fromkeys(values)),
            lambda values: list(dict.fromkeys(values[::-1]))[::-1],
        ),
        inputs=[([u, v, u, w, v],), ([w, v, w],), ([w, w, u],), ([v],), ([],)],
    )


def dropped_at_the_ends(rng: Rng) -> MirrorContent:
    """Swap how many entries are dropped at the front and at the back."""
    values = ints(rng, rng.number(6, 8), 1, 40)
    m, n = rng.numbers(2, 1, 3)
    return code_mirror(
        rng,
        "which count belongs to which end",
        (
            "{trimmed/middle} {samples/values} {cut/m} {other_cut/n}",
            "$Want that returns $a without some of its ends: [[$b|$c]] entries less at the front, [[$c|$b]] entries "
            "less at the back. {Something always remains/There is always something left}.",
        ),
        (
            "{usable/clean_part} {film/pictures} {m/some} {n/others}",
            "$l, $sig. the film scanner spoils pictures at both ends of a strip: the [[first|last]] $b and the "
            "[[last|first]] $c ({both can be 0/either may be 0}). give me the rest in order, its "
            "never empty",
        ),
        (
            "{core/heartwood} {rings/widths} {cut/m} {other_cut/n}",
            "For dating timber from $town we measure tree rings, the innermost is first in $a. The person measuring "
            "rejects $b rings on the [[inner|outer]] side and $c rings on the [[outer|inner]] side. {I need/Please "
            "write} $want for the rings that are kept; at least one is.",
        ),
        parameters="ints int int",
        returns="ints",
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
        references=(
            lambda values, m, n: [v for i, v in enumerate(values) if m <= i < len(values) - n],
            lambda values, m, n: [v for i, v in enumerate(values) if n <= i < len(values) - m],
        ),
        inputs=[(values, m, n), (values, 0, 2), (values, 2, 2), ([5], 0, 0)],
    )


def round_which_way(rng: Rng) -> MirrorContent:
    """Swap rotating a list towards its start and towards its end."""
    values, k = rng.numbers(rng.number(5, 6), 1, 40), rng.number(1, 2)
    return code_mirror(
        rng,
        "moved towards the start or towards the end",
        (
            "{rotate/shifted} {values/ring} {k/steps}",
            "{Please write/I need} $want. It returns a new $res in which every entry has moved $b places towards the "
            "[[start|end]]; what falls off there comes back in at the [[end|start]]. $b is less than the length.",
        ),
        (
            "{next_week/rota} {cooks/crew} {weeks/turns}",
            "kitchen rota, $a = ids of the cooks by day of the week. every week everybody's turn comes one day "
            "[[earlier|later]], not [[later|earlier]], and it wraps around. what does it look like $b weeks on? $l, "
            "$sig, $b {smaller/less} than the number of cooks",
        ),
        (
            "{carousel/turned} {seats/chairs} {clicks/times}",
            "A ring of seats is listed in $a from left to right. With one click all of them go one place to the "
            "[[left|right]], and the one at the [[left|right]] end lands at the [[right|left]] end. $p from $town "
            "needs $want: the $res after $b clicks ({fewer/always fewer} than there are seats).",
        ),
        parameters="ints int",
        returns="ints",
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
            if rng.chance(0.5)
            else "return $a.map((_, i) => $a[(i ⟦+ $b|+ $a.length - $b⟧) % $a.length]);",
        },
        references=(lambda values, k: _rotated(values, -k), _rotated),
        inputs=[(values, k), (values[:3], 1), ([1, 2, 1, 2], 2), ([8, 8], 1)],
    )


def _rotated(values: list[int], k: int) -> list[int]:
    """Rotate a list by `k` places towards its end."""
    ring = deque(values)
    ring.rotate(k)
    return list(ring)


def group_in_front(rng: Rng) -> MirrorContent:
    """Swap whether small or large entries go in front, with the order kept otherwise."""
    k = rng.number(12, 25)
    return code_mirror(
        rng,
        "which group goes in front, order within groups kept",
        (
            "{regroup/split} {values/numbers} {pivot/mark}",
            "$Want that puts the entries [[below|above]] $b in front of those [[above|below]] $b. Within {each/either} "
            "group the order of $a is kept, none of the entries equals $b, and the result is a new $res.",
        ),
        (
            "{boarding/line_up} {ages/people} {border/limit}",
            "ferry boarding, $l, $sig. ages in the order they queue up, nobody is exactly $b. [[younger|older]] than "
            "that boards first, [[older|younger]] than that boards second, apart from that the queue stays as it is. "
            "{return the new queue/returns the new order}",
        ),
        (
            "{loading_order/stow} {weights/cargo} {middle/threshold}",
            "A van in $town is loaded so that everything [[light|heavy]] goes in before anything [[heavy|light]]. "
            "Light means less than $b, heavy means more than $b, and nothing weighs just $b. {Otherwise/Apart from "
            "this} the sequence in $a is left alone. Could you write $want with the new sequence?",
        ),
        parameters="ints int",
        returns="ints",
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
        references=(
            lambda values, k: sorted(values, key=lambda v: v > k),
            lambda values, k: sorted(values, key=lambda v: v < k),
        ),
        inputs=[
            ([v for v in ints(rng, 6, 3, 40) if v != k], k),
            ([k + 1, k - 1, k + 3, k - 2], k),
            ([k + 2, k + 1], k),
            ([], k),
        ],
    )
