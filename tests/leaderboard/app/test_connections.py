"""Test slow and malformed requests against a running server: others are answered, and every answer has headers."""

import json
import socket
import threading
import time
from contextlib import ExitStack

import pytest
from malformed_uploads import BODIES, END, KINDS, VALID, named, send
from open_streams import open_stream, request, status
from ports import free_port
from served import Served

pytest.importorskip("gradio")
import uvicorn
from starlette.responses import PlainTextResponse

from rewardbench.leaderboard.app import connections

HEAD = "POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
BODY = json.dumps({"data": [None, ""], "fn_index": 0, "session_hash": "abc"})


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    running = Served(tmp_path_factory.mktemp("connections"), "--writable")
    yield running
    assert running.stop() < 5
    assert b"Traceback" not in running.log.read_bytes()


def exchange(served, content, seconds=15.0):
    """Send bytes, and return all that is answered until the connection ends or nothing comes for a second."""
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(content.encode() if isinstance(content, str) else content)
        connection.settimeout(1)
        answer, end = b"", time.monotonic() + seconds
        try:
            while (part := connection.recv(2**16)) and time.monotonic() < end:
                answer += part
        except TimeoutError:
            pass
        return answer


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: {0}\r\nContent-Length: 3\r\n\r\n{1}",
        "Content-Length: {0}, 3\r\n\r\n{1}",
        "Content-Length: {0}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: {0}\r\n\r\n{1}",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n{1}",
        "Content-Length: +{0}\r\n\r\n{1}",
        "Content-Length: 0x{0}\r\n\r\n{1}",
        "Content-Length: -1\r\n\r\n{1}",
        "Content-Length : {0}\r\n\r\n{1}",
        "Content-Length: {0}\r\nX: y\r\n folded\r\nContent-Length: 4\r\n\r\n{1}",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{1}\r\n0\r\n\r\n",
    ],
)
def test_request_with_an_ambiguous_length_is_refused_and_hides_no_second_one(served, framing):
    second = "GET /config HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = exchange(served, HEAD + framing.format(len(BODY), BODY) + second)
    statuses = [line.split()[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert statuses in ([], [b"400"], [b"413"], [b"501"]), answer
    assert b"event_id" not in answer


@pytest.mark.parametrize(
    "request_line",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "nonsense\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + "X: y\r\n" * 20_000 + "\r\n",
    ],
)
def test_malformed_request_gets_a_one_line_answer_with_all_headers(served, request_line):
    answer = exchange(served, request_line)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 431")), answer[:200]
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body.count(b"\n") == 1
    for name in (b"content-security-policy", b"x-content-type-options", b"referrer-policy", b"permissions-policy"):
        assert head.lower().count(name + b":") == 1
    assert b"uvicorn" not in answer


CASES = {
    "a page": ("GET", "/", {}, 200),
    "no such address": ("GET", "/nothing", {}, 404),
    "another method": ("PUT", "/", {}, 405),
    "preflight": ("OPTIONS", "/", {}, 405),
    "another host": ("GET", "/", {"host": "evil.example"}, 400),
    "another origin": ("POST", "/gradio_api/cancel", {"origin": "http://evil.example"}, 403),
    "another type": ("POST", "/gradio_api/cancel", {}, 415),
    "no boundary": ("POST", "/gradio_api/upload", {}, 415),
    "head": ("HEAD", "/", {}, 200),
}


@pytest.mark.parametrize("name", CASES)
def test_every_response_has_the_headers_once(served, name):
    method, path, headers, status = CASES[name]
    answer = served.client.request(method, path, headers=headers)
    assert answer.status_code == status
    check_headers(answer)


def check_headers(answer):
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy", "permissions-policy"):
        assert len(answer.headers.get_list(name)) == 1, name
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_part_of_a_file_has_the_headers_too(served):
    answer = served.get("/favicon.ico", headers={"range": "bytes=0-3"})
    assert (answer.status_code, len(answer.content)) == (206, 4)
    check_headers(answer)
    assert served.get("/favicon.ico", headers={"if-none-match": answer.headers["etag"]}).status_code in (200, 304)


def test_get_with_a_body_is_answered_and_its_body_is_no_request(served):
    smuggled = "GET /config HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = exchange(
        served, f"GET /robots.txt HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(smuggled)}\r\n\r\n{smuggled}"
    )
    assert answer.count(b"HTTP/1.1 ") == 1


def test_server_answers_every_malformed_upload_with_one_sentence_and_keeps_nothing(served):
    before = sorted(served.kept())
    for number, (name, body) in enumerate(BODIES.items()):
        for query in ("", "?upload_id=x"):
            code, text = send(served.port, body, address=f"127.0.8.{number + 1}", query=query)
            assert 400 <= code < 500, name
            assert text.count("\n") == 1, name
            assert text.endswith(".\n"), name
    for number, (name, kind) in enumerate(KINDS.items()):
        assert send(served.port, VALID, kind, f"127.0.9.{number + 1}")[0] == 415, name
    assert sorted(served.kept()) == before
    assert served.get("/").status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, identity", "x"])
def test_compressed_body_is_refused(served, coding):
    assert send(served.port, VALID, headers=[("Content-Encoding", coding)])[0] == 415
    headers = {"content-type": "application/json", "content-encoding": coding}
    assert served.post("/gradio_api/queue/join", content=b"{}", headers=headers).status_code == 415


