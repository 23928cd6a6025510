"""Test showing items of a result, as text and as an HTML file."""

import json
import time
from math import inf

import pytest
import synthetic
from terminal import run

from rewardbench.errors import InputError
from rewardbench.results.browse import completions_of, excerpt, select, to_html
from rewardbench.results.scored import read_scored
from rewardbench.types import Item, ItemScores, Message, Suite


@pytest.fixture
def path(tmp_path):
    suite = synthetic.mirrors(30)
    return synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.6), "model")


def test_lowest_margins_come_first(path):
    scored = read_scored(path)
    wrong = select(scored, errors=True)
    assert {shown_item.item.id for shown_item in wrong} == {
        shown_item.id for shown_item in scored.items if shown_item.scores[0] <= shown_item.scores[1]
    }
    margins = [shown_item.margin for shown_item in wrong]
    assert margins == sorted(margins)
    assert len(select(scored)) == 120


def test_filters_select_items(path):
    scored = read_scored(path)
    assert {shown_item.section for shown_item in select(scored, section="Safety")} == {"Safety"}
    assert {shown_item.item.subset for shown_item in select(scored, subset="chat-sub")} == {"chat-sub"}
    assert [shown_item.item.id for shown_item in select(scored, search="question 7A of chat")] == ["chat-7a"]
    with pytest.raises(InputError, match="no subset 'x' in this result: there are chat-sub, safety-sub"):
        select(scored, subset="x")


def test_completions_are_shown_without_the_prompt(path):
    item = read_scored(path).suite.items[0]
    assert completions_of(item) == ["<bot>right 0", "<bot>wrong 0"]


def test_last_turn_of_a_conversation_ends_the_prompt():
    prompt = (Message(role="user", content="system: Be kind.\n\nuser: Hi?"),)
    item = Item("1", "s", prompt, ((Message(role="assistant", content="<s>Be kind.<u>Hi?<a>Hello"),),) * 2)
    assert completions_of(item) == ["<a>Hello"] * 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>\n"),
        ("<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        (" [/INST] ", "</s>"),
        ("<end_of_turn>\n<start_of_turn>model\n", "<end_of_turn>\n<eos>"),
        ("<|assistant|>", "<|eos|>"),
    ],
)
def test_the_tokens_of_a_template_are_not_shown(before, after):
    texts = ["assistant is <b>a word</b>", "Hi"]
    completions = tuple(({"role": "assistant", "content": f"<s>Question?{before}{text}{after}"},) for text in texts)
    item = Item("a", "s", ({"role": "user", "content": "Question?"},), completions)
    assert completions_of(item) == texts


def test_many_tokens_of_a_template_are_removed_in_linear_time():
    text = "Question?" + "<|a|> " * 50_000 + "x" + "<|b|>" * 50_000
    item = Item("a", "s", ({"role": "user", "content": "Question?"},), (({"role": "assistant", "content": text},),) * 2)
    began = time.monotonic()
    assert completions_of(item) == ["x"] * 2
    assert time.monotonic() - began < 5


def nasty():
    text = "</pre><script>alert(1)</script>\x1b[2J"
    item = Item(
        "<b>", '"><i>', (Message(role="user", content=text),), ((Message(role="assistant", content=text),),) * 2
    )
    return item, Suite("<u>", "r", (item,), {})


def test_texts_are_escaped_in_terminal_and_page(tmp_path):
    from rewardbench.results.scored import ModelScores

    item, suite = nasty()
    assert "\x1b" not in excerpt(item, (1.0, 0.0))
    scored = ModelScores("<img src=x onerror=alert(1)>", suite, (ItemScores("<b>", (0.0, 1.0)),), tmp_path)
    page = to_html(scored, select(scored))
    assert page.count("<script>") == 1
    for bad in ("<b>", "<i>", "<u>", "<img", "alert(1)</script>"):
        assert bad not in page
    assert "http" not in page, "the page asks nobody for anything"


def test_show_command_paginates_and_writes_html(path, tmp_path, capsys):
    code, out, _ = run(capsys, "show", path, "--errors", "--limit", 2, "--page", 2, "--html", tmp_path / "x" / "m.html")
    worst = select(read_scored(path), errors=True)
    assert code == 0
    assert [worst[n].item.id in out for n in range(5)] == [False, False, True, True, False]
    assert f"items={len(worst)}\n" in out
    assert (tmp_path / "x" / "m.html").read_text().count("<article") == len(worst)
    code, out, _ = run(capsys, "show", path, "--limit", 3, "--json")
    assert [entry["id"] for entry in json.loads(out)["shown"]] == [
        entry.item.id for entry in select(read_scored(path))[:3]
    ]
    code, _, err = run(capsys, "show", path, "--section", "none")
    assert (code, err.count("\n")) == (2, 1)


def test_margin_beyond_float_range_is_null_with_a_reason(tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    scores = {"huge": [1e308, -1e308], "infinite": [inf, 1.0], "missing": [None, 1.0], "sound": [2.0, 1.5]}
    path.write_text("".join(json.dumps({"id": id, "scores": two}) + "\n" for id, two in scores.items()))
    code, out, err = run(capsys, "show", path, "--json")
    assert (code, err) == (0, "")
    shown = {record["id"]: record for record in json.loads(out, parse_constant=lambda word: pytest.fail(word))["shown"]}
    assert {id: (record["margin"], record["reason"]) for id, record in shown.items()} == {
        "sound": (0.5, None),
        "huge": (None, "the margin is beyond the range of a float"),
        "infinite": (None, "score is infinite"),
        "missing": (None, "score is NaN"),
    }
    assert (shown["huge"]["scores"], shown["infinite"]["scores"]) == ([1e308, -1e308], [None, 1.0])
    code, out, _ = run(capsys, "show", path, "--html", tmp_path / "x.html")
    assert "huge (all, all): margin +inf (the margin is beyond the range of a float)" in out
    assert "[+1.000e+308]" in out
    assert max(map(len, out.splitlines())) < 100 + len(str(tmp_path))
    assert "margin +nan (score is infinite)" in (tmp_path / "x.html").read_text()


def test_results_without_items_and_empty_filters_are_reported(path, tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text('{"id": "1", "scores": [1.0]}\n')
    code, out, err = run(capsys, "show", tmp_path / "rows.jsonl")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "rows.jsonl has no item to show: none of its 1 rows has right and wrong completions" in err
    code, out, _ = run(capsys, "show", path, "--search", "no such words")
    assert (code, out.splitlines()[0]) == (0, "note: no item matches these filters")
    assert "note: there are only 12 pages: page 99 does not exist" in run(capsys, "show", path, "--page", 99)[1]
