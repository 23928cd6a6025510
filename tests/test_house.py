"""The rules of the house: imports run one way, nothing grows too big, the front door is light, no path of ours leaks.

Each rule is a function from source to complaints; one test holds the house to it, another plants a breach and sees it.
"""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from repository import ROOT

import rewardbench

LINTER = Path(sys.executable).with_name("lint-imports")

HEAVY = (
    *("torch", "transformers", "datasets", "pandas", "scipy", "numpy", "pyarrow", "fastchat", "huggingface_hub"),
    *("sklearn", "httpx", "pydantic"),
)
ASKS_FOR_THE_GPU = ("rewardbench/models/devices.py", "rewardbench/engine/budget.py")
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
MOST_COMPREHENSIONS = 4.0
"""In 100 lines of functions: more of them make a reader unfold what a loop would have said."""
MOST_ANY = 0.04
"""Share of parameters whose annotation holds Any."""

# None of these patterns matches its own text, so that this file passes too.
LEAKS = re.compile(
    r"(?<![\w.~])/(?:home|root|Users|work)/[A-Za-z.]"
    r"|https?://(?:[\w-]+\.)*(?:pypi\.org|pythonhosted\.org|download\.pytorch\.org)"
    r"|--(?:extra-)?index-url[ =](?:https?|file):"
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
COMPREHENSION = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

BANNED_NAMES = frozenset(
    "found one told said asked own whole kept heard given held rest thing things there more some".split()
)
"""Pronouns and participles that do not name what a variable holds."""


def sources() -> dict[str, str]:
    """Every Python file of the package and of scripts, by its path in the repository."""
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file()]
    python = [path for path in scripts if path.suffix == ".py" or path.read_text().startswith("#!/usr/bin/env python")]
    modules = sorted([*(ROOT / "rewardbench").rglob("*.py"), *(ROOT / "leaderboard").glob("*.py")])
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in (*modules, *python)}


SOURCES = sources()
PACKAGE = {path: text for path, text in SOURCES.items() if path.startswith("rewardbench/")}


def too_big(path: str, source: str) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > LONGEST_FILE:
        yield f"{path}: {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines"


def is_overload(node: ast.ClassDef | Function) -> bool:
    """Return True for a signature of typing.overload, which its implementation documents."""
    return any(isinstance(decorator, ast.Name) and decorator.id == "overload" for decorator in node.decorator_list)


def undocumented(path: str, source: str) -> Iterator[str]:
    """Public modules, classes, functions and methods without a docstring; what a function holds inside is its own."""
    open_nodes: list[ast.Module | ast.ClassDef | Function] = [ast.parse(source)]
    while open_nodes:
        node = open_nodes.pop()
        if not ast.get_docstring(node):
            yield f"{path}:{getattr(node, 'lineno', 1)}: {getattr(node, 'name', 'module')} has no docstring"
        if not isinstance(node, Function):
            inside = [child for child in node.body if isinstance(child, ast.ClassDef | Function)]
            open_nodes += [child for child in inside if not child.name.startswith("_") and not is_overload(child)]


