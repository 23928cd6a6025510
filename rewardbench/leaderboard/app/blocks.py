"""The frame that Gradio gives: one element for all pages, and the form that takes files."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rewardbench.errors import InputError
from rewardbench.leaderboard.app import submission
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.app.quick import import_gradio
from rewardbench.leaderboard.app.uploads import LONGEST_KEPT, MOST_FILE

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # no call home
gr = import_gradio()
from fastapi import FastAPI  # noqa: E402
from gradio import Request  # noqa: E402
from gradio.exceptions import InvalidPathError  # noqa: E402

HERE = Path(__file__).resolve().parent


def build(library: Library, see: Callable[[str], str], copy: Callable[[Any], str]) -> Any:
    """An ASGI app over a store: `see` shows the page of an address, `copy` gives rows away."""
    checks = submission.Checks(library)
    with gr.Blocks(title="rewardbench", fill_width=True, delete_cache=(600, int(LONGEST_KEPT))) as app:
        gr.HTML(
            html_template='<div class="rb" lang="en"></div>',
            js_on_load=(HERE / "page.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            server_functions=[see, copy],
            elem_id="rb",
        )
        if library.takes_files:
            with gr.Column(elem_id="rb-submit"):
                _submission(checks)
    app.queue(default_concurrency_limit=2, max_size=16)
    app.has_launched = True  # unset by mount_gradio_app; without it Gradio takes any path of this machine as an upload
    outer = gr.mount_gradio_app(
        FastAPI(openapi_url=None),
        app,
        "/",
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        max_file_size=MOST_FILE,
        root_path=os.environ.get("GRADIO_ROOT_PATH"),
        footer_links=[],
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
    )
    _refuse_forged_paths(app)
    mounted = outer.routes[-1].app
    mounted.startup_events_triggered = True  # its lifespan does that; an address would do it once more

    def stop() -> None:
        mounted.stop_event.set()
        checks.stop()

    outer.state.stop = stop
    return outer


def _refuse_forged_paths(app: Any) -> None:
    """Raise InputError if this Gradio takes a file that nobody uploaded: `has_launched` is not its public interface."""
    with tempfile.NamedTemporaryFile(suffix=".json", dir=tempfile.gettempdir()) as outside:
        forged = {"path": outside.name, "meta": {"_type": "gradio.FileData"}}
        for event in app.fns.values():
            if not any(isinstance(block, gr.File) for block in event.inputs):
                continue
            inputs = [[forged] if isinstance(block, gr.File) else None for block in event.inputs]
            try:
                asyncio.run(app.process_api(event, inputs))
            except InvalidPathError:
                continue
            except Exception as error:
                raise InputError(UNSAFE) from error
            raise InputError(UNSAFE)


UNSAFE = (
    f"The leaderboard is not served: gradio {gr.__version__} would read files of this machine that nobody uploaded; "
    "install the version that pip install 'rewardbench[leaderboard]' asks for."
)


def _submission(checks: submission.Checks) -> None:
    """The part of the page that takes files."""
    files = gr.File(
        label="The two files of a result", file_count="multiple", file_types=[".json", ".jsonl", ".parquet"]
    )
    name = gr.Textbox(label="Model name, if the file has another (org/name)", max_length=200)
    found = gr.HTML()
    kept = gr.State(None, time_to_live=LONGEST_KEPT)
    button = gr.Button("Submit", interactive=False, variant="primary")

    def look(uploaded: list[str] | None, called: str, request: Request) -> tuple[Any, Any, Any]:
        looked = checks.look(_client(request), uploaded, called or "") if uploaded and len(uploaded) > 1 else None
        fine = looked is not None and looked.entry is not None
        return looked, submission.words(looked), gr.Button(interactive=fine)

    def send(looked: submission.Looked | None, request: Request) -> tuple[Any, Any, Any]:
        off = gr.Button(interactive=False)
        if looked is None or looked.entry is None:
            return None, submission.words(looked), off
        try:
            message = checks.send(_client(request), looked)
            return None, render("sent.html", verdict="passed", message=message), off
        except InputError as error:
            return looked, render("sent.html", verdict="refused", message=error), gr.Button(interactive=True)

    gr.on(
        [files.change, name.submit],
        look,
        [files, name],
        [kept, found, button],
        concurrency_limit=2,
        api_visibility="private",
    )
    button.click(send, kept, [kept, found, button], concurrency_limit=1, api_visibility="private")


def _client(request: Any) -> str:
    """Return the client of a request, as Guard has put it there."""
    return str(request.client.host) if request is not None and request.client else "unknown"
