"""Any text can be printed on any terminal, and every --json is JSON."""

import ast
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from repository import SHARED
from terminal import run

import rewardbench
from rewardbench.console.strict_json import DEEPEST, dump, to_plain
from rewardbench.console.terminal import echo, listed, printable, printable_text

PACKAGE = Path(rewardbench.__file__).parent
HOSTILE = "s\x1b]0;title\x07\x1b[2J\u202edrawkcab\x9b31m\n[/red]"
SURROGATE = "a\ud83d"
ROWS = [
    {
        "id": f"i{HOSTILE}",
        "prompt": "Name a river.",
        "chosen": "The Elbe is one.",
        "rejected": "No.",
        "subset": HOSTILE,
    },
    {"id": SURROGATE, "prompt": "Name two.", "chosen": "Oslo.", "rejected": "A long way off.", "subset": SURROGATE},
    {"id": "c", "prompt": "Größe?", "chosen": "数 שלום", "rejected": "No.", "subset": "$x^"},
]
FORBIDDEN = "\x1b\x07\x9b\u202e"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Make a working folder with a result whose names contain escape sequences."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


SCORE = ["--model", "baseline/longest", "--dataset", "rows.jsonl"]
RESULT = "results/baseline/longest.json"
COMMANDS = {
    "show": ["show", RESULT, "--html", "x/page.html"],
    "errors": ["show", RESULT, "--errors", "--search", "river"],
    "subset": ["show", RESULT, "--subset", "none"],
    "compare": ["compare", RESULT, "results/baseline/shortest.json", "--plot", "x/compare.svg"],
    "rank": ["compare", RESULT, RESULT, "results/baseline/shortest.json", "--plot", "x/rank.png"],
    "gate": [
        *("gate", "--baseline", RESULT, "--candidate", RESULT, "--section", f"{HOSTILE}=0.1", "--junit", "x/j.xml"),
        *("--markdown", "x/m.md", "--plot", "x/gate.pdf"),
    ],
    "no section": ["gate", "--baseline", RESULT, "--candidate", RESULT, "--floor", "nowhere=0.5"],
    "index": ["index", "results"],
    "lint": ["data", "lint", "rows.jsonl"],
    "overlap": ["data", "overlap", "rows.jsonl", "rows.jsonl"],
}


def test_escape_sequences_in_the_data_do_not_reach_the_terminal(here, capsys):
    code, out, err = run(capsys, *SCORE)
    assert (code, err) == (0, "")
    assert "s\\x1b]0;title" in out
    assert "a\\ud83d" in out
    assert run(capsys, "--model", "baseline/shortest", "--dataset", "rows.jsonl")[0] == 0
    for name, arguments in COMMANDS.items():
        code, out, err = run(capsys, *arguments)
        assert code in (0, 3) or (code == 2 and err.count("\n") == 1), (name, err)
        assert not set(out + err) & set(FORBIDDEN), name
        for text in (out, err):
            text.encode()
    assert {path.name for path in Path("x").iterdir()} == {
        *("page.html", "compare.svg", "rank.png", "j.xml", "m.md", "gate.pdf"),
    }
    assert "a\ufffd" in Path("x/page.html").read_text()


def test_a_lone_surrogate_is_stored_and_rejected_on_submission(here, capsys):
    assert run(capsys, *SCORE)[0] == 0
    stored = [json.loads(line) for line in Path("results/baseline/longest_outputs.jsonl").read_text().splitlines()]
    assert [row["subset"] for row in stored] == [row["subset"] for row in ROWS]
    code, out, err = run(capsys, "submit", RESULT, "--store", "store", "--dry_run")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "The text 'a\\ud83d' contains a lone surrogate" in err


def test_every_json_of_such_data_is_ascii_json(here, capsys):
    assert run(capsys, "--model", "baseline/shortest", "--dataset", "rows.jsonl")[0] == 0
    for name, arguments in {"score": SCORE, **COMMANDS}.items():
        code, out, _ = run(capsys, *arguments, "--json")
        if code != 2:
            strict(out)
            assert out.isascii(), name
    shown = strict(run(capsys, "show", RESULT, "--json")[1])["shown"]
    assert {item["id"] for item in shown} == {row["id"] for row in ROWS}


