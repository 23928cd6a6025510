import re
import time

import pytest

from rewardbench.errors import InputError
from rewardbench.suites.rows import content_hash, parse_rows
from rewardbench.suites.sample import stratify
from rewardbench.types import Item, Suite


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def system(text):
    return {"role": "system", "content": text}


def one(row, **more):
    return parse_rows([{**row, **more}], "data.jsonl")[0]


GOOD = {"prompt": "Q", "chosen": "X", "rejected": "Y"}
PARSED = ((user("Q"),), ((assistant("X"),), (assistant("Y"),)))


@pytest.mark.parametrize(
    "row",
    [
        GOOD,
        {"question": "Q", "chosen": "X", "rejected": "Y"},
        {"input": "Q", "chosen": "X", "rejected": "Y"},
        {"instruction": "Q", "input": "", "chosen": "X", "rejected": "Y"},
        {"prompt": [user("Q")], "chosen": "X", "rejected": "Y"},
        {"prompt": "Q", "chosen": [assistant("X")], "rejected": [assistant("Y")]},
        {"prompt": "Q", "chosen": assistant("X"), "rejected": assistant("Y")},
        {"prompt": "Q", "chosen": [user("Q"), assistant("X")], "rejected": [user("Q"), assistant("Y")]},
        {"prompt": "a title", "chosen": [user("Q"), assistant("X")], "rejected": [user("Q"), assistant("Y")]},
        {"prompt": None, "chosen": [user("Q"), assistant("X")], "rejected": [user("Q"), assistant("Y")]},
        {"chosen": [user("Q"), assistant("X")], "rejected": [user("Q"), assistant("Y")]},
        {"chosen": "\n\nHuman: Q\n\nAssistant: X", "rejected": "\n\nHuman: Q\n\nAssistant: Y"},
        {"prompt": "Q", "chosen": ["X"], "rejected": ["Y"]},
        {"prompt": "Q", "completions": ["X", "Y"], "num_correct": 1},
        {"question": "Q", "responses": [[assistant("X")], "Y"], "num_correct": "1"},
        {
            "chosen": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "X"}],
            "rejected": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "Y"}],
        },
    ],
)
def test_every_form_of_a_pair_is_the_same_item(row):
    assert one(row) == Item(id="0", subset="all", prompt=PARSED[0], completions=PARSED[1])


def test_instruction_and_input_are_one_prompt_and_a_column_beside_prompt_is_meta():
    item = one({"instruction": "Sum up.", "input": "A text.", "chosen": "X", "rejected": "Y"})
    assert item.prompt == (user("Sum up.\n\nA text."),)
    item = one(GOOD, input="kept", question="kept too")
    assert (item.prompt, item.meta) == (PARSED[0], {"input": "kept", "question": "kept too"})


def test_a_system_column_opens_the_prompt_unless_it_has_one():
    assert one(GOOD, system="S").prompt == (system("S"), user("Q"))
    assert one(GOOD, system=" ").prompt == (user("Q"),)
    turns = {"prompt": [system("T"), user("Q")], "chosen": "X", "rejected": "Y"}
    assert one(turns, system="S").prompt == (system("T"), user("Q"))
    whole = {"prompt": "Q", "chosen": [user("Q"), assistant("X")], "rejected": [user("Q"), assistant("Y")]}
    assert one(whole, system="S").prompt == (system("S"), user("Q"))


def test_many_turns_are_the_prompt_and_what_diverges_the_completions():
    start = [system("S"), user("1"), assistant("2"), user("3")]
    item = one({"chosen": [*start, assistant("X")], "rejected": [*start, assistant("Y"), user("?"), assistant("Z")]})
    assert item.prompt == tuple(start)
    assert item.completions == ((assistant("X"),), (assistant("Y"), user("?"), assistant("Z")))
    assert item.problem is None


