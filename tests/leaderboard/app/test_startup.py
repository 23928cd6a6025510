"""Test how requests are answered before Gradio is loaded."""

import gc
import inspect
import math
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from urllib.request import urlopen

import pytest
from repository import ROOT

pytest.importorskip("gradio")
from ports import free_port
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from rewardbench.leaderboard.app import serve as app
from rewardbench.leaderboard.app.first import WAITING, FirstPaint, StartingApp
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.quick import import_gradio

PAGE = "<html><body class='x'>its own page</body></html>"


def opened(make, failed=lambda: None, page=lambda search: "<p>rows</p>"):
    opening = StartingApp(make, failed)
    rows = Middleware(FirstPaint, page=page, css="p {}")
    return opening, Starlette(routes=[Mount("/", opening)], middleware=[rows], lifespan=opening.lifespan)


def test_rows_are_shown_while_the_app_starts_and_other_requests_wait():
    go, seen = threading.Event(), []

    def make():
        assert go.wait(20)
        return Starlette(routes=[Route("/{rest:path}", lambda request: HTMLResponse(PAGE))])

    now = "rows"
    _, shown = opened(make, page=lambda search: f"<p>{now} {search}</p>")
    with TestClient(shown) as client:
        first = client.get("/").text
        assert WAITING.partition("<body>")[2] in first
        assert "<p>rows </p>" in first
        assert "<p>rows view=about</p>" in client.get("/?view=about").text
        request = threading.Thread(target=lambda: seen.append(client.get("/config").text))
        request.start()
        request.join(0.3)
        assert not seen
        go.set()
        request.join(20)
        assert seen == [PAGE]
        now = "rows of a later look"
        then = client.get("/").text
        assert "its own page" in then
        assert "<p>rows of a later look </p>" in then
        assert "<p>rows of a later look __theme=dark&__x=%ff</p>" in client.get("/?__theme=dark&__x=%ff").text
        assert client.get("/config").text == PAGE


def no_gradio():
    raise ValueError("no Gradio")


def no_start():
    @asynccontextmanager
    async def lifespan(app):
        raise ValueError("no Gradio")
        yield

    return Starlette(lifespan=lifespan)


@pytest.mark.parametrize("make", [no_gradio, no_start])
def test_startup_error_is_reported(make):
    failed = threading.Event()
    opening, shown = opened(make, failed.set)
    with TestClient(shown):
        assert failed.wait(20)
    assert str(opening.error) == "no Gradio"


def test_importing_gradio_restores_the_interpreter_state():
    getfile = inspect.getfile
    assert import_gradio().Blocks
    assert inspect.getfile is getfile
    assert gc.isenabled()


def test_pages_are_built_in_advance_while_no_visitor_waits(demo, monkeypatch):
    library, built = Library(str(demo)), []
    monkeypatch.setattr(app, "PAUSE", 0.01)
    monkeypatch.setattr(app, "view", lambda library, search: built.append(search))
    library.requested_at = math.inf
    thread = threading.Thread(target=app.prepare, args=(library,))
    thread.start()
    thread.join(0.3)
    assert built == ["?view=suites"]
    library.requested_at = 0.0
    thread.join(20)
    assert len(built) == 1 + 4 * len(library.rows().suites)


def test_startup_error_ends_the_leaderboard(demo, monkeypatch):
    monkeypatch.setattr(app, "_build_app", lambda library: no_gradio())
    with app.open_socket("127.0.0.1", free_port()) as listening, pytest.raises(ValueError, match="no Gradio"):
        app.run_server(str(demo), listening)


@pytest.fixture
def demo(tmp_path):
    """Copy the demo, since its index is written."""
    return shutil.copytree(ROOT / "leaderboard" / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns(".*"))


@pytest.fixture
def serving(demo):
    port = free_port()
    command = [sys.executable, "-m", "rewardbench", "leaderboard", "--store", str(demo), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("leaderboard=")
    yield process, port, command
    process.kill()
    process.communicate()


def test_port_in_use_is_a_one_line_error(serving):
    _, port, command = serving
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert f"port {port} of 127.0.0.1: Address already in use" in second.stderr


@pytest.mark.parametrize("port", ["http", "-1", "65536", "7860.5"])
def test_invalid_port_is_a_one_line_error(monkeypatch, capsys, port):
    monkeypatch.setenv("PORT", port)
    with pytest.raises(SystemExit) as ended:
        app.serve_environment(ROOT / "leaderboard" / "demo")
    assert ended.value.code == 2
    message = f"The port '{port}' is invalid: set PORT or GRADIO_SERVER_PORT to a number below 65536."
    assert capsys.readouterr().err == f"rewardbench: {message}\n"


@pytest.mark.parametrize("address", ["", "config", "gradio_api/heartbeat/x"])
def test_ctrl_c_stops_the_server_despite_waiting_clients(serving, address):
    """Gradio is being imported, and a request waits for it."""
    process, port, _ = serving
    page = b""
    while b"rb-first" not in page:  # until the results have been read
        with urlopen(f"http://127.0.0.1:{port}/") as first:
            page = first.read()
    with socket.create_connection(("127.0.0.1", port)) as asking:
        if address:
            asking.sendall(f"GET /{address} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        if "heartbeat" in address:
            assert asking.recv(15) == b"HTTP/1.1 200 OK"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors, errors
