"""Test sign-in and submission in a visitor's name, with a server process, the real Hub client and a local Hub."""

import base64
import re

import httpx
import pytest
from hub_board import Person, hub_board, new_result, plain

pytest.importorskip("gradio")
pytest.importorskip("authlib")

from rewardbench.errors import InputError
from rewardbench.leaderboard.app import sign_in
from rewardbench.store.accounts import HubAccount


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    with hub_board(tmp_path_factory.mktemp("board")) as running:
        yield running


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return new_result(tmp_path_factory.mktemp("result"), "ann/fair")


@pytest.fixture
def person(board):
    visitor = Person(board)
    yield visitor
    visitor.client.close()


def pulls(board):
    return board.hub.repos["org/results"].authors


def test_submission_needs_a_sign_in_and_has_the_name_of_the_visitor(board, person, files):
    page = plain(person.see("?view=submit"))
    assert "Sign in with Hugging Face to submit" in page
    assert "All checks that need no model passed. Not submitted yet. Sign in to submit it." in plain(
        person.check(files)
    )
    assert "Sign in to submit it." in plain(person.submit())
    assert pulls(board) == {}
    answer = person.sign_in("ann")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{board.url}/?view=submit")
    assert "Signed in as ann" in plain(person.see("?view=submit"))
    refusal = plain(person.check(files, "org/fair"))
    assert refusal.startswith("Refused Only members of org on the Hub may submit under its name")
    assert "enter ann/fair, or run rewardbench submit and a maintainer decides." in refusal
    assert pulls(board) == {}
    assert "Passed" in plain(person.check(files, "lab/fair"))
    sent = person.submit()
    assert "Pull request 1 was opened in the name of ann." in plain(sent)
    assert 'href="?view=queue"' in sent
    assert f'href="{board.hub.url}/datasets/org/results/discussions/1"' in sent
    assert pulls(board) == {1: "ann"}
    queue = plain(person.see("?view=queue"))
    assert "You have 1 of at most 5 open submissions." in queue
    assert re.search(r"1 Add lab/fair on core waiting for review .*ann \(you\)", queue)
    person.check(files, "lab/fair")
    assert "Your pull request 1 submits this model on this suite already" in plain(person.submit())
    assert pulls(board) == {1: "ann"}
    assert_no_token(board, person)


def assert_no_token(board, person):
    """Check that no token is in an answer, in a log, in a file of the server, or in the cookie."""
    tokens = board.hub.accounts.issued
    assert tokens
    texts = [*person.seen, board.log.read_text()]
    for path in board.folder.rglob("*"):
        if path.is_file():
            texts.append(path.read_bytes().decode("latin-1"))
    for value in person.client.cookies.values():
        texts += [value, base64.b64decode(value.partition(".")[0] + "==").decode("latin-1")]
    assert len(texts) > 10
    for token in tokens:
        assert not [text[:200] for text in texts if token in text or token.removeprefix("hf_oauth_") in text]


def test_sign_out_ends_the_session_also_for_a_copied_cookie(board, person):
    answer = person.sign_in("bob")
    flags = answer.headers["set-cookie"].lower()
    assert all(flag in flags for flag in ("httponly", "samesite=lax", "path=/", "max-age=7200"))
    cookies = dict(person.client.cookies)
    assert "Signed in as bob" in plain(person.see("?view=submit"))
    assert person.post("/logout", headers={"origin": "http://evil.example"}).status_code == 403
    assert person.get("/logout").status_code == 404, "an image on another page must not sign out"
    assert person.post("/logout", headers={"origin": board.url}).status_code == 303
    assert "Signed in" not in person.see("?view=submit")
    person.client.cookies.update(cookies)
    assert "Signed in" not in person.see("?view=submit")
    assert_no_token(board, person)


def test_forged_cookies_and_callbacks_sign_nobody_in(board, person):
    person.sign_in("ann")
    (name, value), *_ = person.client.cookies.items()
    data, _, signature = value.partition(".")
    forged = [data, f"{data}.", f"{data}.x.y", f"{data[:-2]}AA.{signature}", base64.b64encode(b'{"key": "x"}').decode()]
    for cookie in forged:
        outsider = Person(board)
        outsider.client.cookies.set(name, cookie)
        assert "Signed in" not in outsider.see("?view=submit")
        assert outsider.get("/login/callback?code=x&state=y").headers["location"].endswith("&sign_in=failed")
    start = person.get("/login/huggingface").headers["location"]
    callback = httpx.get(f"{start}&account=bob", trust_env=False).headers["location"]
    victim = Person(board)
    answer = victim.get(httpx.URL(callback).raw_path.decode())
    assert answer.headers["location"].endswith("sign_in=failed"), "a callback belongs to the browser that started it"
    assert "The sign-in failed" in victim.see("?view=submit&sign_in=failed")
    assert Person(board).sign_in("-").headers["location"].endswith("sign_in=declined")
    assert "<script>" not in victim.see("?view=submit&sign_in=<script>")


