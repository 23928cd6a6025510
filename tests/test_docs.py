"""The README and the guide: every command names real options, and the guide's commands and Python are run.

The blocks of a page run in order in a temporary folder with small data, as a reader would run them.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from repository import ROOT

from rewardbench.cli.main import app, main

GUIDE = ROOT / ".github" / "docs"
PAGES = sorted((GUIDE / "pages").rglob("*.md"))
FENCE = re.compile(r"^( *)```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:-m )?rewardbench(?= )")

NOT_RUN = {
    "scripts/setup": "installs the package",
    "pip install": "installs a package",
    "torchrun": "tests/engine/test_ranks.py runs it",
    "org/": "needs the Hub",
    "Skywork/": "needs the Hub",
    "hf://": "needs the Hub; tests/leaderboard/submissions/test_pull_requests.py does it on a double",
    "rewardbench leaderboard ": "serves until it is stopped; tests/leaderboard does it",
    "rewardbench data verify core": "runs hundreds of programs; tests/suites/test_core_data.py does it",
    "rewardbench doctor --model ./my-checkpoint": "takes a minute; index.md runs it on a sample",
    "--fresh": "scores core and a draw of the same size; tests/builders/test_build.py does it",
    "--dataset core\n": "scores the whole of core",
    "rewardbench submit results/": "needs all of core; tests/leaderboard/submissions/test_submit.py does it",
    "rewardbench verify results/": "needs the result of the whole of core; tests/leaderboard/submissions does it",
}
"""Commands of the guide that are not run, by what is in them, with the reason."""

NOT_RUN_PYTHON = "not run: needs a trainer"
"""Title of a Python block that is not run: tests/test_training.py runs a real trainer with the callback."""

EXIT_CODES = {
    "data lint my_pairs.jsonl --max_shortcut": {0, 1},
    "rewardbench gate": {0, 1, 3},
    "evaluate-and-gate": {0, 1, 3},
    "rewardbench doctor": {0, 1},
}
"""Commands whose answer is an exit code; all others must end with 0."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    matches = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [Block(match[2], match[3] or "", re.sub(rf"(?m)^{match[1]}", "", match[4])) for match in matches]


def commands(block: Block) -> list[str]:
    """Return the commands of a shell block, without comments, continued lines joined."""
    lines = block.text.replace("\\\n", " ").splitlines()
    stripped = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    return [line for line in stripped if line]


def shell_commands(page: Path) -> list[str]:
    return [command for block in blocks(page) if block.language in ("bash", "sh") for command in commands(block)]


def reason_not_run(command: str) -> str | None:
    return next((reason for part, reason in NOT_RUN.items() if part in f"{command}\n"), None)


def unknown_names(command: str) -> Iterator[str]:
    """Yield the subcommands and options of a rewardbench command that do not exist."""
    for call in re.split(r"[|;&]", command):
        match = COMMAND.search(call)
        if not match or "pip install" in call:
            continue
        words = [word.partition("=")[0] for word in shlex.split(call[match.end() :])]
        yield from _unknown(typer.main.get_command(app), words)


def _unknown(group: Any, words: list[str]) -> Iterator[str]:
    children = getattr(group, "commands", {})
    if words and children and not words[0].startswith("-"):
        if words[0] not in children:
            yield words[0]
            return
        yield from _unknown(children[words[0]], words[1:])
        return
    known = {name for parameter in group.params for name in parameter.opts}
    yield from (word for word in words if word.startswith("--") and word.replace("-", "_") not in _spellings(known))


def _spellings(options: set[str]) -> set[str]:
    return {option.replace("-", "_") for option in options} | {"__help"}


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md", *PAGES], ids=page_name)
def test_every_command_names_real_subcommands_and_options(page):
    complaints = [f"{command}: {name}" for command in shell_commands(page) for name in unknown_names(command)]
    assert complaints == []


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("rewardbench --model x --max_lenght 3", "--max_lenght"),
        ("cat x | rewardbench --modle -", "--modle"),
        ("rewardbench data lnt x", "lnt"),
        ("rewardbench gate --baseline=x --max-dorp=1", "--max-dorp"),
        ("torchrun -m rewardbench --modle x", "--modle"),
    ],
)
def test_a_name_that_does_not_exist_is_noticed(command, name):
    assert list(unknown_names(command)) == [name]


