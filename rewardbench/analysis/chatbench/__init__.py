"""Hold scripted multi-turn conversations with a chat model, and verify that its replies follow their rules."""

from __future__ import annotations

from rewardbench.analysis.chatbench.report import ChatbenchOptions, analyze
from rewardbench.analysis.chatbench.selftest import selftest

__all__ = ["ChatbenchOptions", "analyze", "selftest"]
