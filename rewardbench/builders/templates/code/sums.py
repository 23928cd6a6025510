"""Templates about arithmetic: which role each argument plays, and which step comes first.

Example of a mirror, from `subtracted_from`:

    prompt a: "... every entry of measured has been subtracted from the entry of target at the same place."
    prompt b: "... every entry of target has been subtracted from the entry of measured at the same place."
    response x, right for a: `return [p - q for p, q in zip(target, measured)]`
    response y, right for b: `return [q - p for p, q in zip(target, measured)]`
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.code.assembly import code_mirror, ints


def subtracted_from(rng: Rng) -> MirrorContent:
    """Swap which of two lists is subtracted from the other."""
    n = rng.number(3, 5)
    return code_mirror(
        rng,
        "which list is subtracted from which",
        (
            "{differences/minus} {planned/target} {actual/measured}",
            "$Want, please: two $list arguments of the same length, and the result is $ares in which every entry of "
            "[[$b|$a]] has been subtracted from the entry of [[$a|$b]] at the same place.",
        ),
        (
            "{drift/offsets} {mine/left_clock} {theirs/right_clock}",
            "two clocks were read at the same moments, readings in $a and $b (seconds, ints, equally many). want the "
            "differences as $ares, positive where [[$a|$b]] is larger, negative where [[$b|$a]] is larger. $l, $sig",
        ),
        (
            "{change/balance} {arrivals/boarded} {departures/left_bus}",
            "At every stop of a tram in $town some people get on and some get off. $p keeps both in equally long "
            "{records/columns}, $a and $b. Per stop, the report shows the number [[from $a|from $b]] less the number "
            "[[from $b|from $a]], and may well be negative. Could you make $want for it?",
        ),
        parameters="ints ints",
        returns="ints",
        bodies={
            "python": "return [⟦p - q|q - p⟧ for p, q in zip($a, $b)]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int i = 0; i < $a.length; i++) {
                    out.add(⟦$a[i] - $b[i]|$b[i] - $a[i]⟧);
                }
                return out;
            """,
            "javascript": "return $a.map((x, i) => ⟦x - $b[i]|$b[i] - x⟧);",
        },
        references=(
            lambda u, v: [u[i] - v[i] for i in range(len(u))],
            lambda u, v: [v[i] - u[i] for i in range(len(u))],
        ),
        inputs=[(ints(rng, n, 1, 50), ints(rng, n, 1, 50)), ([4, 9], [9, 4]), ([6], [6]), ([], [])],
    )


def which_divides(rng: Rng) -> MirrorContent:
    """Swap the direction of a rate: multiply by it, or divide by it."""
    rate = rng.number(3, 9)
    return code_mirror(
        rng,
        "multiply by the rate or divide by it",
        (
            "{to_pearls/pearls_for} {shells/count} {rate/ratio}",
            "In a board game one can trade shells for pearls. {Here/In it} one [[pearl|shell]] is worth $b times as "
            "much as one [[shell|pearl]]. I'd like $want that turns a number of shells, $a, into the number of pearls "
            "one gets; the trade always comes out even.",
        ),
        (
            "{convert/exchange} {amount/money} {rate/quote}",
            "$l: $sig. $a is an amount in tala, convert it into lira. $b is the price of one [[lira|tala]] told in "
            "[[tala|lira]]. {only/you'll only get} ints, and if theres a division it has no remainder",
        ),
        (
            "{scaled/resize} {length/edge} {scale/ratio}",
            "Our model railway club in $town states a scale as a number $b. It says how many units of the [[original|"
            "model]] correspond to one unit of the [[model|original]]. {Write/Please write} $want that takes a "
            "length $a of the original and returns the model's length. Everything stays integral.",
        ),
        parameters="int int",
        returns="int",
        bodies={
            "python": "return $a ⟦//|*⟧ $b",
            "java": "return $a ⟦/|*⟧ $b;",
        },
        references=(lambda amount, r: len(range(0, amount, r)), lambda amount, r: sum([amount] * r)),
        inputs=[(rate * rng.number(3, 20), rate), (rate * 4, rate), (0, rate), (12, 1)],
    )


