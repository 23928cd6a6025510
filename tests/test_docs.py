"""The README and the guide: every command names real options, and every command and example is run.

The blocks of a page run in order in a temporary folder with small data, as a reader would run them.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main
from fake_judge import Behaviour, FakeJudge
from judge_answers import choose, delimited_qualities, rate
from pages import EXTEND, GUIDE, GUIDE_PAGES, README, Block, blocks, install, page_name, shell_commands, write_examples
from published_prompts import write_published
from repository import ROOT

from rewardbench import evaluate
from rewardbench.cli import generative
from rewardbench.cli.main import app, main

PAGES = [README, ROOT / ".github" / "CONTRIBUTING.md", *GUIDE_PAGES]
RUN_PAGES = [page for page in (README, *GUIDE_PAGES) if blocks(page, "bash") or blocks(page, "python")]
COMMAND = re.compile(r"(?:-m )?rewardbench(?= )")

NOT_RUN = {
    "scripts/setup": "installs the package",
    "scripts/demo": "tests/scripts/test_setup.py tests the installation, index.md scores the model",
    "scripts/test": "runs this test",
    "pip install": "installs a package",
    "pip download": "downloads a package",
    "torchrun": "tests/engine/test_ranks.py runs it",
    "--engine ray": "needs a cluster; tests/engine/test_ray.py starts one",
    "ray start": "leaves a cluster running",
    "--judge ./policy": "takes ten seconds; tests/scorers/judge/test_logit_judge.py does it",
    "--judge a --judge b": "tests/cli/test_rewardbench_gen.py asks three judges",
    "--adapter experts.yaml": "tests/scorers/heads/test_declared_heads.py scores a model by this file",
    "--engine http": "needs a server; tests/scorers/http and tests/doctor/test_server_parity.py do it on doubles",
    "org/": "needs the Hub",
    "Skywork/": "needs the Hub",
    "Qwen/": "needs the Hub; tests/suites/test_hub.py reads the dataset from a double",
    "s3://": "needs a bucket; tests/store/test_objects.py does it on a double",
    "hf://": "needs the Hub; tests/leaderboard/submissions/test_pull_requests.py does it on a double",
    "rewardbench leaderboard ": "serves until it is stopped; tests/leaderboard does it",
    "rewardbench data verify core": "runs hundreds of programs; tests/suites/test_core_data.py does it",
    "rewardbench doctor --model ./my-checkpoint": "takes a minute; index.md runs it on a sample",
    "--watch": "waits for checkpoints; tests/sweep/test_watch.py does it",
    "--fresh": "scores core and a draw of the same size; tests/builders/test_build.py does it",
    "--dataset core\n": "scores the whole of core",
    "--toy --seeds 60": "takes a minute; tests/analysis/test_iterate.py runs the toy",
    "rewardbench submit results/": "needs all of core; tests/leaderboard/submissions/test_submit.py does it",
    "rewardbench export results/": "needs a result of core; tests/results/test_result_exports.py does it",
    "rewardbench verify results/": "needs the result of the whole of core; tests/leaderboard/submissions does it",
}
"""Commands that are not run, by a part of the command, with the reason."""

SERVER = "http://127.0.0.1:8000/v1"
"""Address of the server in the guide, in whose place a test serves a judge."""

NOT_RUN_PYTHON = "RewardBenchCallback"
"""Python blocks with this name are not run: tests/test_training.py runs a real trainer with the callback."""

WITH_PACKAGE = "with the package installed"
"""Title of shell blocks that need the package whose files the page shows."""

EXIT_CODES = {
    "data lint my_pairs.jsonl --max_shortcut": {0, 1},
    "rewardbench gate": {0, 1, 3},
    "evaluate-and-gate": {0, 1, 3},
    "rewardbench doctor": {0, 1},
    "rewardbench reproduce published/": {1},
}
"""Commands whose answer is an exit code; all others must end with 0."""


def reason_not_run(command: str) -> str | None:
    for part, reason in NOT_RUN.items():
        if part in f"{command}\n":
            return reason
    return None


def unknown_names(command: str) -> Iterator[str]:
    """Yield the subcommands and options of a rewardbench command that do not exist."""
    for call in re.split(r"[|;&]", command):
        match = COMMAND.search(call)
        if not match or "pip install" in call:
            continue
        words = [word.partition("=")[0] for word in shlex.split(call[match.end() :])]
        yield from _unknown(typer.main.get_command(app), words)


def _unknown(group: Any, words: list[str]) -> Iterator[str]:
    if words and hasattr(group, "get_command") and not words[0].startswith("-"):
        child = group.get_command(group.context_class(group), words[0])
        yield from [words[0]] if child is None else _unknown(child, words[1:])
        return
    known = {"__help"}
    for parameter in group.params:
        known.update(option.replace("-", "_") for option in parameter.opts)
    yield from (word for word in words if word.startswith("--") and word.replace("-", "_") not in known)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_names_real_subcommands_and_options(page):
    complaints = []
    for command in shell_commands(page):
        complaints += [f"{command}: {name}" for name in unknown_names(command)]
    assert complaints == []


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("rewardbench --model x --max_lenght 3", "--max_lenght"),
        ("cat x | rewardbench --modle -", "--modle"),
        ("rewardbench data lnt x", "lnt"),
        ("rewardbench gate --baseline=x --max-dorp=1", "--max-dorp"),
        ("torchrun -m rewardbench --modle x", "--modle"),
        ("rewardbench analyze bias x --min_piars 3", "--min_piars"),
    ],
)
def test_a_name_that_does_not_exist_is_noticed(command, name):
    assert list(unknown_names(command)) == [name]


def test_the_guide_names_every_command():
    text, words = "", set()
    for page in GUIDE_PAGES:
        text += page.read_text(encoding="utf-8")
        words.update(" ".join(shell_commands(page)).split())
    leaves = []
    for name, child in typer.main.get_command(app).commands.items():
        is_group = hasattr(child, "list_commands")
        leaves += child.list_commands(child.context_class(child)) if is_group else [name]
    missing = [leaf for leaf in leaves if leaf not in words and f"rewardbench {leaf}`" not in text]
    assert missing == ["push"]  # a maintainers' command, in the generated reference


def test_every_reason_not_to_run_a_command_is_needed():
    commands = [f"{command}\n" for page in RUN_PAGES for command in shell_commands(page)]
    assert [part for part in NOT_RUN if not any(part in command for command in commands)] == []


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the files that the README and the guide name."""
    write_examples(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{Path('/usr/bin')}:{Path('/bin')}")
    modules = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) == str(tmp_path / f"{name}.py"):
            del sys.modules[name]


