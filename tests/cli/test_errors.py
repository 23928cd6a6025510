"""Bad input to the command: exit code 2, a one-line error, no traceback, and no unscored file."""

import errno
import itertools
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from random_models import make_tokenizer
from repository import ROOT

from rewardbench.cli.evaluate import DEFAULT_DATASET_NOTE
from rewardbench.cli.main import main

PAIRS = [{"prompt": f"Name city {n}.", "chosen": "Lima, by the river.", "rejected": "No."} for n in range(3)]
LINES = "".join(json.dumps(row) + "\n" for row in PAIRS)
LONGEST = ["--model", "baseline/longest"]
GOOD = ["--dataset", "pairs.jsonl"]


# Each of these gives a function of the factory of model folders, which makes a bad input and returns the arguments.
# The working folder holds good data: `pairs.jsonl`, and the same in `folder`.


def baseline(*arguments):
    """Make a model that can score anything."""
    return lambda make: [*LONGEST, *arguments]


def data(name, *lines):
    """Make a file of lines, text or JSON, for that model."""

    def prepare(make):
        Path(name).write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
        return [*LONGEST, "--dataset", name]

    return prepare


def model(*arguments, **options):
    """Return the arguments of a valid model and valid data, with options that do not fit the model."""
    return lambda make: ["--model", str(make(**options)), *GOOD, *arguments]


def policy(reference, *arguments, **options):
    """Return the arguments of a policy (a causal model by default) and a reference: a name, or options of a model."""

    def prepare(make):
        named = reference if isinstance(reference, str) else str(make(**reference))
        return ["--model", str(make(**{"kind": "causal", **options})), "--ref_model", named, *GOOD, *arguments]

    return prepare


def broken(change):
    """Return the arguments of valid data and a model whose folder, called `broken`, is changed."""

    def prepare(make):
        change(Path(shutil.copytree(make(), "broken")))
        return ["--model", "broken", *GOOD]

    return prepare


def replaced(name, content):
    def change(folder):
        (folder / name).write_text(content)

    return change


def alone(name):
    """Delete all files of the folder but one."""

    def change(folder):
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / name).write_text("{}")

    return change


