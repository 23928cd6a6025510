"""`rewardbench models protocols`: a row for each protocol in 100 columns, and the facts as JSON."""

import json

import pytest

from rewardbench.cli.main import main
from rewardbench.scorers.judge.protocols import protocol_names


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["models", "protocols", *arguments])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_the_table_has_a_row_for_each_protocol_in_100_columns(capsys):
    text = run(capsys)
    assert set(protocol_names()) <= {line.split()[0] for line in text.splitlines() if line.strip()}
    assert max(map(len, text.splitlines()[:-3])) <= 100
    assert text.endswith(f"protocols={len(protocol_names())}\n")


def test_json_says_what_is_seen_and_where_the_facts_come_from(capsys):
    rows = {row["name"]: row for row in json.loads(run(capsys, "--json"))["protocols"]}
    assert sorted(rows) == protocol_names()
    assert all(row["title"] and row["evidence"] for row in rows.values())
    assert rows["genrm_principle"]["sees"] == ["principle"]
    assert rows["rewardbench2_ratings"]["sees"] == ["subset"]
    assert rows["logprob"]["needs_logprobs"]
    assert rows["rewardbench1"]["prompts"] == "rewardbench/generative.py"
    assert "pip download" in rows["rewardbench1"]["obtain"]