def test_the_guide_names_every_command():
    named = {part for page in PAGES for command in shell_commands(page) for part in command.split()}
    group = typer.main.get_command(app)
    leaves = [leaf for name, child in group.commands.items() for leaf in getattr(child, "commands", None) or {name}]
    told = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = [leaf for leaf in leaves if leaf not in named and f"rewardbench {leaf}`" not in told]
    assert missing == ["push"]  # a maintainers' command, in the generated reference


def test_every_reason_not_to_run_a_command_is_needed():
    guide = [f"{command}\n" for page in PAGES for command in shell_commands(page)]
    assert [part for part in NOT_RUN if not any(part in command for command in guide)] == []


def write_pairs(path: Path) -> None:
    rows = []
    for number in range(40):
        prompt = f"What is {number} plus {number + 3}?"
        right, wrong = f"It is {2 * number + 3}.", f"I think that it is {2 * number + 4 + number % 3}."
        chosen, rejected = (right, wrong) if number % 3 else (right + " That is the sum.", wrong[:10])
        subset = "facts" if number % 2 else "refusals"
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected, "subset": subset})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the files that the guide speaks of."""
    write_pairs(tmp_path / "my_pairs.jsonl")
    shutil.copy(tmp_path / "my_pairs.jsonl", tmp_path / "train.jsonl")
    models = ROOT / "data" / "models"
    shutil.copytree(models / "tiny-rm", tmp_path / "my-checkpoint")
    shutil.copytree(models / "tiny-dpo" / "policy", tmp_path / "policy")
    shutil.copytree(models / "tiny-dpo" / "reference", tmp_path / "sft")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{Path('/usr/bin')}:{Path('/bin')}")
    return tmp_path


def run_command(command: str) -> int:
    """Run a command of ours in this process, which saves the imports, and any other in a shell."""
    if not command.startswith("rewardbench ") or re.search(r"[|;&<>]", command):
        return subprocess.run(["bash", "-c", command], timeout=300).returncode
    with pytest.raises(SystemExit) as exit_info:
        main(shlex.split(command)[1:])
    return int(exit_info.value.code or 0)


RUN = [page for page in PAGES if any(block.language in ("bash", "python") for block in blocks(page))]


@pytest.mark.parametrize("page", RUN, ids=page_name)
def test_the_blocks_of_a_page_run(page, workplace, capfd):
    for block in blocks(page):
        if block.language == "yaml" and block.title:
            (workplace / block.title).write_text(block.text)
        elif block.language == "python" and block.title != NOT_RUN_PYTHON:
            exec(compile(block.text, page_name(page), "exec"), {"__name__": "guide"})
        elif block.language == "bash":
            for command in commands(block):
                if reason_not_run(command) is None:
                    allowed = next((codes for part, codes in EXIT_CODES.items() if part in command), {0})
                    code = run_command(command)
                    assert code in allowed, f"{command}: exit code {code}\n{capfd.readouterr().err[-2000:]}"


def test_the_python_of_the_readme_runs(workplace):
    """The first block; the second is a trainer's, which tests/test_training.py runs."""
    import pandas
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    code, training = [block for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert "RewardBenchCallback" in training.text
    names = {
        "model": AutoModelForSequenceClassification.from_pretrained("my-checkpoint"),
        "tokenizer": AutoTokenizer.from_pretrained("my-checkpoint"),
        "dataframe": pandas.read_json("my_pairs.jsonl", lines=True),
    }
    exec(compile(code.text, "README.md", "exec"), names)
    assert names["result"].score.n == 40


def test_every_json_line_of_the_guide_is_read(workplace):
    from rewardbench import evaluate

    for page in PAGES:
        for block in blocks(page):
            if block.language == "json":
                rows = [json.loads(line) for line in block.text.splitlines()]
                assert evaluate("baseline/longest", rows).score.n > 0


def test_the_pages_link_to_no_other_host():
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*PAGES, GUIDE / "mkdocs.yml"])
    assert re.findall(r"https?://[^\s)]+", text) == []
    assert "font: false" in (GUIDE / "mkdocs.yml").read_text()