def test_only_the_routes_of_the_sign_in_are_served(board, person):
    for path in "/login /login/ /login/huggingface/ /login/callback/x /logout /oauth /login/other".split():
        assert person.get(path).status_code == 404, path
    for path in ("/login/huggingface", "/login/callback", "/login", "/logout/"):
        assert person.post(path, headers={"origin": board.url}).status_code == 404, path
    assert person.client.head("/login/huggingface").status_code == 400
    assert person.get(f"/login/callback?code={'x' * 5_000}").status_code == 400
    target = person.get("/login/huggingface?_target_url=https://evil.example").headers["location"]
    assert target.startswith(f"{board.hub.url}/oauth/authorize?")
    assert "evil" not in target
    assert "form-action 'self'" in person.get("/").headers["content-security-policy"]


def test_a_hub_that_is_down_is_a_sentence_on_the_page(board, person, files):
    person.sign_in("ann")
    board.hub.fault = 503
    try:
        assert person.get("/login/callback?code=x&state=y").headers["location"].endswith("sign_in=failed")
        assert "the Hub cannot be reached" in plain(person.check(files, "ann/down"))
        assert "No checked result waits here any more" in plain(person.submit())
    finally:
        board.hub.fault = None


def test_session_ends_when_it_expires(monkeypatch):
    sessions = sign_in.VisitorSessions()
    ann = HubAccount("ann")
    key = sessions.add(sign_in.Visitor(ann, "hf_oauth_x", sign_in.time.time() + 60))
    assert sessions.get(key).name == "ann"
    assert sessions.get(None) is None
    assert "hf_oauth_x" not in repr(sessions.get(key))
    monkeypatch.setattr(sign_in.time, "time", lambda: 4e9)
    assert sessions.get(key) is None
    assert sessions._visitors == {}
    monkeypatch.undo()
    keys = [sessions.add(sign_in.Visitor(ann, "t", 4e9)) for _ in range(sign_in.MOST_OF_ACCOUNT + 1)]
    assert [sessions.get(key) is None for key in keys] == [True, *[False] * sign_in.MOST_OF_ACCOUNT]
    for n in range(sign_in.MOST_SESSIONS - 1):
        newest = sessions.add(sign_in.Visitor(HubAccount(f"user-{n}"), "t", 4e9))
    assert len(sessions._visitors) == sign_in.MOST_SESSIONS
    assert (sessions.get(keys[-2]), sessions.get(newest).name) == (None, f"user-{n}")


APP = {
    "OAUTH_CLIENT_ID": "board",
    "OAUTH_CLIENT_SECRET": "s",
    "OAUTH_SCOPES": "openid",
    "OPENID_PROVIDER_URL": "https://hub",
}


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [
        ({}, None),
        ({**APP, "SPACE_HOST": "lab-board.hf.space,board.example"}, "https://lab-board.hf.space"),
        ({**APP, "REWARDBENCH_URL": "https://board.example/"}, "https://board.example"),
        ({**APP, "REWARDBENCH_URL": "http://127.0.0.1:7860"}, "http://127.0.0.1:7860"),
        (APP, "set REWARDBENCH_URL"),
        ({**APP, "REWARDBENCH_URL": "http://board.example"}, "set REWARDBENCH_URL"),
        ({**APP, "OAUTH_CLIENT_SECRET": "", "SPACE_HOST": "x.hf.space"}, "OAUTH_CLIENT_SECRET is not set"),
    ],
)
def test_oauth_app_is_read_from_the_environment(monkeypatch, variables, outcome):
    for name in (*APP, "SPACE_HOST", "REWARDBENCH_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if outcome is None:
        assert sign_in.OAuthApp.of_environment() is None
    elif " " in outcome:
        with pytest.raises(InputError, match=outcome):
            sign_in.OAuthApp.of_environment()
    else:
        app = sign_in.OAuthApp.of_environment()
        assert app.address == outcome
        assert "client_secret" not in repr(app)
