"""Test the grounded reports: both programs agree on all cells, see planted slips, and work alone."""

import json
import re
from dataclasses import replace

import pytest

from rewardbench.builders.build import draw_mirror, draw_square
from rewardbench.builders.check import verify
from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.mirrors import to_json
from rewardbench.builders.templates.hard.leaders import draw_leaders
from rewardbench.verifiers.cells import FAIL, PASS, Cell
from rewardbench.verifiers.hard.grounded import Table, verify_grounded
from rewardbench.verifiers.hard.grounded_second import verify_grounded_again
from rewardbench.verifiers.hard.points import final_points
from rewardbench.verifiers.hard.points_second import play_points

MIRRORS = [replace(draw_mirror("grounded", 7, index), group=f"g{index}") for index in range(12)]
SQUARES = [replace(draw_square("grounded", 7, index), group=f"s{index}") for index in range(4)]

NEW = ("rank", "median", "distinct", "run")

SHEET = """parcel,driver,area,kg,lari,left
P-1,Ida,Old Mill,12,5,07:10
P-2,Omar,Old Mill,8,9,09:30
P-3,Ida,Castle Hill,20,7,08:15
P-4,Ida,Old Mill,20,6,11:45"""


def words(response):
    return len(response.split())


def read(sentence, sheet=SHEET):
    """Return the outcome of the second program."""
    return verify_grounded_again([Cell("r", {}, sentence, True, f"Please report.\n\n{sheet}\n\nThanks, all!")])[0]


def test_both_programs_agree_on_all_cells():
    report = verify([*MIRRORS, *SQUARES])
    assert (report.failed, report.pairs, report.confirmed) == ((), 40, 40)


def test_the_same_key_gives_the_same_bytes():
    assert [to_json(draw_mirror("grounded", 7, n)) for n in range(12)] == [
        to_json(replace(mirror, group="")) for mirror in MIRRORS
    ]


def test_both_prompts_have_the_same_words_and_differ_in_two_cells():
    for mirror in MIRRORS:
        a, b = (re.findall(r"\S+", "\n".join(turn["content"] for turn in prompt)) for prompt in (mirror.a, mirror.b))
        assert sorted(" ".join(a)) == sorted(" ".join(b))
        assert mirror.a != mirror.b


def test_size_grows_with_the_rung():
    sizes = {mirror.source["rung"]: (len(str(mirror.a)), words(mirror.x)) for mirror in MIRRORS}
    assert sizes[1] < sizes[2] < sizes[3] < sizes[4]
    assert 150 <= sizes[4][1] <= 400


@pytest.mark.parametrize("mirror", MIRRORS, ids=lambda mirror: mirror.group)
def test_a_wrong_label_is_rejected_by_the_second_program(mirror):
    """The second program reads no check: the right response of `b` fails for `a` whatever the check says."""
    cells = [cell for cell in mirror.cells() if cell.row.endswith("-a")]
    lying = [replace(cell, check=json.loads(json.dumps(mirror.check["b"]))) for cell in cells]
    assert verify_grounded(lying) == [FAIL, PASS]
    assert verify_grounded_again(lying) == [PASS, FAIL]


def claims_of(mirror):
    """Return the assertions of both responses."""
    claims = mirror.check["a"]["claims"]
    return [[claims[text][0] for text in claims if claims[text] and text in r] for r in (mirror.x, mirror.y)]


@pytest.mark.parametrize("name", ["grounded", "grounded-long"])
def test_responses_on_large_tables_share_no_statement(name):
    mirrors = MIRRORS if name == "grounded" else [draw_mirror(name, 7, 0)]
    for mirror in mirrors:
        if name == "grounded-long" or mirror.source["rung"] > 2:
            x, y = claims_of(mirror)
            assert len(x) == len(y) >= (20 if name == "grounded-long" else 6)
            assert not [claim for claim in x if claim in y]
            assert {claim[0] for claim in x} <= {"count", "total", "lead", "total_lead", "leads", *NEW}


def test_only_the_leader_decides_on_the_upper_rungs():
    for mirror in MIRRORS:
        if mirror.source["rung"] > 2:
            tables = []
            for check in (mirror.check["a"], mirror.check["b"]):
                tables.append(Table([dict(zip(check["header"], row, strict=True)) for row in check["rows"]]))
            leaders = []
            for claims, pattern in zip(claims_of(mirror), ([True, False], [False, True]), strict=True):
                for claim in claims:
                    truths = [table.holds(claim) for table in tables]
                    assert truths == (pattern if claim[0] == "leads" else [True, True])
                leaders += [(claim[2], *claim[3]) for claim in claims if claim[0] == "leads"]
            assert leaders[0] == leaders[1][::-1]


