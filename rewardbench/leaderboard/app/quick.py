"""Gradio, imported in half of its time: without the type stubs that it writes anew for each of its components."""

from __future__ import annotations

import gc
import inspect
from typing import Any


def import_gradio() -> Any:
    """The module. While it is imported its components seem to have no source file: those it writes no stubs for.

    Measured with gradio 6.31 on a slow core: 6.1 s as it is, 4.5 s without stubs, 3.4 s without collecting garbage too.
    """
    getfile = inspect.getfile

    def without_components(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("its stubs are not written")
        return getfile(thing)

    inspect.getfile = without_components  # type: ignore[assignment]
    gc.disable()  # what is imported stays
    try:
        import gradio
    finally:
        inspect.getfile = getfile
        gc.enable()
        gc.freeze()
    return gradio
