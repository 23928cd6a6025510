"""Templates about strings: which end, which part, and which of two rules.

Example of a mirror, from `first_or_last_dash`:

    prompt a: "... the part of tag before its first hyphen, not the part before its last hyphen. ..."
    prompt b: "... the part of tag before its last hyphen, not the part before its first hyphen. ..."
    response x, right for a: `return tag[: tag.find("-")]`
    response y, right for b: `return tag[: tag.rfind("-")]`
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.code.assembly import code_mirror

WORDS = """
    amber basil cedar clove coral dill ebony fennel ginger hazel indigo jade kelp lemon maple mint nutmeg olive onyx
    pearl pepper plum quartz rose ruby sage teal thyme topaz violet walnut willow
""".split()


def begins_and_ends(rng: Rng) -> MirrorContent:
    """Swap which of two pieces is the prefix, and which the suffix."""
    u, v = rng.sample(("ax", "be", "cor", "di", "em", "fo", "ga", "hu"), 2)
    middle = rng.sample(WORDS, 4)
    codes = [u + middle[0] + v, v + middle[1] + u, u + middle[2] + v, u + middle[3]]
    return code_mirror(
        rng,
        "which piece is the prefix and which the suffix",
        (
            "{count_codes/matching} {codes/keys} {one/piece} {other/other_piece}",
            "How many of the strings in $a start with [[$b|$c]] and end with [[$c|$b]]? $Want, please. {Upper and "
            "lower case are different/Case matters}; a string is always longer than $b and $c together.",
        ),
        (
            "{lot_numbers/tally} {labels/lots} {piece/part} {other_piece/other_part}",
            "$l, $sig. labels on seed bags are glued together from a piece in front, some text, and a piece behind. in "
            "front it has to be [[$b|$c]], behind it has to be [[$c|$b]], count those. {labels are/each label is} "
            "longer than both pieces",
        ),
        (
            "{villages/named} {names/places} {piece/part} {other_piece/other_part}",
            "$p collects place names around $town for a dialect map and looks for those in which [[$c|$b]] stands at "
            "the end while [[$b|$c]] stands at the beginning. Could you write $want that says how many there are? No "
            "name is so short that {the two/both} could overlap.",
        ),
        parameters="strs str str",
        returns="int",
        bodies={
            "python": "return sum(1 for s in $a if s.startswith(⟦$b|$c⟧) and s.endswith(⟦$c|$b⟧))",
            "java": """
                int count = 0;
                for (String s : $a) {
                    if (s.startsWith(⟦$b|$c⟧) && s.endsWith(⟦$c|$b⟧)) count++;
                }
                return count;
            """,
            "javascript": "return $a.filter((s) => s.startsWith(⟦$b|$c⟧) && s.endsWith(⟦$c|$b⟧)).length;",
            "cpp": """
                int count = 0;
                for (const std::string& s : $a) {
                    bool front = s.compare(0, ⟦$b|$c⟧.size(), ⟦$b|$c⟧) == 0;
                    bool back = s.compare(s.size() - ⟦$c|$b⟧.size(), ⟦$c|$b⟧.size(), ⟦$c|$b⟧) == 0;
                    if (front && back) ++count;
                }
                return count;
            """,
        },
        references=(
            lambda codes, u, v: sum(c[: len(u)] == u and c[-len(v) :] == v for c in codes),
            lambda codes, u, v: sum(c[: len(v)] == v and c[-len(u) :] == u for c in codes),
        ),
        inputs=[(codes, u, v), (codes[:1], u, v), (codes[:2], u, v), ([], u, v)],
    )


def first_or_last_dash(rng: Rng) -> MirrorContent:
    """Swap cutting a label at its first dash and at its last."""
    u, v, w, z = rng.sample(WORDS, 4)
    return code_mirror(
        rng,
        "cut at the first or at the last separator",
        (
            "{stem/head} {label/tag}",
            "$Want, please: the part of $a before its [[first|last]] hyphen, not the part before its [[last|first]] "
            "hyphen. {There is always/It always has} at least one hyphen.",
        ),
        (
            "{family_part/cut} {species/variety}",
            "plant names like {this/this one}: $e1. split at a hyphen and give back what's left of it. if there are "
            "more, use the one nearest to the [[start|end]] and leave alone those nearer to the [[end|start]]. >> "
            "Which language? >> $l, $sig, one hyphen is guaranteed",
        ),
        (
            "{series/shelf_mark} {signature/mark}",
            "Library of $town: a shelf mark has one or more hyphens. From $e1 our catalogue card takes [[$x|$y]], from "
            "now on, and no longer [[$y|$x]]: the text {ahead of/in front of} the [[first|last]] hyphen instead of the "
            "[[last|first]]. I need $want.",
        ),
        parameters="str",
        returns="str",
        bodies={
            "python": 'return $a.⟦split|rsplit⟧("-", 1)[0]' if rng.chance() else 'return $a[: $a.⟦find|rfind⟧("-")]',
            "java": 'return $a.substring(0, $a.⟦indexOf|lastIndexOf⟧("-"));',
            "javascript": 'return $a.slice(0, $a.⟦indexOf|lastIndexOf⟧("-"));',
            "cpp": "return $a.substr(0, $a.⟦find|rfind⟧('-'));",
        },
        references=(
            lambda text: text.partition("-")[0],
            lambda text: "-".join(text.split("-")[:-1]),
        ),
        inputs=[(f"{u}-{v}-{w}",), (f"{v}-{u}-{z}-{w}",), (f"{z}-{u}",), (f"-{v}",)],
    )


def padded_sides(rng: Rng) -> MirrorContent:
    """Swap which of two strings is padded on the left, and which on the right."""
    item, width = rng.pick(WORDS), rng.number(9, 12)
    return code_mirror(
        rng,
        "which of two strings is padded on the left, and which on the right",
        (
            "{line/menu_line} {dish/item} {price/amount} {width/columns}",
            "A line of the printed menu consists of $a and $b, each brought to exactly $c characters with dots and "
            "then put together, $a before $b. The dots of [[$a|$b]] stand on its right, the dots of [[$b|$a]] on its "
            "left. {Please write/I need} $want; neither string is longer than $c.",
        ),
        (
            "{board_row/print_row} {place/stop} {leaves/hour} {w/chars}",
            '$l, $sig for the departures board in $town. fill both strings up to $c chars with "." and join them, $a '
            "first. [[$a|$b]] is left aligned, [[$b|$a]] is right aligned. {they always fit/both fit}",
        ),
        (
            "{contents_line/toc_line} {title/chapter} {page/folio} {width/chars}",
            "Table of contents, plain text. {Fill/Pad} both strings with dots until each has $c characters, then glue "
            "the second to the first. >> Where do the dots go? >> [[Before|Behind]] the text of $b; [[behind|before]] "
            "the text of $a. As $want, please, no string is too long.",
        ),
        parameters="str str int",
        returns="str",
        bodies={
            "python": 'return $a.⟦ljust|rjust⟧($c, ".") + $b.⟦rjust|ljust⟧($c, ".")',
            "java": """
                String front = ".".repeat($c - $a.length());
                String back = ".".repeat($c - $b.length());
                return ⟦$a + front + back + $b|front + $a + $b + back⟧;
            """,
            "javascript": 'return $a.⟦padEnd|padStart⟧($c, ".") + $b.⟦padStart|padEnd⟧($c, ".");',
            "cpp": """
                std::string front($c - $a.size(), '.');
                std::string back($c - $b.size(), '.');
                return ⟦$a + front + back + $b|front + $a + $b + back⟧;
            """,
        },
        references=(
            lambda u, v, n: u + "." * (2 * n - len(u) - len(v)) + v,
            lambda u, v, n: "." * (n - len(u)) + u + v + "." * (n - len(v)),
        ),
        inputs=[(item, str(rng.number(2, 99)), width), ("a", "bc", 3), (item, item, len(item)), ("xy", "zz", 2)],
    )


def login_name(rng: Rng) -> MirrorContent:
    """Swap which name is cut to its initial, and which is kept in full."""
    first_name, family_name = rng.people(2)
    return code_mirror(
        rng,
        "which name is cut to its initial",
        (
            "{login/account} {given/forename} {family/surname}",
            "Accounts here are named with the first letter of the [[given|family]] name followed by the whole [[family|"
            "given]] name, nothing between, {as typed/no change of case}. $Want, please; $a is the given name, $b the "
            "family name, and neither is empty.",
        ),
        (
            "{badge/name_badge} {personal/own_name} {clan/clan_name}",
            "$l: $sig. name badges for the fair. $a = personal name, $b = clan name (never empty). shorten the "
            "[[personal|clan]] name to its first letter, leave the [[clan|personal]] name {whole/as it is}, put the "
            "letter in front, no space no dot",
        ),
        (
            "{label_for/crate_label} {grower/farm} {kind/variety}",
            "At the apple market of $town a crate's label is made from $a and $b, both non-empty: the initial of "
            "[[$a|$b]] and then all of [[$b|$a]], glued together. {So/That is,} for $e1 and $e2 it is [[$x|$y]] and "
            "not [[$y|$x]]. Could you write $want?",
        ),
        parameters="str str",
        returns="str",
        bodies={
            "python": "return ⟦$a[0] + $b|$b[0] + $a⟧",
            "java": "return ⟦$a.charAt(0) + $b|$b.charAt(0) + $a⟧;",
        },
        references=(lambda u, v: u[:1] + v, lambda u, v: v[:1] + u),
        inputs=[(first_name, family_name), (family_name, first_name), ("Ada", "Ada"), ("Q", "Q")],
    )


def readable_end(rng: Rng) -> MirrorContent:
    """Swap whether the first or the last characters of a secret stay readable."""
    text = rng.pick(WORDS) + str(rng.number(100, 999))
    return code_mirror(
        rng,
        "the first or the last characters stay readable",
        (
            "{mask/hide} {token/secret} {n/shown}",
            "$Want: $b characters at the [[beginning|end]] of $a stay as they are, and everything towards the [[end|"
            "beginning]] is replaced by one star per character. {$b is at least 1 and no more than the length/1 <= $b "
            "<= length}.",
        ),
        (
            "{starred/blur} {card/card_number} {keep/visible}",
            "receipt printer, $l: $sig. keep the [[leftmost|rightmost]] $b characters and star out the others, i.e. "
            "not the [[rightmost|leftmost]] ones. $b is never 0 and never more than there are. {same length as "
            "before/the length stays the same}",
        ),
        (
            "{redact/cover} {reference/booking} {shown/clear}",
            "A hotel in $town prints booking references with stars for privacy. For $e1 with $e2 it should print "
            "[[$x|$y]], it printed [[$y|$x]] until today. {Could you write/May I have} $want? $b lies between 1 and "
            "the reference's length.",
        ),
        parameters="str int",
        returns="str",
        bodies={
            "python": 'return ⟦$a[:$b] + "*" * (len($a) - $b)|"*" * (len($a) - $b) + $a[-$b:]⟧',
            "java": """
                int rest = $a.length() - $b;
                return ⟦$a.substring(0, $b) + "*".repeat(rest)|"*".repeat(rest) + $a.substring(rest)⟧;
            """,
            "javascript": 'return ⟦$a.slice(0, $b).padEnd|$a.slice(-$b).padStart⟧($a.length, "*");',
            "cpp": """
                std::string stars($a.size() - $b, '*');
                return ⟦$a.substr(0, $b) + stars|stars + $a.substr($a.size() - $b)⟧;
            """,
        },
        references=(
            lambda text, n: "".join(c if i < n else "*" for i, c in enumerate(text)),
            lambda text, n: "".join(c if i >= len(text) - n else "*" for i, c in enumerate(text)),
        ),
        inputs=[(text, rng.number(2, 3)), (text, 1), ("abc", 3), ("anna", 4)],
    )


def longest_by_alphabet(rng: Rng) -> MirrorContent:
    """Swap whether the first or the last in the alphabet wins among equally long words."""
    size = rng.pick((5, 6))
    long = rng.sample([word for word in WORDS if len(word) == size], 3)
    short = rng.sample([word for word in WORDS if len(word) < size], 1)
    words = rng.sample(long + short, 4)
    return code_mirror(
        rng,
        "of equally long words the first or the last in the alphabet",
        (
            "{longest/pick_word} {words/entries}",
            "{I need/Please write} $want giving the longest of the lower-case words in $a (there is one at least). If "
            "several are equally long: the one that comes [[first|last]] in the dictionary, so not the one that comes "
            "[[last|first]] there.",
        ),
        (
            "{name_tag/widest} {spices/names}",
            "spice rack labels, lowercase a-z. find the longest name, and in case of a draw prefer the one closer to "
            "[[a|z]] over the one closer to [[z|a]] (alphabetically). $l, $sig, {never empty/at least one name}",
        ),
        (
            "{champion/winner} {guesses/answers}",
            "In our word game in $town the longest word wins, all letters small. When words tie, they are put in "
            "alphabetical order and the one at the [[top|bottom]] of it wins, whereas the one at the [[bottom|top]] "
            "has lost. Could you give me $want? {There's always a word/$a is never empty}.",
        ),
        parameters="strs",
        returns="str",
        bodies={
            "python": "return ⟦min($a, key=lambda s: (-len(s), s))|max($a, key=lambda s: (len(s), s))⟧",
            "java": """
                String best = $a[0];
                for (String s : $a) {
                    boolean tie = s.length() == best.length();
                    if (s.length() > best.length() || tie && s.compareTo(best) ⟦<|>⟧ 0) best = s;
                }
                return best;
            """,
            "javascript": """
                let best = $a[0];
                for (const s of $a) {
                    const tie = s.length === best.length;
                    if (s.length > best.length || (tie && s ⟦<|>⟧ best)) best = s;
                }
                return best;
            """,
            "cpp": """
                std::string best = $a[0];
                for (const std::string& s : $a) {
                    if (s.size() > best.size() || (s.size() == best.size() && s ⟦<|>⟧ best)) best = s;
                }
                return best;
            """,
        },
        references=(
            lambda words: sorted(word for word in words if len(word) == max(map(len, words)))[0],
            lambda words: sorted(word for word in words if len(word) == max(map(len, words)))[-1],
        ),
        inputs=[(words,), (long,), ([*long[:1], "zo", "ab"],), (["fig"],)],
    )