def run_command(command: str) -> int:
    """Run a command of rewardbench in this process, which saves the imports, and any other in a shell."""
    if not command.startswith(("rewardbench ", "rewardbench-gen ")) or re.search(r"[|;&<>*]", command):
        return subprocess.run(["bash", "-c", command], timeout=300).returncode
    name, *arguments = shlex.split(command)
    with pytest.raises(SystemExit) as exit_info:
        (generative.main if name == "rewardbench-gen" else main)(arguments)
    return int(exit_info.value.code or 0)


def run_installed(command: str, folder: Path) -> int:
    """Run a command in a process in which the package of a folder is installed."""
    install(folder)
    arguments = [sys.executable, "-m", *shlex.split(command)]
    return subprocess.run(arguments, env={**os.environ, "PYTHONPATH": str(folder)}, timeout=120).returncode


def allowed_codes(command: str) -> set[int]:
    for part, codes in EXIT_CODES.items():
        if part in command:
            return codes
    return {0}


def run_block(block: Block, folder: Path, page: str, names: dict[str, object]) -> None:
    """Run a block as a reader would: add to a file, run Python, or run commands."""
    if block.is_file:
        with (folder / block.title).open("a") as file:
            file.write(block.text)
    elif block.language == "python" and NOT_RUN_PYTHON not in block.text and not block.title:
        exec(compile(block.text, page, "exec"), {"__name__": "guide", **names})
    elif block.language == "bash":
        for command in block.commands():
            if reason_not_run(command) is None:
                code = run_installed(command, folder) if block.title == WITH_PACKAGE else run_command(command)
                assert code in allowed_codes(command), f"{command}: exit code {code}"