def named_gpus(path: str, source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        literal = isinstance(node, ast.Constant) and re.fullmatch(r"cuda(:\d+)?", str(node.value))
        moved = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda"
        if (literal and path not in ASKS_FOR_THE_GPU) or moved:
            yield f"{path}:{node.lineno}: names a GPU"


def banned_names(path: str, source: str) -> Iterator[str]:
    """Yield each parameter and each assigned, loop or comprehension variable whose name is banned."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg):
            name, line = node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name, line = node.id, node.lineno
        else:
            continue
        if name.strip("_") in BANNED_NAMES:
            yield f"{path}:{line}: {name} does not name what it holds"


def functions(source: str) -> list[Function]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, Function)]


def comprehension_density(files: Iterable[str]) -> float:
    """Return how many comprehensions stand in 100 lines of functions."""
    lines = comprehensions = 0
    for source in files:
        inside = {line for node in functions(source) for line in range(node.lineno, (node.end_lineno or 0) + 1)}
        lines += len(inside)
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, COMPREHENSION)]
        comprehensions += sum(node.lineno in inside for node in nodes)
    return 100 * comprehensions / max(lines, 1)


def share_of_any(files: Iterable[str]) -> float:
    """Return the share of parameters, without self and cls, whose annotation names Any."""
    annotations = []
    for source in files:
        for function in functions(source):
            arguments = [node for node in ast.walk(function.args) if isinstance(node, ast.arg)]
            annotations += [node.annotation for node in arguments if node.arg not in ("self", "cls")]
    untyped = [node for node in annotations if node is not None and "Any" in re.findall(r"\w+", ast.unparse(node))]
    return len(untyped) / max(len(annotations), 1)


def defined_types(source: str) -> Iterator[str]:
    """Yield the names of public classes and type aliases that a module defines."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        else:
            names = []
        yield from (name for name in names if name[0].isupper() and not name.isupper())


def leaks(path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for leak in LEAKS.findall(line):
            yield f"{path}:{number}: {leak}"


def test_layers_import_one_way():
    """The layers stand in pyproject.toml; import-linter also refuses circles between packages."""
    run = subprocess.run([LINTER], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:]
    assert "2 kept, 0 broken" in run.stdout


def test_every_module_has_its_layer():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = contracts[0]["layers"]
    assert len(layers) <= 12
    placed = {name.strip() for layer in layers for name in layer.split(":")}
    modules = {f"rewardbench.{path.stem}" for path in (ROOT / "rewardbench").iterdir() if path.suffix == ".py"}
    packages = {f"rewardbench.{path.parent.name}" for path in (ROOT / "rewardbench").glob("*/__init__.py")}
    doors = {"rewardbench.__init__", "rewardbench.__main__", "rewardbench.leaderboard"}
    assert (modules | packages) - doors == {name for name in placed if not name.startswith("rewardbench.leaderboard")}


def test_an_import_upwards_is_seen(tmp_path):
    """A copy of the package in which the lowest layer imports the highest."""
    shutil.copytree(ROOT / "rewardbench", tmp_path / "rewardbench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    errors = tmp_path / "rewardbench" / "errors.py"
    errors.write_text(errors.read_text() + "\n\ndef f():\n    from rewardbench.cli import main\n")
    run = subprocess.run([LINTER], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert "rewardbench.errors -> rewardbench.cli.main" in run.stdout


@pytest.mark.parametrize("rule", [undocumented, named_gpus])
def test_the_package_keeps_the_rule(rule):
    assert "\n".join(breach for path, text in PACKAGE.items() for breach in rule(path, text)) == ""


def test_no_file_and_no_function_is_too_big():
    assert "\n".join(breach for path, text in SOURCES.items() for breach in too_big(path, text)) == ""


def test_test_files_have_different_names():
    """pytest imports a test file by its name alone."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_variable_has_a_banned_name():
    tests = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    assert "\n".join(breach for path, text in (SOURCES | tests).items() for breach in banned_names(path, text)) == ""


@pytest.mark.parametrize("package", sorted({path.split("/")[1] for path in PACKAGE if path.count("/") > 1}))
def test_functions_hold_few_comprehensions(package):
    files = [text for path, text in PACKAGE.items() if path.startswith(f"rewardbench/{package}/")]
    assert comprehension_density(files) <= MOST_COMPREHENSIONS


def test_few_parameters_are_of_any_type():
    assert share_of_any(PACKAGE.values()) <= MOST_ANY


def test_a_class_name_has_one_meaning():
    """Two modules may not define public classes or type aliases of the same name."""
    places: dict[str, list[str]] = {}
    for path, text in PACKAGE.items():
        for name in defined_types(text):
            places.setdefault(name, []).append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_figures_of_style_are_counted_right():
    source = (
        "x = [1 for _ in y]\ndef f(a: Any, b: dict[str, Any], c: int, d):\n    return [e for e in (g for g in a)]\n"
    )
    assert comprehension_density([source]) == 100.0
    assert share_of_any([source]) == 0.5
    source = "class Item: ...\nRows = dict[str, int]\nIds: TypeAlias = int\nLIMIT = 3\nclass _Node: ...\nsize = 1"
    assert list(defined_types(source)) == ["Item", "Rows", "Ids"]


@pytest.mark.parametrize(
    ("rule", "path", "source", "breach"),
    [
        (too_big, "rewardbench/x.py", "x = 1\n" * 401, "401 lines"),
        (too_big, "scripts/x.py", "def f():\n" + "    x = 1\n" * 60, "f has 61 lines"),
        (undocumented, "rewardbench/x.py", "x = 1", "module has no"),
        (undocumented, "rewardbench/x.py", '"""M."""\nclass A:\n    """A."""\n    def go(self): ...', "go has no"),
        (named_gpus, "rewardbench/engine/loop.py", 'x = torch.ones(1, device="cuda:0")', "loop.py:1"),
        (named_gpus, "rewardbench/models/devices.py", "model.cuda()", "devices.py:1"),
        (banned_names, "rewardbench/x.py", "def f(found): ...", "found"),
        (banned_names, "rewardbench/x.py", "[one for one in x]", "one"),
        (banned_names, "rewardbench/x.py", "for _, rest in x: ...", "rest"),
        (banned_names, "rewardbench/x.py", "if (whole := f()): ...", "whole"),
        (leaks, "a.md", "cd /" + "home/ann/code", "a.md:1"),
        (leaks, "a.yml", "pip install --index-url" + "=file:///x", "index-url"),
        (leaks, "a.toml", "https://" + "files.pythonhosted.org/x", "https"),
    ],
)
def test_a_breach_is_seen(rule, path, source, breach):
    (complaint,) = rule(path, source)
    assert breach in complaint


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (too_big, "rewardbench/x.py", "def f():\n" + "    x = 1\n" * 59 + "x = 1\n" * 340),
        (undocumented, "rewardbench/x.py", '"""M."""\ndef _f(): ...\nclass _A: ...'),
        (named_gpus, "rewardbench/cli/main.py", 'x = "cpu, cuda, cuda:1, mps"\ny = torch.cuda.is_available()'),
        (banned_names, "rewardbench/x.py", "row = found.one\nf(rest=1)"),
        (leaks, "a.md", "models/home/x, ~/home/x, https://example.org/home/x, the --index-url of pip"),
    ],
)
def test_what_is_fine_passes(rule, path, source):
    assert list(rule(path, source)) == []


@pytest.mark.parametrize(
    "door",
    [
        "import rewardbench",
        "import rewardbench.cli.main as c\ntry: c.main(['--help'])\nexcept SystemExit as e: assert not e.code",
    ],
)
def test_the_front_door_is_light(door):
    heavy = f"print(sorted(sys.modules.keys() & set({HEAVY!r})), file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", f"import sys\n{door}\n{heavy}"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "[]\n")


def test_every_public_name_resolves():
    assert "evaluate" in rewardbench.__all__
    assert {name: getattr(rewardbench, name).__name__ for name in rewardbench.__all__} == {
        name: name for name in rewardbench.__all__
    }
    with pytest.raises(AttributeError, match="nonsense"):
        _ = rewardbench.nonsense


def test_no_tracked_file_holds_a_path_of_ours_or_an_index_host():
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git clone")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file()}
    assert len(texts) > 30
    assert "\n".join(leak for path, text in texts.items() for leak in leaks(str(path.relative_to(ROOT)), text)) == ""


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if not line.startswith("#"))


def test_every_dependency_is_pinned_to_a_public_version_above_its_lower_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert len(requirements) > 15
    for requirement in map(Requirement, requirements):
        pinned = pins()[requirement.name.lower().replace("_", "-")]
        assert ">=" in str(requirement.specifier), requirement
        assert requirement.specifier.contains(pinned), requirement
    assert [version for version in pins().values() if not re.fullmatch(r"[\d.]+(post\d+)?", version)] == []


def test_gradio_is_asked_for_in_one_minor_version_everywhere():
    """The leaderboard closes doors of Gradio that are not its public interface, so each version is tried first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    space = (ROOT / "leaderboard" / "requirements.txt").read_text().splitlines()
    lines = [*extras["leaderboard"], *extras["dev"], *space]
    ranges = [Requirement(line).specifier for line in lines if line.startswith("gradio")]
    assert list(map(str, ranges)) == [str(ranges[0])] * 3
    pinned = pins()["gradio"]
    assert ranges[0].contains(pinned)
    major, minor, _ = map(int, pinned.split("."))
    assert not ranges[0].contains(f"{major}.{minor + 1}.0")
    assert f"sdk_version: {pinned}\n" in (ROOT / "leaderboard" / "README.md").read_text()
    package = next(Requirement(line) for line in space if line.startswith("rewardbench"))
    assert package.specifier.contains(project["version"], prereleases=True)
    assert not package.specifier.contains("2.0")
