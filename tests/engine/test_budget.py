"""How many tokens a batch may hold: within the memory of the machine, and as fast as it gets."""

from types import SimpleNamespace

from rewardbench.engine import budget
from rewardbench.engine.budget import token_budget
from rewardbench.types import BatchTraits, TokenRequest


def requests(lengths):
    return [TokenRequest(str(i), "", (i,) * n) for i, n in enumerate(lengths)]


def test_the_containers_limit_is_respected(tmp_path):
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


def test_the_budget_shrinks_with_memory_and_never_below_one_item(model_folder, monkeypatch):
    from rewardbench.scorers.classifier import load_classifier
    from rewardbench.settings import ModelSpec

    scorer = load_classifier(ModelSpec(str(model_folder()), device="cpu"))
    asked = requests([200, 10])
    rich = token_budget(scorer, [asked])
    per_token = budget.bytes_per_token(scorer.model, 200)
    monkeypatch.setattr(budget, "free_memory", lambda: int(1000 * per_token / budget.MEMORY_SHARE))
    assert rich == budget.CPU_TOKENS
    assert token_budget(scorer, [asked]) == 1000
    monkeypatch.setattr(budget, "free_memory", lambda: 0)
    assert token_budget(scorer, [asked]) == 200


def test_a_causal_model_also_pays_for_its_logits(model_folder):
    from rewardbench.scorers.dpo import load_dpo
    from rewardbench.settings import ModelSpec

    scorer = load_dpo(ModelSpec(str(model_folder("llama", "causal")), ref_free_type="sum", device="cpu"))
    with scorer.stages[0] as policy:
        logits = 4 * policy.model.get_output_embeddings().weight.shape[0]
        assert budget.bytes_per_token(policy.model, 10) > policy.model.dtype.itemsize * logits


def test_full_memory_is_recognised_on_every_device():
    import torch

    assert budget.out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert budget.out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert budget.out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert budget.out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"))
    assert not budget.out_of_memory(RuntimeError("shape mismatch"))


def test_a_longest_item_that_does_not_fit_leaves_the_sentence_to_the_loop(monkeypatch):
    import torch

    def full(batch):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    for name in ("memory_allocated", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda device: 0)
    scorer = SimpleNamespace(model=SimpleNamespace(device=torch.device("cuda", 0)), run=full)
    assert token_budget(scorer, [requests([200, 10])]) == 200


def test_the_budget_of_a_gpu_is_what_fits_into_the_free_memory_by_the_longest_item(monkeypatch):
    import torch

    facts = {"max_memory_allocated": 1500, "memory_allocated": 500, "memory_reserved": 2500}
    for name, value in facts.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8000, 10**6))
    scorer = SimpleNamespace(model=SimpleNamespace(device=torch.device("cuda", 0)), run=lambda batch: [0.0])
    assert token_budget(scorer, [requests([200, 10])]) == 1600  # 80 % of 8,000 + 2,000 bytes at 5 bytes a token


def test_where_it_is_worth_it_the_fastest_size_is_measured(monkeypatch):
    import torch

    clock = [0.0]
    seconds_per_token = {640: 3.0, 1280: 2.0, 2560: 1.0}

    def run(batch):
        tokens = sum(map(len, batch))
        clock[0] += 1e-4 * tokens * seconds_per_token[min(seconds_per_token, key=lambda size: abs(size - tokens))]
        return [0.0] * len(batch)

    monkeypatch.setattr(budget.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(budget, "bytes_per_token", lambda model, longest: 1)
    scorer = SimpleNamespace(
        model=SimpleNamespace(device=torch.device("cpu")), run=run, traits=BatchTraits(packed=True)
    )
    many = [[request] for request in requests([100] * 5100)]
    assert token_budget(scorer, many) == 2560
    assert token_budget(scorer, many[:50]) == budget.CPU_TOKENS, "too little work to measure anything"
    scorer.traits = BatchTraits()
    assert token_budget(scorer, many) == budget.CPU_TOKENS


def test_what_was_measured_is_measured_once_and_a_small_run_keeps_nothing(monkeypatch, tmp_path):
    import torch

    from rewardbench.engine.cache import Cache

    measured = []
    monkeypatch.setattr(budget, "_fastest_budget", lambda scorer, families, most: measured.append(1) or 4096)
    monkeypatch.setattr(budget, "bytes_per_token", lambda model, longest: 1)
    model = SimpleNamespace(device=torch.device("cpu"))
    scorer = SimpleNamespace(model=model, traits=BatchTraits(packed=True), fingerprint={"weights": "a"})
    many = [[request] for request in requests([100] * 5100)]
    with Cache(tmp_path / "scores.sqlite") as cache:
        assert token_budget(scorer, many[:50], cache) == budget.CPU_TOKENS
        assert [token_budget(scorer, many, cache) for _ in range(3)] == [4096] * 3
        assert len(measured) == 1
        scorer.fingerprint = {"weights": "b"}
        assert token_budget(scorer, many, cache) == 4096
    assert len(measured) == 2
