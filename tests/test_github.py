"""What GitHub reads: workflows, issue forms, pre-commit hooks and the pages under .github.

Each rule is a function from text to complaints: one test applies it to the files, another to an example that breaks it.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer.main
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from repository import ROOT

from rewardbench.cli.main import app

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
EXAMPLES = [GITHUB / "examples" / "gate.yml", GITHUB / "examples" / "verify.yml"]
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
PAGES = [*sorted(GITHUB.glob("*.md")), ROOT / "README.md"]
CONFIG = GITHUB / "pre-commit-config.yaml"

ACTION = re.compile(r"^[ \t-]*[\"']?uses[\"']?[ \t]*:[ \t]*(.*)$", flags=re.MULTILINE)
PINNED = re.compile(r"[\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
"""An action of another repository: by commit, since tags can be moved, with the version as a comment."""

REPOSITORY_FILE = re.compile(r"(?<![\w./-])(?:scripts|tests|\.github)/[\w./-]*\w")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# Workflows


def unsafe(workflow: dict[str, Any]) -> Iterator[str]:
    """Yield what makes a workflow run too long, with too many rights, or with code that may change."""
    if "permissions" not in workflow:
        yield "no permissions at the top"
    for job_name, job in workflow["jobs"].items():
        rights = job.get("permissions", workflow.get("permissions"))
        if not isinstance(rights, dict):
            yield f"{job_name}: permissions are not listed one by one"
        if "uses" not in job and "timeout-minutes" not in job:
            yield f"{job_name}: no timeout-minutes"
        for action in actions(job):
            if action.startswith("./") and not (ROOT / action).is_file():
                yield f"{job_name}: {action} does not exist"
        for step in job.get("steps", []):
            is_checkout = step.get("uses", "").startswith("actions/checkout@")
            if is_checkout and step.get("with", {}).get("persist-credentials") is not False:
                yield f"{job_name}: the checkout keeps the token"


def unpinned(text: str) -> Iterator[str]:
    """Yield the actions of other repositories that are not pinned to a commit."""
    lines = [line.strip() for line in ACTION.findall(text)]
    if len(lines) != sum(len(actions(job)) for job in yaml.safe_load(text)["jobs"].values()):
        yield "an action is not on a line of its own"
    yield from (f"{line} is not pinned" for line in lines if not line.startswith("./") and not PINNED.fullmatch(line))


def actions(job: dict[str, Any]) -> list[str]:
    steps = [job, *job.get("steps", [])]
    return [step["uses"] for step in steps if "uses" in step]


def shell_commands(workflow: dict[str, Any]) -> list[str]:
    steps = [step for job in workflow["jobs"].values() for step in job.get("steps", [])]
    return [step["run"] for step in steps if "run" in step]


def missing_files(text: str) -> Iterator[str]:
    """Yield the files of the repository that a text names and that do not exist, and scripts that cannot be run."""
    for file in REPOSITORY_FILE.findall(text):
        path = ROOT / file
        if not path.exists():
            yield f"{file} does not exist"
        elif file.startswith("scripts/") and path.suffix == "" and not os.access(path, os.X_OK):
            yield f"{file} is not executable"


@pytest.mark.parametrize("path", [*WORKFLOWS, *EXAMPLES], ids=name)
def test_a_workflow_is_safe_and_its_scripts_exist(path):
    workflow = yaml.safe_load(read(path))
    complaints = [*unsafe(workflow), *unpinned(read(path)), *missing_files("\n".join(shell_commands(workflow)))]
    assert complaints == []


def test_each_action_has_one_version():
    lines = {line.strip() for path in [*WORKFLOWS, *EXAMPLES] for line in ACTION.findall(read(path))}
    names = [line.partition("@")[0] for line in lines]
    assert sorted(names) == sorted(set(names))
    assert len(names) >= 6


def test_pins_are_updated_every_week():
    (update,) = yaml.safe_load(read(GITHUB / "dependabot.yml"))["updates"]
    assert update["package-ecosystem"] == "github-actions"
    assert update["directories"] == ["/", "/.github/examples"]
    assert update["schedule"]["interval"] == "weekly"
    assert update["groups"] == {"actions": {"patterns": ["*"]}}


@pytest.mark.parametrize("path", [*WORKFLOWS, *EXAMPLES], ids=name)
def test_the_commands_of_a_workflow_are_valid_shell(path):
    commands = shell_commands(yaml.safe_load(read(path)))
    for command in commands:
        script = re.sub(r"\$\{\{.*?\}\}", "value", command)
        check = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
        assert (check.returncode, check.stderr) == (0, ""), command
    assert commands


STEPS = "permissions: {contents: read}\njobs:\n  a:\n    timeout-minutes: 1\n    steps:\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("jobs: {a: {timeout-minutes: 1, permissions: {}}}", "no permissions at the top"),
        ("permissions: write-all\njobs: {a: {timeout-minutes: 1}}", "a: permissions are not listed one by one"),
        ("permissions: {}\njobs: {a: {steps: []}}", "a: no timeout-minutes"),
        ("permissions: {}\njobs: {a: {uses: ./.github/workflows/none.yml}}", "none.yml does not exist"),
        (STEPS + "      - uses: actions/checkout@v5", "the checkout keeps the token"),
        (STEPS + "      - uses: actions/checkout@v5\n        with: {persist-credentials: true}", "keeps the token"),
    ],
)
def test_an_unsafe_workflow_is_noticed(text, complaint):
    (message,) = unsafe(yaml.safe_load(text))
    assert message.endswith(complaint)


SHA = "0123456789abcdef" * 2 + "01234567"


@pytest.mark.parametrize(
    "action",
    [
        "actions/checkout@v5",
        "actions/checkout@main",
        "someone/action",
        f"someone/action@{SHA}",
        f"someone/action@{SHA} # v1",
        f"someone/action@{SHA[1:]} # v1.0.0",
        f"someone/action@{SHA.upper()} # v1.0.0",
        f"'someone/action@{SHA}' # v1.0.0",
        "docker://image:latest",
        "docker://image:latest # v1.0.0",
    ],
)
def test_an_action_without_commit_and_version_is_noticed(action):
    assert list(unpinned(f"{STEPS}      - uses: {action}")) == [f"{action} is not pinned"]


@pytest.mark.parametrize(
    "step", ["{uses: someone/action@v1}", "{name: x, uses: someone/action@v1}", "? uses\n        : someone/action@v1"]
)
def test_an_action_that_the_pattern_would_miss_is_noticed(step):
    assert list(unpinned(f"{STEPS}      - {step}")) == ["an action is not on a line of its own"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("run scripts/none now", "scripts/none does not exist"),
        ("pytest -q tests/test_none.py", "tests/test_none.py does not exist"),
        ("`.github/none.yaml`", ".github/none.yaml does not exist"),
    ],
)
def test_a_missing_file_is_noticed(text, complaint):
    assert list(missing_files(text)) == [complaint]


def test_only_the_release_may_write_and_a_person_approves_it():
    writers = {}
    for path in WORKFLOWS:
        for job_name, job in yaml.safe_load(read(path))["jobs"].items():
            rights = {right for right, level in job.get("permissions", {}).items() if level == "write"}
            if rights:
                writers[path.name, job_name] = rights
    assert writers == {("release.yml", "publish"): {"id-token"}, ("release.yml", "announce"): {"contents"}}
    jobs = yaml.safe_load(read(GITHUB / "workflows" / "release.yml"))["jobs"]
    assert jobs["publish"]["environment"] == "release"
    assert jobs["publish"]["needs"] == ["test", "smoke"]
    assert jobs["announce"]["needs"] == "publish"


# Issue forms: https://docs.github.com/communities, "Syntax for GitHub's form schema"

Text = Annotated[str, StringConstraints(min_length=1, strict=True)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Validations(Strict):
    required: bool = False


class MarkdownText(Strict):
    value: Text


class LabelledField(Strict):
    label: Text
    description: Text | None = None


class Question(LabelledField):
    placeholder: Text | None = None
    value: Text | None = None


class LongQuestion(Question):
    render: Text | None = None


class Choice(LabelledField):
    multiple: bool = False
    options: Annotated[list[Text], Field(min_length=1)]


class Box(Strict):
    label: Text
    required: bool = False


class Boxes(LabelledField):
    options: Annotated[list[Box], Field(min_length=1)]


class Markdown(Strict):
    type: Literal["markdown"]
    attributes: MarkdownText


class Answer(Strict):
    id: Identifier
    validations: Validations = Validations()


class Input(Answer):
    type: Literal["input"]
    attributes: Question


class TextArea(Answer):
    type: Literal["textarea"]
    attributes: LongQuestion


class Dropdown(Answer):
    type: Literal["dropdown"]
    attributes: Choice


class Checkboxes(Strict):
    type: Literal["checkboxes"]
    id: Identifier
    attributes: Boxes


class Form(Strict):
    name: Text
    description: Text
    title: Text | None = None
    labels: list[Text] = []
    assignees: list[Text] = []
    body: list[Annotated[Markdown | Input | TextArea | Dropdown | Checkboxes, Field(discriminator="type")]]


def faults_of_form(form: Any) -> Iterator[str]:
    """Yield where a form breaks GitHub's schema, or repeats an id, a label or an option."""
    try:
        body = Form.model_validate(form).body
    except ValidationError as error:
        yield from (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        return
    answers = [part for part in body if not isinstance(part, Markdown)]
    if not answers:
        yield "the form asks nothing"
    yield from repeated("id", [part.id for part in answers])
    yield from repeated("label", [part.attributes.label for part in answers])
    for part in answers:
        if isinstance(part, Dropdown):
            yield from repeated("option", part.attributes.options)


def repeated(kind: str, values: list[str]) -> Iterator[str]:
    yield from (f"{kind} {value!r} is repeated" for value in sorted(set(values)) if values.count(value) > 1)


@pytest.mark.parametrize("path", FORMS, ids=name)
def test_an_issue_form_follows_the_schema(path):
    assert list(faults_of_form(yaml.safe_load(read(path)))) == []


def test_issue_forms_differ_and_require_the_evidence():
    forms = {path.stem: yaml.safe_load(read(path)) for path in FORMS}
    assert set(forms) == {"bug", "wrong-number", "disputed-label", "new-head", "leaderboard"}
    assert len({form["name"] for form in forms.values()}) == len(forms)
    required = {
        stem: {part["id"] for part in form["body"] if part.get("validations", {}).get("required")}
        for stem, form in forms.items()
    }
    assert required["bug"] >= {"command", "error", "doctor", "versions"}
    assert required["wrong-number"] >= {"model", "suite", "command", "ours", "theirs"}
    assert required["disputed-label"] >= {"suite", "item", "fault", "source"}
    assert required["new-head"] >= {"model", "reference", "values"}
    assert required["leaderboard"] >= {"row", "request", "reason"}


def test_the_issue_chooser_links_to_nothing_outside():
    config = yaml.safe_load(read(GITHUB / "ISSUE_TEMPLATE" / "config.yml"))
    assert config == {"blank_issues_enabled": True}


QUESTION: dict[str, Any] = {"type": "input", "id": "a", "attributes": {"label": "A"}}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ([], "the form asks nothing"),
        ([QUESTION, QUESTION], "id 'a' is repeated"),
        ([{**QUESTION, "type": "text"}], "body.0: Input tag 'text'"),
        ([{**QUESTION, "id": "a b"}], "body.0.input.id"),
        ([{**QUESTION, "attributes": {}}], "body.0.input.attributes.label: Field required"),
        ([{**QUESTION, "validations": {"required": "yes"}}], "body.0.input.validations.required"),
        ([{**QUESTION, "type": "dropdown"}], "body.0.dropdown.attributes.options: Field required"),
        ([{**QUESTION, "attributes": {"label": "A", "render": "text"}}], "body.0.input.attributes.render: Extra"),
    ],
)
def test_a_fault_of_a_form_is_noticed(body, complaint):
    faults = list(faults_of_form({"name": "n", "description": "d", "body": body}))
    assert faults[0].startswith(complaint)