@pytest.mark.parametrize("page", [page for page in RUN_PAGES if page != README], ids=page_name)
def test_the_blocks_of_a_page_run(page, workplace, monkeypatch):
    if SERVER not in page.read_text(encoding="utf-8"):
        for block in blocks(page):
            run_block(block, workplace, page_name(page), {})
        return
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    write_published(workplace / "rewardbench-0.1.4")
    run_blocks_with_judge(page, workplace, {})


def run_blocks_with_judge(page: Path, folder: Path, names: dict[str, object]) -> None:
    """Run the blocks of a page with the address of a fake judge in place of `SERVER`."""
    with FakeJudge(Behaviour(decide=judge_by_hash)) as server:
        for block in blocks(page):
            text = block.text.replace(SERVER, server.base_url)
            run_block(replace(block, text=text), folder, page_name(page), names)


def judge_by_hash(question):
    """Rate a response by a hash of its text, or choose the better one of two."""
    pairs = [("# Response A", "# Response B"), ("# Response B", "\0"), ("[A]", "[/A]"), ("[B]", "[/B]")]
    delimiters = [pair for pair in pairs if pair[0] in question.prompt] or [("# Response", "\0")]
    judge = choose if len(delimiters) > 1 else rate
    return judge(delimited_qualities(*delimiters))(question)


def test_the_blocks_of_the_readme_run(workplace):
    """The README names two results that exist, and objects that exist in a reader's program."""
    import pandas
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    def a(prompt: str, completion: str) -> float:
        return len(completion)

    def b(prompt: str, completion: str) -> float:
        return -len(completion)

    for scorer in (a, b):
        evaluate(scorer, "my_pairs.jsonl").save("results/")
    names = {
        "model": AutoModelForSequenceClassification.from_pretrained("my-checkpoint"),
        "tokenizer": AutoTokenizer.from_pretrained("my-checkpoint"),
        "dataframe": pandas.read_json("my_pairs.jsonl", lines=True),
    }
    run_blocks_with_judge(README, workplace, names)
    assert sum(reason_not_run(command) is None for command in shell_commands(README)) >= 8


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_line_of_data_is_read(page):
    for block in blocks(page, "json"):
        if not block.title:
            rows = [json.loads(line) for line in block.text.splitlines()]
            assert evaluate("baseline/longest", rows).score.n > 0


def test_the_pages_link_to_no_other_host():
    for path in [*GUIDE_PAGES, GUIDE / "mkdocs.yml"]:
        assert re.findall(r"https?://(?!127\.0\.0\.1)[^\s)]+", path.read_text(encoding="utf-8")) == [], path
    assert "font: false" in (GUIDE / "mkdocs.yml").read_text()


# The page "Extend"


def block_with(title: str) -> str:
    """Return the text of the block of the page with a title."""
    (block,) = (block for block in blocks(EXTEND, "python") if block.title == title)
    return block.text


def rows_of(table: str, module: ModuleType) -> dict[str, Any]:
    """Return the rows that the page adds to a table of a module, with the names of that module."""
    source = block_with(f"{table} in {module.__name__.replace('.', '/')}.py")
    rows: dict[str, Any] = eval(f"{{{source}}}", dict(vars(module)))
    return rows


def test_the_row_of_a_checkpoint_family_chooses_its_chat_template(workplace, monkeypatch):
    from rewardbench.models import families

    result = evaluate("./my-checkpoint", "my_pairs.jsonl", limit=2)
    assert result.manifest["fingerprint"]["chat_template"] == "tokenizer"
    ((name, family),) = rows_of("FAMILIES", families).items()
    monkeypatch.setitem(families.FAMILIES, name, family)
    result = evaluate("./my-checkpoint", "my_pairs.jsonl", limit=2)
    assert result.manifest["fingerprint"]["chat_template"] == "openbmb"


