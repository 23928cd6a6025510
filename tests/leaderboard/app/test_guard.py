"""Test requests that no page sends against a running server: they are refused, and the server keeps running."""

import hashlib
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from served import META, Served

pytest.importorskip("gradio")

from rewardbench.errors import InputError
from rewardbench.leaderboard.app import uploads

SECRET = "secret-model-of-this-machine"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    running = Served(tmp_path_factory.mktemp("guard"), "--writable", "--allow_host", "board.example")
    yield running
    assert running.stop() < 5
    assert list(running.temporary.glob("rewardbench-*")) == []


@pytest.fixture(scope="module")
def places(tmp_path_factory, served):
    """Return paths of local files that nobody uploaded, by name."""
    folder = tmp_path_factory.mktemp("elsewhere")
    secret = folder / "secret.json"
    summary = json.loads((served.results / "tiny-rm.json").read_bytes())
    secret.write_text(json.dumps(summary | {"model": SECRET}))
    os.mkfifo(folder / "fifo")
    (uploaded,) = served.upload(("a.json", b"{}")).json()
    upload_folder = Path(uploaded).parent
    (upload_folder / "link.json").symlink_to(secret)
    (upload_folder / "folder").symlink_to(folder)
    (served.temporary / "hard.json").write_bytes(secret.read_bytes())
    os.link(served.temporary / "hard.json", upload_folder / "hard.json")
    return {
        "an endless device": "/dev/zero",
        "a device": "/dev/random",
        "the password file": "/etc/passwd",
        "the environment": "/proc/self/environ",
        "its memory": "/proc/self/mem",
        "a descriptor": "/proc/self/fd/0",
        "a FIFO": str(folder / "fifo"),
        "a result elsewhere": str(secret),
        "a result of the store": str(served.results / "tiny-rm.json"),
        "a relative path": "pyproject.toml",
        "upwards": f"{upload_folder}/../../../../../../../etc/passwd",
        "upwards within": f"{upload_folder}/../{upload_folder.name}/a.json",
        "a link among the uploads": str(upload_folder / "link.json"),
        "a linked folder among the uploads": str(upload_folder / "folder" / "secret.json"),
        "a hard link among the uploads": str(upload_folder / "hard.json"),
        "its own path in the process": f"/proc/{served.process.pid}/root{upload_folder}/a.json",
        "two slashes": f"/{upload_folder}/a.json",
        "a dot": f"{upload_folder}/./a.json",
        "a slash at the end": f"{upload_folder}/a.json/",
        "other case": f"{upload_folder}/A.json",
        "an encoded slash": f"{upload_folder}%2fa.json",
        "a folder": str(upload_folder),
        "a file that is not there": f"{upload_folder}/b.json",
        "an address": "http://127.0.0.1:9/x.json",
        "a file address": f"file://{secret}",
        "a null byte": "/etc/passwd\0.json",
        "an endless name": "/" + "a" * 70_000,
        "no name": "",
        "a lone surrogate": "\ud800",
    }


FORMS = {
    "as the page sends it": lambda path: [[{"path": path, "meta": META}], ""],
    "not in a list": lambda path: [{"path": path, "meta": META}, ""],
    "without meta": lambda path: [[{"path": path}], ""],
    "as a stream": lambda path: [[{"path": path, "meta": META, "is_stream": True}], ""],
    "with an address": lambda path: [[{"path": path, "url": path, "orig_name": path, "meta": META}], ""],
    "nested": lambda path: [[[{"path": path, "meta": META}]], ""],
    "twice": lambda path: [[{"path": path, "meta": META}] * 2, ""],
    "as the name": lambda path: [None, {"path": path, "meta": META}],
    "in a dict": lambda path: [{"value": {"path": path, "meta": META}}, ""],
    "in event data": lambda path: [[{"path": path, "meta": META}], {"x": 1}],
}


@pytest.mark.parametrize("form", FORMS)
def test_forged_path_is_refused_and_the_server_keeps_running(served, places, form):
    before = sorted(served.kept())
    for name, path in places.items():
        answer = served.join(FORMS[form](path))
        assert answer.status_code in (400, 403, 413), name
        assert "event_id" not in answer.text, name
        assert SECRET not in answer.text
        assert "root:" not in answer.text
    assert served.get("/").status_code == 200
    assert sorted(served.kept()) == before


