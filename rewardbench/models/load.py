"""Names in, models out: where weights come from, and what is refused at the door."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from rewardbench.errors import InputError
from rewardbench.hub import snapshot
from rewardbench.models.failures import first_sentence
from rewardbench.models.fingerprint import weight_files
from rewardbench.models.layers import compile_layers
from rewardbench.paths import home_path
from rewardbench.processes import whole_number
from rewardbench.settings import ModelSpec

T = TypeVar("T")

FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "README.md"]
"""What is fetched from the Hub: no pickle, and code only where it was asked for."""

TOKENIZER_FILES = ["*token*", "*vocab*", "*.model"]
"""Names of which every tokenizer has one."""


def attempt(what: str, load: Callable[[], T]) -> T:
    """Run a loader of transformers; whatever it raises (each library has errors of its own) becomes one sentence."""
    try:
        return load()
    except Exception as error:
        raise InputError(f"Cannot load {what}: {first_sentence(error)}.") from error


def locate(name: str, revision: str | None = None, code: bool = False) -> Path:
    """The folder of a model: a local one, or the snapshot of a Hub id, fetched or already cached.

    Raises: InputError where there is none, or the Hub cannot be reached and nothing is cached.
    """
    if "://" in name:
        raise InputError(
            f"{name} is a URL: models behind an API cannot be scored. Pass a folder with config.json, or a Hub id "
            "(org/name)."
        )
    folder = home_path(name)
    if folder.is_dir():
        if revision:
            raise InputError(f"{name} is a local folder, which has no revisions: leave out --revision.")
        return folder
    if folder.exists() or name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise InputError(f"There is no model folder at {name}: pass a folder with config.json, or a Hub id (org/name).")
    return snapshot("model", name, revision, [*FILES, "*.py"] if code else FILES)


def load_config(folder: Path, spec: ModelSpec, name: str) -> Any:
    """The model's configuration, with code from the repository only where asked."""
    from transformers import AutoConfig

    refuse_pointers(folder, name)
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise InputError(f"{name} is an adapter without its base: merge it into its model first, and pass that.")
        raise InputError(f"{name} has no config.json: pass the folder of a model as save_pretrained() writes it.")
    if (folder / "adapter_config.json").is_file() and find_spec("peft"):
        raise InputError(
            f"{name} holds an adapter beside whole weights, and with peft installed its base would be loaded instead: "
            "remove adapter_config.json, or merge the adapter first."
        )
    return attempt(
        f"the configuration of {name}",
        lambda: AutoConfig.from_pretrained(folder, trust_remote_code=spec.trust_remote_code),
    )


def load_tokenizer(folder: Path, spec: ModelSpec, name: str) -> Any:
    """The tokenizer of `spec.tokenizer`, or the model's own."""
    from transformers import AutoTokenizer

    where = locate(spec.tokenizer, code=spec.trust_remote_code) if spec.tokenizer else folder
    if not any(path for pattern in TOKENIZER_FILES for path in where.glob(pattern)):
        raise InputError(f"{spec.tokenizer or name} has no tokenizer: pass --tokenizer, a folder or Hub id with one.")
    return attempt(
        f"the tokenizer of {spec.tokenizer or name}",
        lambda: AutoTokenizer.from_pretrained(where, trust_remote_code=spec.trust_remote_code),
    )


def pick_device(asked: str | None) -> Any:
    """The device asked for, else the first GPU, else the CPU."""
    import torch

    if asked:
        try:
            probe = torch.zeros(1, device=asked)
            probe.item()
        except Exception as error:  # AssertionError, RuntimeError and others, by device
            raise InputError(
                f"--device {asked} cannot be used here ({first_sentence(error)}): pass cpu, or leave it out."
            ) from error
        return probe.device
    if torch.cuda.is_available():
        of_this_process = (whole_number("LOCAL_RANK") or 0) % torch.cuda.device_count()  # torchrun's, or ours
        return torch.device("cuda", of_this_process)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def pick_dtype(asked: str, device: Any) -> Any:
    """`auto` is the checkpoint's own on a GPU, and float32 on a CPU."""
    import torch

    if asked == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    return getattr(torch, asked)


