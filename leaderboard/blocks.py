"""The frame that Gradio gives: one element for all pages, and the form that takes files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import submission
from library import Library
from markup import esc
from quick import import_gradio

from rewardbench.types import InputError

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # no call home
gr = import_gradio()
from fastapi import FastAPI  # noqa: E402

HERE = Path(__file__).resolve().parent
LARGEST_UPLOAD = "64mb"


def build(library: Library, see: Callable[[str], str], copy: Callable[[Any], str]) -> Any:
    """An ASGI app over a store: `see` shows the page of an address, `copy` gives rows away."""
    with gr.Blocks(title="rewardbench", fill_width=True) as app:
        gr.HTML(
            html_template='<div class="rb" lang="en"></div>',
            js_on_load=(HERE / "page.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            server_functions=[see, copy],
            elem_id="rb",
        )
        with gr.Column(elem_id="rb-submit"):
            _submission(library)
    app.queue(default_concurrency_limit=8, max_size=64)
    outer = gr.mount_gradio_app(
        FastAPI(openapi_url=None),
        app,
        "/",
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        max_file_size=LARGEST_UPLOAD,
        root_path=os.environ.get("GRADIO_ROOT_PATH"),
        footer_links=[],
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
    )
    mounted = outer.routes[-1].app
    mounted.startup_events_triggered = True  # its lifespan does that; an address would do it once more
    outer.state.stop = mounted.stop_event.set
    return outer


def _submission(library: Library) -> None:
    """The part of the page that takes files."""
    files = gr.File(
        label="The two files of a result", file_count="multiple", file_types=[".json", ".jsonl", ".parquet"]
    )
    name = gr.Textbox(label="Model name, if the file has another (org/name)", max_length=200)
    found = gr.HTML()
    kept = gr.State(None)
    button = gr.Button("Submit", interactive=False, variant="primary")

    def look(uploaded: list[str] | None, called: str) -> tuple[Any, Any, Any]:
        looked = submission.look(library, uploaded, called or "") if uploaded and len(uploaded) > 1 else None
        fine = looked is not None and looked.entry is not None
        return looked, submission.words(looked), gr.Button(interactive=fine)

    def send(looked: submission.Looked | None) -> tuple[str, Any]:
        if looked is None or looked.entry is None:
            return submission.words(looked), gr.Button(interactive=False)
        try:
            return f'<p class="rb-looked passed" role="status">{esc(submission.send(library, looked))}</p>', gr.Button(
                interactive=False
            )
        except InputError as error:
            return f'<p class="rb-looked refused" role="alert">{esc(error)}</p>', gr.Button(interactive=True)

    gr.on(
        [files.change, name.submit],
        look,
        [files, name],
        [kept, found, button],
        concurrency_limit=2,
        api_visibility="private",
    )
    button.click(send, kept, [found, button], concurrency_limit=1, api_visibility="private")
