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


def parse(row, **fields):
    return parse_rows([{**row, **fields}], "data.jsonl")[0]


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
def test_every_layout_of_a_pair_gives_the_same_item(row):
    assert parse(row) == Item(id="0", subset="all", prompt=PARSED[0], completions=PARSED[1])


def test_instruction_and_input_are_joined_and_unused_prompt_columns_are_meta():
    item = parse({"instruction": "Sum up.", "input": "A text.", "chosen": "X", "rejected": "Y"})
    assert item.prompt == (user("Sum up.\n\nA text."),)
    item = parse(GOOD, input="kept", question="kept too")
    assert (item.prompt, item.meta) == (PARSED[0], {"input": "kept", "question": "kept too"})


def test_system_column_is_added_unless_the_prompt_has_one():
    assert parse(GOOD, system="S").prompt == (system("S"), user("Q"))
    assert parse(GOOD, system=" ").prompt == (user("Q"),)
    turns = {"prompt": [system("T"), user("Q")], "chosen": "X", "rejected": "Y"}
    assert parse(turns, system="S").prompt == (system("T"), user("Q"))
    conversation_pair = {"prompt": "Q", "chosen": [user("Q"), assistant("X")], "rejected": [user("Q"), assistant("Y")]}
    assert parse(conversation_pair, system="S").prompt == (system("S"), user("Q"))


def test_conversations_are_split_where_they_diverge():
    start = [system("S"), user("1"), assistant("2"), user("3")]
    item = parse({"chosen": [*start, assistant("X")], "rejected": [*start, assistant("Y"), user("?"), assistant("Z")]})
    assert item.prompt == tuple(start)
    assert item.completions == ((assistant("X"),), (assistant("Y"), user("?"), assistant("Z")))
    assert item.problem is None


def test_texts_without_a_prompt_are_rendered():
    item = parse({"chosen": "<u>Q<a>X", "rejected": "<u>Q<a>Y"})
    assert (item.prompt, item.rendered, item.problem) == ((), True, None)
    assert item.completions == ((assistant("<u>Q<a>X"),), (assistant("<u>Q<a>Y"),))
    item = parse({"text_chosen": "QX", "text_rejected": "QY", "prompt": "Q", "system": "S"})
    assert (item.prompt, item.rendered, item.meta) == ((), True, {"prompt": "Q", "system": "S"})
    assert item.completions == ((assistant("QX"),), (assistant("QY"),))


def test_num_correct_of_lists_of_completions():
    row = {"prompt": "Q", "chosen": ["a", "b"], "rejected": ["c"]}
    assert (parse(row).num_correct, len(parse(row).completions)) == (2, 3)
    assert parse(row, num_correct=1.0).num_correct == 1
    assert parse({"prompt": "Q", "completions": ["a", "b", "c"], "num_correct": 0}).num_correct == 0


def test_messages_have_no_preference():
    item = parse({"messages": [user("Q"), assistant("X")], "source": "s"})
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


def test_columns_may_be_missing_in_some_rows():
    items = parse_rows([GOOD, {"prompt": "Q", "chosen": "X"}], "data.jsonl")
    assert [item.problem for item in items] == [None, "rejected is missing"]


def test_identical_responses_are_no_problem():
    assert parse({"prompt": "Q", "chosen": "X", "rejected": "X"}).problem is None


def test_ids_are_unique_and_default_to_the_row_number():
    rows = [
        {**GOOD, "id": 7, "subset": "a"},
        {**GOOD, "id": 7, "subset": "b"},
        {**GOOD, "id": 8, "subset": "b"},
        {**GOOD, "id": 7, "subset": "b"},
        {**GOOD, "id": "b/7#2", "subset": "b"},
        {**GOOD, "subset": "b"},
    ]
    assert [item.id for item in parse_rows(rows, "data")] == ["a/7", "b/7", "8", "b/7#3", "b/7#2", "5"]


def test_other_columns_are_meta():
    item = parse(GOOD, subset="s", group="g", meta={"group": "not this"}, chosen_model="m")
    assert (item.subset, item.group) == ("s", "g")
    assert item.meta == {"meta": {"group": "not this"}, "chosen_model": "m"}
    assert parse(GOOD, meta={"group": "not this"}).group == ""


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "F is empty"),
        ([{"text": "a", "label": 1}], r"F has the columns label, text; it needs chosen and rejected, or text_chosen"),
        ([{**GOOD, "chosen": ""}, {**GOOD, "chosen": None}], r"No item of F .* the first of 2 is 0: chosen is empty\."),
    ],
)
def test_data_without_a_scorable_row_is_rejected(rows, message):
    with pytest.raises(InputError, match=message):
        parse_rows(rows, "F")


def test_content_hash_covers_exactly_what_determines_a_score():
    base = content_hash([parse(GOOD)])
    assert re.fullmatch("[0-9a-f]{12}", base)
    assert base == content_hash([parse(GOOD, note="other columns")])
    changed = [parse(GOOD, chosen="Z"), parse(GOOD, id="1"), parse(GOOD, subset="s"), parse(GOOD, group="g")]
    changed += [parse(GOOD, num_correct=0), parse(GOOD, system="S")]
    assert len({base, *(content_hash([item]) for item in changed)}) == 7


def test_scores_only_prefers_messages_to_a_preference():
    conversation = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    row = {"prompt": "Hi", "chosen": "Hello", "rejected": "Go", "messages": conversation}
    assert parse_rows([row], "here")[0].num_correct == 1
    item = parse_rows([row], "here", scores_only=True)[0]
    assert (item.num_correct, [completion[0]["content"] for completion in item.completions]) == (0, ["Hello"])


GROWING = {
    "equal ids": lambda n: {"id": "x"},
    "equal ids, and those that they would become": lambda n: {"id": "x" if n % 2 else f"all/x#{n}", "subset": "all"},
    "a subset a row": lambda n: {"subset": f"s{n}"},
    "a group a row": lambda n: {"group": f"g{n}"},
    "one group": lambda n: {"group": "g", "id": "x", "subset": f"s{n % 100}"},
    "a column a row": lambda n: {f"c{n}": n},
}


@pytest.mark.parametrize("name", GROWING)
def test_parsing_time_is_linear_in_the_number_of_rows(name):
    def seconds(count):
        rows = [{**GOOD, **GROWING[name](n)} for n in range(count)]
        start = time.process_time()
        items = parse_rows(rows, "data")
        stratify(Suite("s", "r", items, {}), count // 2)
        content_hash(items)
        assert len({item.id for item in items}) == count
        return time.process_time() - start

    few, many = min(seconds(2_000) for _ in range(3)), min(seconds(8_000) for _ in range(3))
    assert many < 10 * few + 0.1, f"four times the rows take {many / few:.1f} times as long"


def test_lone_surrogates_in_names_are_accepted():
    rows = [{**GOOD, "subset": "a\ud83d", "group": "\udc00", "id": "\ud83d"}, {**GOOD, "subset": "b"}]
    items = parse_rows(rows, "data")
    assert [item.problem for item in items] == [None, None]
    assert (items[0].id, items[0].subset, items[0].group) == ("\ud83d", "a\ud83d", "\udc00")
    assert content_hash(items) != content_hash(items[1:])
    assert len(stratify(Suite("s", "r", items, {}), 1).items) >= 1
