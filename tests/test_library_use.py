"""Calls from Python change nothing of the caller's process; commands may."""

import os
import subprocess
import sys

import pytest

SNAPSHOT = """
import json, logging, os, signal, sys, warnings
from types import SimpleNamespace
import datasets, huggingface_hub, pandas, pyarrow, rich.console, sklearn, torch, transformers
import rewardbench

symbols = []  # functions that ctypes looked up, such as mallopt
sys.addaudithook(lambda event, arguments: symbols.append(arguments[1]) if event == "ctypes.dlsym" else None)
ROWS = [{"prompt": "Name a city.", "chosen": "Lima.", "rejected": "No."}]


def snapshot():
    names = ("transformers", "datasets", "huggingface_hub", "torch", "urllib3", "filelock", "httpx")
    return {
        "warnings": list(map(str, warnings.filters)),
        "environment": dict(os.environ),
        "levels": {name: logging.getLogger(name).level for name in names},
        "root": [logging.getLogger().level, *map(str, logging.getLogger().handlers)],
        "disabled": logging.root.manager.disable,
        "verbosity": [module.logging.get_verbosity() for module in (transformers, datasets, huggingface_hub)],
        "bars": [datasets.is_progress_bar_enabled(), transformers.utils.logging.is_progress_bar_enabled()],
        "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "mallopt": symbols.count("mallopt"),
        "threads": torch.get_num_threads(),
        "dtype": [str(torch.get_default_dtype()), torch.get_float32_matmul_precision(), torch.is_grad_enabled()],
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def load():
    folder = str(rewardbench.paths.data_dir() / "models" / "tiny-rm")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    return model, transformers.AutoTokenizer.from_pretrained(folder)


def train(output_dir):
    model, tokenizer = load()
    trainer = SimpleNamespace(processing_class=tokenizer, log=print)
    callback = rewardbench.RewardBenchCallback(trainer, items=4, keep_best=False)
    state = SimpleNamespace(global_step=0, max_steps=1, is_world_process_zero=True)
    callback.on_train_begin(SimpleNamespace(output_dir=output_dir), state, SimpleNamespace(), model=model)


import rewardbench.paths
load()
before = snapshot()
%s
after = snapshot()
print(json.dumps({name: [before[name], after[name]] for name in before if before[name] != after[name]}))
"""

CALLS = """
train(sys.argv[1])
print("END OF OWN CALLS", file=sys.stderr, flush=True)  # until here, the caller loads a model by transformers
rewardbench.evaluate("tiny-rm", ROWS, cache=True, device="cpu").to_pandas()
rewardbench.score("tiny-rm", "Name a city.", "Lima.", device="cpu")
rewardbench.load_scorer("tiny-rm", device="cpu").score("Name a city.", ["Lima.", "No."])
"""

COMMAND = """
from rewardbench.cli.main import main
try:
    main(["--model", "tiny-rm", "--limit", "1", "--dataset", "core", "--output_dir", sys.argv[1], "--device", "cpu"])
except SystemExit:
    pass
"""


def changes(calls, folder):
    """Run calls in a fresh process; return the last line, the settings that they changed, and stderr."""
    program = SNAPSHOT % calls
    names = ("PATH", "HOME", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "REWARDBENCH_CACHE", "HF_HUB_OFFLINE")
    environment = {name: os.environ[name] for name in names if name in os.environ}  # other tests may have set more
    command = [sys.executable, "-c", program, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout.splitlines()[-1], run.stderr


def test_calls_from_python_do_not_change_settings_of_the_process(tmp_path):
    changed, printed = changes(CALLS, tmp_path)
    assert changed == "{}"
    before, after = printed.split("END OF OWN CALLS")
    assert "Loading weights" in before, "transformers has such a bar"
    assert "Loading weights" not in after


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is a function of glibc")
def test_a_command_silences_libraries_and_configures_malloc(tmp_path):
    line, _ = changes(COMMAND, tmp_path)
    for setting in ("warnings", "environment", "mallopt", "root"):
        assert f'"{setting}": ' in line
