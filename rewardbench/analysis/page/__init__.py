"""Build `rewardbench report`: one self-contained HTML page about a model, from its stored results."""

from __future__ import annotations

from rewardbench.analysis.page.content import PageContent, SuiteContent, collect, run_analyses
from rewardbench.analysis.page.render import render_page, render_report

__all__ = ["PageContent", "SuiteContent", "collect", "render_page", "render_report", "run_analyses"]
