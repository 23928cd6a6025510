"""Test in a browser what visitors take with them: citations, badges, downloads, and a table in another page."""

import http.server
import threading

import pytest
from test_app import CHROMIUM, FLAGS, ROOT, Server, go, shoot, sync_api

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
NAMES = ("board.example", "other.example")


@pytest.fixture(scope="module")
def browser():
    """A browser in which two host names are this machine, so that a page over plain http has no clipboard."""
    rules = "--host-resolver-rules=" + ",".join(f"MAP {name} 127.0.0.1" for name in NAMES)
    with sync_api.sync_playwright() as play:
        instance = play.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, rules])
        yield instance
        instance.close()


@pytest.fixture(scope="module")
def server():
    running = Server(ROOT / "leaderboard" / "demo", "--allow_host", "board.example")
    running.url = running.url.replace("127.0.0.1", "board.example")
    yield running
    running.stop()


def test_citation_and_badge_are_copied_over_plain_http(browser, server):
    page = browser.new_context(permissions=[]).new_page()
    go(page, f"{server.url}?view=model&suite=core&model=tiny-rm", "summary:has-text('Cite')")
    assert page.evaluate("window.isSecureContext") is False
    page.evaluate("document.addEventListener('copy', () => { window.copied = String(document.activeElement.value); })")
    page.click("summary:has-text('Cite')")
    citation = page.inner_text("pre[data-base] >> nth=0")
    assert f"url = {{{server.url}?view=model&suite=core&model=tiny-rm}}" in citation
    page.click("[data-copy-text] >> nth=0")
    page.wait_for_selector("button:has-text('Copied')")
    assert page.evaluate("window.copied") == citation
    page.click("summary:has-text('Badge for a model card')")
    markdown = page.inner_text("pre[data-base] >> nth=1")
    assert markdown.startswith(f"[![rewardbench core]({server.url}badge.svg?model=tiny-rm)]({server.url}?view=model&")
    assert page.is_visible("svg[role=img] >> text=rewardbench core")
    shoot(page, "cite-and-badge")


def test_each_format_is_downloaded_from_the_first_rows_and_from_the_page(browser, server):
    page = browser.new_page()
    go(page, server.url)
    page.click("summary:has-text('Export')")
    shoot(page, "downloads")
    for suffix, words in (("csv", "key,model"), ("json", '"version":1'), ("tex", "tabular"), ("bib", "@misc{")):
        with page.expect_download() as download:
            page.click(f"a[href^='rows.{suffix}']")
        assert words in download.value.path().read_text()
    bare = browser.new_context(java_script_enabled=False).new_page()
    bare.goto(server.url)
    bare.click("summary:has-text('Export')")
    with bare.expect_download() as download:
        bare.click("a[href^='rows.parquet']")
    assert download.value.path().read_bytes()[:4] == b"PAR1"


class Host(http.server.BaseHTTPRequestHandler):
    """A page of another site, which frames a leaderboard and reads its rows."""

    board = ""

    def do_GET(self):
        page = f'<iframe id="table" src="{self.board}embed?suite=core"></iframe><iframe id="page" src="{self.board}">'
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_):
        """Print nothing."""


def test_another_site_embeds_the_table_only_and_reads_the_rows(browser, server):
    Host.board = server.url
    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    try:
        page = browser.new_page()
        page.goto(f"http://other.example:{host.server_port}/")
        page.frame_locator("#table").locator("a:has-text('tiny-rm')").wait_for(timeout=30_000)
        shoot(page, "embedded")
        assert page.frame_locator("#page").locator(".rb").count() == 0
        assert (
            page.evaluate("url => fetch(url).then((answer) => answer.json())", f"{server.url}rows.json")["version"] == 1
        )
        refused = "url => fetch(url).then(() => 'read', () => 'refused')"
        assert page.evaluate(refused, f"{server.url}config") == "refused"
        private = server.url.replace("board.example", "127.0.0.1")
        assert page.evaluate(refused, f"{private}rows.json") == "refused"
    finally:
        host.shutdown()
        host.server_close()