def strict(text):
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


PRINTED = [["--help"], ["gate", "--help"], ["data", "list"], [*SCORE], ["show", RESULT], ["show", "größe.json"]]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_is_written_on_a_terminal_of_any_encoding(encoding, here):
    """Run all commands in one process, with the streams of the command line."""
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "C"}
    program = (
        "import sys\nfrom rewardbench.cli.main import main\ncodes = []\n"
        f"for arguments in {PRINTED!a}:\n"
        "    try:\n        main(arguments)\n    except SystemExit as stop:\n        codes.append(stop.code)\n"
        "sys.exit(0 if codes == [0, 0, 0, 0, 0, 2] else repr(codes))"
    )
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert b"Traceback" not in ran.stderr
    assert ran.stdout.isascii() or encoding == "latin-1"
    assert b"gr\\xf6\\xdfe" in ran.stderr or b"gr\xf6\xdfe" in ran.stderr or b"gr\\udcc3" in ran.stderr


def test_a_terminal_gets_colours_and_no_escape_sequence_of_the_data(here):
    """On a terminal rich writes escape sequences; those of the data are escaped."""
    output = b""

    def listen(descriptor):
        nonlocal output
        output += (part := os.read(descriptor, 65536))
        return part

    code = pty.spawn([sys.executable, "-m", "rewardbench", *SCORE], listen)
    assert code == 0
    assert b"\x1b[1m" in output
    assert b"\\x1b]0;title" in output
    assert not any(sequence in output for sequence in (b"\x1b]0;title", b"\x1b[2Jd", "\u202e".encode(), b"\x07"))


@pytest.mark.parametrize("name", ["huge-margin", "infinite", "blank-line", "escapes"])
def test_odd_rows_are_shown_compared_and_gated(name, tmp_path, capsys):
    path = SHARED / "faults" / f"{name}_outputs.jsonl"
    if not path.exists():
        pytest.skip("the odd rows are not here")
    commands = {
        "show": ["show", path, "--html", tmp_path / "x.html"],
        "compare": ["compare", path, path, "--plot", tmp_path / "x.svg"],
        "gate": ["gate", "--baseline", path, "--candidate", path, "--plot", tmp_path / "x.png"],
    }
    for command, arguments in commands.items():
        for options in ([], ["--json"]):
            code, out, err = run(capsys, *arguments, *options)
            refused = name == "infinite" and command != "show"  # its one item has no score
            assert (code, err.count("\n")) == ((2, 1) if refused else (0, 0))
            assert "\x1b" not in out + err
            if options and not refused:
                strict(out)


def test_names_and_texts_are_escaped_by_the_same_rule(capsys):
    assert printable("a\x00\x1b\x7f\x85\u2028\u2066\ufeff\udfff") == r"a\x00\x1b\x7f\x85\u2028\u2066\ufeff\udfff"
    assert printable_text("a\tb\nc\r\nd\re") == "a\tb\nc\nd\\re"
    assert printable("größer 数 שלום 👩‍🚀") == "größer 数 שלום 👩‍🚀"
    echo("a\x1b", 3)
    assert capsys.readouterr().out == "a\\x1b 3\n"
    assert listed(map(str, range(30)), most=2) == "0, 1 and 28 more"


def test_json_of_anything_is_strict():
    import numpy as np

    odd = {"f": np.float32("inf"), "a": np.array([1.5, np.nan]), 3: {4}, "o": object, "deep": []}
    nested = odd["deep"]
    for _ in range(3000):
        nested.append([])
        nested = nested[0]
    value = strict(dump(odd))
    assert (value["f"], value["a"], value["3"]) == (None, [1.5, None], [4])
    depth, inner = 0, value["deep"]
    while inner:
        depth, inner = depth + 1, inner[0]
    assert depth <= DEEPEST
    assert to_plain(float("-inf")) is None


def test_the_package_prints_only_through_the_terminal_module():
    """Otherwise untrusted text could reach the terminal unescaped."""
    exempt = {"terminal.py", "evaluator.py"}  # the latter answers its parent process in JSON
    calls = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path.name not in exempt
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "Console")
    ]
    assert [call for call in calls if not call.startswith("results/report.py")] == []  # which draws a picture in memory
