"""Import Gradio in half the time, by skipping the type stubs that it writes for its components."""

from __future__ import annotations

import gc
import inspect
from types import ModuleType


def import_gradio() -> ModuleType:
    """Import Gradio, and return the module.

    Meanwhile `inspect.getfile` fails for its components: Gradio writes no stub for a class without a source file.
    Measured with gradio 6.31 on a slow core: 6.1 s unchanged, 4.5 s without stubs, 3.4 s without garbage collection
    too.
    """
    getfile = inspect.getfile

    def without_components(value: object) -> str:
        if isinstance(value, type) and value.__module__.startswith("gradio."):
            raise OSError("no stubs")
        return getfile(value)  # type: ignore[arg-type]

    inspect.getfile = without_components  # type: ignore[assignment]
    gc.disable()  # imported modules are not garbage
    try:
        import gradio
    finally:
        inspect.getfile = getfile
        gc.enable()
        gc.freeze()
    return gradio