def test_concurrent_forged_requests_do_not_block_others(served, places):
    with ThreadPoolExecutor(24) as pool:
        forged = [
            pool.submit(served.join, FORMS["as the page sends it"](path))
            for path in ("/dev/zero", places["a FIFO"]) * 12
        ]
        seen = [pool.submit(served.see, "?view=about") for _ in range(12)]
        assert {response.result().status_code for response in forged} <= {403, 429}
        assert {response.result().status_code for response in seen} == {200}


UNSERVED = """
/gradio_api/openapi.json /openapi.json /docs /gradio_api/info /monitoring /monitoring/summary /gradio_api/vibe-code
/gradio_api/proxy=http://127.0.0.1:9 /gradio_api/runs /gradio_api/queue/status /gradio_api/deep_link /login /svelte/x
/gradio_api/stream/a/b/1/playlist.m3u8 /gradio_api/startup-events /login/huggingface /login/callback /logout
""".split()
UNPOSTED = """
/gradio_api/run/look /gradio_api/api/look /gradio_api/call/look /gradio_api/call/v2/look /gradio_api/stream/abc
/gradio_api/reset /gradio_api/process_recording /login /gradio_api/vibe-edit /gradio_api/component_server
/gradio_api//queue/join /login/huggingface /login/callback /logout
""".split()


