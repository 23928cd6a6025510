"""rewardbench-gen: every option of rewardbench 0.1 works, or says in one line what to use instead."""

import json
import tomllib

import pytest
from fake_judge import Behaviour, FakeJudge
from judge_answers import choose
from published_prompts import write_published
from repository import ROOT, SHARED

from rewardbench.cli.generative import main, translate
from rewardbench.errors import InputError

KEY = "sk-test-secret-0123456789"
URL = "http://127.0.0.1:9/v1"
REMOTE = ["--model", "judge", "--base_url", URL]
LOCAL = ["--model", "org/judge"]

# For each option of 0.1: the arguments, and what the translation contains, or a part of the note.
OPTIONS = {
    "--model": (["--model", "a", "b", "c", "--base_url", URL], ["--judge=a", "--judge=b", "--judge=c"], ""),
    "--chat_template": ([*LOCAL, "--chat_template", "raw"], ["--chat_template=raw"], ""),
    "--trust_remote_code": ([*LOCAL, "--trust_remote_code"], ["--trust_remote_code"], ""),
    "--score_w_ratings": ([*REMOTE, "--score_w_ratings"], ["--protocol=rating"], ""),
    "--num_gpus": ([*LOCAL, "--num_gpus", "2"], ["--device_map=auto"], ""),
    "--vllm_gpu_util": (
        [*REMOTE, "--vllm_gpu_util", "0.8"],
        [],
        "--vllm_gpu_util has no effect: this command starts no vLLM",
    ),
    "--do_not_save": ([*REMOTE, "--do_not_save"], [], "uploaded only by --push_results_to_hub"),
    "--pref_sets": ([*REMOTE, "--pref_sets"], ["--dataset=allenai/preference-test-sets"], ""),
    "--debug": ([*REMOTE, "--debug"], ["--debug"], ""),
    "--num_threads": ([*REMOTE, "--num_threads", "3"], ["--max_concurrency=3"], ""),
    "--disable_beaker_save": ([*REMOTE, "--disable_beaker_save"], [], "no file for Beaker is written"),
    "--force_local": (["--model", "judge", "--force_local"], ["--judge=judge"], ""),
}


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_every_option_of_rewardbench_0_1_is_tested():
    flags = SHARED / "golden" / "anchor_flags.json"
    if not flags.exists():
        pytest.skip("the list of the options of rewardbench 0.1 is not here")
    assert set(OPTIONS) == set(json.loads(flags.read_text())["run_generative"])


@pytest.mark.parametrize("spelling", ["_", "-"])
@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_rewardbench_0_1_is_translated_or_explained(option, spelling):
    arguments, parts, note = OPTIONS[option]
    spelled = [word.replace("_", spelling) if word.startswith("--") else word for word in arguments]
    translated, notes = translate(spelled)
    assert set(parts) <= set(translated)
    assert note in "\n".join(notes)
    plain, _ = translate([word for word in arguments if word in (*REMOTE, *LOCAL, "--force_local", "a", "b", "c")])
    assert note or option in ("--model", "--force_local") or translated != plain


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        ([*REMOTE, "--num_gpus", "4"], "--num_gpus has no effect: the judge runs behind a server."),
        ([*REMOTE, "--chat_template", "raw"], "--chat_template has no effect: the judge runs behind a server."),
        ([*LOCAL, "--num_threads", "4"], "--num_threads has no effect: the judge runs on this machine."),
        (["--model", "org/OffsetBias-8B"], "with OffsetBias in their name: pass --protocol offsetbias."),
        (
            REMOTE,
            "The prompts of rewardbench 0.1 were not found, so the protocol is choice: for the published prompts pass",
        ),
    ],
)
def test_what_differs_from_rewardbench_0_1_is_noted(arguments, note):
    assert any(note in line for line in translate(arguments)[1])


def test_other_options_go_to_rewardbench_unchanged():
    translated, _ = translate([*REMOTE, "--limit", "5", "--json", "--max-cost=1", "--protocol", "rating"])
    assert translated[-4:] == ["--limit", "5", "--json", "--max_cost=1"]
    assert "--protocol=rating" in translated
    translated, _ = translate(["--model", "a", "--judge_config", "judges.yaml", "--num_threads", "2"])
    assert translated == ["--judge=a", "--dataset=allenai/reward-bench", "--max_concurrency=2",
                          "--judge_config", "judges.yaml"]  # fmt: skip


def test_a_model_by_name_needs_a_server(monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"gpt-x is behind a server: pass its address as --base_url \(https://api\."):
        translate(["--model", "gpt-x"])
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert "--base_url=https://api.openai.com/v1" in translate(["--model", "gpt-x"])[0]
    with pytest.raises(InputError, match="claude-x is behind a server"):
        translate(["--model", "claude-x", "--api_key_env", "ANTHROPIC_API_KEY"])
    for local in (["--model", str(tmp_path)], LOCAL, ["--model", "gpt-x", "--force_local"]):
        assert not any(word.startswith("--base_url") for word in translate(local)[0])


@pytest.mark.parametrize("arguments", [[], ["--model"], [*REMOTE, "--num_threads", "many"]])
def test_wrong_arguments_end_with_one_line_and_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert error.startswith("rewardbench-gen: ")
    assert error.endswith(": see rewardbench-gen --help.\n")
    assert error.count("\n") == 1


def write_pairs(path):
    lines = []
    for n in range(6):
        pair = {"prompt": f"Question {n}?", "chosen": f"quality=0.{n + 3}", "rejected": f"quality=0.{n + 1}"}
        lines.append(json.dumps(pair))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize("models", [["judge"], ["judge", "judge-2", "judge-3"]], ids=["one", "panel"])
def test_a_run_with_the_published_prompt_asks_once_per_pair(models, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    prompts = write_published(tmp_path / "published")
    data = ["--dataset", write_pairs(tmp_path / "pairs.jsonl"), "--output_dir", str(tmp_path / "results")]
    prompts_received = []

    def decide(question):
        prompts_received.append(question.body["messages"])
        return choose()(question)

    with FakeJudge(Behaviour(decide=decide)) as server, pytest.raises(SystemExit) as stop:
        main(["--model", *models, "--base_url", server.base_url, "--prompts", str(prompts), *data, "--json"])
    output = capsys.readouterr()
    assert stop.value.code == 0, output.err
    result = json.loads(output.out)
    assert result["accuracy"] == 1.0
    assert result["model_type"] == ("Generative RM" if len(models) == 1 else "Generative RM PoLL")
    assert len(prompts_received) == 6 * len(models)
    assert all(messages[0]["content"].startswith("Which of the two is better?") for messages in prompts_received)
    if len(models) == 1:
        protocol = result["manifest"]["fingerprint"]["protocol"]
        assert protocol["name"] == "rewardbench1"
        assert len(protocol["official"]["sha256"]) == 64
        stored = (tmp_path / "results" / "judge.json").read_text()
        assert "Which of the two is better?" not in stored
        assert KEY not in stored


def test_the_package_installs_the_command_and_its_help_names_every_option(capsys):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["rewardbench-gen"] == "rewardbench.cli.generative:main"
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(option in text for option in OPTIONS)