def load_model(auto: Any, folder: Path, spec: ModelSpec, name: str, config: Any) -> tuple[Any, list[str]]:
    """Load weights into `auto` (an Auto class): safetensors only, in evaluation mode, nothing newly initialised.

    Returns: the model, and what should be said of it.

    Raises: InputError where weights are missing, of another shape, left over from a part in use, or in pickle files.
    """
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{name} has no weights in safetensors files, and others (pickle can run code) are not read: save the "
            "model again with save_pretrained()."
        )
    device = pick_device(spec.device)
    options: dict[str, Any] = {
        "dtype": pick_dtype(spec.dtype, device),
        "use_safetensors": True,
        "ignore_mismatched_sizes": True,  # refused below, with a better sentence
    }
    if spec.attn_implementation:
        options["attn_implementation"] = spec.attn_implementation
    model, info = attempt(
        f"the weights of {name}",
        lambda: auto.from_pretrained(
            folder, config=config, trust_remote_code=spec.trust_remote_code, output_loading_info=True, **options
        ),
    )
    _refuse_random(name, info, of_policy=bool(spec.ref_model or spec.ref_free_type))
    model.config.return_dict = True
    model = model.to(device).eval()
    if spec.compile:
        compile_layers(model, name)
    return model, _left_over(name, model, sorted(info["unexpected_keys"]))


def refuse_pointers(folder: Path, name: str) -> None:
    """Raises: InputError if a file of the model is a Git LFS pointer, which stands for a file that was not fetched."""
    for file in sorted(path for pattern in FILES for path in folder.glob(pattern) if path.is_file()):
        with file.open("rb") as content:
            if content.read(len(LFS)) == LFS:
                raise InputError(
                    f"{file.name} of {name} is a Git LFS pointer, not the file itself: run git lfs pull in its folder, "
                    "or download the model again."
                )


LFS = b"version https://git-lfs"
"""How a Git LFS pointer begins."""


def skeleton(config: Any, spec: ModelSpec, name: str) -> Any:
    """A causal model without weights, which takes no memory: its tables of tokens and positions can be measured."""
    import torch
    from transformers import AutoModelForCausalLM

    def build() -> Any:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                config, trust_remote_code=spec.trust_remote_code
            )

    return attempt(name, build)


def roomy(folders: Sequence[Path], spec: ModelSpec) -> bool:
    """Whether the weights of all folders fit into half of the memory that is free, so that none need go."""
    import psutil
    import torch

    device = pick_device(spec.device)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    wide = 2 if device.type == "cpu" else 1  # bfloat16 on disk is float32 there
    size = sum(file.stat().st_size for folder in folders for file in weight_files(folder))
    return bool(wide * size < free / 2)


