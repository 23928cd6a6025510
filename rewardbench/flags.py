"""What options of every command are made of: their panels, and the values they take."""

from __future__ import annotations

from typing import Any, Literal

from typer import Option

MODEL, DATA, RUN, OUTPUT, OLD = "Model", "Data", "Run", "Output", "Of earlier versions"


def flag(panel: str, name: str, text: str = "", **limits: Any) -> Any:
    """An option under its one name; `--a-b` is taken for `--a_b`."""
    return Option(f"--{name}", help=text, rich_help_panel=panel, **limits)


Text = str | None
Count = int | None
Side = Literal["left", "right"]
FreeType = Literal["sum", "avg", "norm"] | None
Dtype = Literal["auto", "float16", "bfloat16", "float32", "float64"]
Kernel = Literal["eager", "sdpa", "flash_attention_2"] | None
