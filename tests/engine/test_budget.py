"""The token budget fits into the memory of the machine, and is the fastest that was measured."""

from types import SimpleNamespace

from rewardbench.engine import budget
from rewardbench.engine.budget import token_budget
from rewardbench.types import BatchTraits, TokenRequest


def model_on(device):
    import torch

    return SimpleNamespace(device=torch.device(device), get_input_embeddings=lambda: None)


def requests(lengths):
    return [TokenRequest(str(i), "", (i,) * n) for i, n in enumerate(lengths)]


def test_the_memory_limit_of_a_container_is_respected(tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert budget.cgroup_free(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert budget.cgroup_free(tmp_path) is None
    old = tmp_path / "memory"
    old.mkdir()
    (old / "memory.limit_in_bytes").write_text("500")
    (old / "memory.usage_in_bytes").write_text("600")
    assert budget.cgroup_free(tmp_path) == 0


def test_the_budget_shrinks_with_memory_but_not_below_the_longest_item(model_folder, monkeypatch):
    from rewardbench.scorers.classifier import load_classifier
    from rewardbench.settings import ModelSpec

    scorer = load_classifier(ModelSpec(str(model_folder()), device="cpu"))
    groups = [requests([200, 10])]
    unlimited = token_budget(scorer, groups)
    per_token = budget.bytes_per_token(scorer.model, 200)
    monkeypatch.setattr(budget, "free_memory", lambda: int(1000 * per_token / budget.MEMORY_SHARE))
    assert unlimited == budget.CPU_TOKENS
    assert token_budget(scorer, groups) == 1000
    monkeypatch.setattr(budget, "free_memory", lambda: 0)
    assert token_budget(scorer, groups) == 200


def test_a_causal_model_needs_memory_for_its_logits(model_folder):
    from rewardbench.scorers.dpo import load_dpo
    from rewardbench.settings import ModelSpec

    scorer = load_dpo(ModelSpec(str(model_folder("llama", "causal")), ref_free_type="sum", device="cpu"))
    with scorer.stages[0] as policy:
        logits = 4 * policy.model.get_output_embeddings().weight.shape[0]
        assert budget.bytes_per_token(policy.model, 10) > policy.model.dtype.itemsize * logits


def test_out_of_memory_errors_of_every_device_are_recognized():
    import torch

    assert budget.out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert budget.out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert budget.out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert budget.out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"))
    assert not budget.out_of_memory(RuntimeError("shape mismatch"))


def test_a_longest_item_that_does_not_fit_raises_no_error_while_measuring(monkeypatch):
    import torch

    def full(batch):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    for name in ("memory_allocated", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda device: 0)
    scorer = SimpleNamespace(model=model_on("cuda:0"), run=full)
    assert token_budget(scorer, [requests([200, 10])]) == 200


def test_the_budget_of_a_gpu_is_what_fits_into_its_free_memory(monkeypatch):
    import torch

    memory = {"max_memory_allocated": 1500, "memory_allocated": 500, "memory_reserved": 2500}
    for name, value in memory.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8000, 10**6))
    scorer = SimpleNamespace(model=model_on("cuda:0"), run=lambda batch: [0.0])
    assert token_budget(scorer, [requests([200, 10])]) == 1600  # 80 % of 8,000 + 2,000 bytes at 5 bytes a token


def test_the_fastest_budget_is_measured_for_large_runs(monkeypatch):

    clock = [0.0]
    seconds_per_token = dict(zip(budget.CANDIDATES, (3.0, 2.0, 1.0), strict=True))

    def run(batch):
        tokens = sum(map(len, batch))
        clock[0] += 1e-4 * tokens * seconds_per_token[min(seconds_per_token, key=lambda size: abs(size - tokens))]
        return [0.0] * len(batch)

    monkeypatch.setattr(budget.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(budget, "bytes_per_token", lambda model, longest: 1)
    scorer = SimpleNamespace(model=model_on("cpu"), run=run, traits=BatchTraits(packed=True))
    groups = [[request] for request in requests([100] * 5100)]
    assert token_budget(scorer, groups) == budget.CANDIDATES[-1]
    assert token_budget(scorer, groups[:50]) == budget.CPU_TOKENS, "too little work to measure anything"
    scorer.traits = BatchTraits()
    assert token_budget(scorer, groups) == budget.CPU_TOKENS


def test_a_budget_is_measured_once_per_scorer_and_not_for_small_runs(monkeypatch, tmp_path):

    from rewardbench.engine.cache import Cache

    measured = []
    monkeypatch.setattr(budget, "_fastest_budget", lambda scorer, groups, limit: measured.append(1) or 4096)
    monkeypatch.setattr(budget, "bytes_per_token", lambda model, longest: 1)
    model = model_on("cpu")
    scorer = SimpleNamespace(model=model, traits=BatchTraits(packed=True), fingerprint={"weights": "a"})
    groups = [[request] for request in requests([100] * 5100)]
    with Cache(tmp_path / "scores.sqlite") as cache:
        assert token_budget(scorer, groups[:50], cache) == budget.CPU_TOKENS
        assert [token_budget(scorer, groups, cache) for _ in range(3)] == [4096] * 3
        assert len(measured) == 1
        scorer.fingerprint = {"weights": "b"}
        assert token_budget(scorer, groups, cache) == 4096
    assert len(measured) == 2