def test_the_row_of_a_suite_sets_its_sections_and_weights(workplace, monkeypatch):
    from rewardbench.suites import registry

    row = block_with("SUITES in rewardbench/suites/registry.py")
    (spec,) = eval(f"[{row}]", dict(vars(registry)))
    monkeypatch.setitem(registry.SUITES, spec.name, spec)
    result = evaluate("baseline/longest", "my_pairs.jsonl", protocol="my-bench")
    values = {section.name: section.value for section in result.sections}
    assert set(values) == {"Knowledge", "Safety"}
    assert result.score.value == pytest.approx((values["Knowledge"] + 2 * values["Safety"]) / 3)


def test_the_builder_of_the_page_makes_mirrors(monkeypatch):
    from rewardbench.builders import registry
    from rewardbench.builders.build import draw_mirror

    module = ModuleType("rewardbench.builders.templates.colours")
    exec(block_with("rewardbench/builders/templates/colours/__init__.py"), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    ((name, builder),) = rows_of("BUILDERS", registry).items()
    monkeypatch.setitem(registry.BUILDERS, name, builder)
    for index in range(4):
        mirror = draw_mirror("colours", 1, index)
        for prompt, right, wrong in ((mirror.a, mirror.x, mirror.y), (mirror.b, mirror.y, mirror.x)):
            text = prompt[0]["content"]
            name = text.split()[-2]
            assert f"{name} likes {right.rstrip('.')}" in text
            assert f"{name} likes {wrong.rstrip('.')}" not in text
    assert draw_mirror("colours", 1, 0) == draw_mirror("colours", 1, 0)


@pytest.mark.parametrize("block", [block for block in blocks(EXTEND) if block.language != "bash"], ids=str)
def test_an_example_of_an_extension_has_at_most_15_lines(block):
    assert 1 <= len(block.text.rstrip().splitlines()) <= 15


# The page "Result format"

FORMAT = GUIDE / "pages" / "reference" / "format.md"


def keys(value: object) -> object:
    """Return the nested keys of a JSON object, of a list those of its first element."""
    if isinstance(value, dict):
        return {name: keys(child) for name, child in value.items()}
    return keys(value[0]) if isinstance(value, list) and value else None


def table_fields(heading: str) -> set[str]:
    """Return the fields in the first column of the table below a heading."""
    section = re.split(r"^## ", FORMAT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith(f"{heading}\n"))
    fields = set()
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        fields.update(re.findall(r"`(\w+)`", row))
    return fields


@pytest.fixture
def written(workplace):
    """The summary and the first line of the outputs that the command of the page writes."""
    (block,) = blocks(FORMAT, "bash")
    (command,) = block.commands()
    assert run_command(command) == 0
    summary = json.loads((workplace / "results" / "tiny-rm.json").read_text())
    return summary, json.loads((workplace / "results" / "tiny-rm_outputs.jsonl").read_text().splitlines()[0])


def test_the_example_result_is_valid_and_what_the_command_writes(written):
    from rewardbench.results import read_result

    (block,) = blocks(FORMAT, "json")
    example, (summary, _) = json.loads(block.text), written
    threads = [value["manifest"]["environment"].pop("thread_settings") for value in (example, summary)]
    assert all("usable_cpus" in settings for settings in threads)  # the others are those that somebody has set
    assert keys(example) == keys(summary)
    for field in ("suite", "revision", "model", "score", "accuracy_estimate", "sections", "subsets"):
        assert example[field] == summary[field], field
    path = Path("results", "tiny-rm.json")
    path.write_text(block.text.replace(example["outputs_sha256"], summary["outputs_sha256"]))
    assert read_result(path).score.value == example["score"]["value"]


def test_the_format_page_has_every_field_of_the_manifest_and_the_outputs(written):
    summary, row = written
    assert table_fields("Manifest") == set(summary["manifest"])
    assert table_fields("Outputs") == set(row)
