"""The connection of judges against servers that are hostile: endless bodies, keys in escapes."""

import asyncio
import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rewardbench.errors import InputError
from rewardbench.scorers.judge.client import ChatClient
from rewardbench.scorers.judge.ledger import Ledger
from rewardbench.scorers.judge.transport import connection
from rewardbench.settings import Endpoint

KEY = "plain/key-0123456789"
ANSWER = '{"model": "judge", "choices": [{"message": {"content": "%s"}, "finish_reason": "stop"}]}'


class _Server(ThreadingHTTPServer):
    """Answers every request with one response.

    Args:
        body: of the response; None is sent without end.
        status: of the response.
        headers: of the response.
    """

    daemon_threads = True

    def __init__(self, body, status=200, headers=()):
        self.body, self.status, self.headers, self.calls = body, status, headers, 0
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.calls += 1
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.server.status)
        for name, value in self.server.headers:
            self.send_header(name, value)
        self.end_headers()
        try:
            while self.server.body is None:
                self.wfile.write(b" " * 2**16)
            self.wfile.write(self.server.body)
        except ConnectionError:
            pass

    def log_message(self, *arguments):
        pass


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(server, path=Path(":memory:")):
    """Return the answer of a server to one request."""

    async def complete():
        client = ChatClient(Endpoint(f"{server.url}/v1", max_retries=0, timeout=20), Ledger(path))
        try:
            return await client.complete({"model": "judge", "messages": [{"role": "user", "content": "a"}]})
        finally:
            await client.close()

    return asyncio.run(complete())


def test_an_endless_response_is_a_failure(monkeypatch):
    monkeypatch.setattr(connection, "MAX_RESPONSE", 2**20)
    with _Server(None) as server:
        answer = ask(server)
    assert (answer.failure, server.calls) == ("server_error", 1)
    assert answer.detail.startswith("the response exceeds")


def test_a_compressed_response_is_bounded_as_it_is_expanded(monkeypatch):
    monkeypatch.setattr(connection, "MAX_RESPONSE", 2**20)
    body = gzip.compress(b" " * 2**24)
    with _Server(body, headers=[("content-encoding", "gzip")]) as server:
        answer = ask(server)
    assert answer.detail.startswith("the response exceeds")


def test_a_small_compressed_response_is_read():
    body = gzip.compress((ANSWER % "[[A]]").encode())
    with _Server(body, headers=[("content-encoding", "gzip")]) as server:
        assert ask(server).text == "[[A]]"


@pytest.mark.parametrize("written", [KEY.replace("/", "\\/"), "".join(f"\\u{ord(letter):04x}" for letter in KEY)])
def test_a_key_that_json_escapes_is_replaced(written, tmp_path):
    body = ANSWER.replace("judge", f"judge {written}") % f"the key {written}"
    with _Server(body.encode()) as server:
        answer = ask(server, tmp_path / "answers.sqlite")
    assert (answer.text, answer.model) == ("the key [key]", "judge [key]")
    stored = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(stored) > 0
    assert not any(KEY.encode() in content for content in stored)


@pytest.mark.parametrize("key", ["A", "1", "EMPTY"])
def test_a_placeholder_for_a_key_is_left_in_answers(key, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    body = ANSWER % f"[[A]] 10 {key}"
    with _Server(body.replace("stop", 'stop", "index": 1, "x": "').encode()) as server:
        assert ask(server).text == f"[[A]] 10 {key}"


def test_a_server_that_never_answers_ends_the_run():
    async def complete(server):
        client = ChatClient(Endpoint(f"{server.url}/v1", max_retries=1), Ledger(Path(":memory:")), pause=0.001)
        bodies = [{"model": "judge", "messages": [{"role": "user", "content": str(n)}]} for n in range(200)]
        try:
            return await asyncio.gather(*map(client.complete, bodies), return_exceptions=True)
        finally:
            await client.close()

    with _Server(b"<html>no JSON</html>") as server:
        outcomes = asyncio.run(complete(server))
        assert server.calls < 150
    errors = [str(outcome) for outcome in outcomes if isinstance(outcome, InputError)]
    assert len(errors) > 150
    assert "answered none of the first 20 requests, at any try: the response is not JSON" in errors[0]
