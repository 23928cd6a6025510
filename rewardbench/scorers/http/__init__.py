"""Reward models behind a server: dialects, probes, and the scorer that sends texts or token ids."""

from __future__ import annotations

from rewardbench.scorers.http.load import load_server_model

__all__ = ["load_server_model"]
