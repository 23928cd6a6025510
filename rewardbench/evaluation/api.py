"""Evaluate a model on a suite, for Python users: `evaluate`, which returns an `Evaluation`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from rewardbench.errors import InputError
from rewardbench.evaluation.runs import run
from rewardbench.metrics import credit, margin_by_rule, rule_of
from rewardbench.paths import path_as_text
from rewardbench.results import why_unscored
from rewardbench.results.judges import protocol_of
from rewardbench.results.scored import ModelScores
from rewardbench.scorers.in_memory import name_of, scorer_of
from rewardbench.scorers.options import sort_options, with_options
from rewardbench.settings import Data, EvaluateOptions, Model, ModelSpec, Settings
from rewardbench.store import open_run_store
from rewardbench.store.run_names import check_run_name, to_key
from rewardbench.suites import suite_of_rows
from rewardbench.suites.in_memory import read_in_memory
from rewardbench.types import Result, Suite

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation(Result):
    """The result of `evaluate`: a Result with the data it was computed on.

    >>> evaluate("baseline/longest", [{"prompt": "1 + 1?", "chosen": "It is 2.", "rejected": "3"}]).score.value
    1.0
    """

    data: Suite

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame with one row per item.

        Returns:
            Columns: id, subset, section, prompt (messages), completions (a list of messages for each), scores (one per
            completion), margin (lowest score of a correct completion minus the highest of a wrong one), credit (0 to 1;
            NaN without a preference) and reason (why a score is missing; None if none is). Of pairwise scorers also
            order_inconsistency, of judges also position_bias.
        """
        import pandas

        rows = []
        for item, scored in zip(self.data.items, self.items, strict=True):
            rule = rule_of(self.data, item.subset)
            row = {
                "id": item.id,
                "subset": item.subset,
                "section": rule.section,
                "prompt": list(item.prompt),
                "completions": [list(completion) for completion in item.completions],
                "scores": list(scored.scores),
                "margin": margin_by_rule(item, scored, rule) if item.is_labelled else float("nan"),
                "credit": credit(item, scored.scores, rule, scored.step_scores),
                "reason": scored.reason or why_unscored(scored.scores),
            }
            optional = {"order_inconsistency": self.order_inconsistency, "position_bias": self.biases}
            row |= {name: getattr(scored, name) for name, estimate in optional.items() if estimate}
            rows.append(row)
        return pandas.DataFrame(rows)

    def to_model_scores(self) -> ModelScores:
        """Return the scores with their items, for `compare`."""
        fingerprint, protocol = str(self.manifest.get("fingerprint_sha256") or ""), protocol_of(self.manifest)
        scores = ModelScores(self.model, self.data, self.items, Path(self.model), fingerprint)
        return replace(scores, model_type=self.model_type, protocol=protocol)

    def save(self, folder: str | os.PathLike[str] = "results/", name: str | None = None) -> str:
        """Write the files that the command writes to --output_dir.

        Args:
            folder: folder of results, which is created if needed.
            name: name of the files, which may contain `{model}` and `{suite}`; a result of that name is replaced.
                None: the name of the model.

        Returns:
            The path of the summary (.json).

        Raises:
            InputError: if the folder cannot be written, or the name is not a file name.
        """
        key = None if name is None else to_key(check_run_name(name), self.model, self.suite)
        return open_run_store(os.fspath(folder)).put(self, self.data, key=key)