HALVES = (
    '1. A gets as many percent of B\'s points on top as "lari" says, and B keeps its points.\n'
    "2. If A's points are an even number now, half of them move from A to B."
)
RULES = [
    (
        [["grow", "who", "most"]],
        '1) A\'s points go up by as many percent as the figure under "kg".',
        {"Ida": 1617, "Omar": 1084, "Old Mill": 1004, "Castle Hill": 1004},
    ),
    (
        [["percent", "place", "who", "less"], ["half", "who", "place"]],
        HALVES,
        {"Ida": 344, "Omar": 1141, "Old Mill": 1875, "Castle Hill": 1004},
    ),
    (
        [["part", "who", "place", 7], ["trade", "place", "who"]],
        "this happens: first, add a seventh of A's points to B's; A loses nothing by it; "
        "then, A and B trade points if B's are odd at this moment.",
        {"Ida": 1167, "Omar": 1147, "Old Mill": 1170, "Castle Hill": 1147},
    ),
]


def play_both(start, order, steps, text, sheet=SHEET, passes=1):
    """Return the points that each program reaches."""
    header, *lines = (line.split(",") for line in sheet.split("\n"))
    names = ["key", "who", "place", "most", "less", "time"]
    first = final_points([dict(zip(names, line, strict=True)) for line in lines], (start, order, passes, steps))
    prompt = f'Whatever occurs under "driver" or "area" starts out with {start} points. {text}'
    if order == "time":
        prompt += ' Don\'t follow the list: go by "left", from the earliest parcel to the latest.'
    if passes > 1:
        prompt += f" Do so {passes} times over."
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    second = play_points(prompt, rows, lambda time: tuple(map(int, time.split(":"))))
    return first, {name: int(points) for name, points in second.items()}


@pytest.mark.parametrize(("steps", "text", "points"), RULES)
def test_points_by_hand(steps, text, points):
    assert play_both(1004, "list", steps, text) == (points, points)


def test_points_lose_all_but_four_digits_and_follow_the_times():
    grown = {"Ida": 1243, "Omar": 476, "Old Mill": 9700, "Castle Hill": 9700}
    assert play_both(9700, "list", *RULES[0][:2]) == (grown, grown)
    first, second = play_both(1004, "time", *RULES[1][:2], SHEET.replace("11:45", "06:00"))
    assert first == second == {"Ida": 187, "Omar": 1169, "Old Mill": 1840, "Castle Hill": 1191}


@pytest.mark.parametrize(("steps", "text"), [rule[:2] for rule in RULES])
def test_two_passes_are_one_over_the_list_twice(steps, text):
    header, rows = SHEET.split("\n", 1)
    first, second = play_both(1004, "list", steps, text, passes=2)
    assert first == second == play_both(1004, "list", steps, text, "\n".join([header, rows, rows]))[0]
    assert first != play_both(1004, "list", steps, text)[0]


def test_leaders_are_the_closest_that_take_turns():
    rng = Rng("leaders")
    outcomes = [{"Ida": 900, "Omar": 100, "Mei": 500, "Uma": 480}, {"Ida": 100, "Omar": 900, "Mei": 480, "Uma": 500}]
    assert draw_leaders(rng, outcomes) == ["Mei", "Uma"]
    with pytest.raises(Resample):
        draw_leaders(rng, [outcomes[0], outcomes[0]])
    turns = [
        dict(zip("abcd", points, strict=True)) for points in ((4, 1, 2, 3), (3, 4, 1, 2), (2, 3, 4, 1), (1, 2, 3, 4))
    ]
    assert draw_leaders(rng, turns) == list("abcd")
    with pytest.raises(Resample):
        draw_leaders(rng, [*turns[:3], dict.fromkeys("abcd", 5)])


def test_a_rule_that_cannot_be_read_is_an_error():
    assert "no rule" in read("Of Ida and Omar, it is Ida that ends with the most points.")


def test_a_slip_in_a_figure_fails():
    for mirror in MIRRORS:
        cell = next(iter(mirror.cells()))
        match = re.search(r"(?:I count|In all,|comes to) (\d+)", cell.response)
        if match:
            slip = cell.response[: match.start(1)] + str(int(match[1]) + 1) + cell.response[match.end(1) :]
            assert verify_grounded_again([replace(cell, response=slip)]) == [FAIL]
            assert "no assertion" in verify_grounded([replace(cell, response=slip)])[0]


