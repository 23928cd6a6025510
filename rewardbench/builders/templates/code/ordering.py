"""Templates about order: which key comes first, which of several equals counts, and whose turn it is.

Example of a mirror, from `first_or_last_lowest`:

    prompt a: "... equal ones: the one furthest to the left, so not furthest to the right"
    prompt b: "... equal ones: the one furthest to the right, so not furthest to the left"
    response x, right for a: a loop with `if waiting[i] < waiting[best]: best = i`
    response y, right for b: a loop with `if waiting[i] <= waiting[best]: best = i`
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.code.assembly import code_mirror, ints, rows


def sort_by_two(rng: Rng) -> MirrorContent:
    """Swap which of two columns is the main sort key, and which breaks ties."""
    return code_mirror(
        rng,
        "which column is the main key, and which breaks ties",
        (
            "{arrange/shelve} {crates/boxes}",
            "Each crate in our cold store in $town is a row [weight, age], whole numbers. {Please write/I'd like} "
            "$want that returns the rows sorted from small to large: the [[weight|age]] decides, and only where two "
            "have the same [[weight|age]] does the [[age|weight]] decide. $a itself must not change.",
        ),
        (
            "{line_up/in_order} {boats/hulls}",
            "$l please, $sig. $a = $grid, one [length, draught] in cm per boat. sort ascending, [[draught|length]] is "
            "the tie breaker and [[length|draught]] the main key. {new $list, dont touch mine/must be a new $list}",
        ),
        (
            "{standings/ranked} {teams/crews}",
            "$p runs our quiz league and keeps one row [losses, fines] per team. The better of two teams is the one "
            "with fewer [[losses|fines]]; [[fines|losses]] matter only between teams with equal [[losses|fines]], and "
            "there, too, fewer is better. {We need/We would like} $want that gives the rows back, best team at the "
            "top.",
        ),
        parameters="grid",
        returns="grid",
        bodies={
            "python": "return sorted($a, key=lambda r: (r[⟦0|1⟧], r[⟦1|0⟧]))",
            "java": """
                int[][] out = $a.clone();
                Arrays.sort(out, Comparator.comparingInt((int[] r) -> r[⟦0|1⟧]).thenComparingInt(r -> r[⟦1|0⟧]));
                return out;
            """,
            "javascript": "return [...$a].sort((p, q) => p[⟦0|1⟧] - q[⟦0|1⟧] || p[⟦1|0⟧] - q[⟦1|0⟧]);",
            "cpp": """
                auto out = $a;
                std::sort(out.begin(), out.end(), [](const auto& p, const auto& q) {
                    if (p[⟦0|1⟧] != q[⟦0|1⟧]) return p[⟦0|1⟧] < q[⟦0|1⟧];
                    return p[⟦1|0⟧] < q[⟦1|0⟧];
                });
                return out;
            """,
        },
        references=(sorted, lambda table: [[u, v] for v, u in sorted([v, u] for u, v in table)]),
        inputs=[(rows(rng, n, 1, 4),) for n in (3, 5, 7)] + [([[2, 2], [1, 1]],), ([],)],
    )


def highest_then_lowest(rng: Rng) -> MirrorContent:
    """Swap which of two sort keys is descending, and which ascending."""
    return code_mirror(
        rng,
        "descending then ascending, or ascending then descending",
        (
            "{price_list/listing} {teas/wares}",
            "$a is $alist of [price, grams] rows for the tea stall. {Can you give me/Could I have} $want that returns "
            "them [[highest|lowest]] price first, and among equal prices the one with the [[lowest|highest]] grams "
            "first?",
        ),
        (
            "{board/rank_all} {jumps/entries}",
            "{hi/hey}, scoreboard for the school games in $town. every row is [points, seconds]. [[most|fewest]] "
            "points on top, same points -> [[fewest|most]] seconds on top. $l, $sig, returns a sorted copy",
        ),
        (
            "{tour/visit_order} {peaks/summits}",
            "You are the code helper of a hiking club. Answer with one $lang code block.## The summits are rows "
            "[height, hours]. $Want, please: it returns the rows in order of height, [[tall ones|small ones]] before "
            "[[small ones|tall ones]]; equal heights go in order of hours, [[short|long]] before [[long|short]].",
        ),
        parameters="grid",
        returns="grid",
        bodies={
            "python": "return sorted($a, key=lambda r: (⟦-r[0], r[1]|r[0], -r[1]⟧))",
            "java": """
                int[][] out = $a.clone();
                Arrays.sort(out, (p, q) -> p[0] != q[0] ? ⟦q[0] - p[0] : p[1] - q[1]|p[0] - q[0] : q[1] - p[1]⟧);
                return out;
            """,
            "javascript": "return [...$a].sort((p, q) => ⟦q[0] - p[0]|p[0] - q[0]⟧ || ⟦p[1] - q[1]|q[1] - p[1]⟧);",
            "cpp": """
                auto out = $a;
                std::sort(out.begin(), out.end(), [](const auto& p, const auto& q) {
                    return p[0] != q[0] ? ⟦p[0] > q[0] : p[1] < q[1]|p[0] < q[0] : p[1] > q[1]⟧;
                });
                return out;
            """,
        },
        references=(
            lambda table: sorted(sorted(table, key=lambda r: r[1]), key=lambda r: r[0], reverse=True),
            lambda table: sorted(sorted(table, key=lambda r: r[1], reverse=True), key=lambda r: r[0]),
        ),
        inputs=[(rows(rng, n, 11, 14),) for n in (4, 6, 7)] + [([[12, 12]],), ([],)],
    )


def first_or_last_lowest(rng: Rng) -> MirrorContent:
    """Swap whether the first or the last of equal minima counts."""
    lows = ints(rng, rng.number(4, 6), 2, 5)
    return code_mirror(
        rng,
        "of equal minima the first or the last counts",
        (
            "{coldest/chilliest} {nights/lows}",
            "$Want, {please/if you can}. $a holds the lowest temperature of each night, never empty, and I want "
            "the index (from 0) of the coldest night. Where several nights were equally cold, take the [[first|last]] "
            "of them, not the [[last|first]].",
        ),
        (
            "{cheapest/best_offer} {offers/quotes}",
            "For the roof we get quotes one after another, $a holds them in the order they came in (whole euros, at "
            "least one). {Could you do/Could you write} $want giving the 0-based position of the cheapest? "
            "{Mind/Note}: with $e1 the answer has to be [[$x|$y]], it must not be [[$y|$x]].",
        ),
        (
            "{pick_lane/lane} {queues/waiting}",
            "supermarket sim, $l. $sig -> index of the shortest queue, $a is the number of people in each lane from "
            "left to right (non-empty). equal ones: the one furthest to the [[left|right]], so not furthest to the "
            "[[right|left]]",
        ),
        parameters="ints",
        returns="int",
        bodies={
            "python": """
                best = 0
                for i in range(1, len($a)):
                    if $a[i] ⟦<|<=⟧ $a[best]:
                        best = i
                return best
            """,
            "java": """
                int best = 0;
                for (int i = 1; i < $a.length; i++) {
                    if ($a[i] ⟦<|<=⟧ $a[best]) best = i;
                }
                return best;
            """,
        },
        references=(
            lambda values: values.index(min(values)),
            lambda values: len(values) - 1 - values[::-1].index(min(values)),
        ),
        inputs=[(lows,), (ints(rng, 6, 3, 5),), ([4, 4],), ([7, 3, 9],), ([5],)],
    )


def other_field_of_top(rng: Rng) -> MirrorContent:
    """Swap the column whose maximum is searched and the column that is returned."""
    firsts, seconds = rng.numbers(4, 20, 60), rng.numbers(4, 20, 60)
    table = list(map(list, zip(firsts, seconds, strict=True)))
    top = max(table, key=sum)
    return code_mirror(
        rng,
        "which column is searched and which is given back",
        (
            "{lookup/of_top_well} {wells/well_data}",
            "Each well near $town is a row [depth, yield], no two depths and no two yields alike. {I want to know/Tell "
            "me} the [[yield|depth]] of the well with the greatest [[depth|yield]]. $Want, please ($a is never empty).",
        ),
        (
            "{of_best/find} {books/novels}",
            "{hello/hi there}, every book of mine is a row [pages, year], all different, at least one row. find the "
            "row where [[pages|year]] is largest, give me its [[year|pages]]. $want would be great",
        ),
        (
            "{from_log/query} {wagon_log/wagons}",
            "We log one row [axles, tons] per wagon; within a column nothing repeats. >> Noted. What is to be computed?"
            " >> The number of [[tons|axles]] that belongs to whichever wagon has the most [[axles|tons]], as an int. "
            "{Do it as/Put it into} $want; there is always at least one wagon.",
        ),
        parameters="grid",
        returns="int",
        bodies={
            "python": "return max($a, key=lambda r: r[⟦0|1⟧])[⟦1|0⟧]",
            "java": """
                int[] best = $a[0];
                for (int[] r : $a) {
                    if (r[⟦0|1⟧] > best[⟦0|1⟧]) best = r;
                }
                return best[⟦1|0⟧];
            """,
            "cpp": """
                std::size_t best = 0;
                for (std::size_t i = 1; i < $a.size(); ++i) {
                    if ($a[i][⟦0|1⟧] > $a[best][⟦0|1⟧]) best = i;
                }
                return $a[best][⟦1|0⟧];
            """,
        },
        references=(
            lambda table: sorted(table)[-1][1],
            lambda table: sorted([v, u] for u, v in table)[-1][1],
        ),
        inputs=[(table,), (table[1:],), ([[top[0], top[0]]],)],
    )


def kth_from_which_end(rng: Rng) -> MirrorContent:
    """Swap whether k counts from the largest or from the smallest."""
    values, k = rng.numbers(5, 10, 90), rng.number(1, 2)
    return code_mirror(
        rng,
        "k = 1 is the largest or the smallest",
        (
            "{kth/pick_one} {heights/trees} {k/rank}",
            "{Please write/Write} $want. The values in $a are all different, and $b is between 1 and their number. If "
            "$b is 1 it returns the [[largest|smallest]] value, if $b is the number of values the "
            "[[smallest|largest]].",
        ),
        (
            "{placed/at_place} {times/marks} {place/spot}",
            "$l, $sig, no duplicates in $a. place 1 is whoever has the [[highest|lowest]] number and the last place is "
            "whoever has the [[lowest|highest]] number; return the number at that place",
        ),
        (
            "{quote_at/nth_bid} {bids/offers} {n/number}",
            "$p keeps the bids of an auction in $town in $a, unsorted and without repeats, and counts them off: bid 1, "
            "bid 2 and so on. {The counting/This} starts at the [[top|bottom]] end, with the [[dearest|cheapest]], and "
            "runs to the [[bottom|top]] end, the [[cheapest|dearest]]. Can you make $want that gives bid number $b?",
        ),
        parameters="ints int",
        returns="int",
        bodies={
            "python": "return sorted($a⟦, reverse=True|⟧)[$b - 1]"
            if rng.chance()
            else "return sorted($a)[⟦-$b|$b - 1⟧]",
            "java": """
                int[] out = $a.clone();
                Arrays.sort(out);
                return out[⟦out.length - $b|$b - 1⟧];
            """,
            "javascript": "return [...$a].sort((p, q) => ⟦q - p|p - q⟧)[$b - 1];",
            "cpp": """
                auto out = $a;
                std::sort(out.begin(), out.end());
                return out[⟦out.size() - $b|$b - 1⟧];
            """,
        },
        references=(
            lambda values, k: next(v for v in values if sum(w > v for w in values) == k - 1),
            lambda values, k: next(v for v in values if sum(w < v for w in values) == k - 1),
        ),
        inputs=[(values, k), (values, 4), (values, 3), (values[:3], 1), ([6], 1)],
    )


def shared_place(rng: Rng) -> MirrorContent:
    """Swap whether equal scores share the better or the worse of their places."""
    u, v, w = sorted(rng.numbers(3, 10, 60))
    return code_mirror(
        rng,
        "equals share the better or the worse place",
        (
            "{places/ranking} {scores/points}",
            "$Want that gives the place of every score in $a, in the order of $a; the highest score is in place 1. "
            "Equal scores share a place, {namely/and that is} the [[best|worst]] of those they take up together, not "
            "the [[worst|best]]. So $e1 gives [[$x|$y]] and not [[$y|$x]].",
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
            "be listed [[last|first]]. {Could you write/Could I have} $want with the places in the order of $a?",
        ),
        parameters="ints",
        returns="ints",
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
        references=(
            lambda values: [sorted(values)[::-1].index(v) + 1 for v in values],
            lambda values: [len(values) - sorted(values).index(v) for v in values],
        ),
        inputs=[(rng.sample([u, v, v, w, u], 4),), ([w, w, u],), ([v, u, v, v],), ([u, w, v],), ([u],), ([],)],
    )


def who_starts(rng: Rng) -> MirrorContent:
    """Swap which list begins when two lists take turns."""
    n = rng.number(2, 4)
    pool = rng.numbers(2 * n, 1, 60)
    return code_mirror(
        rng,
        "which list begins when entries are taken in turn",
        (
            "{interleave/weave} {left/warp} {right/weft}",
            "$Want, please. $a and $b are equally long; the result takes one entry from each in turn, {beginning/"
            "starting} with [[$a|$b]], so that the very last one comes from [[$b|$a]].",
        ),
        (
            "{deal/turns} {red/north} {blue/south}",
            "card game in $l. two players' cards $a and $b (same number of cards) end up on a pile alternately. "
            "[[$a|$b]] goes first, [[$b|$a]] second, {and so on/etc}. $sig -> the pile as $ares, first card in front",
        ),
        (
            "{programme/running_order} {choirs/singers} {bands/players}",
            "At the festival in $town {choirs and bands alternate, and there are as many of one as of the other./we "
            "have just as many choirs as bands, which take turns on the stage.} >> Who opens? >> A [[choir|band]], and "
            "so a [[band|choir]] closes the evening. $a has the choirs' ids and $b the bands'; {please write/now "
            "write} $want for the evening's order.",
        ),
        parameters="ints ints",
        returns="ints",
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
        references=(
            lambda u, v: [(u, v)[i % 2][i // 2] for i in range(2 * len(u))],
            lambda u, v: [(v, u)[i % 2][i // 2] for i in range(2 * len(u))],
        ),
        inputs=[(pool[:n], pool[n:]), ([1, 2], [3, 4]), ([6], [6]), ([], [])],
    )