def percentage_or_voucher(rng: Rng) -> MirrorContent:
    """Swap whether a percentage or a fixed sum is deducted first."""
    percent, off = rng.pick((10, 20, 25, 50)), rng.number(2, 9) * 100
    return code_mirror(
        rng,
        "percentage first or fixed sum first",
        (
            "{to_pay/final_price} {price/amount} {percent/rebate} {voucher/cents_off}",
            "A web shop in $town computes in cents. First the [[rebate|voucher]] is applied, after it the "
            "[[voucher|rebate]]: the rebate takes off $b percent of what is due at that moment, the voucher takes off "
            "$c. {Please write/Write} $want for a price $a; all divisions come out even, nothing goes below zero.",
        ),
        (
            "{payout/net} {gross/prize} {rate/tax} {fee/fixed_fee}",
            "$l. from a prize $a the lottery keeps $b % tax and a fixed fee of $c. which one comes first? the "
            "[[tax|fee]]. and the [[fee|tax]] is second, the second is computed on what the first left. $sig, ints, "
            "{no rounding needed/it always divides}",
        ),
        (
            "{remaining/stock_after} {content/litres} {loss/percent} {drawn/taken}",
            "A vat of $a litres loses something twice before spring: $b percent of its content evaporates, and $c "
            "litres are drawn. >> Which happens earlier? >> The [[evaporation|drawing]]; the [[drawing|evaporation]] "
            "is {later/the later one}. Give me $want for the litres left. Whole numbers throughout.",
        ),
        parameters="int int int",
        returns="int",
        bodies={
            "python": "return ⟦$a * (100 - $b) // 100 - $c|($a - $c) * (100 - $b) // 100⟧",
            "java": "return ⟦$a * (100 - $b) / 100 - $c|($a - $c) * (100 - $b) / 100⟧;",
            "cpp": """
                int rest = $a;
                ⟦rest -= rest * $b / 100;|rest -= $c;⟧
                ⟦rest -= $c;|rest -= rest * $b / 100;⟧
                return rest;
            """,
        },
        references=(
            lambda price, pc, sum_off: price - price * pc // 100 - sum_off,
            lambda price, pc, sum_off: price - sum_off - (price - sum_off) * pc // 100,
        ),
        inputs=[
            (rng.number(20, 60) * 100, percent, off),
            (4000, percent, off),
            (3000, percent, 0),
            (5000, 0, off),
        ],
    )


def morning_and_evening(rng: Rng) -> MirrorContent:
    """Swap whether a loop doubles first or takes away first."""
    k = rng.number(2, 5)
    start = rng.number(k + 2, 20)
    return code_mirror(
        rng,
        "first double and then take away, or first take away and then double",
        (
            "{after_days/lilies} {start/leaves} {taken/cut} {days/n}",
            "Water lilies, $a leaves at first. Each {morning/day at dawn} [[their number doubles|$b leaves are cut]]"
            ", each evening [[$b leaves are cut|their number doubles]]. $Want, please, for the leaves after $c whole "
            "days.",
        ),
        (
            "{tokens/purse} {coins/gold} {toll/fare} {rounds/bridges}",
            "fairy tale homework. a traveller has $a coins. every round the troll does 2 things: [[doubles the purse|"
            "takes $b coins]], then [[takes $b coins|doubles the purse]]. $l, $sig = coins after that many rounds. "
            "{debt is fine, just go negative/may go negative}. with $e1, $e2, $e3 its [[$x|$y]], not [[$y|$x]]",
        ),
        (
            "{culture/cells_left} {cells/count} {sample/probe} {cycles/steps}",
            "$p models a culture of cells in steps. The first half of a step is [[a division of all cells in two|the "
            "removal of $b cells]], the second half is [[the removal of $b cells|a division of all cells in two]]. "
            "{Could you write/Can you write} $want that starts with $a cells and returns how many there are $c steps "
            "later? There are always enough cells.",
        ),
        parameters="int int int",
        returns="int",
        bodies={
            "python": """
                left = $a
                for _ in range($c):
                    left = ⟦left * 2 - $b|(left - $b) * 2⟧
                return left
            """,
            "java": """
                int left = $a;
                for (int i = 0; i < $c; i++) {
                    left = ⟦left * 2 - $b|(left - $b) * 2⟧;
                }
                return left;
            """,
        },
        references=(
            lambda s, b, n: s * 2**n - b * (2**n - 1),
            lambda s, b, n: s * 2**n - 2 * b * (2**n - 1),
        ),
        inputs=[(start + 8, k, rng.number(2, 4)), (start + 3, k, 1), (30, k, 3), (start, k, 0)],
    )