def test_other_gradio_endpoints_serve_no_files(served, places):
    path = places["a result elsewhere"]
    for address in (*UNSERVED, f"/gradio_api/file={path}", f"/gradio_api/file/{path}", f"/file={path}"):
        assert served.get(address).status_code == 404, address
    body = {"data": FORMS["as the page sends it"](path), "fn_index": 0, "session_hash": "abc"}
    for address in UNPOSTED:
        assert served.post(address, body).status_code == 404, address
    assert served.join([None, ""], fn_index=7).status_code == 400
    refused = served.client.put("/gradio_api/queue/join", json=body)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    call = {"data": path, "component_id": 2, "fn_name": "preprocess", "session_hash": "abc"}
    assert served.post("/gradio_api/component_server/", call).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 60_000, 400),
        (b"x" * 70_000, 413),
        (b"{}", 400),
        (b"[]", 400),
        (b"", 400),
        (b"\xff", 400),
        (b'{"data": NaN}', 400),
        (b'{"data": 1e999}', 400),
        (b'{"data": "\\ud800"}', 400),
        (b'{"data": ' + b"[" * 20 + b"]" * 20 + b"}", 400),
        (b'{"data": [null, ""], "fn_index": 0}', 400),
        (b'{"data": [null, ""], "fn_index": 0, "session_hash": {"a": 1}}', 400),
        (b'{"data": [null, ""], "fn_index": "0", "session_hash": "a"}', 400),
        (b'{"data": {"a": 1}, "fn_index": 0, "session_hash": "a"}', 400),
    ],
)
def test_unexpected_body_is_refused(served, body, status):
    answer = served.post("/gradio_api/queue/join", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.text.count("\n") == 1


@pytest.mark.parametrize(
    "body",
    [
        {"session_hash": "a", "fn_index": 0},
        {"session_hash": "a", "fn_index": "0", "event_id": "b"},
        {"session_hash": "a", "fn_index": [], "event_id": "b"},
        {"session_hash": "a", "fn_index": 0, "event_id": "b" * 65},
        {"fn_index": 0, "event_id": "b"},
    ],
)
def test_cancellation_that_the_page_does_not_send_is_refused(served, body):
    assert served.post("/gradio_api/cancel", body).status_code == 400
    assert served.post("/gradio_api/cancel", {"session_hash": "a", "fn_index": 0, "event_id": "b"}).status_code == 200


@pytest.mark.parametrize(
    "query", ["page=none", "page=%00", "deep_link=x", "deep_link=../../demo", "deep_link=%2e%2e%2f"]
)
def test_parameters_of_gradio_itself_are_not_read(served, query):
    for path in ("/", "/config"):
        assert served.get(f"{path}?{query}").status_code == 200
        assert '"deep_link_state":"invalid"' not in served.get(f"{path}?{query}").text.replace(" ", "")


FORGED = {
    "X-Gradio-Server": "http://evil.example",
    "X-Forwarded-Proto": "javascript://evil.example",
    "X-Forwarded-Prefix": "/evil.example",
    "X-Original-Url": "/evil.example",
    "X-Forwarded-Port": "evil.example",
    "Forwarded": "host=evil.example",
}


@pytest.mark.parametrize("path", ["/", "/config", "/rows.json", "/cite.bib?suite=core", "/embed"])
def test_address_in_a_header_is_not_believed(served, path):
    for name, value in FORGED.items():
        answer = served.get(path, headers={name: value})
        assert answer.status_code == 200
        assert "evil.example" not in answer.text, name
    other = served.get(path, headers={"x-forwarded-host": "board.example"})
    caches = f"{other.headers.get('cache-control')} {other.headers['vary']}".lower()
    assert "private" in caches or "x-forwarded-host" in caches, "a proxy may not give it to visitors of another host"


def test_gradio_reads_the_checked_one_of_duplicate_paths(served):
    (path,) = served.upload(("a.json", b"{}")).json()
    file = f'{{"path": "/etc/passwd", "path": "{path}", "meta": {{"_type": "gradio.FileData"}}}}'
    body = f'{{"data": [[{file}], ""], "fn_index": 0, "session_hash": "twice"}}'
    answer = served.post("/gradio_api/queue/join", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert served.outcome("twice")["success"]


def test_uploaded_files_are_accepted(served):
    names = ("tiny-rm.json", "tiny-rm.parquet")
    paths = served.upload(*((name, (served.results / name).read_bytes()) for name in names)).json()
    assert served.join([[{"path": path, "meta": META} for path in paths], ""], "honest").status_code == 200
    outcome = served.outcome("honest")
    assert "which is in the store" in outcome["output"]["data"][1]


def test_an_upload_is_limited_in_number_and_size(served):
    before = sorted(served.kept())
    four = served.upload(*((f"{n}.json", b"{}") for n in range(4)))
    assert (four.status_code, four.text) == (400, "An upload has at most 3 files.\n")
    many = served.post("/gradio_api/upload", data={f"a{n}": "x" for n in range(900)}, files={"files": b"x"})
    assert many.status_code == 400
    large = served.upload(("a.json", b"0" * (uploads.MOST_REQUEST + 1)))
    assert large.status_code == 413
    kind = {"content-type": "multipart/form-data; boundary=abc"}
    assert served.post("/gradio_api/upload", content=iter([b"x"]), headers=kind).status_code == 411
    assert served.post("/gradio_api/upload", content=b"x").status_code == 415
    assert sorted(served.kept()) == before, "nothing is kept of what was refused"


NAMES = (
    "../../x.json",
    "..\\x.json",
    "/etc/x.json",
    "a\0.json",
    "a\r\nX: y.json",
    "\u202ea.json",
    "a" * 300 + ".json",
    ".",
)


def test_names_of_uploaded_files_stay_in_the_folder(served):
    outside = sorted(path for path in served.temporary.rglob("*") if "rewardbench-uploads" not in str(path))
    for name in NAMES:
        answer = served.upload((name, b"{}"))
        assert answer.status_code in (200, 400, 422)
        for path in answer.json() if answer.status_code == 200 else ():
            assert Path(path).is_relative_to(next(served.temporary.glob("rewardbench-uploads-*")))
    assert sorted(path for path in served.temporary.rglob("*") if "rewardbench-uploads" not in str(path)) == outside


def test_call_of_another_element_is_refused(served):
    for number in (-1, 0, 2, 10**9, 10**400):
        call = {"data": "?view=submit", "component_id": number, "fn_name": "see", "session_hash": "abc"}
        answer = served.post("/gradio_api/component_server/", call)
        assert answer.status_code in (400, 404), number


def test_log_line_has_no_control_characters():
    from rewardbench.leaderboard.app.guard import _log_line

    scope = {"method": "GET", "path": "/a\r\nERROR: forged\x1b[2J\u202e" + "x" * 9_000}
    line = _log_line(scope, ValueError("a\nb\x1b" + "y" * 9_000))
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= 500


def test_interrupted_upload_leaves_no_file(served):
    before = sorted(served.kept())
    head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nContent-Length: 100000\r\n"
    head += "Content-Type: multipart/form-data; boundary=abc\r\n\r\n"
    part = '--abc\r\nContent-Disposition: form-data; name="files"; filename="a.json"\r\n\r\n' + "x" * 50_000
    with socket.create_connection(("127.0.0.1", served.port)) as sending:
        sending.sendall((head + part).encode())
        deadline = time.monotonic() + 10
        while sorted(served.kept()) == before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert sorted(served.kept()) != before
    while sorted(served.kept()) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sorted(served.kept()) == before


@pytest.mark.parametrize("bomb", ["lines", "deep"])
def test_upload_that_expands_in_memory_is_refused_with_a_reason(served, bomb):
    rows = {"lines": b'{"a":[]}\n' * 2**20, "deep": b"[" * 2**20}[bomb]
    summary = json.loads((served.results / "tiny-rm.json").read_bytes())
    summary["outputs_sha256"] = hashlib.sha256(rows).hexdigest()
    paths = served.upload(("a.json", json.dumps(summary).encode()), ("a_outputs.jsonl", rows)).json()
    served.join([[{"path": path, "meta": META} for path in paths], ""], bomb)
    summary = served.outcome(bomb)["output"]["data"][1]
    assert "result_outputs.jsonl, line 1" in summary
    assert "/tmp" not in summary
    assert str(served.temporary) not in summary


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 400),
        ({"host": "127.0.0.1.evil.example"}, 400),
        ({"host": "127.0.0.1@evil.example"}, 400),
        ({"host": "10.0.0.7"}, 400),
        ({"host": ""}, 400),
        ({"x-forwarded-host": "evil.example"}, 400),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "http://127.0.0.1.evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({}, 200),
        ({"host": "localhost:7860", "origin": "http://localhost:7860"}, 200),
        ({"host": "[::1]"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_cross_origin_requests_are_refused(served, headers, status):
    assert served.see("?view=about", headers=headers).status_code == status
    if status == 400:
        assert served.get("/", headers=headers).status_code == 400


@pytest.mark.parametrize("path", ["/", "/config", "/nothing", "/static/js/iframeResizer.contentWindow.min.js"])
def test_every_response_has_security_headers(served, path):
    headers = served.get(path).headers
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


@pytest.mark.parametrize("path", ["/", "/config", "/favicon.ico", "/gradio_api/app_id", "/nothing"])
def test_other_sites_cannot_read_a_response(served, path):
    headers = served.get(path, headers={"host": "board.example", "origin": "http://evil.example"}).headers
    assert not [name for name in headers if name.startswith("access-control-")]


def test_responses_are_compressed(served):
    answer = served.see("?view=board", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "tr data-key" in answer.json()
    first = served.get("/", headers={"accept-encoding": "br, gzip"})
    assert first.headers["content-encoding"] == "gzip"
    assert 'id="rb-first"' in first.text


@pytest.mark.parametrize("flags", [(), ("--host", "0.0.0.0")])
def test_visitors_write_to_a_folder_only_with_writable(tmp_path, flags):
    running = Served(tmp_path, *flags)
    before = sorted(path.name for path in running.results.rglob("*"))
    page = running.see("?view=submit").json()
    assert f"rewardbench submit results/org/name.json --store {running.results}" in page
    assert "--writable" in page
    assert running.join([None, ""]).status_code == 404
    assert running.upload(("a.json", b"{}")).status_code == 404
    assert sorted(path.name for path in running.results.rglob("*")) == before
    assert running.stop() < 5


def test_server_stops_while_a_check_is_running(tmp_path):
    running = Served(tmp_path, "--writable")
    rows = b'{"id":"a","scores":[1,2]}\n' * 240_000
    summary = json.loads((running.results / "tiny-rm.json").read_bytes())
    summary["outputs_sha256"] = hashlib.sha256(rows).hexdigest()
    paths = running.upload(("a.json", json.dumps(summary).encode()), ("a_outputs.jsonl", rows)).json()
    running.join([[{"path": path, "meta": META} for path in paths], ""], "slow")
    me = psutil.Process(running.process.pid)
    deadline = time.monotonic() + 20
    while not me.children() and time.monotonic() < deadline:
        time.sleep(0.05)
    (child,) = me.children()
    assert running.stop() < 5
    child.wait(5)


def test_app_does_not_start_if_gradio_reads_forged_paths():
    from rewardbench.leaderboard.app import blocks

    gr = blocks.gr
    with gr.Blocks() as app:
        file = gr.File()
        gr.Button().click(lambda path: None, file, None)
    with pytest.raises(InputError, match="would read files of this machine that nobody uploaded"):
        blocks._check_forged_paths(app)
    app.has_launched = True
    blocks._check_forged_paths(app)
