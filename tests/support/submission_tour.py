"""A person's way through a submission, in Chromium, on a leaderboard that runs as a Space, with a picture of each step.

`python tests/support/submission_tour.py FOLDER` writes the pictures to a folder.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import hub_server
from hub_board import DATASET, DEMO, HubBoard, fill, new_result
from ports import free_port
from repository import ROOT
from tls_tunnel import tls_tunnel

HOST = "lab-board.hf.space"
SITE = f"https://{HOST}"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()
WAIT = 120_000
INPUT = "#rb-submit input[type=file]"
BUTTON = "#rb-submit button:has-text('Submit')"


class Browser:
    """A browser of one person, which takes a numbered picture of each step."""

    def __init__(self, chromium, folder, taken, **options):
        self.folder, self.taken = folder, taken
        self.context = chromium.new_context(ignore_https_errors=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.requested, self.errors, self.html = [], [], []
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def shoot(self, name):
        """Take the picture of a step."""
        self.taken.append(name)
        self.page.wait_for_timeout(250)
        self.page.screenshot(path=str(self.folder / f"{len(self.taken):02d}-{name}.png"))
        self.html.append(self.page.content())

    def open(self, query, words):
        """Open a page of the board, and wait for its words."""
        self.page.goto(f"{SITE}/{query}", timeout=WAIT)
        self.see(words)

    def await_queue(self, words):
        """Open the queue until it has words; its list is read again after half a minute."""
        for _ in range(40):
            self.open("?view=queue", "Each submission is a pull request")
            if words in self.page.inner_text("#rb main"):
                return
            self.page.wait_for_timeout(2_000)
        raise AssertionError(self.page.inner_text("#rb main"))

    def see(self, words):
        self.page.wait_for_selector("#rb-first", state="detached")
        self.page.wait_for_selector(f"text={words}")

    def drop(self, files):
        """Drop files on the form, after those of an earlier step are removed."""
        self.open("?view=submit", "Drop both files")
        self.page.wait_for_selector(BUTTON)
        self.page.set_input_files(INPUT, files)

    def name(self, model):
        """Enter the name of the model."""
        field = self.page.locator("#rb-submit input[type=text], #rb-submit textarea").first
        field.fill(model)
        field.press("Enter")

    def checked(self, words):
        """Wait until the words are in the outcome of a check or a submission."""
        self.page.wait_for_selector(f".rb-check:has-text('{words}')")

    def submit(self, words):
        self.page.click(BUTTON)
        self.checked(words)

    def sign_in(self, account):
        """Sign in on the Hub with an account that is known there."""
        self.open("?view=submit", "Sign in with Hugging Face")
        self.page.click(".rb-sign-in")
        self.page.click(f"button:has-text('{account}')")


def command(hub, folder, token, *arguments):
    """Run `rewardbench` as a person with a token, and return its exit code and output."""
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HUB_OFFLINE": "0"}
    environment |= {"HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_HOME": str(folder / "home"), "REWARDBENCH_CACHE": str(folder / "scores.sqlite")}
    run = subprocess.run(
        [sys.executable, "-m", "rewardbench", *map(str, arguments)], env=environment, capture_output=True, text=True
    )
    return run.returncode, run.stdout + run.stderr


def visit(ann):
    """Look around, and check a result without an account."""
    ann.open("", "models")
    ann.shoot("leaderboard")
    ann.page.click("tr[data-key] a[href*='view=model'] >> nth=0")
    ann.see("Show in leaderboard")
    ann.shoot("a-model")
    ann.open("?view=about", "About")
    ann.shoot("about")
    ann.open("?view=submit", "Sign in with Hugging Face")
    ann.page.wait_for_selector(BUTTON)
    ann.shoot("submit-signed-out")
    ann.open("?view=queue", "No submission is open")
    ann.shoot("queue-empty")


def enter(ann):
    """Decline once, then sign in."""
    ann.sign_in("Decline")
    ann.see("You did not sign in")
    ann.shoot("declined")
    ann.open("?view=submit", "Sign in with Hugging Face")
    ann.page.click(".rb-sign-in")
    ann.page.wait_for_selector("text=Authorize as ann")
    ann.shoot("consent-on-the-hub")
    ann.page.click("button:has-text('Authorize as ann')")
    ann.see("Signed in as ann")
    assert ann.page.url == f"{SITE}/?view=submit"
    (cookie,) = (cookie for cookie in ann.context.cookies() if cookie["name"] == "__Host-rewardbench")
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
    assert ann.page.evaluate("document.cookie") == ""
    ann.shoot("signed-in")


def first_submission(ann, files):
    """Drop the files one by one, correct the name, and submit."""
    ann.drop(files[:1])
    ann.checked("One file of two: now add the scores")
    ann.shoot("one-file-of-two")
    ann.page.set_input_files(INPUT, files[1:])
    ann.checked("has no organization")
    ann.shoot("both-files-without-organization")
    for model, words, name in (
        ("org/tiny", "Only members of org", "other-organization"),
        ("LAB/tiny", "The Hub spells this organization lab", "other-spelling"),
        ("lab/tiny", "All checks that need no model passed", "own-organization"),
    ):
        ann.name(model)
        ann.checked(words)
        ann.shoot(name)
    ann.submit("Pull request 1 was opened in the name of ann")
    ann.shoot("submitted")
    ann.page.click(".rb-check a:has-text('Show the queue')")
    ann.see("waiting for review")
    ann.shoot("queue-waiting")
    ann.page.reload()
    ann.see("waiting for review")
    ann.shoot("queue-after-reload")


def further_submissions(ann, folder):
    """Submit a wrong result, the same one again, and as many as the limit allows."""
    ann.drop(new_result(folder / "wrong", "ann/wrong", 90, headline=0.99))
    ann.checked("the items give")
    ann.shoot("wrong-score-refused")
    ann.drop(new_result(folder / "m2", "ann/m2", 80))
    ann.checked("All checks that need no model passed")
    ann.shoot("second-checked")
    ann.submit("Pull request 2 was opened")
    ann.shoot("second-submitted")
    ann.drop(new_result(folder / "again", "ann/m2", 80))
    ann.checked("Passed")
    ann.submit("submits this model on this suite already")
    ann.shoot("same-again-refused")
    for n in (3, 4, 5):
        ann.drop(new_result(folder / f"m{n}", f"ann/m{n}", 80 + n))
        ann.page.wait_for_selector(f"{BUTTON}:not([disabled])")
        ann.submit(f"Pull request {n} was opened")
    ann.open("?view=queue", "You have 5 of at most 5 open submissions")
    ann.shoot("queue-full")
    ann.drop(new_result(folder / "m6", "ann/m6", 86))
    ann.page.wait_for_selector(f"{BUTTON}:not([disabled])")
    ann.submit("the limit is 5: try again")
    ann.shoot("limit")


def outsider(bob, hub, folder):
    """Try the name of an organization on the page, then by the command."""
    bob.sign_in("Authorize as bob")
    bob.see("Signed in as bob")
    bob.shoot("bob-signed-in")
    files = new_result(folder / "outside", "lab/outside", 101)
    bob.drop(files)
    bob.checked("Only members of lab")
    bob.shoot("bob-refused")
    code, output = command(hub, folder / "bob", "hf_of_bob", "submit", files[0], "--store", f"hf://datasets/{DATASET}")
    assert code == 0, output
    bob.await_queue("Add lab/outside on core")
    bob.shoot("bob-by-the-command")


def maintain(hub, folder):
    """Verify the pull requests as the workflow does, and score one model again."""
    outcomes = {}
    for number in (1, 2, 6):
        address = f"hf://datasets/{DATASET}@refs/pr/{number}"
        outcomes[number] = command(hub, folder / "me", "hf_fake", "verify", address, "--merge", "--comment")
    assert [code for code, _ in outcomes.values()] == [0, 0, 3], outcomes
    assert "bob, who submitted it, is not a public member of lab" in outcomes[6][1]
    repo = hub.repos[DATASET]
    merged = folder / "tiny.json"
    for suffix in (".json", ".parquet"):
        merged.with_suffix(suffix).write_bytes(repo.trees[repo.refs["main"]][f"lab/tiny{suffix}"])
    store = f"hf://datasets/{DATASET}"
    return command(
        *(hub, folder / "me", "hf_fake", "verify", merged, "--rerun", 2, "--model", "tiny-rm", "--device", "cpu"),
        *("--store", store, "--record"),
    )


def outcome(ann, bob):
    """See the verdicts, and the row with its badge."""
    ann.await_queue("flagged: a maintainer decides")
    ann.see("merged")
    ann.await_queue("Row")  # the rows are read again once a minute
    ann.shoot("queue-merged-and-flagged")
    ann.page.click("tr:has-text('Add lab/tiny on core') a:has-text('Row')")
    ann.page.wait_for_selector("tr.chosen:has-text('lab/tiny')")
    ann.shoot("row-on-the-board")
    assert "verified" in ann.page.inner_text("tr.chosen")
    ann.page.click("tr.chosen a[href*='view=model']")
    ann.see("Show in leaderboard")
    ann.shoot("model-with-badge")
    bob.open("?view=queue", "flagged: a maintainer decides")
    bob.page.click("summary:has-text('Reasons')")
    bob.page.wait_for_selector("text=is not a public member of lab")
    bob.shoot("reasons-for-bob")


def leave(ann, bob):
    """Sign out, and look at the pages on a phone."""
    ann.open("?view=submit", "Signed in as ann")
    ann.page.click("button:has-text('Sign out')")
    ann.see("Sign in with Hugging Face")
    ann.shoot("signed-out")
    ann.open("?view=queue", "merged")
    assert "(you)" not in ann.page.inner_text("#rb main")
    ann.shoot("queue-signed-out")
    ann.page.go_back()
    ann.see("Sign in with Hugging Face")
    assert "Signed in as" not in ann.page.inner_text("#rb main")
    bob.page.set_viewport_size({"width": 390, "height": 844})
    bob.open("?view=submit", "Signed in as bob")
    bob.page.wait_for_selector(BUTTON)
    bob.shoot("phone-submit")
    bob.open("?view=queue", "flagged")
    bob.shoot("phone-queue")
    width = bob.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, width
    bob.page.emulate_media(color_scheme="dark")
    bob.open("?view=queue", "flagged")
    bob.shoot("phone-queue-dark")


def run_tour(pictures, folder):
    """Run the tour, and return the names of its steps; each picture is in the folder `pictures`.

    Args:
        pictures: folder of the pictures.
        folder: folder for everything else.
    """
    from playwright.sync_api import sync_playwright

    pictures.mkdir(parents=True, exist_ok=True)
    taken = []
    with ExitStack() as stack:
        hub = stack.enter_context(hub_server.hub())
        fill(hub, ("baseline/random", "baseline/longest", "demo/llama-64", "demo/smollm2-135m"))
        hub.accounts.redirects.add(f"{SITE}/login/callback")
        port = free_port()
        board = HubBoard(hub, folder, port, SPACE_ID="lab/board", SPACE_HOST=HOST, REWARDBENCH_URL="")
        stack.callback(board.stop)
        secure = stack.enter_context(tls_tunnel(folder, HOST, port))
        play = stack.enter_context(sync_playwright())
        flags = [*FLAGS, f"--host-resolver-rules=MAP {HOST} 127.0.0.1:{secure}"]
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=flags)
        ann, bob = (Browser(chromium, pictures, taken, viewport={"width": 1280, "height": 900}) for _ in "ab")
        files = [shutil.copy(DEMO / f"tiny-rm{suffix}", folder) for suffix in (".json", ".parquet")]
        visit(ann)
        ann.drop(files)
        ann.checked("Sign in to submit it")
        ann.shoot("checked-signed-out")
        assert ann.page.is_disabled(BUTTON)
        enter(ann)
        first_submission(ann, files)
        further_submissions(ann, folder)
        outsider(bob, hub, folder)
        code, words = maintain(hub, folder)
        assert code == 0, words
        outcome(ann, bob)
        leave(ann, bob)
        check_traces(board, ann, bob)
        chromium.close()
    return taken


def check_traces(board, *browsers):
    """Check that no token is in a page, an address, the log or a file, and that scripts raised nothing."""
    texts = [board.log.read_text()]
    for browser in browsers:
        assert browser.errors == []
        hosts = {url.split("/")[2] for url in browser.requested if url.startswith("http")}
        assert hosts <= {HOST, board.hub.url.split("/")[2]}, hosts
        texts += [*browser.html, *browser.requested, json.dumps(browser.context.cookies())]
    for path in board.folder.rglob("*"):
        if path.is_file():
            texts.append(path.read_bytes().decode("latin-1"))
    assert len(board.hub.accounts.issued) == 2
    for token in board.hub.accounts.issued:
        assert not [text[:100] for text in texts if token in text]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        sys.path.insert(0, str(ROOT))
        for number, step in enumerate(run_tour(Path(sys.argv[1]), Path(work)), 1):
            print(f"{number:02d} {step}")