def seats_along(rng: Rng) -> MirrorContent:
    """Swap numbering along the rows and along the columns."""
    n, m = rng.numbers(2, 3, 7)
    return code_mirror(
        rng,
        "numbered along the rows or along the columns",
        (
            "{locate/position} {number/sticker} {height/row_count} {width/column_count}",
            "A sheet of stickers has $b rows and $c columns, and the stickers are numbered from 0: along a "
            "[[row|column]] first, then on to the next one, so not along a [[column|row]]. {I need/Please write} $want "
            "that returns $ares of two numbers, row and column (both from 0), for sticker $a.",
        ),
        (
            "{where_is/find_bay} {bay/spot} {row_count/down} {column_count/across}",
            "car park with $b rows and $c columns of bays, numbers start at 0 in the top left. they fill a "
            "[[row|column]], then continue in the next, and they never run through a whole [[column|row]] like at "
            "the mall. $l, $sig -> row and column of a bay as $ares, {0-based/from 0}",
        ),
        (
            "{plot_of/garden} {plot/number} {row_count/n_rows} {column_count/n_columns}",
            "Allotments near $town lie in $b rows and $c columns. Counting from plot 0 in a corner, one walks to the "
            "end of a [[row|column]] before starting on the {following/next} one; nobody walks a [[column|row]] that "
            "way. Give me $want which, for plot number $a, returns [row, column], both starting at 0.",
        ),
        parameters="int int int",
        returns="ints",
        bodies={
            "python": "return [⟦$a // $c, $a % $c|$a % $b, $a // $b⟧]",
            "java": """
                List<Integer> out = new ArrayList<>();
                out.add($a ⟦/ $c|% $b⟧);
                out.add($a ⟦% $c|/ $b⟧);
                return out;
            """,
            "javascript": "return [⟦Math.floor($a / $c), $a % $c|$a % $b, Math.floor($a / $b)⟧];",
        },
        references=(
            lambda seat, height, width: [[i, j] for i in range(height) for j in range(width)][seat],
            lambda seat, height, width: [[i, j] for j in range(width) for i in range(height)][seat],
        ),
        inputs=[(rng.number(2, n * m - 2), n, m), (n * m - 2, n, m), (1, n, m), (0, n, m), (n * m - 1, n, m)],
    )


def adults_and_children(rng: Rng) -> MirrorContent:
    """Swap which of two prices belongs to which count."""
    m, n = rng.numbers(2, 2, 9)
    u, v = rng.numbers(2, 5, 20)
    return code_mirror(
        rng,
        "which price belongs to which count",
        (
            "{fare/ferry_fare} {adults/grown_ups} {children/kids} {price/p1} {other_price/p2}",
            "{Please write/May I ask for} $want for the ferry to $town: $a and $b say how many adults and children "
            "come along, $c is what [[an adult|a child]] pays and $d what [[a child|an adult]] pays. It returns the "
            "fare.",
        ),
        (
            "{bill/cost} {drinks/cups} {snacks/bites} {price/p1} {other_price/p2}",
            "$l, $sig. $a = number of hot drinks, $b = number of things to eat. every [[drink|snack]] costs $c, every "
            "[[snack|drink]] costs $d. return the whole bill {as an int/(int)}",
        ),
        (
            "{weight_of/load} {barrels/casks} {sacks/bags} {weight/w1} {other_weight/w2}",
            "A barge takes $a barrels and $b sacks. $p looked up two weights, $c and $d: the [[former|latter]] is that "
            "of a barrel, the [[latter|former]] that of a sack. What is the weight of the load? {As/Put it in} $want, "
            "please.",
        ),
        parameters="int int int int",
        returns="int",
        bodies={
            "python": "return $a * ⟦$c|$d⟧ + $b * ⟦$d|$c⟧",
            "java": "return $a * ⟦$c|$d⟧ + $b * ⟦$d|$c⟧;",
        },
        references=(
            lambda m, n, u, v: sum([u] * m + [v] * n),
            lambda m, n, u, v: sum([v] * m + [u] * n),
        ),
        inputs=[(m, n, u, v), (1, 2, u, v), (2, 2, u, v), (0, 0, u, v)],
    )


