"""Test who may submit under the name of an organization, verdicts as comments, the queue, and its limits."""

import pytest
from hub_server import WHERE
from huggingface_hub import CommitOperationAdd, HfApi
from submissions import SUITE, result

from rewardbench import results
from rewardbench.cli.main import main
from rewardbench.errors import InputError, Unreachable
from rewardbench.leaderboard.app import pull_queue
from rewardbench.leaderboard.app.access import Access
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.pull_queue import Proposals, PullQueue
from rewardbench.leaderboard.app.submission import UploadChecks
from rewardbench.leaderboard.app.submit_page import build_queue_page
from rewardbench.leaderboard.submissions import review
from rewardbench.leaderboard.submissions.owners import check_account, find_owner_doubts
from rewardbench.results import pack_result
from rewardbench.store.accounts import HubAccount, read_account
from rewardbench.store.hub import HubStore

ANN, BOB = "hf_of_ann", "hf_of_bob"


@pytest.fixture(autouse=True)
def people(hub, monkeypatch):
    """Make ann, who belongs to lab, and bob known; the dataset belongs to org, of which `me` is a member."""
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    hub.accounts.add("ann", "lab", token=ANN)
    hub.accounts.add("bob", token=BOB)
    hub.accounts.organizations["me"] = {"org"}
    hub.repos["org/results"].live = True


def entry(name, share=0.7, seed=3):
    return pack_result(*result(name, share, seed))


def propose(token, name, share=0.7, seed=3):
    """Open a pull request with a token, and return its number."""
    url = HubStore("org/results").propose([entry(name, share, seed)], "words", token)
    return int(url.rpartition("/")[2])


def verify(capsys, number, *options):
    """Run the command of the workflow; return its exit code and output."""
    with pytest.raises(SystemExit) as stop:
        main(["verify", f"{WHERE}@refs/pr/{number}", *options])
    output = capsys.readouterr()
    return stop.value.code, output.out + output.err


@pytest.mark.parametrize(
    ("model", "author", "words"),
    [
        ("ann/x", "ann", ""),
        ("lab/x", "ann", ""),
        ("baseline/random", "ann", ""),
        ("org/x", "ann", "ann, who submitted it, is not a public member of org"),
        ("lab/x", "bob", "bob, who submitted it, is not a public member of lab"),
        ("ann/x", "bob", "it is not known whether bob, who submitted it, belongs to ann"),
        ("hidden/x", "ann", "it is not known whether ann"),
        ("Ann/x", "ann", "the Hub spells its organization ann, not Ann"),
        ("x", "ann", "its name has no organization"),
        ("lab/x", "deleted", "deleted, who submitted it, is not a public member"),
    ],
)
def test_author_of_a_pull_request_must_belong_to_the_organization(hub, model, author, words):
    hub.accounts.add("secretive", "hidden")
    hub.accounts.private.add("hidden")
    findings = list(find_owner_doubts(model, author, ["lab/other", "meta/y"]))
    assert [finding.kind for finding in findings] == (["flagged"] if words else [])
    assert words in "".join(finding.message for finding in findings)


def test_organization_that_looks_like_a_stored_one_is_flagged(hub):
    hub.accounts.add("eve", "rneta", "l4b", "LAB")
    for model, other in (("rneta/new", "meta"), ("LAB/new", "lab")):
        (finding,) = find_owner_doubts(model, "eve", ["meta/first", "lab/second"])
        assert f"looks like {other}, which is in the store" in finding.message


def test_hub_that_is_down_flags_nobody(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # between retries
    hub.fault = 503
    with pytest.raises(Unreachable):
        list(find_owner_doubts("lab/x", "bob", []))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("lab/x", ""),
        ("ann/x", ""),
        ("Lab/x", "The Hub spells this organization lab: enter lab/x."),
        ("x", "The name x has no organization: enter ann/x, or that of an organization of yours."),
        (
            "org/x",
            "Only members of org on the Hub may submit under its name, and you are signed in as ann: enter ann/x",
        ),
        ("nobody/x", "Only members of nobody"),
        ("baseline/random", "Only members of baseline"),
    ],
)
def test_visitor_submits_only_under_names_of_an_own_organization(model, words):
    account = read_account(ANN)
    assert account == HubAccount("ann", frozenset({"lab"}))
    if not words:
        check_account(model, account)
        return
    with pytest.raises(InputError) as refusal:
        check_account(model, account)
    assert words in str(refusal.value)
    assert str(refusal.value).count("\n") == 0