def test_texts_without_a_prompt_are_final():
    item = one({"chosen": "<u>Q<a>X", "rejected": "<u>Q<a>Y"})
    assert (item.prompt, item.rendered, item.problem) == ((), True, None)
    assert item.completions == ((assistant("<u>Q<a>X"),), (assistant("<u>Q<a>Y"),))
    item = one({"text_chosen": "QX", "text_rejected": "QY", "prompt": "Q", "system": "S"})
    assert (item.prompt, item.rendered, item.meta) == ((), True, {"prompt": "Q", "system": "S"})
    assert item.completions == ((assistant("QX"),), (assistant("QY"),))


def test_lists_of_completions_count_the_right_ones():
    row = {"prompt": "Q", "chosen": ["a", "b"], "rejected": ["c"]}
    assert (one(row).num_correct, len(one(row).completions)) == (2, 3)
    assert one(row, num_correct=1.0).num_correct == 1
    assert one({"prompt": "Q", "completions": ["a", "b", "c"], "num_correct": 0}).num_correct == 0


def test_messages_are_scored_without_a_preference():
    item = one({"messages": [user("Q"), assistant("X")], "source": "s"})
    assert (item.prompt, item.completions, item.num_correct) == ((user("Q"),), ((assistant("X"),),), 0)
    assert item.meta == {"source": "s"}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"chosen": " \n"}, "chosen is empty"),
        ({"rejected": ""}, "rejected is empty"),
        ({"rejected": None}, "rejected is missing"),
        ({"chosen": 42}, "chosen is a number, not text"),
        (
            {"chosen": {"text": "X"}},
            "a turn of chosen has the role None; the roles are system, user, assistant and tool",
        ),
        ({"chosen": []}, "chosen is an empty list"),
        ({"chosen": ["X", None]}, "chosen 2 is missing"),
        ({"chosen": ["X", " "]}, "completion 2 is empty"),
        ({"chosen": [assistant("X"), user("more?")]}, "chosen does not end with an assistant turn"),
        ({"prompt": " "}, "the prompt is empty"),
        ({"prompt": None}, "the prompt is empty"),
        ({"prompt": "", "system": "S"}, "the prompt is empty"),
        ({"prompt": 5}, "prompt is a number, not text"),
        ({"system": 3}, "system is a number, not text"),
        ({"prompt": [user("Q"), assistant("A")]}, "the prompt ends with an assistant turn"),
        (
            {"prompt": [user("Q"), assistant("A"), assistant("B"), user("R")]},
            "two assistant turns in a row in the prompt",
        ),
        ({"prompt": [{"role": "function", "content": "4"}]}, "a turn of prompt has the role 'function'"),
        ({"prompt": [{"role": "tool", "content": "4"}]}, "the prompt is empty"),
        ({"tools": "hammer"}, "tools is text, not a list of functions"),
        ({"chosen": "half \ud83d"}, "the text has a lone surrogate, which no tokenizer can encode"),
        ({"num_correct": 3}, "num_correct is 3, but there are 2 completions"),
        ({"num_correct": "one"}, "num_correct is 'one', not a count"),
        ({"num_correct": -1}, "num_correct is -1, not a count"),
        (
            {"chosen": [user("A"), assistant("X")], "rejected": [user("B"), assistant("Y")]},
            "the completions share no prompt",
        ),
    ],
)
def test_a_row_no_model_can_score_says_why_and_the_others_stand(row, problem):
    bad, good = parse_rows([{**GOOD, **row}, GOOD], "data.jsonl")
    assert bad.problem is not None
    assert bad.problem.startswith(problem)
    assert len(bad.completions) >= 2
    assert good.problem is None


def test_a_column_that_only_some_rows_have_is_missing_in_the_others():
    items = parse_rows([GOOD, {"prompt": "Q", "chosen": "X"}], "data.jsonl")
    assert [item.problem for item in items] == [None, "rejected is missing"]


def test_identical_responses_are_no_problem():
    assert one({"prompt": "Q", "chosen": "X", "rejected": "X"}).problem is None


