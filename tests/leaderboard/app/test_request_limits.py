"""Test the rules for hosts, rates and uploads of the leaderboard, without a server."""

import asyncio
import os
import time

import pytest

pytest.importorskip("gradio")
from starlette.datastructures import Headers

from rewardbench.leaderboard.app import access, limits, uploads


def headers(**named):
    return Headers({name.replace("_", "-"): value for name, value in named.items()})


def test_space_serves_its_host_names_and_may_be_framed_by_the_hub(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "org/board")
    monkeypatch.setenv("SPACE_HOST", "org-board.hf.space")
    space = access.Access.of_environment()
    assert space.host == "0.0.0.0"
    assert all(map(space.serves, ("org-board.hf.space", "org-board--new.hf.space", "10.1.2.3:7860", "localhost")))
    assert not any(map(space.serves, ("hf.space.evil.example", "evil.example", "xhf.space")))
    space.check("POST", headers(host="org-board.hf.space", origin="https://org-board.hf.space"))
    with pytest.raises(uploads.RejectedError):
        space.check("POST", headers(host="org-board.hf.space", origin="https://evil.hf.space"))
    assert "frame-ancestors 'self' https://huggingface.co" in space.headers()["Content-Security-Policy"]
    forwarded = headers(x_forwarded_for="1.1.1.1, 203.0.113.9")
    assert space.client({"client": ("10.0.0.1", 1)}, forwarded) == "203.0.113.9"
    assert access.Access().client({"client": ("10.0.0.1", 1)}, forwarded) == "10.0.0.1"


def test_proxy_host_is_allowed_and_wildcard_host_allows_addresses_only():
    wildcard = access.Access("0.0.0.0", ("board.example",))
    assert all(map(wildcard.serves, ("board.example", "192.168.1.5:7860", "[fe80::1]:80")))
    assert not wildcard.serves("evil.example")
    wildcard.check("POST", headers(host="127.0.0.1:7860", origin="https://board.example"))
    assert access.Access("192.168.1.5").serves("192.168.1.5:7860")
    assert not access.Access("192.168.1.5").serves("192.168.1.6")


def test_rate_limit_is_per_client_and_period():
    rate = limits.RateLimit(2, 0.2)
    assert [rate.take("a"), rate.take("a"), rate.take("a"), rate.take("b")] == [True, True, False, True]
    time.sleep(0.25)
    assert rate.take("a")
    assert not limits.RateLimit(10, 60).take("a", 11)


def test_concurrency_limit_is_per_client_and_total():
    limit = limits.ConcurrencyLimit(per_client=1, total=2)
    with limit.slot("a") as first, limit.slot("a") as again, limit.slot("b") as second, limit.slot("c") as third:
        assert (first, again, second, third) == (True, False, True, False)
    with limit.slot("a") as then:
        assert then


def test_old_uploads_are_deleted_and_a_full_folder_accepts_none(monkeypatch):
    uploaded = uploads.Uploads()
    try:
        for n, age in enumerate((4_000, 400, 0)):
            place = uploaded.folder / str(n) / "a.json"
            place.parent.mkdir()
            place.write_bytes(b"x" * 100)
            os.utime(place, (time.time() - age,) * 2)
            os.utime(place.parent, (time.time() - age,) * 2)
        assert uploaded.has_room(100)
        assert not (uploaded.folder / "0" / "a.json").exists()
        assert (uploaded.folder / "1" / "a.json").exists()
        monkeypatch.setattr(uploads, "MOST_STORED", 250)
        assert uploaded.has_room(100), "a full folder gives up what is older than minutes"
        assert not (uploaded.folder / "1" / "a.json").exists()
        assert not uploaded.has_room(200)
    finally:
        uploaded.close()
    assert not uploaded.folder.exists()


def test_slow_body_times_out(monkeypatch):
    from rewardbench.leaderboard.app import event_bodies

    monkeypatch.setattr(event_bodies, "SLOWEST_BODY", 0.1)

    async def never():
        await asyncio.sleep(60)

    with pytest.raises(uploads.RejectedError, match="in time"):
        asyncio.run(event_bodies.read_body(never, Headers({}), 100))


def test_silent_upload_times_out_long_before_a_slow_one(monkeypatch):
    from starlette.formparsers import MultiPartException

    from rewardbench.leaderboard.app import upload_body

    monkeypatch.setattr(upload_body, "SLOWEST_PART", 0.2)
    pauses = [0.0, 0.1, 0.1, 60.0]
    contents = [b"--abc\r\n", b'Content-Disposition: form-data; name="files"; filename="a.json"\r\n', b"\r\n", b""]
    sent = headers(content_type="multipart/form-data; boundary=abc", content_length="500")

    async def send_part():
        await asyncio.sleep(pauses.pop(0))
        return {"type": "http.request", "body": contents.pop(0), "more_body": True}

    async def parse(scope, receive, send):
        for _ in range(3):
            assert (await receive())["type"] == "http.request"
        with pytest.raises(MultiPartException, match="too long"):
            await receive()

    async def upload():
        await upload_body.UploadBody(send_part, sent).forward(parse, {"headers": sent.raw}, None)

    with pytest.raises(uploads.RejectedError, match="too long") as error:
        asyncio.run(upload())
    assert error.value.status == 408


def test_second_concurrent_check_of_a_client_is_refused(tmp_path):
    from rewardbench.leaderboard.app import submission
    from rewardbench.leaderboard.app.library import Library

    checks = submission.UploadChecks(Library(str(tmp_path)))
    with checks.running.slot("a"):
        assert "Another check is running" in checks.check("a", ["x", "y"]).findings[0].message
    for _ in range(checks.checked.most):
        assert "Upload the two files" in checks.check("a", ["x", "y"]).findings[0].message
    assert "Too many checks" in checks.check("a", ["x", "y"]).findings[0].message
    assert "Upload the two files" in checks.check("b", ["x", "y"]).findings[0].message


def test_checked_uploads_wait_within_limits(monkeypatch):
    from rewardbench.leaderboard.app import pending
    from rewardbench.results import PackedResult

    waiting = pending.PendingUploads()
    assert waiting.add(pending.CheckedUpload(()), "a") is None
    large = pending.CheckedUpload((), PackedResult({}, b"x" * 2**20, b"x" * 2**20))
    keys = [waiting.add(large, f"client-{n}") for n in range(100)]
    assert sum(waiting.get(key) is not None for key in keys) == pending.MOST_PENDING // 2**21 - 1
    assert waiting.get(keys[-1]) is large
    keys = [waiting.add(large, "a") for _ in range(5)]
    assert [waiting.get(key) is large for key in keys] == [False, False, True, True, True]
    waiting.drop(keys[-1])
    assert waiting.get(keys[-1]) is None
    assert waiting.get(None) is None
    monkeypatch.setattr(pending.time, "monotonic", lambda: 1e12)
    assert waiting.get(keys[-2]) is None
    assert not waiting._uploads
