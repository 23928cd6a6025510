"""What is answered before Gradio is there."""

import gc
import inspect
import signal
import subprocess
import sys
import threading

import pytest

pytest.importorskip("gradio")
from first import WAITING, FirstPaint, Opening
from quick import import_gradio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from test_app import ROOT, free_port

PAGE = "<html><body class='x'>its own page</body></html>"


def opened(make, failed=lambda: None, markup=lambda: "<p>rows</p>"):
    opening = Opening(make, failed)
    rows = Middleware(FirstPaint, markup=markup, css="p {}")
    return opening, Starlette(routes=[Mount("/", opening)], middleware=[rows], lifespan=opening.lifespan)


def test_rows_are_there_while_the_app_is_made_and_other_addresses_wait_for_it():
    go, seen = threading.Event(), []

    def make():
        assert go.wait(20)
        return Starlette(routes=[Route("/{rest:path}", lambda request: HTMLResponse(PAGE))])

    now = "rows"
    _, app = opened(make, markup=lambda: f"<p>{now}</p>")
    with TestClient(app) as client:
        first = client.get("/").text
        assert WAITING.partition("<body>")[2] in first
        assert "<p>rows</p>" in first
        asked = threading.Thread(target=lambda: seen.append(client.get("/config").text))
        asked.start()
        asked.join(0.3)
        assert not seen
        go.set()
        asked.join(20)
        assert seen == [PAGE]
        now = "rows of a later look"
        then = client.get("/").text
        assert "its own page" in then
        assert "<p>rows of a later look</p>" in then
        assert "rows of a later look" in client.get("/?__theme=dark&__x=%ff").text
        assert client.get("/?view=about&__theme=dark").text == PAGE
        assert client.get("/?row").text == PAGE


def test_what_goes_wrong_is_told():
    def make():
        raise ValueError("no Gradio")

    told = threading.Event()
    opening, app = opened(make, told.set)
    with TestClient(app):
        assert told.wait(20)
    assert str(opening.error) == "no Gradio"


def test_gradio_is_imported_and_nothing_else_is_changed():
    getfile = inspect.getfile
    assert import_gradio().Blocks
    assert inspect.getfile is getfile
    assert gc.isenabled()


def test_ctrl_c_ends_it_and_a_port_that_is_taken_is_one_sentence():
    port = free_port()
    command = [sys.executable, "-m", "rewardbench", "leaderboard", "--results", "leaderboard/demo", "--port", str(port)]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    try:
        assert serving.stdout.readline().startswith("leaderboard=")
        second = subprocess.run(command, capture_output=True, cwd=ROOT, text=True)
        assert second.returncode == 2
        assert second.stderr.count("\n") == 1
        assert f"port {port} of 127.0.0.1: Address already in use" in second.stderr
        serving.send_signal(signal.SIGINT)
        _, told = serving.communicate(timeout=30)
        assert serving.returncode == 130
        assert "Traceback" not in told
    finally:
        serving.kill()