def test_member_whose_token_hides_the_organization_is_found_in_the_public_list():
    check_account("lab/x", HubAccount("ann"))


def comments(hub, number):
    events = hub.repos["org/results"].events.get(number, [])
    return [event["data"]["latest"]["raw"] for event in events if event["type"] == "comment"]


def test_verdict_is_commented_once_and_again_after_a_commit(hub, capsys):
    number = propose(BOB, "lab/first")
    assert "commented=yes" in verify(capsys, number, "--comment")[1]
    assert "commented=no" in verify(capsys, number, "--comment")[1]
    (comment,) = comments(hub, number)
    assert comment.startswith("rewardbench verify: flagged\n\n```text\nflagged: bob, who submitted it")
    push(number, "lab/first", {**entry("lab/first").summary, "outputs_sha256": "0" * 64})
    code, words = verify(capsys, number, "--comment")
    assert (code, "do not have the outputs_sha256" in words) == (2, True)
    assert comments(hub, number)[1].startswith(
        "rewardbench verify: refused\n\n```text\nrefused: The scores next to first"
    )


def push(number, key, summary):
    """Push a summary to a pull request, as its author."""
    change = CommitOperationAdd(f"{key}.json", results.dump(summary).encode())
    options = {"commit_message": "x", "repo_type": "dataset", "revision": f"refs/pr/{number}"}
    HfApi(token=BOB).create_commit("org/results", [change], **options)


def queue_states(queue):
    queue._listed_at = float("-inf")
    queue._read_at.clear()
    queue._loaded.clear()
    return {pull.number: pull.state.name for pull in queue.pulls()}


def test_queue_has_the_state_that_maintainers_comment(hub, capsys):
    repo = hub.repos["org/results"]
    flagged, refused, merged, waiting, closed = (
        propose(token, name, share, seed)
        for token, name, share, seed in [
            (BOB, "lab/a", 0.7, 1),
            (BOB, "bob/b", 0.3, 2),
            (ANN, "lab/c", 0.7, 3),
            (ANN, "lab/d", 0.7, 4),
            (ANN, "lab/e", 0.7, 5),
        ]
    )
    wrong = entry("bob/b", 0.3, 2).summary
    wrong["score"]["value"] = 0.99
    push(refused, "bob/b", wrong)
    queue = PullQueue("org/results")
    assert set(queue_states(queue).values()) == {"waiting"}
    code, words = verify(capsys, flagged, "--merge", "--comment")
    assert (code, "bob, who submitted it, is not a public member of lab" in words) == (3, True)
    assert verify(capsys, refused, "--merge", "--comment")[0] == 1
    assert verify(capsys, merged, "--merge", "--comment")[0] == 0
    HfApi(token=ANN).change_discussion_status("org/results", closed, "closed", repo_type="dataset")
    for token in (BOB, ANN):
        text = "rewardbench verify: passed"
        HfApi(token=token).comment_discussion("org/results", waiting, text, repo_type="dataset")
        text = "Verified, and added as lab/a."
        HfApi(token=token).comment_discussion("org/results", closed, text, repo_type="dataset")
    states = queue_states(queue)
    assert states == {flagged: "flagged", refused: "refused", merged: "merged", waiting: "waiting", closed: "closed"}
    by_number = {pull.number: pull for pull in queue.pulls()}
    assert by_number[merged].state.key == "lab/c"
    assert "bob, who submitted it" in by_number[flagged].state.reasons
    assert [pull.number for pull in queue.pulls()] == [waiting, refused, flagged, closed, merged]
    repo.commit(f"refs/pr/{flagged}", repo.trees[repo.refs[f"refs/pr/{flagged}"]] | {"x": b""})
    assert queue_states(queue)[flagged] == "waiting", "the verdict was on an earlier commit"