def test_name_of_an_upload_is_limited(served):
    for query in ("?upload_id=" + "y" * 65, "?upload_id=%00", "?upload_id=a&upload_id=b", "?x=1", "?upload_id="):
        assert send(served.port, VALID, query=query)[0] == 400, query
        assert served.get(f"/gradio_api/upload_progress{query}").status_code == 400, query


def test_valid_upload_keeps_its_name_and_reports_its_progress(served):
    lines = []

    def watch():
        with served.client.stream("GET", "/gradio_api/upload_progress?upload_id=one") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines.extend(line.removeprefix("data: ") for line in answer.iter_lines() if line)

    watching = threading.Thread(target=watch)
    watching.start()
    body = named("b\u00e9.json") + END
    code, text = send(served.port, body.replace(b"{}", b" " * 2**23 + b"{}"), query="?upload_id=one")
    assert code == 200
    (path,) = json.loads(text)
    assert path.endswith("/b\u00e9.json")
    watching.join(20)
    messages = [json.loads(line) for line in lines]
    assert messages[-1] == {"msg": "done"}
    assert {message["orig_name"] for message in messages[:-1]} == {"b\u00e9.json"}
    assert sum(message["chunk_size"] for message in messages[:-1]) >= 2**23
    assert '"done"' in served.get("/gradio_api/upload_progress?upload_id=one").text, "it has ended"
    assert served.get("/gradio_api/upload_progress?upload_id=two").status_code == 404


def test_streams_of_a_client_are_limited_and_its_pages_are_not(served):
    with ExitStack() as stack:
        streams = [
            stack.enter_context(open_stream(served.port, "127.0.4.1", f"heartbeat/s{number}")) for number in range(70)
        ]
        statuses = [status(connection) for connection in streams]
        assert (statuses.count(200), statuses.count(429)) == (60, 10)
        page = stack.enter_context(request(served.port, "127.0.4.1", "/robots.txt"))
        assert status(page) == 200
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with open_stream(served.port, "127.0.4.1", "heartbeat/again") as connection:
            if status(connection) == 200:
                return
        time.sleep(0.2)
    raise AssertionError("closed streams must free their places")


@pytest.mark.parametrize(
    "path", ["heartbeat/", "heartbeat/a/b", "heartbeat/" + "x" * 65, "heartbeat/%00", "queue/data"]
)
def test_stream_without_a_session_is_refused(served, path):
    assert served.get(f"/gradio_api/{path}").status_code in (400, 404)
    assert served.client.head("/gradio_api/heartbeat/x").status_code == 405


@pytest.fixture
def short(monkeypatch):
    """Serve a large page by connections with short time limits, and return the port."""
    monkeypatch.setattr(connections, "SLOWEST_HEAD", 0.5)
    monkeypatch.setattr(connections, "SLOWEST_READER", 0.5)
    monkeypatch.setattr(connections, "MOST_PER_ADDRESS", 20)
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 60)
    connection = connections.connection_class({"X-Header": "1"}, behind_proxy=False)
    page = PlainTextResponse("x" * 2**22)
    config = uvicorn.Config(page, http=connection, port=free_port(), log_level="error", timeout_keep_alive=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield config.port, connection
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def connect(port, address="127.0.0.1"):
    connection = socket.create_connection(("127.0.0.1", port), 5, (address, 0))
    connection.settimeout(5)
    return connection


def is_closed(connection):
    """Return True if the server has closed a connection, which may take seconds; what it sent is read."""
    try:
        while connection.recv(2**16):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def test_head_that_never_ends_is_closed(short):
    port, _ = short
    with connect(port) as first, connect(port) as silent, connect(port) as second:
        first.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        second.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while len(second.recv(2**16)) == 2**16:
            pass
        time.sleep(0.2)
        second.sendall(b"GET / HT")
        assert all(map(is_closed, (first, silent, second)))


def test_body_may_take_longer_than_a_head(short):
    port, _ = short
    with connect(port) as uploading:
        uploading.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
        assert uploading.recv(100).startswith(b"HTTP/1.1 200")


def test_client_that_reads_nothing_is_closed(short):
    port, connection = short
    with connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        deadline = time.monotonic() + 8
        while not connection._open and time.monotonic() < deadline:
            time.sleep(0.01)
        assert connection._open.total() == 1
        while connection._open and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not connection._open


def test_connections_are_limited_for_each_address_and_in_all(short):
    port, connection = short
    idle = [connect(port) for _ in range(19)]
    try:
        with connect(port, "127.0.0.2") as other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert other.recv(15) == b"HTTP/1.1 200 OK"
        idle += [connect(port) for _ in range(10)]
        assert is_closed(idle[-1])
        assert connection._open["127.0.0.1"] <= 20
        for n in range(3, 9):
            idle += [connect(port, f"127.0.0.{n}") for _ in range(15)]
        assert is_closed(idle[-1])
        assert connection._open.total() <= 60
    finally:
        for client in idle:
            client.close()


def test_bad_request_behind_a_proxy_has_the_headers(short):
    port, _ = short
    with connect(port) as client:
        client.sendall(b"nonsense\r\n\r\n")
        answer = client.recv(2**16)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\nX-Header: 1\r\n")