def even_and_odd_places(rng: Rng) -> MirrorContent:
    """Swap whether even or odd places are added, with the others subtracted."""
    return code_mirror(
        rng,
        "even or odd places are added, the others subtracted",
        (
            "{check_sum/alternating} {digits/numbers}",
            "{Please write/I need} $want. Positions in $a count from 0. Entries at [[even|odd]] positions are added, "
            "entries at [[odd|even]] positions are subtracted; the result may be negative.",
        ),
        (
            "{rope_position/tug} {pulls/tugs}",
            "tug of war, the teams pull in turns, red starts, then blue, red, blue... $a = how strong each pull is. "
            "the knot moves to the plus side when [[red|blue]] pulls and to the minus side when [[blue|red]] pulls, "
            "starts at 0. where is it {in the end/afterwards}? $l, $sig",
        ),
        (
            "{level/basin} {flows/litres}",
            "The pump in $town switches at each hour: hours 0, 2, 4 and so on [[fill|drain]] the basin, hours 1, 3, 5 "
            "and so on [[drain|fill]] it, by the litres that $a has for the hour. Could you write $want for the change "
            "of the level {over the whole time/in all}, plus meaning more water?",
        ),
        parameters="ints",
        returns="int",
        bodies={
            "python": "return sum(x if i % 2 == ⟦0|1⟧ else -x for i, x in enumerate($a))"
            if rng.chance()
            else "return ⟦sum($a[::2]) - sum($a[1::2])|sum($a[1::2]) - sum($a[::2])⟧",
            "java": """
                int total = 0;
                for (int i = 0; i < $a.length; i++) {
                    total += i % 2 == ⟦0|1⟧ ? $a[i] : -$a[i];
                }
                return total;
            """,
        },
        references=(_added_in_turn, lambda values: _added_in_turn([0, *values])),
        inputs=[(ints(rng, rng.number(4, 6), 1, 30),), ([5, 2, 8],), ([4, 4],), ([7],), ([],)],
    )


def _added_in_turn(values: list[int]) -> int:
    """Add the entries with alternating signs, the first with a plus."""
    total, sign = 0, 1
    for value in values:
        total += sign * value
        sign = -sign
    return total


def lowest_digit(rng: Rng) -> MirrorContent:
    """Swap whether the ones digit is the first or the last of a list of digits."""
    digits = ints(rng, rng.number(3, 4), 1, 9)
    return code_mirror(
        rng,
        "the ones digit stands first or last",
        (
            "{to_number/value} {digits/figures}",
            "$a holds the decimal digits of a number. {Its/The} [[last|first]] entry is the ones digit and its "
            "[[first|last]] entry the most significant digit. $Want that returns the number, {please/if possible}. No "
            "digits at all means 0.",
        ),
        (
            "{read_dials/meter} {dials/wheels}",
            "old gas meter, a row of dials, each shows 0-9. ones are at the [[right|left]], the biggest place at the "
            "[[left|right]]. $a lists them from left to right. $l, $sig, e.g. {for/with} $e1 the meter stands at "
            "[[$x|$y]] and not at [[$y|$x]], no dials = 0",
        ),
        (
            "{decode/read_abacus} {beads/rods}",
            "On $p's abacus every rod shows a digit from 0 to 9. We type the rods into $a starting with the rod for "
            "the [[largest|smallest]] power of ten and ending with the one for the [[smallest|largest]]. {Would "
            "you/Could you} write $want for the number on the abacus? Without rods it's 0.",
        ),
        parameters="ints",
        returns="int",
        bodies={
            "python": """
                total = 0
                for x in ⟦$a|reversed($a)⟧:
                    total = total * 10 + x
                return total
            """,
            "java": """
                int total = 0;
                for (int i = ⟦0; i < $a.length; i++|$a.length - 1; i >= 0; i--⟧) {
                    total = total * 10 + $a[i];
                }
                return total;
            """,
        },
        references=(
            lambda values: int("".join(map(str, values)) or "0"),
            lambda values: sum(v * 10**i for i, v in enumerate(values)),
        ),
        inputs=[(digits,), (digits[:2],), ([4, 0, 0],), ([3, 5, 3],), ([8],), ([],)],
    )
