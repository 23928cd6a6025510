"""Gradio, imported in half of its time: without the type stubs that it writes anew for each of its components."""

from __future__ import annotations

import inspect
from typing import Any


def import_gradio() -> Any:
    """The module. While it is imported its components seem to have no source file: those it writes no stubs for.

    Measured: 6 s with the stubs and 3 s without, on one busy core (gradio 6.31, component_meta.create_or_modify_pyi).
    """
    getfile = inspect.getfile

    def without_components(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("its stubs are not written")
        return getfile(thing)

    inspect.getfile = without_components  # type: ignore[assignment]
    try:
        import gradio
    finally:
        inspect.getfile = getfile
    return gradio