def test_queue_escapes_titles_and_links_the_merged_row(hub, capsys):
    number = propose(ANN, "lab/c")
    assert verify(capsys, number, "--merge")[0] == 0
    repo = hub.repos["org/results"]
    repo.open_pull(9, repo.trees[repo.refs["main"]], author="bob", title="<script>x</script>\u202eb")
    library = Library(WHERE)
    page = str(build_queue_page(UploadChecks(library), None).body)
    assert 'href="?suite=toy&amp;row=lab%2Fc"' in page
    assert "<script>" not in page
    assert "&lt;script&gt;x&lt;/script&gt;b" in page
    hub.fault = 404
    library.pulls._listed_at = float("-inf")
    library.pulls.pulls()
    assert library.pulls._refreshing.acquire(timeout=20), "the list was read again"
    assert "may be outdated" in str(build_queue_page(UploadChecks(library), None).body)


@pytest.fixture
def proposals():
    return Proposals(HubStore("org/results"), PullQueue("org/results"))


def test_open_submissions_of_a_visitor_are_limited_by_the_list_of_the_hub(hub, proposals):
    for n in range(pull_queue.MOST_WAITING):
        pull = proposals.propose(entry(f"ann/m{n}", seed=n), ANN)
        assert (pull.number, pull.author) == (n + 1, "ann")
    again = Proposals(HubStore("org/results"), PullQueue("org/results"))
    with pytest.raises(InputError, match=r"You have 5 open pull requests \(5, 4, 3, 2, 1\), and the limit is 5: try"):
        again.propose(entry("ann/m9", seed=9), ANN)
    again.propose(entry("bob/m9", seed=9), BOB)
    HfApi(token=ANN).change_discussion_status("org/results", 2, "closed", repo_type="dataset")
    with pytest.raises(InputError, match="pull request 1 submits this model on this suite already"):
        again.propose(entry("ann/m0", seed=0), ANN)
    again.propose(entry("ann/m9", seed=9), ANN)


def test_submissions_a_day_are_limited_and_the_message_says_when_to_try_again(hub, proposals, monkeypatch):
    monkeypatch.setattr(pull_queue, "MOST_A_DAY", 2)
    for n in range(2):
        number = proposals.propose(entry(f"ann/m{n}", seed=n), ANN).number
        HfApi(token=ANN).change_discussion_status("org/results", number, "closed", repo_type="dataset")
    with pytest.raises(InputError, match="You have opened 2 pull requests in 24 hours: try again in 24 hours"):
        proposals.propose(entry("ann/m3", seed=3), ANN)
    monkeypatch.setattr(pull_queue, "MOST_A_DAY_IN_ALL", 2)
    with pytest.raises(InputError, match="All visitors have opened 2 pull requests"):
        proposals.propose(entry("bob/m3", seed=3), BOB)
    monkeypatch.setattr(pull_queue, "MOST_A_DAY_IN_ALL", 200)
    proposals.propose(entry("bob/m3", seed=3), BOB)
    monkeypatch.setattr(pull_queue, "MOST_WAITING_IN_ALL", 1)
    with pytest.raises(InputError, match="1 submissions wait for a review"):
        proposals.propose(entry("bob/m4", seed=4), BOB)


def test_token_that_the_hub_refuses_is_answered_with_what_to_do(hub, proposals):
    with pytest.raises(InputError, match=r"does not allow it \(401\); sign out, and sign in again"):
        proposals.propose(entry("ann/x"), "hf_oauth_expired")
    hub.accounts.tokens["hf_oauth_narrow"] = ("ann", "openid profile")
    with pytest.raises(InputError, match=r"No pull request was opened .*\(403\); sign out, and sign in again"):
        proposals.propose(entry("ann/x"), "hf_oauth_narrow")


@pytest.mark.parametrize(
    ("access", "is_local"),
    [
        (Access(writable=True), True),
        (Access("::1", writable=True), True),
        (Access("0.0.0.0", writable=True), False),
        (Access("192.168.1.5", writable=True), False),
        (Access(hosts=("board.example",), writable=True), False),
        (Access(writable=True, space=True), False),
    ],
)
def test_token_of_the_operator_is_used_only_where_this_machine_alone_reaches_the_page(access, is_local):
    assert access.is_local == is_local
    checks = UploadChecks(Library(WHERE), own_token=access.is_local)
    assert checks.obstacle(None) == "" if is_local else "run `rewardbench submit`" in checks.obstacle(None)