def configured(**fields):
    def change(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return change


def without(pattern):
    def change(folder):
        for path in folder.glob(pattern):
            path.unlink()

    return change


def templated(template):
    def change(folder):
        (folder / "chat_template.jinja").unlink()
        make_tokenizer(template=template).save_pretrained(folder)

    return change


def poisoned(name, row):
    """Set one row of a weight to NaN."""

    def change(folder):
        from safetensors.torch import load_file, save_file

        weights = load_file(folder / "model.safetensors")
        weights[name][row] = float("nan")
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    return change


def pickled(folder):
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def grown(folder):
    """Add 300 tokens to a tokenizer of 390, for a model of 512 embeddings."""
    tokenizer = make_tokenizer()
    tokenizer.add_tokens([f"<{n}>" for n in range(300)])
    tokenizer.save_pretrained(folder)


def foreign_reference(make):
    """Replace the tokenizer by one of the same size with other tokens."""
    folder = shutil.copytree(make(kind="causal"), "broken")
    make_tokenizer(corpus=["entirely other words"]).save_pretrained(folder)
    return ["--model", str(make(kind="causal")), "--ref_model", "broken", *GOOD]


NOTHING = r"no model folder at \./nothing: pass a folder with config\.json, or a Hub id"
ONE_LINE_OFF = json.dumps(PAIRS[0]), '{"prompt": "Q",'
NO_SCORE = r"None of the 3 items of pairs\.jsonl could be scored; the first, 0: "

BAD = {
    # data
    "missing file": (baseline("--dataset", "nowhere.jsonl"), r"no dataset 'nowhere\.jsonl': .* is written org/name"),
    "dataset without a name": (baseline("--dataset", ""), r"no dataset '': no suite has that name"),
    "unknown kind of file": (data("sheet.xlsx"), r"sheet\.xlsx has a format that cannot be read: give a \.jsonl"),
    "empty file": (data("empty.jsonl"), r"empty\.jsonl is empty: it holds no rows"),
    "no chosen column": (data("a.jsonl", {"prompt": "Q", "rejected": ""}), r"a\.jsonl has .* it needs chosen and rej"),
    "one bad line": (data("a.jsonl", *ONE_LINE_OFF), r"a\.jsonl, line 2: this is not JSON \(.*column"),
    "not an object": (data("a.jsonl", PAIRS[0], [1]), r"a\.jsonl, line 2: a row must be a JSON object, not \[1\]"),
    "no item to score": (data("a.jsonl", PAIRS[0] | {"chosen": ""}), r"No item of a\.jsonl .* is 0: chosen is empty"),
    "folder without data": (baseline("--dataset", "hollow"), r"hollow cannot be read as a dataset: .* any data files"),
    "unknown protocol": (baseline(*GOOD, "--protocol", "rb"), r"no protocol 'rb': it must be one of core, core-"),
    "unknown split": (baseline("--split", "poetry"), r"core has no split poetry: it has chat, instructions"),
    "split that is not in it": (baseline("--dataset", "folder", "--split", "dev"), r"no split dev: it has test"),
    "unknown subset": (baseline("--subset", "odes"), r"core has no subset odes: it has [a-z]"),
    # flags
    "no model": (lambda make: GOOD, r"No model was given: pass --model"),
    "model without a name": (lambda make: ["--model", "", *GOOD], r"No model was given: pass --model"),
    "unknown flag": (baseline("--modle", "x"), r"No such option: --modle .*--model.*: see rewardbench --help"),
    "flag without its value": (lambda make: ["--model"], r"'--model' requires an argument: see rewardbench --help"),
    "argument without a flag": (baseline("pairs.jsonl"), r"'pairs\.jsonl': see rewardbench --help"),
    "bad enum value": (model("--torch_dtype", "int3"), r"'--torch_dtype': .*'int3' is not one of 'auto', 'float16'"),
    "batch of none": (model("--batch_size", "0"), r"'--batch_size': .* greater than or equal to 1: see"),
    "length of none": (model("--max-length", "0"), r"'--max_length': .* greater than or equal to 1: see"),
    "no number": (model("--beta", "much"), r"'--beta': .* a valid number.*: see"),
    "unknown baseline": (lambda make: ["--model", "baseline/best", *GOOD], r"no baseline 'baseline/best': use base"),
    "unknown device": (model("--device", "toaster"), r"--device toaster cannot be used here \(.*toaster\): pass cpu"),
    "absent device": (model("--device", "cuda:99"), r"--device cuda:99 cannot be used here \(.*\): pass cpu"),
    "store on the Hub": (
        model("--output_dir", "hf://datasets/o/n"),
        r"not to hf://datasets/o/n: pass a local",
    ),
    # templates
    "unknown chat template": (model("--chat_template", "vicunna"), r"no chat template 'vicunna' .*near: vicuna.*: pa"),
    "no chat template": (broken(templated(None)), NO_SCORE + ".* of broken has no chat template: pass --chat_template"),
    "no template at all": (broken(templated("{% if %}")), NO_SCORE + r".* of broken refuses these turns \(user, assi"),
    "template that drops the answer": (broken(templated("{{ messages[0].content }}")), NO_SCORE + ".* drops a message"),
    # models
    "no model folder": (lambda make: ["--model", "./nothing", *GOOD], NOTHING),
    "neither path nor id": (lambda make: ["--model", "my model?", *GOOD], r"'my model\?' is neither .* nor a Hub id"),
    "folder without a model": (lambda make: ["--model", "folder", *GOOD], r"folder has no config\.json: pass the fold"),
    "revision of a folder": (model("--revision", "main"), r"is a local folder, .* no revisions: leave out --revision"),
    "adapter of no kind": (
        broken(alone("adapter_config.json")),
        r"adapter_config\.json of broken names no peft_type: sav",
    ),
    "GGUF file": (lambda make: ["--model", "tiny.gguf", *GOOD], r"no model folder at tiny\.gguf: pass a folder with c"),
    "folder of a GGUF file": (
        broken(alone("tiny.gguf")),
        r"broken has GGUF files only \(tiny\.gguf\), .* pass the repository",
    ),
    "config that is not JSON": (broken(replaced("config.json", "{")), r"config.json of broken cannot be read: "),
    "unknown model type": (broken(configured(model_type="llama9")), r"configuration of broken: .*`llama9`.* recognize"),
    "no tokenizer": (broken(without("token*")), r"broken has no tokenizer: pass --tokenizer"),
    "tokenizer that is nowhere": (model("--tokenizer", "./nothing"), NOTHING),
    "corrupt weights": (
        broken(replaced("model.safetensors", "no" * 99)),
        r"model.safetensors in broken is not .*header",
    ),
    "no weights": (broken(without("*.safetensors")), r"broken has no weights in safetensors files.*: save the model"),
    "pickle weights": (
        broken(pickled),
        r"broken has no weights in safetensors files, and pickles .*save the model.* --allow_pickle",
    ),
    "weights of another size": (broken(configured(hidden_size=48)), r"broken .* is \[512, 32\], not \[512, 48\]"),
    "base model without a head": (model(kind="causal"), r"lacks weights \(score\.weight\), .* random.* pass --ref"),
    "two labels": (model(num_labels=2), r"outputs 2 numbers per text \(LABEL_0, LABEL_1\).*: pass --label with"),
    "more tokens than embeddings": (broken(grown), r"ids up to 689, but broken embeds only 512: pass the --tokenizer"),
    "more tokens than positions": (model("--max_length", "4096", arch="gpt2"), r"4096 is more .*: pass at most 2048"),
    "NaN in every score": (broken(poisoned("score.weight", 0)), NO_SCORE + r".* is nan\. broken has .* --torch_dtype"),
    # policies
    "missing reference": (policy("./nothing"), NOTHING),
    "reference of another vocabulary": (foreign_reference, r"its reference broken have different vocabularies.*: pass"),
    "two kinds of reward": (
        policy({"kind": "causal"}, "--ref_free_type", "sum"),
        r"model and --ref_free_type excl",
    ),
    "encoder as policy": (policy({"kind": "causal"}, arch="bert", kind="reward"), r"not a causal .*: leave out --ref"),
    "encoder as reference": (
        policy({"arch": "bert"}),
        r"bert\d+ is not a causal .*: leave out --ref_model",
    ),
    "classifier as policy": (
        policy({"kind": "causal"}, kind="reward"),
        r"is a classifier, not a policy: score it without --ref",
    ),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Make the working folder, and silence libraries before their import, as the command does."""
    import datasets
    import transformers

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()
    loud = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    for name in ("hollow", "folder"):
        (tmp_path / name).mkdir()
    for name, content in {"pairs.jsonl": LINES, "folder/test.jsonl": LINES, "tiny.gguf": "GGUF"}.items():
        (tmp_path / name).write_text(content)
    yield tmp_path
    transformers.logging.set_verbosity(loud)


def run(arguments, capfd, output="out"):
    """Run the command in this process; return its exit code, and its lines on stdout and stderr."""
    capfd.readouterr()  # what making the input printed
    with pytest.raises(SystemExit) as stop:
        main(["--output_dir", output, *arguments])
    out, err = capfd.readouterr()
    return stop.value.code, out.splitlines(), err.splitlines()


def files_in(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def sentence_of(lines):
    """Return the error: the last line, with nothing before it but the note on the default dataset, and a wait."""
    *before, last = lines
    assert {line for line in before if not re.fullmatch(r"loading \S+ elapsed=\d+s", line)} <= {DEFAULT_DATASET_NOTE}
    assert last.startswith("rewardbench: ")
    return last.removeprefix("rewardbench: ")


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_one_line_error_and_leaves_no_file(name, here, model_folder, capfd):
    prepare, says = BAD[name]
    code, out, err = run(prepare(model_folder), capfd)
    assert (code, out) == (2, [])
    assert re.search(says, sentence_of(err))
    assert files_in("out") == []


def rows_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_row_of_another_type_is_unscored_and_other_rows_count(here, model_folder, capfd):
    odd = {"prompt": 3, "chosen": ["a"], "rejected": None}
    code, out, err = run(data("mixed.jsonl", *PAIRS, odd)(model_folder), capfd)
    assert (code, err) == (0, [])
    assert "note: Unscored: 1 × prompt is a number, not text. Their ids are in the outputs file." in out
    assert {"accuracy=0.7500", "n=4", "unscored=1"} <= set(out)  # three chosen answers are the longer ones
    rows = rows_of("out/baseline/longest_outputs.jsonl")
    assert [row["reason"] for row in rows] == [None, None, None, "prompt is a number, not text"]
    assert rows[3]["scores"] == [None, None]


def test_nan_in_some_scores_is_reported_by_item(here, model_folder, capfd):
    """Set the embedding of a token that one completion contains to NaN."""
    token = make_tokenizer()(" river", add_special_tokens=False)["input_ids"][0]
    data("rare.jsonl", PAIRS[0] | {"chosen": "Lima."}, PAIRS[0] | {"chosen": "The river."})(model_folder)
    arguments = broken(poisoned("model.embed_tokens.weight", token))(model_folder)
    code, out, err = run([*arguments, "--dataset", "rare.jsonl"], capfd)
    assert (code, err) == (0, [])
    assert {"n=2", "unscored=1"} <= set(out)
    scored, unscored = rows_of("out/broken_outputs.jsonl")
    assert scored["reason"] is None
    assert all(isinstance(score, float) for score in scored["scores"])
    assert unscored["reason"] == "the score of completion 1 is nan"
    assert unscored["scores_chosen"] is None
    assert isinstance(unscored["scores_rejected"], float)
    assert (unscored["results"], unscored["credit"]) == (0, 0)


# where nothing can be written


@pytest.mark.parametrize("output", ["pairs.jsonl", "pairs.jsonl/below", "/proc/nowhere", "/dev/null"])
def test_an_output_that_is_no_folder_is_a_one_line_error(output, here, capfd):
    code, out, err = run([*LONGEST, *GOOD], capfd, output)
    assert (code, out) == (2, [])
    assert re.search(rf"cannot be written to {output}.* \(.*\); name another output folder", sentence_of(err))
    assert Path("pairs.jsonl").read_text() == LINES


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_full_disk_is_a_one_line_error_and_leaves_no_file(step, nth, here, capfd, monkeypatch):
    """The disk is full at the outputs or at the summary, while lines are written or when the file is moved."""
    calls, real = [], getattr(os, step)

    def fail(*arguments):
        calls.append(arguments)
        if len(calls) == nth:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    monkeypatch.setattr(os, step, fail)
    code, out, err = run([*LONGEST, *GOOD], capfd)
    assert (code, out) == (2, [])
    assert re.search("The disk of out/baseline is full, .*; free some space", sentence_of(err))
    assert files_in("out") == []


# what needs a process of its own


class NobodyHere(BaseHTTPRequestHandler):
    """Answer like the Hub for a missing repository."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET


def start(arguments, folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment):
    """Start the command in a folder, without the Hub settings of these tests."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    settings = {"HF_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "rewardbench", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environ | settings | environment, stdout=stdout, stderr=stderr, text=True
    )


UNREACHED = "There is no local {kind} org/none, none in the cache, and the Hub at .* cannot be reached"
HUBS = {
    "closed": UNREACHED + r" \(ConnectError\): check the name",
    "silent": UNREACHED + r" \(ReadTimeout\): check the name",
    "without it": "The Hub has no {kind} org/none for this user: check the name, or set HF_TOKEN",
}
ASKED = {"model": ["--model", "org/none", *GOOD], "dataset": [*LONGEST, "--dataset", "org/none"]}


@pytest.fixture(scope="module")
def at_hubs(tmp_path_factory):
    """Run the command with a Hub behind a closed port, one that never answers, and one that answers 404.

    All at the same time: what takes long here is to wait.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), NobodyHere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        closed_port = closed.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = {"closed": closed_port, "silent": silent.getsockname()[1], "without it": server.server_port}
        children = {}
        for hub, kind in itertools.product(HUBS, ASKED):
            folder = tmp_path_factory.mktemp("hub")
            (folder / "pairs.jsonl").write_text(LINES)
            child = start(ASKED[kind], folder, HF_ENDPOINT=f"http://127.0.0.1:{ports[hub]}")
            children[hub, kind] = child, folder, time.monotonic()
        yield children
        for child, _, _ in children.values():
            child.kill()
            child.communicate()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("hub", HUBS)
@pytest.mark.parametrize("kind", ASKED)
def test_a_hub_that_fails_is_a_one_line_error_within_seconds(hub, kind, at_hubs):
    child, folder, began = at_hubs[hub, kind]
    out, err = child.communicate(timeout=120)
    assert time.monotonic() - began < 90  # six start at once: on two busy cores that alone takes half a minute
    assert (child.returncode, out) == (2, "")
    assert re.search(HUBS[hub].format(kind=kind), sentence_of(err.splitlines()))
    assert not (folder / "results").exists()


def test_stdout_on_a_full_disk_is_a_one_line_error(tmp_path):
    (tmp_path / "pairs.jsonl").write_text(LINES)
    for options in ([], ["--json"]):
        with open("/dev/full", "w") as full:
            child = start([*LONGEST, *GOOD, *options], tmp_path, stdout=full)
        err = child.communicate(timeout=60)[1]
        assert child.returncode == 2
        assert re.search("Reading or writing failed: .*No space left", sentence_of(err.splitlines()))
        assert len(files_in(tmp_path / "results")) == 2  # these were written before, and whole


def test_ctrl_c_while_scoring_ends_at_once_with_130(tmp_path):
    """stderr is a terminal, so that the bar shows when scoring has begun."""
    long = " ".join(["a long answer that takes a while"] * 150)
    rows = [{"prompt": "Q", "chosen": f"{n} {long}", "rejected": f"{long} {n}"} for n in range(600)]
    (tmp_path / "long.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ours, theirs = pty.openpty()
    child = start(["--model", "tiny-rm", "--dataset", "long.jsonl"], tmp_path, stderr=theirs, TERM="xterm")
    os.close(theirs)
    try:
        shown = read_until(ours, b"scoring")
        child.send_signal(signal.SIGINT)
        began = time.monotonic()
        shown += read_until(ours, None)
        out = child.communicate(timeout=30)[0]
    finally:
        child.kill()
        os.close(ours)
    assert time.monotonic() - began < 10
    assert (child.returncode, out) == (130, "")
    text = shown.decode()
    assert text.count("rewardbench: Interrupted; ") == 1
    assert "Run the command again: scores in the cache are kept." in text
    assert "Traceback" not in text
    assert not (tmp_path / "results").exists()


def read_until(terminal, mark):
    """Read what the terminal shows up to a mark, or else up to its end."""
    shown = b""
    while mark is None or mark not in shown:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux's end of a terminal
            chunk = b""
        if not chunk:
            break
        shown += chunk
    return shown


def test_a_normal_run_prints_no_message_of_libraries(tmp_path, model_folder):
    """Use a checkpoint with an unused weight, a text longer than its limit, and a folder of data."""
    from safetensors.torch import load_file, save_file

    model = Path(shutil.copytree(model_folder(), tmp_path / "noisy"))
    weights = load_file(model / "model.safetensors")
    save_file(
        weights | {"extra.weight": weights["score.weight"].clone()}, model / "model.safetensors", {"format": "pt"}
    )
    settings = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 8}))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "train.jsonl").write_text(LINES)
    child = start(["--model", "noisy", "--dataset", "folder"], tmp_path)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0
    assert "truncated=3" in out.splitlines()
    assert err == ""
