"""Set up the process of a command that scores; a library call changes nothing of this."""

from __future__ import annotations

from rewardbench.console.logging import quieten


def set_up_scoring(model: str | None = None) -> None:
    """Silence libraries, and keep freed memory for reuse. Call this before heavy libraries are imported.

    Args:
        model: the model as the user names it; a baseline loads no weights.
    """
    quieten(loads_weights=not (model or "").startswith("baseline/"))
    from rewardbench.engine.malloc import keep_freed_memory

    keep_freed_memory()
