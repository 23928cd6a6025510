"""Rules of chatbench: each passes and fails on replies by hand, and rejects values that it does not take."""

import pytest

from rewardbench.analysis.chatbench.rules import RULES, Reply, check_value

TABLE = "| Item | Count |\n| --- | --- |\n| Chairs | 12 |"
BLOCK = '```json\n{"a": 1}\n```'
CASES = {
    "lines": (2, "one\n\ntwo", "one"),
    "words": ([2, 3], "two words", "now four words here"),
    "sentences": (2, "It is 3.5 km. Go left at 3.", "It is 3.5 km"),
    "paragraphs": (2, "a\nb\n\nc", "a\nb\nc"),
    "characters": ([None, 5], "hello\n", "hello!"),
    "items": (2, "Buy:\n- salt\n2) oil", "- salt"),
    "questions": (1, "How? Now.", "How?? Why?"),
    "numbered": (2, "1. a\n2. b", "1. a\n3. b"),
    "sorted": (True, "- Ana\n- béla\n- Zoe", "- Zoe\n- Ana"),
    "haiku": (
        True,
        "An old silent pond\na frog jumps into the pond\nsplash! silence again",
        "An old silent pond\na frog\nsplash",
    ),
    "syllables": ([1, 2], "rain\nwater", "water\nrain"),
    "no_rhyme": (True, "The night is long\nthe road is white\nI walk", "The night\nis white"),
    "json": (True, BLOCK, "{'a': 1}"),
    "json_keys": (["a"], BLOCK, '{"a": 1, "b": 2}'),
    "json_is": ({"a": [1, 2]}, '{"a": [1, 2]}', '{"a": [2, 1]}'),
    "contains": (["Lima", "50 %"], "Lima has 50 % more", "Limassol has 50 % more"),
    "contains_any": (["yes", "sí"], "¡Sí!", "no"),
    "omits": ("sun", "It was Sunday.", "The SUN, again"),
    "omits_letter": ("u", "Sleep, Ama", "SLEEP YOU"),
    "script": ("cyrillic", "Привет, как дела?", "Привет, how are you?"),
    "starts": ("week 2", "Week 2: Yara", "In week 2"),
    "ends": ("Topa!", "To us. Topa!\n", "Topa, to us"),
    "matches": (["^Heute", r"\d+$"], "Gestern\nHeute 3", "Morgen Heute 3"),
    "case": ("lower", "all of it, ärger", "All of it"),
    "number": (1250.5, "It costs 19, 3 and 1,250.5", "1,250.5 and 3"),
    "table": ([1, 2], TABLE, TABLE.replace("| --- | --- |\n", "")),
}
"""For each rule a value, a reply that passes and one that fails."""


@pytest.mark.parametrize("name", CASES)
def test_a_rule_passes_and_fails(name):
    value, right, wrong = CASES[name]
    check_value(name, value)
    assert RULES[name](Reply(right), value)
    assert not RULES[name](Reply(wrong), value)
    assert not RULES[name](Reply(""), value) or name == "characters"


def test_every_rule_has_a_case():
    assert RULES.keys() - CASES.keys() == {"shorter", "keeps_line", "new"}


def test_rules_compare_with_earlier_replies():
    reply = Reply("one line\nother", ("first", "one line\nand two more words"))
    assert RULES["shorter"](reply, True)
    assert RULES["keeps_line"](reply, 1)
    assert not RULES["keeps_line"](reply, 2)
    assert RULES["new"](reply, True)
    assert not RULES["new"](Reply("first", ("first", "second")), True)
    assert not RULES["keeps_line"](Reply("x"), 1)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lines", "3", "write a number"),
        ("lines", [4, 2], "write a number"),
        ("lines", True, "write a number"),
        ("words", [None, None], "write a number"),
        ("words", [1, 2.5], "not a whole number"),
        ("contains", [], "write a text"),
        ("script", "elvish", "there is no script elvish"),
        ("matches", ["("], "not a regular expression"),
        ("case", "title", "write lower or upper"),
        ("haiku", 5, "write true"),
        ("table", [1], r"write \[rows, columns\]"),
        ("syllables", "575", "write the syllables"),
        ("number", "7", "write a number"),
        ("keeps_line", 0, "number of the line"),
        ("holds", "", "write code"),
        ("rhymes", True, "there is no such rule"),
    ],
)
def test_a_value_that_a_rule_does_not_take_is_rejected(name, value, message):
    with pytest.raises(ValueError, match=message):
        check_value(name, value)


def test_deep_json_is_a_failure_and_no_error():
    assert not RULES["json"](Reply("[" * 100_000), True)
    assert not RULES["json"](Reply('{"a": NaN}'), True)
