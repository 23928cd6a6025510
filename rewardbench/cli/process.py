"""Set up the process of a command that scores; a library call changes nothing of this."""

from __future__ import annotations

from rewardbench.console.logging import quieten


def set_up_scoring() -> None:
    """Silence libraries, and keep freed memory for reuse. Call this before heavy libraries are imported."""
    quieten()
    from rewardbench.engine.malloc import keep_freed_memory

    keep_freed_memory()
