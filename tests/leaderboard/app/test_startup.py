"""What is answered before Gradio is there."""

import gc
import inspect
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
from rewardbench.leaderboard.app.quick import import_gradio

PAGE = "<html><body class='x'>its own page</body></html>"


def opened(make, failed=lambda: None, markup=lambda: "<p>rows</p>"):
    opening = StartingApp(make, failed)
    rows = Middleware(FirstPaint, markup=markup, css="p {}")
    return opening, Starlette(routes=[Mount("/", opening)], middleware=[rows], lifespan=opening.lifespan)


def test_rows_are_there_while_the_app_is_made_and_other_addresses_wait_for_it():
    go, seen = threading.Event(), []

    def make():
        assert go.wait(20)
        return Starlette(routes=[Route("/{rest:path}", lambda request: HTMLResponse(PAGE))])

    now = "rows"
    _, shown = opened(make, markup=lambda: f"<p>{now}</p>")
    with TestClient(shown) as client:
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


def no_gradio():
    raise ValueError("no Gradio")


def no_start():
    @asynccontextmanager
    async def lifespan(app):
        raise ValueError("no Gradio")
        yield

    return Starlette(lifespan=lifespan)


@pytest.mark.parametrize("make", [no_gradio, no_start])
def test_what_goes_wrong_is_told(make):
    told = threading.Event()
    opening, shown = opened(make, told.set)
    with TestClient(shown):
        assert told.wait(20)
    assert str(opening.error) == "no Gradio"


def test_gradio_is_imported_and_nothing_else_is_changed():
    getfile = inspect.getfile
    assert import_gradio().Blocks
    assert inspect.getfile is getfile
    assert gc.isenabled()


def test_a_leaderboard_without_its_app_ends_with_what_went_wrong(demo, monkeypatch):
    monkeypatch.setattr(app, "_build_app", lambda library: no_gradio())
    with app.open_socket("127.0.0.1", free_port()) as listening, pytest.raises(ValueError, match="no Gradio"):
        app.run_server(str(demo), listening)


@pytest.fixture
def demo(tmp_path):
    """A copy, since an index is written into what is shown."""
    return shutil.copytree(ROOT / "leaderboard" / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns(".*"))


@pytest.fixture
def serving(demo):
    port = free_port()
    command = [sys.executable, "-m", "rewardbench", "leaderboard", "--results", str(demo), "--port", str(port)]
    found = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert found.stdout.readline().startswith("leaderboard=")
    yield found, port, command
    found.kill()
    found.communicate()


def test_a_port_that_is_taken_is_one_sentence(serving):
    _, port, command = serving
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert f"port {port} of 127.0.0.1: Address already in use" in second.stderr


@pytest.mark.parametrize("port", ["http", "-1", "65536", "7860.5"])
def test_a_port_that_is_none_is_one_sentence(monkeypatch, capsys, port):
    monkeypatch.setenv("PORT", port)
    with pytest.raises(SystemExit) as ended:
        app.serve_environment(ROOT / "leaderboard" / "demo")
    assert ended.value.code == 2
    told = f"The port '{port}' is invalid: set PORT or GRADIO_SERVER_PORT to a number below 65536."
    assert capsys.readouterr().err == f"rewardbench: {told}\n"


@pytest.mark.parametrize("address", ["", "config", "gradio_api/heartbeat/x"])
def test_ctrl_c_ends_it_at_once_whoever_still_waits(serving, address):
    """While Gradio is being imported, and with a request that waits for it."""
    process, port, _ = serving
    with urlopen(f"http://127.0.0.1:{port}/") as first:
        assert b"rb-first" in first.read()
    with socket.create_connection(("127.0.0.1", port)) as asking:
        if address:
            asking.sendall(f"GET /{address} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        if "heartbeat" in address:
            assert asking.recv(15) == b"HTTP/1.1 200 OK"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in told, told
