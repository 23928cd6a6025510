"""Results of judges that really ran: the command against the fake judge on 127.0.0.1."""

import contextlib
import io
import json
import os
from unittest.mock import patch

import pytest
from fake_judge import Behaviour, FakeJudge
from judge_answers import choose
from judge_pairs import question_of, write_pairs

from rewardbench.cli.main import main
from rewardbench.suites import load_suite

PAIRS = 60


def run_judge(folder, *arguments, name="gpt-4o", count=PAIRS, **behaviour):
    """Score pairs by a judge; return the path of its summary and its suite."""
    data = write_pairs(folder / "pairs.jsonl", count)
    settings = {"decide": choose(position_bias=0.3), "malformed": 0.1, "key": question_of, **behaviour}
    environment = {"OPENAI_API_KEY": "sk-test-secret-0123456789", "REWARDBENCH_CACHE": str(folder / "cache.sqlite")}
    out = io.StringIO()
    with FakeJudge(Behaviour(**settings)) as server, patch.dict(os.environ, environment):
        command = ["--judge", name, "--base_url", server.base_url, "--dataset", data, "--json", *arguments]
        with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as stop:
            main([*command, "--output_dir", str(folder / "results")])
    assert stop.value.code == 0
    return json.loads(out.getvalue())["results"], load_suite(data)