# Pages


def without_code(markdown: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", markdown, flags=re.DOTALL)


def anchors(markdown: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", markdown, flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(markdown: str, folder: Path) -> Iterator[str]:
    """Yield the links of a page, relative to its folder, that lead to no file or to no heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(markdown)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = folder / file
        exists = path.exists()
        if exists and anchor:
            exists = anchor in anchors(read(path) if file else markdown)
        if not exists:
            yield target


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_the_relative_links_of_a_page_exist(path):
    assert list(broken_links(read(path), path.parent)) == []


@pytest.mark.parametrize("link", ["none.md", "CONTRIBUTING.md#none", "#none", "../none/"])
def test_a_broken_link_is_noticed(link):
    page = f"# Some heading\n[good](#some-heading) [code](CONTRIBUTING.md#style) `[x](none)` [bad]({link})"
    assert list(broken_links(page, GITHUB)) == [link]


@pytest.mark.parametrize("path", [*PAGES, *FORMS, CONFIG], ids=name)
def test_the_files_that_a_page_names_exist(path):
    assert list(missing_files(read(path))) == []


def unknown_commands(text: str) -> Iterator[str]:
    """Yield the calls of rewardbench in code spans, code blocks and forms that name no command or no option of it."""
    calls = re.findall(r"(?:^|[`/])rewardbench((?: +[^\s`|;)>]+)+)", text, flags=re.MULTILINE)
    for call in calls:
        command, previous = typer.main.get_command(app), ""
        for word in shlex.split(call, comments=True):
            options = {option for parameter in command.params for option in parameter.opts}
            subcommands = getattr(command, "commands", {})
            if word.startswith("--"):
                if word not in {*options, "--help", "--version"}:
                    yield f"rewardbench{call}: no option {word}"
            elif word in subcommands:
                command = subcommands[word]
            elif subcommands and not previous.startswith("--"):
                yield f"rewardbench{call}: no command {word}"
            previous = word


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("`rewardbench docter --model X`", "no command docter"),
        ("rewardbench --modell X", "no option --modell"),
        ("see `rewardbench data lists`.", "no command lists"),
        (".venv/bin/rewardbench doctor --modell X", "no option --modell"),
    ],
)
def test_an_unknown_command_is_noticed(text, complaint):
    (message,) = unknown_commands(text)
    assert message.endswith(complaint)


@pytest.mark.parametrize("path", [*sorted(GITHUB.glob("*.md")), *FORMS], ids=name)
def test_the_commands_that_a_page_shows_exist(path):
    assert list(unknown_commands(read(path))) == []


# Hooks


def test_the_hooks_run_the_tools_of_the_environment():
    config = yaml.safe_load(read(CONFIG))
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [hook["id"] for hook in hooks] == ["ruff-check", "ruff-format", "repository-rules"]
    modules = {re.match(r"\.venv/bin/python -m (\w+) ", hook["entry"])[1] for hook in hooks}
    assert modules == {"ruff", "pytest"}
    assert "pre-commit install --config .github/pre-commit-config.yaml" in read(GITHUB / "CONTRIBUTING.md")


def test_every_yaml_file_parses():
    files = [path for path in GITHUB.rglob("*") if path.suffix in {".yml", ".yaml"}]
    assert len(files) >= 12
    for path in files:
        assert isinstance(TypeAdapter(dict[Any, Any]).validate_python(yaml.safe_load(read(path))), dict), path
