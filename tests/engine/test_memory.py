"""Memory does not grow with the number of items, nor with vocabulary or length by more than the model needs."""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository import ROOT

STREAM = """
import sys, time, psutil
from rewardbench.suites import load_suite
from rewardbench.scorers.classifier import load_classifier
from rewardbench.settings import ModelSpec
from rewardbench.engine.loop import score
from rewardbench.results import to_row
from rewardbench.types import Rule
from dataclasses import replace

suite = load_suite(sys.argv[1])
scorer = load_classifier(ModelSpec(sys.argv[2], device="cpu", max_length=48))
process, start, seen = psutil.Process(), time.monotonic(), [0]
print(f"model rss={process.memory_info().rss}")

def keep(item, item_scores):
    to_row(item, item_scores, Rule("all"))
    seen[0] += 1
    if seen[0] % 1000 == 0:
        print(f"items={seen[0]} rss={process.memory_info().rss} seconds={time.monotonic() - start:.1f}", flush=True)
    return replace(item_scores, texts=())

run = score(suite.items, scorer, keep=keep)
assert len({item.id for item in run.items}) == len(run.items) == len(suite.items)
"""


def write_stream(path: Path, count: int) -> None:
    """Write pairs of about 1,400 characters, as long as real ones."""
    rng, words = random.Random(0), "the capital of a country is the city by river and answer short apples".split()
    with path.open("w") as file:
        for n in range(count):
            texts = [" ".join(rng.choices(words, k=k)) for k in (80, 90, 80)]
            row = {"id": n, "prompt": f"{n} {texts[0]}", "chosen": texts[1], "rejected": texts[2]}
            file.write(json.dumps(row) + "\n")


@pytest.mark.slow
def test_a_hundred_thousand_pairs_take_the_memory_of_one_window(model_folder, tmp_path):
    write_stream(tmp_path / "pairs.jsonl", 100_000)
    assert (tmp_path / "pairs.jsonl").stat().st_size > 2**26
    command = [sys.executable, "-c", STREAM, str(tmp_path / "pairs.jsonl"), str(model_folder())]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (model,) = map(int, re.findall(r"model rss=(\d+)", output))
    points = [tuple(map(float, p)) for p in re.findall(r"items=(\d+) rss=(\d+) seconds=([\d.]+)", output)]
    above = [(rss - model) / 2**20 for items, rss, _ in points if items > 11_000]
    at = {items: seconds for items, _, seconds in points}
    first, last = 30_000 / (at[41_000] - at[11_000]), 30_000 / (at[91_000] - at[61_000])
    print(f"mib_above_model_most={max(above):.0f} items_per_second_first={first:.0f} last={last:.0f}")
    assert max(above) <= 300
    assert last >= 0.8 * first


DPO = """
import resource, sys, psutil
from dataclasses import replace
from rewardbench.scorers.logprobs import LogProbs
from rewardbench.types import TokenRequest
from random_models import make_config, make_tokenizer
from rewardbench.chat import Chat
import torch
from transformers import AutoModelForCausalLM

torch.set_num_threads(2)
before = psutil.Process().memory_info().rss
config = make_config("llama", 128_000, hidden_size=256, intermediate_size=512, max_position_embeddings=4096)
torch.manual_seed(0)
model = AutoModelForCausalLM.from_config(config).eval()
size = sum(p.numel() * p.element_size() for p in model.parameters())
scorer = LogProbs(model, Chat(make_tokenizer(), spans=True), "big vocabulary")
scorer = scorer.with_layout(replace(scorer.layout, packed=sys.argv[1] == "row"))
generator = torch.Generator().manual_seed(0)
prompt = torch.randint(0, 128_000, (1792,), generator=generator).tolist()
ends = [torch.randint(0, 128_000, (256,), generator=generator).tolist() for _ in range(8)]
requests = [TokenRequest("", "", prompt + end, 1792, 2048) for end in ends]
open("/proc/self/clear_refs", "w").write("5")  # forget the peak of building the model
values = scorer.run(requests)
peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
unbatched = scorer.score_unbatched(requests[3])
print(f"peak={peak - before} size={size} apart={abs(values[3] - unbatched)}")
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux can reset the peak memory")
def test_a_large_vocabulary_takes_no_memory_for_all_logits(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "support")}
    command = [sys.executable, "-c", DPO, "row"]
    output = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    peak, size, apart = re.search(r"peak=(\d+) size=(\d+) apart=(\S+)", output).groups()
    allowed = 1.3 * int(size) + 500 * 2**20
    print(f"peak_mib={int(peak) / 2**20:.0f} model_mib={int(size) / 2**20:.0f} allowed_mib={allowed / 2**20:.0f}")
    assert int(peak) <= allowed
    assert float(apart) <= 5e-8 * 256 * 12 + 1e-4