def test_ids_are_the_column_else_the_row_number_and_never_repeat():
    rows = [
        {**GOOD, "id": 7, "subset": "a"},
        {**GOOD, "id": 7, "subset": "b"},
        {**GOOD, "id": 8, "subset": "b"},
        {**GOOD, "id": 7, "subset": "b"},
        {**GOOD, "id": "b/7#2", "subset": "b"},
        {**GOOD, "subset": "b"},
    ]
    assert [item.id for item in parse_rows(rows, "data")] == ["a/7", "b/7", "8", "b/7#3", "b/7#2", "5"]


def test_subset_group_and_the_other_columns():
    item = one(GOOD, subset="s", group="g", meta={"group": "not this"}, chosen_model="m")
    assert (item.subset, item.group) == ("s", "g")
    assert item.meta == {"meta": {"group": "not this"}, "chosen_model": "m"}
    assert one(GOOD, meta={"group": "not this"}).group == ""


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "F is empty"),
        ([{"text": "a", "label": 1}], r"F has the columns label, text; it needs chosen and rejected, or text_chosen"),
        ([{**GOOD, "chosen": ""}, {**GOOD, "chosen": None}], r"No item of F .* the first of 2 is 0: chosen is empty\."),
    ],
)
def test_data_without_anything_to_score_is_refused(rows, words):
    with pytest.raises(InputError, match=words):
        parse_rows(rows, "F")


def test_the_hash_moves_with_what_decides_a_score_and_with_nothing_else():
    base = content_hash([one(GOOD)])
    assert re.fullmatch("[0-9a-f]{12}", base)
    assert base == content_hash([one(GOOD, note="other columns")])
    changed = [one(GOOD, chosen="Z"), one(GOOD, id="1"), one(GOOD, subset="s"), one(GOOD, group="g")]
    changed += [one(GOOD, num_correct=0), one(GOOD, system="S")]
    assert len({base, *(content_hash([item]) for item in changed)}) == 7


def test_messages_beside_a_preference_are_scored_where_only_scores_are_asked_for():
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    row = {"prompt": "Hi", "chosen": "Hello", "rejected": "Go", "messages": talk}
    assert parse_rows([row], "here")[0].num_correct == 1
    only = parse_rows([row], "here", scores_only=True)[0]
    assert (only.num_correct, [c[0]["content"] for c in only.completions]) == (0, ["Hello"])


GROWING = {
    "equal ids": lambda n: {"id": "x"},
    "equal ids, and those that they would become": lambda n: {"id": "x" if n % 2 else f"all/x#{n}", "subset": "all"},
    "a subset a row": lambda n: {"subset": f"s{n}"},
    "a group a row": lambda n: {"group": f"g{n}"},
    "one group": lambda n: {"group": "g", "id": "x", "subset": f"s{n % 100}"},
    "a column a row": lambda n: {f"c{n}": n},
}


@pytest.mark.parametrize("name", GROWING)
def test_time_grows_with_the_rows_and_not_with_their_square(name):
    def seconds(count):
        rows = [{**GOOD, **GROWING[name](n)} for n in range(count)]
        start = time.process_time()
        items = parse_rows(rows, "data")
        stratify(Suite("s", "r", items, {}), count // 2)
        content_hash(items)
        assert len({item.id for item in items}) == count
        return time.process_time() - start

    few, many = min(seconds(2_000) for _ in range(2)), seconds(8_000)
    assert many < 10 * few + 0.1, f"four times the rows take {many / few:.1f} times as long"


def test_half_a_surrogate_pair_in_a_name_leaves_the_item_usable():
    rows = [{**GOOD, "subset": "a\ud83d", "group": "\udc00", "id": "\ud83d"}, {**GOOD, "subset": "b"}]
    items = parse_rows(rows, "data")
    assert [item.problem for item in items] == [None, None]
    assert (items[0].id, items[0].subset, items[0].group) == ("\ud83d", "a\ud83d", "\udc00")
    assert content_hash(items) != content_hash(items[1:])
    assert len(stratify(Suite("s", "r", items, {}), 1).items) >= 1