def release() -> None:
    """Give back the memory of a model that nobody holds any more."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _left_over(name: str, model: Any, keys: list[str]) -> list[str]:
    """A sentence on weights that this kind of model has no use for (the other head, say).

    Raises: InputError where one belongs to a part that is in use (a bias, a scale), which then computes another thing.
    """
    unmerged = [key for key in keys if ADAPTER_KEY.search(key)]
    if unmerged:
        raise InputError(
            f"{name} holds the weights of an adapter that was never merged ({unmerged[0]}{_more(unmerged)}), and the "
            "model would be scored without it: merge it (merge_and_unload() of peft) and save the model again."
        )
    parts = {path for path, module in model.named_modules() if getattr(module, "weight", None) is not None}
    for key in keys:
        if key.rpartition(".")[0] in parts:
            raise InputError(
                f"{name} has a weight {key} that its config.json makes no use of, so the model would compute "
                "something else than was trained: the two do not fit."
            )
    return [f"The files of {name} hold weights that are not used: {keys[0]}{_more(keys)}."] if keys else []


ADAPTER_KEY = re.compile(r"lora_|\.(?:ia3_l|hada_|lokr_|oft_|boft_|vera_|randlora_)|\.(?:modules_to_save|base_layer)\.")
"""In the names of weights: parts of an adapter of peft."""


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def _refuse_random(name: str, info: dict[str, Any], of_policy: bool) -> None:
    if info["mismatched_keys"]:
        key, found, wanted = sorted(info["mismatched_keys"])[0]
        raise InputError(
            f"{name} has weights of another size than its config.json says ({key} is {list(found)}, not "
            f"{list(wanted)}): the two belong to different models."
        )
    lost = sorted(info["missing_keys"])
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        hint = (
            "A reward model with a head is scored without --ref_model and --ref_free_type."
            if of_policy
            else "For a policy trained with DPO pass --ref_model (or --ref_free_type)."
        )
        raise InputError(
            f"{name} lacks weights ({lost[0]}{more}), which would be random: it is not a trained model of this kind. "
            + hint
        )


def refuse_moods(config: Any, name: str) -> None:
    """Raises: InputError where one long text has several scores, which texts as short as a probe cannot show.

    Block-sparse attention (BigBird) turns full for good after the first short item; LSH (Reformer) draws its hashes.
    """
    if "lsh" in getattr(config, "attn_layers", ()):
        raise InputError(f"{name} draws random hashes at every forward, so its scores cannot be given again.")
    if getattr(config, "attention_type", None) == "block_sparse":
        raise InputError(
            f"{name} attends in sparse blocks until its first short item, so scores would depend on the order: set "
            "attention_type to original_full in its config.json."
        )


def embedded(model: Any, name: str) -> int:
    """How many ids a model has an embedding for. Raises: InputError where it embeds something else than ids."""
    return attempt(f"{name}, which has no table of tokens", lambda: int(model.get_input_embeddings().weight.shape[0]))


def check_vocabulary(tokenizer: Any, model: Any, name: str) -> list[str]:
    """Return a note on special tokens that the model has no embedding for; a text that holds one keeps its reason.

    Raises: InputError if ordinary text has such tokens, so that the tokenizer is another model's.
    """
    rows = embedded(model, name)
    special = {str(token): id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
    highest = max([id_ for token, id_ in tokenizer.get_vocab().items() if token not in special], default=0)
    if highest >= rows:
        raise InputError(
            f"The tokenizer has ids up to {highest}, but {name} embeds only {rows}: pass the --tokenizer the model "
            "was trained with."
        )
    unknown = sorted(token for token, id_ in special.items() if id_ >= rows)
    if not unknown:
        return []
    return [
        f"The tokenizer has the special token {unknown[0]}{_more(unknown)}, for which {name} has no embedding: a text "
        "that holds one is not scored."
    ]


def refuse_unknown(ids: Sequence[int], rows: int, tokenizer: Any, owner: str = "the model") -> None:
    """Raises: InputError if a text has a token that a table of so many rows does not embed."""
    highest = max(ids, default=0)
    if highest >= rows:
        token = tokenizer.convert_ids_to_tokens(highest)
        raise InputError(f"The text has a token that {owner} does not embed: {token}, id {highest} of {rows}.")


POSITION_TABLES = {"wpe", "position_embeddings", "embed_positions", "positions_embed"}
"""What transformers calls a table of learned positions."""


def position_limit(model: Any) -> int | None:
    """How many tokens learned positions allow; None for models that compute theirs (RoPE, ALiBi)."""
    for path, module in model.named_modules():
        table = getattr(module, "weight", None)  # of torch's Embedding, or of one that an architecture brings (I-BERT)
        if path.split(".")[-1] in POSITION_TABLES and table is not None and table.dim() == 2:
            padding = getattr(module, "padding_idx", None)
            skipped = 0 if padding is None else padding + 1  # RoBERTa counts from there
            return int(table.shape[0]) - int(getattr(module, "offset", skipped))
    return None


def length_limit(model: Any, tokenizer: Any, asked: int | None) -> int | None:
    """The longest item in tokens: what was asked, else the model's own limit; never past its learned positions.

    Raises: InputError where more was asked than the model has positions for.
    """
    config = model.config.get_text_config()
    configured = getattr(config, "max_position_embeddings", None)
    built = getattr(config, "max_seq_len", None)  # MPT builds its ALiBi biases for so many tokens
    tables = [n for n in (position_limit(model), built) if n]
    hard = min(tables) if tables else None
    if hard and configured:
        hard = min(hard, configured)  # Nyströmformer has two rows more than positions
    if asked and hard and asked > hard:
        raise InputError(f"--max_length {asked} is more than the {hard} positions this model has: pass at most {hard}.")
    limits = [n for n in (hard, configured, tokenizer.model_max_length) if n and n < 10**9]
    return asked or (min(limits) if limits else None)
