"""Measure time and memory of the leaderboard with 1,000 models, 30 subsets and 2,000 items."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import psutil
import pytest
import test_app
from test_app import CHROMIUM, Server, shoot

from rewardbench import results
from rewardbench.leaderboard.refresh import refresh
from rewardbench.metrics import rule_of
from rewardbench.results import assemble, parquet
from rewardbench.store import LocalStore
from rewardbench.types import Item, ItemScores, Rule, Suite

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")]
browser = test_app.browser
MODELS, SUBSETS, ITEMS = 1000, 30, 2000
NAIVE = """
import json, pathlib, sys, time
start = time.perf_counter()
rows = []
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.json")):
    told = json.loads(path.read_bytes())
    if "score" in told:
        rows.append([told["model"], told["score"]["value"], *(one["value"] for one in told["subsets"])])
import pandas
table = pandas.DataFrame(rows).sort_values(1)
print(len(table), time.perf_counter() - start)
"""


def suite():
    items = tuple(Item(f"i{n:04}", f"subset-{n % SUBSETS:02}", (), ((), ())) for n in range(ITEMS))
    rules = {f"subset-{n:02}": Rule(f"Section {n % 6}") for n in range(SUBSETS)}
    return Suite("toy", "r", items, rules)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Write the store as submissions are written."""
    import hashlib

    folder, data = tmp_path_factory.mktemp("large"), suite()
    random = np.random.default_rng(0)
    local_store = LocalStore(folder)
    hard = random.normal(0, 1, ITEMS)
    for n in range(MODELS):
        margins = 1.5 * n / MODELS - 0.3 + hard + random.normal(0, 1, ITEMS)
        item_scores = [
            ItemScores(i.id, (float(m), 0.0), tokens=(9, 9)) for i, m in zip(data.items, margins, strict=True)
        ]
        manifest = {
            "fingerprint_sha256": str(n),
            "model": {"model": f"org{n % 40}/model-{n:04}", "parameters": 10 ** (7 + n % 5)},
        }
        result = assemble(data, manifest["model"]["model"], ("Seq. Classifier", "DPO")[n % 2], item_scores, manifest)
        rows = [results.to_row(i, f, rule_of(data, i.subset)) for i, f in zip(data.items, item_scores, strict=True)]
        table = parquet.encode_table(rows)
        summary = results.to_summary(result) | {
            results.OUTPUTS_HASH: hashlib.sha256(table).hexdigest(),
            "date": "2026-11-28",
        }
        local_store.add([(summary, table)])
    return folder


def rest(server):
    return psutil.Process(server.process.pid).memory_info().rss / 2**20


def test_a_thousand_models(large, browser, capsys):
    start = time.perf_counter()
    board = refresh(LocalStore(large))
    built = time.perf_counter() - start
    assert len(board.rows) == MODELS
    start = time.perf_counter()
    server = Server(large)
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(server.url, wait_until="commit")
        page.wait_for_selector("tr[data-key]")
        cold = time.perf_counter() - start
        page.wait_for_selector("#rb-first", state="detached")
        page.wait_for_selector(f".rb-count:has-text('{MODELS} models')")
        seconds = time.perf_counter() - start
        again = time.perf_counter()
        page.reload()
        page.wait_for_selector(f".rb-count:has-text('{MODELS} models')")
        warm = time.perf_counter() - again
        assert len(page.query_selector_all("tr[data-key]")) == MODELS
        assert page.query_selector("tr[data-key]:not([hidden])")
        filters = [page.evaluate(TIMED, words) for words in ("org7", "model-05", "dpo", "")]
        sorts = page.evaluate(SORTED)
        page.click("[data-more]")
        assert (
            len([table_row for table_row in page.query_selector_all("tr[data-key]") if table_row.is_visible()])
            == MODELS
        )
        shoot(page, "thousand")
        page.goto(f"{server.url}?view=board&subsets=1&sort=-subset-07")
        page.wait_for_selector(f".rb-count:has-text('{MODELS} models')")
        assert page.query_selector(".rb-pages") is None
        figures = page.evaluate(COLUMN, "subset-07")
        assert len(figures) == MODELS
        assert figures == sorted(figures, reverse=True), "all rows are sorted, whatever page they came with"
        memory = rest(server)
    finally:
        server.stop()
    naive = subprocess.run([sys.executable, "-c", NAIVE, str(large)], capture_output=True, text=True, check=True)
    with capsys.disabled():
        print(
            f"\nindex_build_s={built:.1f} cold_start_s={cold:.2f} all_rows_s={seconds:.2f} reload_s={warm:.2f} "
            f"filter_ms={max(filters):.0f} "
            f"sort_ms={sorts:.0f} memory_mib={memory:.0f} one_by_one_read_s={float(naive.stdout.split()[1]):.2f} "
            f"store_mib={sum(p.stat().st_size for p in large.rglob('*') if p.is_file()) / 2**20:.0f} "
            f"index_mib={(large / 'index.parquet').stat().st_size / 2**20:.1f}"
        )
    assert cold < 5
    assert min(filters) < 200, "on a busy machine too"
    assert memory < 1024


def test_many_visitors_at_once_take_no_more_memory_than_one(large, capsys):
    server = Server(large)
    try:
        with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as client:
            assert client.get("config").status_code == 200
            started = rest(server)

            def see(address):
                call = {"data": address, "component_id": 1, "fn_name": "see", "session_hash": "abc"}
                return client.post("gradio_api/component_server/", json=call)

            peaks = []
            with ThreadPoolExecutor(12) as pool:
                for address in ("?view=items", "?view=board", "?view=size", "?view=board&subsets=1"):
                    answers = [pool.submit(see, address) for _ in range(12)]
                    while not all(answer.done() for answer in answers):
                        peaks.append(rest(server))
                        time.sleep(0.02)
                    assert {answer.result().status_code for answer in answers} == {200}
                    assert {answer.result().headers["content-encoding"] for answer in answers} == {"gzip"}
    finally:
        server.stop()
    with capsys.disabled():
        print(f"\nmemory_at_start_mib={started:.0f} memory_peak_mib={max(peaks):.0f}")
    assert max(peaks) < 1024


TIMED = """async (words) => {
  const box = document.querySelector('[data-search]');
  const start = performance.now();
  box.value = words;
  box.dispatchEvent(new Event('input', {bubbles: true}));
  document.querySelector('.rb-table').getBoundingClientRect();
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - start;
}"""
COLUMN = """(name) => {
  const column = [...document.querySelectorAll('.rb-table thead th')].findIndex((head) => head.dataset.name === name);
  const rows = [...document.querySelectorAll('.rb-table tr[data-key]')];
  return rows.map((row) => parseFloat(row.children[column].textContent));
}"""
SORTED = """async () => {
  const start = performance.now();
  document.querySelectorAll('.rb-table th button')[2].click();
  document.querySelector('.rb-table').getBoundingClientRect();
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - start;
}"""