@pytest.mark.parametrize(
    ("sentence", "outcome"),
    [
        ("Parcel P-1 went out with Ida and weighed 12 kg.", PASS),
        ("Parcel P-1 went out with Omar; it also weighed 12 kg.", FAIL),
        ("In all, 3 parcels went to Old Mill.", PASS),
        ("I count 2 parcels that went to Old Mill.", FAIL),
        ("Of the parcels that went to Old Mill, 2 weighed more than 8 kg.", PASS),
        ("Of the parcels that went to Old Mill, 3 weighed more than 8 kg.", FAIL),
        ("Added up, the parcels that went to Old Mill weighed 40 kg.", PASS),
        ("The parcels that went out with Ida and left after 08:00 cost 13 lari in total.", PASS),
        ("Parcel P-4 weighed 20 kg, the highest figure among the parcels that went to Old Mill.", PASS),
        ("Parcel P-4 weighed 20 kg, the highest figure among the parcels that went out with Ida.", FAIL),
        ("The latest of the parcels that went out with Ida is P-4, which left at 11:45.", PASS),
        ("Parcel P-2 left earlier than P-3.", FAIL),
        ("Parcel P-4 weighed 8 kg more than P-1.", PASS),
        ("None of the parcels that went to Old Mill left after 11:45.", PASS),
        ("Every parcel that went to Old Mill weighed at most 19 kg.", FAIL),
        ("By number, 2 more parcels went to Old Mill than went to Castle Hill.", PASS),
        ("In sum, the parcels that went to Old Mill weighed 20 kg more than those that went to Castle Hill.", PASS),
        ('The median of "kg" over the parcels that went out with Ida is 20.', PASS),
        ('Half-way up the sorted "kg" figures of the parcels that went to Old Mill stands 13.', FAIL),
        ('The parcels that went out with Ida have 2 different entries under "kg".', PASS),
        ('Under "area", 3 different entries occur among the parcels that went out with Ida.', FAIL),
        (
            'With equal figures counted one by one, the second highest entry under "kg" among the parcels that went '
            "out with Ida is 20.",
            PASS,
        ),
        (
            'Sort the parcels that went out with Ida by "kg", keep equal figures apart, and the third highest is 20.',
            FAIL,
        ),
        ("In the order of the list, the longest unbroken run of parcels that weighed more than 9 kg is 2 long.", PASS),
        ("Going down the list, as many as 3 parcels in a row weighed at most 19 kg, and never more.", FAIL),
    ],
)
def test_the_second_program_reads_sentences(sentence, outcome):
    assert read(sentence) == outcome


@pytest.mark.parametrize("sentence", ["Parcel P-1 weighed about 12 kg or so.", "Nothing to see.", "P-9 left at 07:10."])
def test_a_sentence_that_cannot_be_read_is_an_error(sentence):
    assert "breaks" in read(sentence)


@pytest.mark.parametrize(
    ("assertion", "truth"),
    [
        (["cells", "P-2", {"driver": "Omar", "kg": 8}], True),
        (["count", [["area", "=", "Old Mill"], ["kg", "<=", 12]], 2], True),
        (["total", [["driver", "=", "Ida"]], "kg", 51], False),
        (["top", [["driver", "=", "Ida"]], "kg", "P-3", 20], False),
        (["bottom", [["driver", "=", "Ida"]], "left", "P-1", "07:10"], True),
        (["before", "left", "P-3", "P-2"], True),
        (["gap", "kg", "P-3", "P-1", 8], True),
        (["lead", [["area", "=", "Old Mill"]], [["area", "=", "Castle Hill"]], 2], True),
        (["total_lead", [["area", "=", "Old Mill"]], [["area", "=", "Castle Hill"]], "kg", 21], False),
        (["rank", [["driver", "=", "Ida"]], "kg", "highest", 2, 20], True),
        (["rank", [["driver", "=", "Ida"]], "kg", "lowest", 2, 12], False),
        (["rank", [["driver", "=", "Ida"]], "kg", "lowest", 4, 12], False),
        (["median", [["area", "=", "Old Mill"]], "lari", 6], True),
        (["median", [["area", "=", "Old Mill"]], "lari", 5], False),
        (["distinct", [["driver", "=", "Ida"]], "kg", 2], True),
        (["run", [["kg", ">", 9]], 2], True),
        (["run", [["driver", "=", "Ida"]], 3], False),
    ],
)
def test_assertions_by_hand(assertion, truth):
    header, *lines = (line.split(",") for line in SHEET.split("\n"))
    rows = [dict(zip(["key", *header[1:]], line, strict=True)) for line in lines]
    table = Table([row | {"kg": int(row["kg"]), "lari": int(row["lari"])} for row in rows])
    assert table.holds(assertion) == truth
