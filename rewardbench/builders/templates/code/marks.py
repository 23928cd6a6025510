"""Templates about marks in texts: what a mark stands for, which rule wins, and which separator is the inner one.

Example of a mirror, from `which_zeros_go`:

    prompt a: "... remove the 0s on the left, keep the ones on the right. so "0075050" -> "75050", not "007505""
    prompt b: "... remove the 0s on the right, keep the ones on the left. so "0075050" -> "007505", not "75050""
    response x, right for a: `return reading.lstrip("0")`
    response y, right for b: `return reading.rstrip("0")`
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.code.assembly import code_mirror, ints


def which_zeros_go(rng: Rng) -> MirrorContent:
    """Swap removing the zeros in front and the zeros at the end."""
    core = str(rng.number(11, 99)) + "0" + str(rng.number(1, 9))
    return code_mirror(
        rng,
        "zeros in front or zeros behind are dropped",
        (
            "{trim/strip_zeros} {serial/code}",
            "Serial numbers come as strings of digits. All zeros at the [[front|back]] have to go, zeros at the [[back|"
            "front]] and those inside have to stay. {Please write/Write me} $want. No serial number is all zeros.",
        ),
        (
            "{clean/normalise} {reading/raw}",
            "$l, $sig. string of digits from the scales, never only zeros. {get rid of/remove} the 0s on the "
            "[[left|right]], keep the ones on the [[right|left]]. so $e1 -> [[$x|$y]], not [[$y|$x]]",
        ),
        (
            "{core_of/unpadded} {account/field}",
            "The bank in $town sends fields padded with zeros. Its clerk, $p, tells us: [[leading|trailing]] zeros "
            "are padding, [[trailing|leading]] zeros belong to the number. {Would you write/Could you give me} $want "
            "which returns the field, still a string, without its padding? At least one digit isn't zero.",
        ),
        parameters="str",
        returns="str",
        bodies={
            "python": 'return $a.⟦lstrip|rstrip⟧("0")',
            "javascript": 'return $a.replace(/⟦^0+|0+$⟧/, "");',
            "java": 'return $a.replaceFirst("⟦^0+|0+$⟧", "");',
            "cpp": """
                ⟦auto at = $a.find_first_not_of('0');|auto at = $a.find_last_not_of('0');⟧
                return ⟦$a.substr(at)|$a.substr(0, at + 1)⟧;
            """,
        },
        references=(
            lambda text: text[next(i for i, c in enumerate(text) if c != "0") :],
            lambda text: text[: max(i for i, c in enumerate(text) if c != "0") + 1],
        ),
        inputs=[(f"00{core}0",), (f"0{core}000",), (core,), ("7",), ("5050",)],
    )


def inner_and_outer_marks(rng: Rng) -> MirrorContent:
    """Swap the separator within groups and the separator between groups."""
    table = [rng.numbers(rng.number(2, 3), 1, 20), rng.numbers(2, 1, 20)]
    u, v = rng.sample(("/", ";", ":", "+", "-"), 2)
    return code_mirror(
        rng,
        "which separator is the inner one",
        (
            "{render/to_text} {groups/parts} {one/sep1} {two/sep2}",
            "$Want makes one string out of the $grid $a. Within a row the numbers are joined by [[$b|$c]], and the "
            "rows are joined by [[$c|$b]]. {No spaces, nothing/No spaces and nothing} at the ends, please. There is "
            "at least one row and none is empty.",
        ),
        (
            "{to_line/serialise} {rounds/table} {sign/mark} {other_sign/other_mark}",
            "$l, $sig. chess rounds to text: [[$c|$b]] separates rounds, [[$b|$c]] separates the numbers inside a "
            "round. e.g. $e1 with $e2 and $e3 gives [[$x|$y]], not [[$y|$x]]. {never empty/no empty rounds}",
        ),
        (
            "{encode/pack} {shelves/numbers} {sep1/mark} {sep2/other_mark}",
            "A label printer in $town wants its data as text. The [[inner|outer]] separator is $b, the [[outer|inner]] "
            "one $c, i.e. one goes between the numbers of a shelf and one between shelves. {Could you write/Can I "
            "have} $want? Every shelf has numbers, and there is a shelf.",
        ),
        parameters="grid str str",
        returns="str",
        bodies={
            "python": "return ⟦$c|$b⟧.join(⟦$b|$c⟧.join(str(x) for x in r) for r in $a)",
            "java": """
                StringBuilder out = new StringBuilder();
                for (int i = 0; i < $a.length; i++) {
                    if (i > 0) out.append(⟦$c|$b⟧);
                    for (int j = 0; j < $a[i].length; j++) {
                        if (j > 0) out.append(⟦$b|$c⟧);
                        out.append($a[i][j]);
                    }
                }
                return out.toString();
            """,
            "javascript": "return $a.map((r) => r.join(⟦$b|$c⟧)).join(⟦$c|$b⟧);",
            "cpp": """
                std::string out;
                for (std::size_t i = 0; i < $a.size(); ++i) {
                    if (i > 0) out += ⟦$c|$b⟧;
                    for (std::size_t j = 0; j < $a[i].size(); ++j) {
                        if (j > 0) out += ⟦$b|$c⟧;
                        out += std::to_string($a[i][j]);
                    }
                }
                return out;
            """,
        },
        references=(_joined, lambda table, u, v: _joined(table, v, u)),
        inputs=[(table, u, v), ([ints(rng, 2, 1, 9), [3]], u, v), ([[5]], u, v)],
    )


def _joined(table: list[list[int]], inner: str, outer: str) -> str:
    """Join the numbers of each row by one separator, and the rows by the other."""
    text = ""
    for row in table:
        for position, number in enumerate(row):
            separator = inner if position else outer
            text += separator + str(number)
    return text.removeprefix(outer)


def word_that_wins(rng: Rng) -> MirrorContent:
    """Swap which of two rules wins where both apply."""
    m, n = rng.pick(((2, 3), (3, 2), (3, 4), (4, 3), (2, 5), (5, 2)))
    size = m * n + rng.number(0, 2)
    return code_mirror(
        rng,
        "which rule wins where both apply",
        (
            "{calendar/jobs} {days/n} {sweep/s} {wash/w}",
            '$Want: $ares of strings for day 1 to day $a. Every $b days we sweep (days $b, 2*$b, ...), "S"; every $c '
            'days we wash, "W"; other days get "-". When both fall on one day, [[sweeping|washing]] wins over '
            "[[washing|sweeping]], {one letter per day/just one letter}.",
        ),
        (
            "{beads/necklace} {length/beads_in_all} {silver/s_step} {wood/w_step}",
            'necklace pattern, $l: $sig, positions 1 to $a as $ares of one-letter strings. multiples of $b -> "S", '
            'multiples of $c -> "W", {anything else/the rest} -> "-". multiple of both: take the letter for '
            "[[$b|$c]] and not the one for [[$c|$b]]",
        ),
        (
            "{lights/signals} {seconds/ticks} {s_gap/s_every} {w_gap/w_every}",
            'A lighthouse near $town flashes S in seconds divisible by $b and W in seconds divisible by $c, and "-" '
            "stands for a dark second. It can't do both: then the [[S|W]] is shown, the [[W|S]] is left out. I'd like "
            "$want {with the letters/giving the letters} of the seconds 1 to $a, in order.",
        ),
        parameters="int int int",
        returns="strs",
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
        references=(
            lambda size, m, n: ["SW-"[0 if i % m == 0 else 1 if i % n == 0 else 2] for i in range(1, size + 1)],
            lambda size, m, n: ["SW-"[1 if i % n == 0 else 0 if i % m == 0 else 2] for i in range(1, size + 1)],
        ),
        inputs=[(size, m, n), (m * n - 1, m, n), (1, m, n), (0, m, n)],
    )


def blank_or_dash(rng: Rng) -> MirrorContent:
    """Swap whether an empty string or a dash counts as an answer."""
    words = rng.sample(("yes", "no", "tea", "milk", "left", "right", "maybe"), 3)
    answers = rng.sample([*words, "", "", "-", "?"], 6)
    return code_mirror(
        rng,
        "an empty string or a dash counts as an answer",
        (
            "{answered/count_answers} {fields/replies}",
            '$Want, please: how many entries of $a are answers. {An entry that is/A string like} "[[-|?]]" counts as '
            'an answer, "[[?|-]]" and the empty string don\'t, any other text does.',
        ),
        (
            "{filled/non_blank} {cells/boxes}",
            "survey form, $alist of strings. [[?|-]] means nobody touched the box, [[-|?]] means somebody crossed it "
            "out on purpose. {count/I need the number of} boxes somebody wrote in, crossed out ones included, "
            "untouched and "
            'empty ones ("") not. $l, $sig',
        ),
        (
            "{votes/valid} {slips/ballots}",
            'Board election in $town. On a slip, "[[-|?]]" is an abstention, "[[?|-]]" is something nobody could '
            "read. Valid are all slips except the unreadable and the empty ones; an abstention is valid. Could you "
            "send $want {counting/that counts} the valid slips in $a?",
        ),
        parameters="strs",
        returns="int",
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
        references=(
            lambda texts: len(texts) - texts.count("") - texts.count("?"),
            lambda texts: len(texts) - texts.count("") - texts.count("-"),
        ),
        inputs=[([*answers, rng.pick("-?")],), (["-", "?", "x"],), (["a", "", "-", "-"],), ([],)],
    )
