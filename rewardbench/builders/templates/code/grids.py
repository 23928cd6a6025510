"""Templates about tables: rows and columns, corners, and which index comes first.

Example of a mirror, from `reading_order`:

    prompt a: "... The row index changes slowly there, the column index fast."
    prompt b: "... The column index changes slowly there, the row index fast."
    response x, right for a: `return [x for r in board for x in r]`
    response y, right for b: `return [x for r in zip(*board) for x in r]`
"""

from __future__ import annotations

from math import prod

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.templates.code.assembly import code_mirror, ints, rows


def totals_by(rng: Rng) -> MirrorContent:
    """Swap what the rows and the columns of a table stand for."""
    return code_mirror(
        rng,
        "rows and columns exchange what they stand for",
        (
            "{per_day/daily} {sales/sold}",
            "$a is $agrid of ints from our two kiosks' till: [[rows|columns]] are days, [[columns|rows]] are goods. "
            "$Want, {please/if I may ask}, that returns the total of each day.",
        ),
        (
            "{rain_by_station/by_station} {rain/millimetres}",
            "$l: $sig. rainfall table, never empty, all rows equally long. each [[row|column]] is one station, each "
            "[[column|row]] one month. give me the yearly sum per station, in {the order they stand/order}",
        ),
        (
            "{votes_for/result} {ballots/sheet}",
            "A village near $town votes on a name for its bridge. The sheet has the [[proposals|districts]] down the "
            "side and the [[districts|proposals]] along the top, so that a number says how many votes a proposal got "
            "in a district. {I'd like/Please write} $want for the votes of each proposal, as $ares.",
        ),
        parameters="grid",
        returns="ints",
        bodies={
            "python": "return [sum(r) for r in ⟦$a|zip(*$a)⟧]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int i = 0; i < ⟦$a.length|$a[0].length⟧; i++) {
                    int total = 0;
                    for (int j = 0; j < ⟦$a[0].length|$a.length⟧; j++) total += ⟦$a[i][j]|$a[j][i]⟧;
                    out.add(total);
                }
                return out;
            """,
        },
        references=(
            lambda table: list(map(sum, table)),
            lambda table: [sum(row[j] for row in table) for j in range(len(table[0]))],
        ),
        inputs=[(rows(rng, 3, 0, 9, 3),), (rows(rng, 2, 0, 9, 3),), ([[1, 2], [2, 1]],), ([[7]],)],
    )


def max_of_min(rng: Rng) -> MirrorContent:
    """Swap the largest of the rows' minima and the smallest of their maxima."""
    return code_mirror(
        rng,
        "largest of the rows' smallest or smallest of the rows' largest",
        (
            "{pick_value/compromise} {table/numbers}",
            "From each row of $a take the [[smallest|largest]] number, and among those numbers the [[largest|smallest]]"
            ". {That's/This is} what $want should return. No row is empty and there is at least one.",
        ),
        (
            "{robust/choose} {yields/harvest}",
            "each row = one sort of barley, columns = years of harvest. score of a sort is its [[worst|best]] year. "
            "return the [[best|worst]] score of all the sorts, so an int. bigger is better. $l, $sig. {no empty rows/"
            "rows aren't empty}",
        ),
        (
            "{bottleneck/clearance} {routes/bridges}",
            "Every row of $a lists the clearances under the bridges of one route, in cm. {For/With} each route only "
            "its [[lowest|highest]] bridge is noted. The barge company of $p wants the [[highest|lowest]] of the noted "
            "clearances. Can you write $want? There are routes, and all have bridges.",
        ),
        parameters="grid",
        returns="int",
        bodies={
            "python": "return ⟦max(min(r) for r in $a)|min(max(r) for r in $a)⟧",
            "java": """
                int best = $a[0][0];
                for (int i = 0; i < $a.length; i++) {
                    int edge = $a[i][0];
                    for (int x : $a[i]) edge = ⟦Math.min|Math.max⟧(edge, x);
                    best = i == 0 ? edge : ⟦Math.max|Math.min⟧(best, edge);
                }
                return best;
            """,
            "javascript": "return ⟦Math.max|Math.min⟧(...$a.map((r) => ⟦Math.min|Math.max⟧(...r)));",
        },
        references=(
            lambda table: sorted(sorted(row)[0] for row in table)[-1],
            lambda table: sorted(sorted(row)[-1] for row in table)[0],
        ),
        inputs=[(rows(rng, 3, 1, 30, 3),), (rows(rng, 2, 1, 30, 4),), ([[5]],), ([[4, 4], [4, 4]],)],
    )


def reading_order(rng: Rng) -> MirrorContent:
    """Swap reading a table along its rows and along its columns."""
    return code_mirror(
        rng,
        "read along the rows or along the columns",
        (
            "{flatten/unroll} {board/cells}",
            "{Please write/Write} $want that puts all numbers of the $grid $a into one $res. The [[row|column]] index "
            "changes slowly there, the [[column|row]] index fast. All rows are equally long and there is at least one.",
        ),
        (
            "{label_order/print_order} {sheet/labels}",
            "label printer: $a is $agrid (rectangular, not empty). it prints a whole [[row|column]] before going to "
            "the next one, so not a whole [[column|row]]. left before right, top before bottom. i want the order of "
            "printing as one flat $res. $l, $sig",
        ),
        (
            "{planting/walk} {beds/garden}",
            "$p sows a garden in $town whose beds form the rows and columns of $a, {always walking/and walks} along "
            "[[rows|columns]] rather than [[columns|rows]], beginning each from its low index. $Want should return the "
            "beds' numbers as they are visited, in one $res; the garden is a full rectangle.",
        ),
        parameters="grid",
        returns="ints",
        bodies={
            "python": "return [x for r in ⟦$a|zip(*$a)⟧ for x in r]",
            "java": """
                List<Integer> out = new ArrayList<>();
                for (int i = 0; i < ⟦$a.length|$a[0].length⟧; i++) {
                    for (int j = 0; j < ⟦$a[0].length|$a.length⟧; j++) {
                        out.add(⟦$a[i][j]|$a[j][i]⟧);
                    }
                }
                return out;
            """,
        },
        references=(
            lambda table: [x for r in table for x in r],
            lambda table: [table[i][j] for j in range(len(table[0])) for i in range(len(table))],
        ),
        inputs=[(rows(rng, 2, 1, 50, 3),), (rows(rng, 3, 1, 50, 3),), ([[3, 8]],), ([[4], [2]],)],
    )


def quarter_turn(rng: Rng) -> MirrorContent:
    """Swap turning a picture clockwise and counterclockwise."""
    return code_mirror(
        rng,
        "turned clockwise or counterclockwise",
        (
            "{turn/rotate_tile} {tile/pixels}",
            "$Want that turns a picture ($grid of ints, rectangular, at least one row) by a quarter. What was its top "
            "row is to be the [[right|left]] column afterwards, not the [[left|right]] one. {Return/Give back} a new "
            "picture.",
        ),
        (
            "{spin/quarter} {photo/frame}",
            "photo app in $l. after $sig the corner that used to be top left should be {at the/the} [[top right|bottom "
            "left]], and the one that was bottom right should be the [[bottom left|top right]]. so a quarter turn of "
            "the whole $grid, no mirroring, result is a new one, the input is rectangular and not empty",
        ),
        (
            "{lay_out/turned} {quilt/patches}",
            "You answer questions on $lang for a quilting shop in $town.## A quilt is $agrid of colour numbers, all "
            "rows of one length. I {need/want} to hang it turned by 90 degrees, so that its former left edge is at the "
            "[[top|bottom]] and its former right edge at the [[bottom|top]]. Could you write $want, giving back the "
            "quilt as it hangs?",
        ),
        parameters="grid",
        returns="grid",
        bodies={
            "python": "return [list(r) for r in ⟦zip(*$a[::-1])|list(zip(*$a))[::-1]⟧]",
            "java": """
                int n = $a.length, m = $a[0].length;
                int[][] out = new int[m][n];
                for (int i = 0; i < n; i++) {
                    for (int j = 0; j < m; j++) out⟦[j][n - 1 - i]|[m - 1 - j][i]⟧ = $a[i][j];
                }
                return out;
            """,
            "javascript": """
                const n = $a.length, m = $a[0].length;
                const out = Array.from({ length: m }, () => Array(n));
                for (let i = 0; i < n; i++) {
                    for (let j = 0; j < m; j++) out⟦[j][n - 1 - i]|[m - 1 - j][i]⟧ = $a[i][j];
                }
                return out;
            """,
            "cpp": """
                std::size_t n = $a.size(), m = $a[0].size();
                std::vector<std::vector<int>> out(m, std::vector<int>(n));
                for (std::size_t i = 0; i < n; ++i)
                    for (std::size_t j = 0; j < m; ++j) out⟦[j][n - 1 - i]|[m - 1 - j][i]⟧ = $a[i][j];
                return out;
            """,
        },
        references=(
            lambda picture: [[row[j] for row in reversed(picture)] for j in range(len(picture[0]))],
            lambda picture: [[row[j] for row in picture] for j in reversed(range(len(picture[0])))],
        ),
        inputs=[(rows(rng, 2, 1, 9, 3),), (rows(rng, 2, 1, 9),), ([[6]],)],
    )


def which_diagonal(rng: Rng) -> MirrorContent:
    """Swap the falling and the rising diagonal of a square."""
    return code_mirror(
        rng,
        "the diagonal that falls or the one that rises",
        (
            "{diagonal/slanted} {square/matrix}",
            "$Want for a square $grid: the sum along the diagonal that runs from the {upper/top} [[left|right]] corner "
            "down to the [[right|left]].",
        ),
        (
            "{fold_sum/crease} {paper/sheet}",
            "$alist of rows, as many rows as columns, ints. someone folds the sheet once, and the crease goes from the "
            "bottom [[right|left]] to the {opposite corner/far corner}, top [[left|right]]. add up the numbers it goes "
            "through, $l, $sig",
        ),
        (
            "{hedge/hedge_sum} {plot/field}",
            "A square field in $town is mapped in $a: row 0 lies to the north, column 0 to the west. A hedge crosses "
            "it from the [[northwest|northeast]] corner to the other end of that diagonal; {a second one/another}, "
            "from the [[northeast|northwest]], has been cut. Please write $want that sums the cells under the hedge "
            "that still stands.",
        ),
        parameters="grid",
        returns="int",
        bodies={
            "python": "return sum($a[i]⟦[i]|[-1 - i]⟧ for i in range(len($a)))",
            "java": """
                int total = 0;
                int n = $a.length;
                for (int i = 0; i < n; i++) total += $a[i][⟦i|n - 1 - i⟧];
                return total;
            """,
        },
        references=(
            lambda square: sum(row[i] for i, row in enumerate(square)),
            lambda square: sum(row[::-1][i] for i, row in enumerate(square)),
        ),
        inputs=[(rows(rng, 3, 1, 20, 3),), (rows(rng, 2, 1, 20),), (rows(rng, 4, 1, 20, 4),), ([[9]],)],
    )


def every_some(rng: Rng) -> MirrorContent:
    """Swap "every row has some such entry" and "some row has only such entries"."""
    k = rng.number(4, 6)
    random_tables = [rows(rng, 3, 1, 9, 3) for _ in range(4)]
    return code_mirror(
        rng,
        "every row has some entry, or some row has only such entries",
        (
            "{bonus_due/bonus} {sales/weeks} {goal/target}",
            "{Every/Each} row of $a is a week and every column in it a shop. The bonus is paid if in [[every|some]] "
            "week [[some|every]] shop sold at least $b pieces. I'd like $want that says whether it is paid (true) or "
            "not.",
        ),
        (
            "{passes/accepted} {marks/sheet} {need/bar}",
            "cooking contest, a row of marks per judge, a column per dish. the cook is through if [[each|some]] "
            "judge gave $b or more to [[some|each]] dish. $l, $sig, true when {the cook is through/through}",
        ),
        (
            "{watertight/certified} {tests/trials} {least/minimum}",
            "$p tests diving watches: a row per watch, in it the depths it stood, never empty. The lot passes when, "
            "for [[every|some]] watch, [[some|every]] trial of that watch reached $b or more. Could you write $want, "
            "true for a lot that passes? {There is at least one watch/At least one watch is tested}.",
        ),
        parameters="grid int",
        returns="bool",
        bodies={
            "python": "return ⟦all(any|any(all⟧(x >= $b for x in r) for r in $a)",
            "java": """
                for (int[] r : $a) {
                    boolean ok = ⟦false|true⟧;
                    for (int x : r) if (x ⟦>=|<⟧ $b) ok = ⟦true|false⟧;
                    if (⟦!ok|ok⟧) return ⟦false|true⟧;
                }
                return ⟦true|false⟧;
            """,
            "javascript": "return $a.⟦every|some⟧((r) => r.⟦some|every⟧((x) => x >= $b));",
        },
        references=(
            lambda table, limit: min(map(max, table)) >= limit,
            lambda table, limit: max(map(min, table)) >= limit,
        ),
        inputs=[
            *((table, k) for table in random_tables),
            ([[k, k - 1], [k - 1, k]], k),
            ([[k, k], [1, 1]], k),
            ([[k, k]], k),
            ([[1, 2]], k),
        ],
    )


def counted_from(rng: Rng) -> MirrorContent:
    """Swap which of two indices counts from 0, and which from 1."""
    seats = rows(rng, 4, 10, 99, 4)
    i, j = rng.numbers(2, 1, 3)
    if seats[i][j - 1] == seats[i - 1][j]:
        raise Resample
    return code_mirror(
        rng,
        "rows count from 0 and columns from 1, or the other way round",
        (
            "{seat/chair_id} {hall/plan} {row/row_number} {chair/chair_number}",
            "In the cinema of $town the [[rows|chairs]] are numbered from 0, the [[chairs|rows]] from 1, don't ask "
            "why. $a is $agrid of chair ids, row by row. {I'd like/Please write} $want that gives the id of the chair "
            "with the printed row number $b and chair number $c.",
        ),
        (
            "{cell/look_up} {sheet/cells} {line/line_number} {column/column_number}",
            "$l: $sig. our sheet program is weird, its first [[line|column]] is 0, its first [[column|line]] is 1. $a "
            "has the lines one after the other. return the value in line $b, column $c ({valid/they exist})",
        ),
        (
            "{mailbox/box} {wall/boxes} {level/tier} {slot/position}",
            "Mailboxes: $a holds levels from top to bottom, a level holds boxes from left to right. People here say "
            '"level [[zero|one]]" for the top level, and the box at the very left is box "[[one|zero]]" to them. '
            "$Want takes level and box as people say it and returns the number stored there{, please/, thanks}.",
        ),
        parameters="grid int int",
        returns="int",
        bodies={
            "python": "return $a⟦[$b][$c - 1]|[$b - 1][$c]⟧",
            "java": "return $a⟦[$b][$c - 1]|[$b - 1][$c]⟧;",
        },
        references=(lambda grid, row, column: grid[row][:column][-1], lambda grid, row, column: grid[:row][-1][column]),
        inputs=[(seats, i, j), (seats, 2, 2), ([[7, 7], [7, 7]], 1, 1)],
    )


def sum_of_products(rng: Rng) -> MirrorContent:
    """Swap the sum of products and the product of sums."""
    return code_mirror(
        rng,
        "products are added, or sums are multiplied",
        (
            "{combine/fold} {rows/table}",
            "For every row of $a [[multiply|add]] its numbers, then [[add|multiply]] what you got for the rows. "
            "{Rows/They} are never empty, and there is at least one. $Want, please.",
        ),
        (
            "{puzzle/solve} {groups/lines}",
            "{puzzle/riddle} for the kids: groups of small numbers, within a group use [[times|plus]], between groups "
            "use [[plus|times]]. whats the result, as $l, $sig? at least one group, none empty. $e1 -> [[$x|$y]] and "
            "not [[$y|$x]]",
        ),
        (
            "{ways/outcomes} {menus/choices}",
            "$p counts lunches. {A row of/Each row of} $a holds some counts; the counts of one row have to be "
            "[[multiplied|summed up]], and the results of the rows are [[summed up|multiplied]] in the end. No row "
            "lacks numbers and there is always a row. I'd be glad of $want that returns this.",
        ),
        parameters="grid",
        returns="int",
        bodies={
            "python": """
                total = ⟦0|1⟧
                for r in $a:
                    part = ⟦1|0⟧
                    for x in r:
                        part ⟦*=|+=⟧ x
                    total ⟦+=|*=⟧ part
                return total
            """,
            "java": """
                int total = ⟦0|1⟧;
                for (int[] r : $a) {
                    int part = ⟦1|0⟧;
                    for (int x : r) part ⟦*=|+=⟧ x;
                    total ⟦+=|*=⟧ part;
                }
                return total;
            """,
        },
        references=(_products_added, _sums_multiplied),
        inputs=[([ints(rng, rng.number(2, 3), 2, 6) for _ in range(3)],), ([[2, 5], [3, 4]],), ([[6]],), ([[2, 2]],)],
    )


def _products_added(table: list[list[int]]) -> int:
    """Multiply within each row, and add the products."""
    return sum(map(prod, table))


def _sums_multiplied(table: list[list[int]]) -> int:
    """Add within each row, and multiply the sums."""
    return prod(map(sum, table))