@with_options(ModelSpec, Settings)
def evaluate(model: Model, dataset: Data = "core", **options: Unpack[EvaluateOptions]) -> Evaluation:
    """Score a reward model on preference data; bad input raises InputError with a one-line message.

    Args:
        model: name of an embedded model (tiny-rm, tiny-dpo) or baseline (baseline/longest, ...), a folder or a Hub id;
            or in memory: (model, tokenizer) of a sequence classifier, a scorer, or a function of prompt and completion.
        dataset: name of a suite, a file, a folder or a Hub id; or a list of dicts, a DataFrame or a `datasets.Dataset`.
        ref_model: reference model of a DPO policy.
        ref_free_type: score a policy without a reference: by sum, avg (mean) or norm (length-normalized) of log-probs.
        revision: revision of the model on the Hub.
        ref_revision: revision of the reference model on the Hub.
        tokenizer: Hub id or folder of the tokenizer; None is the model's.
        chat_template: name of a fastchat template, raw, or tokenizer (its own template).
        max_length: maximum tokens per text; None is the model's limit.
        truncation_side: side on which longer texts are truncated.
        dtype: dtype of the weights: auto (the checkpoint's; float32 on a CPU), float16, bfloat16, float32 or float64.
        attn_implementation: eager, sdpa, flash_attention_2 or flex_attention; None is the model's default.
        compile: compile the model's layers (torch.compile).
        device: cpu, cuda, cuda:1 or mps; None is the best available.
        device_map: how a model is spread: auto, balanced, balanced_low_0, sequential; tensor_parallel with torchrun.
        max_memory: memory limits of devices for `device_map`, such as 0=20GiB,cpu=64GiB.
        load_in_8bit: quantise the weights to 8 bits (bitsandbytes).
        load_in_4bit: quantise the weights to 4 bits (bitsandbytes, NF4).
        trust_remote_code: allow code from the model's repository to run.
        allow_pickle: read pickles (.bin, .pt) where there are no safetensors files, and accept only tensors from them.
        label: output of a classifier with several labels that is the score, by its name or index.
        adapter: head spec of the model, its name or a YAML or Python file; None recognises it by the tensors.
        step_aggregation: how scores of steps become one: min, product, last or mean; None is the head spec's.
        beta: scale of the DPO reward.
        seed: random seed of baseline/random.
        judge: how the model judges, if it is a language model that judges.
        server: server and HTTP dialect of a reward model that runs elsewhere.
        split: split of the dataset.
        subset: only this subset, or this configuration of the dataset.
        dataset_revision: revision of the dataset on the Hub.
        protocol: suite whose columns and rules apply to `dataset`, a copy of its data.
        pairs: how several scored completions of a prompt become items; None is best-worst.
        scores_only: score the column `messages`, without preferences.
        load_json: read `dataset` as JSON, whatever its file name.
        limit: score only the first items.
        sample: score a random sample of about this many items, each subset in proportion and mirrors complete.
        sample_seed: random seed of the sample.
        fresh: seed of newly generated mirrors; on the command line only.
        batch_size: maximum texts per batch; does not change scores.
        batch_tokens: maximum padded tokens per batch; None is measured. Does not change scores.
        num_processes: number of worker processes; does not change scores.
        engine: local, or ray to score by actors of a Ray cluster; does not change scores.
        ray_address: HOST:PORT of the head node of the Ray cluster, auto or local; None is RAY_ADDRESS or this machine.
        ray_actors: number of actors; None is as many as the cluster has room for.
        gpus_per_actor: GPUs of an actor, a share below 1 or a whole number; None is 1 on a GPU, else 0.
        cache: read scores from the local cache, and write them to it.
        step_threshold: score below which a labelled step counts as wrong, by a process reward model; None is 0.5.
        calibration: measure the calibration of the margins: temperature, calibration errors and their noise floor.
        shard: score only a part of the items, such as 0/3; on the command line only.

    Returns:
        An Evaluation: `.score` with its interval, `.items`, `.to_pandas()`, and `.save(folder)` as the command does.
    """
    return _evaluate(model, dataset, options)


def _evaluate(model: Model, dataset: Data, options: Mapping[str, object]) -> Evaluation:
    model_options, run_options = sort_options(options, ModelSpec, Settings)
    model, dataset = path_as_text(model), path_as_text(dataset)
    spec = ModelSpec(model if isinstance(model, str) else name_of(model), **model_options)
    settings = Settings(spec, dataset if isinstance(dataset, str) else "memory", **run_options)
    suite = None if isinstance(dataset, str) else _suite_in_memory(dataset, settings)
    if isinstance(model, str):
        return _with_data(*run(settings, suite=suite))
    if settings.cache or (settings.num_processes or 1) > 1 or settings.engine == "ray":
        raise InputError("A model in memory has no cache and one process: leave out cache, num_processes and engine.")
    with scorer_of(model, spec) as scorer:
        return _with_data(*run(settings, suite=suite, scorer=scorer))


def _with_data(result: Result, suite: Suite) -> Evaluation:
    return Evaluation(**vars(result), data=suite)


def _suite_in_memory(data: object, settings: Settings) -> Suite:
    """Build a suite from rows in memory.

    Raises:
        InputError: if options for files are set, or no row can be scored.
    """
    if settings.dataset_revision or settings.load_json:
        raise InputError("Data in memory has no revision and no file: leave out dataset_revision and load_json.")
    return suite_of_rows(
        read_in_memory(data, settings.split),
        subset=settings.subset,
        limit=settings.limit,
        sample=settings.sample,
        sample_seed=settings.sample_seed,
        protocol=settings.protocol,
        scores_only=settings.scores_only,
        pairs=settings.pairs,
    )
