"""Build the Gradio app: one HTML element for all pages, and the upload form."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.app.quick import import_gradio
from rewardbench.leaderboard.app.sign_in import Visitor
from rewardbench.leaderboard.app.submission import UploadChecks, describe_missing, render_check
from rewardbench.leaderboard.app.uploads import KINDS, LONGEST_KEPT, MOST_FILE

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # no telemetry
gr = import_gradio()
from fastapi import FastAPI  # noqa: E402
from gradio import Blocks, Button, Request  # noqa: E402
from gradio.exceptions import InvalidPathError  # noqa: E402
from gradio.routes import App  # noqa: E402
from starlette.routing import Mount  # noqa: E402

HERE = Path(__file__).resolve().parent


def build_app(
    checks: UploadChecks, see: Callable[[str, Visitor | None], str], copy: Callable[[object], str]
) -> FastAPI:
    """Build the ASGI app.

    Args:
        checks: checks and submits uploads.
        see: returns the HTML of an address for a visitor.
        copy: returns rows as CSV, LaTeX or BibTeX.
    """

    def see_page(search: str, request: Request) -> str:
        return see(search, checks.visitor(_session(request)))

    see_page.__name__ = "see"  # Guard and page.js call it by this name
    with gr.Blocks(title="rewardbench", fill_width=True, delete_cache=(600, int(LONGEST_KEPT))) as app:
        page = gr.HTML(
            html_template='<div class="rb" lang="en"></div>',
            js_on_load=(HERE / "page.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            server_functions=[see_page, copy],
            elem_id="rb",
        )
        if checks.library.takes_files:
            with gr.Column(elem_id="rb-submit"):
                _add_upload_form(checks)
    app.queue(default_concurrency_limit=2, max_size=16)
    app.has_launched = True  # mount_gradio_app does not set it, and without it Gradio reads any local path as an upload
    server: FastAPI = gr.mount_gradio_app(
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
    _check_forged_paths(app)
    mount = server.routes[-1]
    assert isinstance(mount, Mount)
    mounted = mount.app
    assert isinstance(mounted, App)
    mounted.startup_events_triggered = True  # its lifespan starts them; the first request would start them again

    def stop() -> None:
        mounted.stop_event.set()
        checks.stop()

    server.state.stop = stop
    server.state.element = page._id
    return server


def _check_forged_paths(app: Blocks) -> None:
    """Check that Gradio rejects a file that nobody uploaded, since `has_launched` is not its public interface.

    Raises:
        InputError: if Gradio reads it.
    """
    with tempfile.NamedTemporaryFile(suffix=".json", dir=tempfile.gettempdir()) as file:
        forged = {"path": file.name, "meta": {"_type": "gradio.FileData"}}
        for event in app.fns.values():
            inputs = [[forged] if isinstance(block, gr.File) else None for block in event.inputs]
            if [forged] not in inputs:
                continue
            try:
                asyncio.run(app.process_api(event, inputs))
            except InvalidPathError:
                continue
            except Exception as error:
                raise InputError(UNSAFE) from error
            raise InputError(UNSAFE)


UNSAFE = (
    f"The leaderboard was not started: gradio {gr.__version__} would read files of this machine that nobody uploaded. "
    "Install the version that pip install 'rewardbench[leaderboard]' asks for."
)


def _add_upload_form(checks: UploadChecks) -> None:
    """Add the form that checks and submits files."""
    files = gr.File(
        label="Result files: .json, .jsonl or .parquet, and the answers of a judge",
        file_count="multiple",
        file_types=list(KINDS),
    )
    name = gr.Textbox(label="Model name (org/name), if different from the file", max_length=200)
    findings = gr.HTML()
    state = gr.State(None, time_to_live=LONGEST_KEPT)
    button = gr.Button("Submit", interactive=False, variant="primary")

    def check(paths: list[str] | None, model: str, request: Request) -> tuple[str | None, str, Button]:
        disabled = gr.Button(interactive=False)
        if missing := describe_missing(paths or []):
            return None, render("sent.html", verdict="waiting", message=missing, links={}), disabled
        if not paths:
            return None, "", disabled
        checked = checks.check(_client(request), paths, model or "", checks.visitor(_session(request)))
        key = checks.pending.add(checked, _client(request))
        return key, render_check(checked), gr.Button(interactive=key is not None and not checked.obstacle)

    def submit(key: str | None, request: Request) -> tuple[str | None, str, Button]:
        disabled = gr.Button(interactive=False)
        checked = checks.pending.get(key)
        try:
            if checked is None:
                raise InputError("No checked result waits here any more: drop the files again.")
            sent = checks.submit(_client(request), checked, checks.visitor(_session(request)))
        except InputError as error:
            refusal = render("sent.html", verdict="refused", message=error, links={})
            return key, refusal, gr.Button(interactive=checked is not None)
        checks.pending.drop(key)
        return None, render("sent.html", verdict="passed", message=sent.message, links=sent.links), disabled

    gr.on(
        [files.change, name.submit],
        check,
        [files, name],
        [state, findings, button],
        concurrency_limit=2,
        api_visibility="private",
    )
    button.click(submit, state, [state, findings, button], concurrency_limit=1, api_visibility="private")


def _session(request: Request) -> Mapping[str, object]:
    """Return the content of the signed cookie of a request; empty if visitors cannot sign in."""
    scope: Mapping[str, Mapping[str, object]] = getattr(request, "request", request).scope
    return scope.get("session", {})


def _client(request: Request | None) -> str:
    """Return the client of a request, as Guard has set it."""
    return str(request.client.host) if request is not None and request.client else "unknown"
