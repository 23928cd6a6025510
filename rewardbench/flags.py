"""What all commands share: the panels of their options, the values they take, and how figures become JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from typer import Option

MODEL, DATA, RUN, OUTPUT, OLD = "Model", "Data", "Run", "Output", "Of earlier versions"


def flag(panel: str, name: str, text: str = "", **limits: Any) -> Any:
    """An option under its one name; `--a-b` is taken for `--a_b`."""
    return Option(f"--{name}", help=text, rich_help_panel=panel, **limits)


def say_json(value: Any) -> None:
    """Print figures for machines."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


Text = str | None
Count = int | None
Side = Literal["left", "right"]
FreeType = Literal["sum", "avg", "norm"] | None
Dtype = Literal["auto", "float16", "bfloat16", "float32", "float64"]
Kernel = Literal["eager", "sdpa", "flash_attention_2"] | None

RefModel = Annotated[Text, flag(MODEL, "ref_model", "Reference of a DPO policy")]
RefFreeType = Annotated[FreeType, flag(MODEL, "ref_free_type", "Score a policy by its log-probabilities")]
Revision = Annotated[Text, flag(MODEL, "revision", "Revision of the model on the Hub")]
RefRevision = Annotated[Text, flag(MODEL, "ref_revision", "Revision of the reference")]
Tokenizer = Annotated[Text, flag(MODEL, "tokenizer", "Tokenizer, if not the model's own")]
ChatTemplate = Annotated[Text, flag(MODEL, "chat_template", "A fastchat name, or raw; else the model's")]
TrustRemoteCode = Annotated[bool, flag(MODEL, "trust_remote_code", "Run code of the repository")]
Beta = Annotated[float, flag(MODEL, "beta", "Scale of the DPO reward")]
Split = Annotated[Text, flag(DATA, "split", "Split of the data")]
Subset = Annotated[Text, flag(DATA, "subset", "One subset, or one configuration of the data")]
DatasetRevision = Annotated[Text, flag(DATA, "dataset_revision", "Revision of the data on the Hub")]
MaxLength = Annotated[Count, flag(RUN, "max_length", "Tokens an item; else the model's own limit", min=1)]
TruncationSide = Annotated[Side, flag(RUN, "truncation_side", "Where over-long items lose tokens")]
AttnImplementation = Annotated[Kernel, flag(RUN, "attn_implementation", "Attention kernel")]
Device = Annotated[Text, flag(RUN, "device", "cpu, cuda, cuda:1, mps")]
Compile = Annotated[bool, flag(RUN, "compile", "Compile the model's layers (torch.compile)")]
