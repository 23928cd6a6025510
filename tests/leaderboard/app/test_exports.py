"""Test what other programs read, against a running server and with parsers: JSON, CSV, parquet, SVG, BibTeX, HTML."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pyarrow.parquet as pq
import pytest
from ports import free_port
from repository import ROOT
from synthetic import mirrors, scores, singles, store, verify

pytest.importorskip("gradio")

from starlette.requests import Request

from rewardbench.leaderboard.app import badge, citations, exports, records
from rewardbench.leaderboard.types import Figure

EVIL = "=cmd|' /C calc'!A0\"><svg onload=alert(1)>&amp;\u202eabc\x07\n]]>{x}\\"
HOME = "/" + "home/ann/secret/models/rm-7b"
SUITE = mirrors(20)
DATA = ("/rows.json", "/rows.csv", "/rows.parquet", "/rows.tex", "/rows.bib", "/rows.schema.json", "/badge.svg")
TYPES = {
    "/rows.json": "application/json",
    "/rows.csv": "text/csv; charset=utf-8",
    "/rows.parquet": "application/vnd.apache.parquet",
    "/rows.tex": "application/x-tex; charset=utf-8",
    "/rows.bib": "application/x-bibtex; charset=utf-8",
    "/rows.schema.json": "application/schema+json",
    "/badge.svg?model=tiny-rm": "image/svg+xml",
    "/cite.bib?suite=core": "application/x-bibtex; charset=utf-8",
    "/embed": "text/html; charset=utf-8",
}


class Site:
    """`rewardbench leaderboard` in a child process, without waiting for Gradio."""

    def __init__(self, results, *flags):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        command = [sys.executable, "-m", "rewardbench", "leaderboard", "--store", str(results), *flags]
        command += ["--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout.readline().startswith(b"leaderboard=")
        deadline = time.monotonic() + 90
        while (answer := self.get("/rows.json")).status_code == 503 and time.monotonic() < deadline:
            assert answer.headers["retry-after"] == "5"
            time.sleep(0.2)

    def get(self, path, **options):
        return self.client.get(path, **options)

    def json(self, path="/rows.json"):
        return self.get(path).json()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()
        self.client.close()


def rename(path, **fields):
    """Change fields of a stored summary."""
    summary = json.loads(path.read_bytes())
    manifest = fields.pop("manifest", {})
    path.write_text(json.dumps(summary | fields | {"manifest": summary["manifest"] | manifest}))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Serve rows of core, and rows of two other suites with hostile names and local paths."""
    folder = tmp_path_factory.mktemp("exports") / "store"
    demo = ROOT / "leaderboard" / "demo"
    for name in ("tiny-rm", "baseline/random", "demo/smollm2-135m-lora-rm"):
        for suffix in (".json", ".parquet"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(demo / f"{name}{suffix}", folder / f"{name}{suffix}")
    for n, (name, share) in enumerate({"org/Model-1.1": 0.6, "org/Model-11": 0.7, "org/best": 0.98}.items()):
        store(folder, SUITE, scores(SUITE, share, seed=n), name)
    evil = store(folder, SUITE, scores(SUITE, 0.5, seed=9), "org/evil")
    rename(evil, model=EVIL, model_type=EVIL, date=EVIL, manifest={"model": {"license": EVIL}, "note": EVIL})
    local = store(folder, SUITE, scores(SUITE, 0.5, seed=10), "local")
    rename(local, model=HOME, manifest={"command": f"rewardbench --model {HOME}", "model": {"base_model": HOME}})
    other = store(folder, singles(40), scores(singles(40), 0.7, seed=11), "org/other")
    rename(other, suite=EVIL)
    verify(folder, "org/best", "org/Model-11")
    running = Site(folder, "--allow_host", "board.example")
    running.folder = folder
    yield running
    running.stop()


@pytest.mark.parametrize("path", TYPES)
def test_each_address_has_its_type_and_its_headers(site, path):
    answer = site.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, TYPES[path])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"].startswith("max-age=")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script" not in policy
    assert ("frame-ancestors *" in policy) == (path == "/embed")
    assert answer.headers.get("access-control-allow-origin") == (None if path == "/embed" else "*")
    again = site.get(path, headers={"if-none-match": f'"x", {answer.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]
    assert site.get(path, headers={"if-none-match": '"x"'}).status_code == 200
    for tag in ("*", answer.headers["etag"].removeprefix("W/")):
        assert site.get(path, headers={"if-none-match": tag}).status_code == 304


@pytest.mark.parametrize("path", TYPES)
def test_each_address_is_only_read(site, path):
    head = site.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = site.client.request(method, path)
        assert answer.status_code in (404, 405)
        assert "access-control-allow-origin" not in answer.headers
    assert site.get(path, headers={"host": "evil.example"}).status_code == 400


def test_pages_and_assets_are_not_shared_with_other_origins(site):
    for path in ("/", "/config", "/robots.txt", "/rows.json.x", "/rows", "/rows.json/"):
        answer = site.get(path, headers={"origin": "https://other.example"})
        assert "access-control-allow-origin" not in answer.headers
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        ("board.example", "https://other.example", "*"),
        ("board.example", None, "*"),
        (None, None, "*"),
        (None, "http://localhost:3000", "*"),
        (None, "https://other.example", None),
        (None, "https://127.0.0.1.other.example", None),
    ],
)
def test_a_web_page_cannot_read_the_server_of_a_private_address(site, host, origin, allowed):
    headers = {name: value for name, value in (("host", host), ("origin", origin)) if value}
    answer = site.get("/rows.json", headers=headers)
    assert answer.headers.get("access-control-allow-origin") == allowed
    assert "Origin" in answer.headers["vary"]


def test_an_opaque_origin_is_not_private():
    """Sandboxed frames and local files send the origin null."""
    scope = {"type": "http", "headers": [(b"host", b"127.0.0.1:7860"), (b"origin", b"null")]}
    assert not exports.may_read(Request(scope))


def test_rows_follow_the_published_schema(site):
    published = site.json("/rows.schema.json")
    table = site.json()
    records.ExportedRows.model_validate_json(json.dumps(table), strict=True)
    assert set(table) == set(published["properties"])
    row_fields = set(published["$defs"]["ExportedRow"]["properties"])
    assert {frozenset(row) for row in table["rows"]} == {frozenset(row_fields)}
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(table, published)
    assert len(table["rows"]) == 9


def test_the_published_schema_is_that_of_the_records():
    published = Path(records.__file__).with_name("rows.schema.json")
    assert published.read_text() == records.json_schema(), f"write json_schema() to {published}"


def test_verified_rows_come_first_with_their_ranks(site):
    table = site.json("/rows.json?suite=toy")
    assert [row["key"] for row in table["rows"]][:2] == ["org/best", "org/Model-11"]
    assert [row["badge"] for row in table["rows"]] == ["verified"] * 2 + ["recomputed"] * 3
    assert table["rows"][0]["rank"] == {"best": 1, "worst": 1}
    assert table["rows"][2]["rank"] is None
    best = table["rows"][0]
    assert 0.5 < best["score"]["low"] <= best["score"]["value"] <= best["score"]["high"] <= 1
    assert {section["name"] for section in best["sections"]} == {"Chat", "Safety"}
    core = site.json("/rows.json?suite=core")["rows"]
    assert [row["key"] for row in core if row["is_baseline"]] == ["baseline/random"]
    assert all(row["turn"] for row in core)


def test_a_query_selects_rows(site):
    everything = site.json()
    assert {row["suite"] for row in everything["rows"]} == set(everything["suites"])
    assert len(site.json("/rows.json?suite=core&protocol=")["rows"]) == 3
    (row,) = site.json("/rows.json?model=org/Model-1.1")["rows"]
    assert row["model"] == "org/Model-1.1"
    assert row["page"] == "?view=model&suite=toy&model=org%2FModel-1.1"


@pytest.mark.parametrize(
    "query", ["?suite=nothing", "?suite=", "?suite=core&protocol=nothing", "?model=nothing", "?model=", "?suite=%00"]
)
@pytest.mark.parametrize("path", ["/rows.json", "/rows.csv", "/rows.parquet", "/rows.tex", "/rows.bib"])
def test_an_unknown_selection_is_a_one_line_error(site, path, query):
    answer = site.get(path + query)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert answer.text.count("\n") == 1
    assert "This leaderboard has no" in answer.text


def test_csv_has_the_figures_of_the_json_and_no_formula(site):
    answer = site.get("/rows.csv?suite=toy")
    lines = list(csv.DictReader(io.StringIO(answer.content.decode())))
    rows = site.json("/rows.json?suite=toy")["rows"]
    for line, row in zip(lines, rows, strict=True):
        assert float(line["score"]) == row["score"]["value"]
        assert float(line["score_low"]) == row["score"]["low"]
        assert float(line["section.Chat"]) == row["sections"][0]["value"]
        assert line["rank_best"] == ("" if row["rank"] is None else str(row["rank"]["best"]))
        assert line["is_baseline"] == "false"
        assert line["key"] == row["key"]
    cells = [cell for line in lines for cell in line.values()]
    assert [cell for cell in cells if cell.lstrip()[:1] in tuple("=+@\t\r")] == []
    (evil,) = (line["model"] for line in lines if line["key"] == "org/evil")
    assert evil.startswith("'" + EVIL[:20])
    assert answer.headers["content-disposition"] == 'attachment; filename="rewardbench-toy.csv"'
    everything = list(csv.DictReader(io.StringIO(site.get("/rows.csv").content.decode())))
    assert len(everything) == 9


def test_parquet_has_the_figures_of_the_json(site):
    table = pq.read_table(io.BytesIO(site.get("/rows.parquet").content))
    rows = site.json()["rows"]
    assert table.column("key").to_pylist() == [row["key"] for row in rows]
    assert table.column("score").to_pylist() == [row["score"]["value"] for row in rows]
    assert table.column("model").to_pylist() == [row["model"] for row in rows]
    assert table.schema.field("parameters").type == "int64"
    assert table.schema.metadata[b"rewardbench_rows"] == b"1"


def test_no_local_path_leaves_the_server(site):
    keys = [row["key"] for row in site.json()["rows"]]
    paths = [*TYPES, *(f"/badge.svg?model={key}" for key in keys), *(f"/cite.bib?model={key}" for key in keys)]
    for path in [*paths, "/embed?suite=toy", "/rows.json?suite=nothing"]:
        text = site.get(path).content
        assert str(site.folder).encode() not in text, path
        assert b"/home" not in text.replace(b"\\_", b"_"), path
    (local,) = site.json("/rows.json?model=local")["rows"]
    assert local["model"] == "rm-7b"


def test_hostile_file_names_stay_in_their_header(site):
    suite = next(name for name in site.json()["suites"] if "calc" in name)
    answer = site.client.get("/rows.csv", params={"suite": suite})
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+\.csv"', answer.headers["content-disposition"])
    assert exports._file_name("\r\nX: y\u202e") == "rewardbench-X-y"


SVG = "{http://www.w3.org/2000/svg}"


def test_badge_has_score_interval_suite_and_how_it_was_checked(site):
    answer = site.get("/badge.svg?model=org/best")
    svg = ElementTree.fromstring(answer.content)
    row = site.json("/rows.json?model=org/best")["rows"][0]
    figure = [f"{100 * row['score'][name]:.1f}" for name in ("value", "low", "high")]
    label, value = (text.text for text in svg.iter(f"{SVG}text"))
    assert (label, value) == ("rewardbench toy", f"mirror accuracy {figure[0]}% ({figure[1]}–{figure[2]}) · verified")
    title = svg.find(f"{SVG}title").text
    assert title == svg.get("aria-label")
    assert title.startswith("org/best on toy: ")
    assert svg.get("role") == "img"
    assert badge.COLORS["verified"] in answer.text
    core = ElementTree.fromstring(site.get("/badge.svg?model=tiny-rm").content)
    assert list(core.iter(f"{SVG}text"))[1].text.startswith("turn accuracy ")
    unchecked = site.get("/badge.svg?model=org/Model-1.1").text
    assert badge.COLORS["recomputed"] in unchecked
    assert badge.COLORS["verified"] not in unchecked


@pytest.mark.parametrize("query", ["?model=nothing", "", "?model=", "?model=%3Cscript%3E"])
def test_badge_of_an_unknown_model_says_so(site, query):
    answer = site.get(f"/badge.svg{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "image/svg+xml")
    texts = [text.text for text in ElementTree.fromstring(answer.content).iter(f"{SVG}text")]
    assert texts == ["rewardbench", "unknown"]
    assert "script" not in answer.text


def test_hostile_names_are_text_in_a_badge():
    svg = ElementTree.fromstring(badge.draw_badge(EVIL * 9, EVIL * 9, "accuracy", Figure("score", 0.5), EVIL))
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} == {
        "svg",
        "title",
        "clipPath",
        "rect",
        "g",
        "text",
    }
    assert not [name for element in svg.iter() for name in element.attrib if name.startswith("on")]
    assert "\u202e" not in svg.find(f"{SVG}title").text
    assert "onload=alert(1)" in svg.find(f"{SVG}title").text


def test_a_badge_is_as_wide_as_its_texts():
    def width(name):
        svg = ElementTree.fromstring(badge.draw_badge("m", name, "accuracy", Figure("score", 0.5), "verified"))
        boxes = [float(rect.get("width")) for rect in svg.iter(f"{SVG}rect")]
        lengths = [float(text.get("textLength")) for text in svg.iter(f"{SVG}text")]
        assert boxes[0] == pytest.approx(sum(boxes[1:]))
        assert boxes[1:] == pytest.approx([length + 2 * badge.PADDING for length in lengths])
        return float(svg.get("width"))

    assert width("i") < width("core") < width("core-hard") < width("漢字漢字漢字")


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))


def test_embedded_table_has_no_script_and_links_back(site):
    answer = site.get("/embed?suite=toy")
    elements = Elements(answer.text).elements
    tags = {tag for tag, _ in elements}
    assert tags.isdisjoint({"script", "img", "iframe", "link", "form", "svg", "object"})
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
    links = [attributes for tag, attributes in elements if tag == "a"]
    assert all(link["href"].startswith("./?view=") for link in links)
    assert all((link["target"], link["rel"]) == ("_blank", "noopener") for link in links)
    assert len(links) == 6
    assert "<script" not in answer.text
    assert answer.text.index("org/best") < answer.text.index("org/Model-1.1")
    assert [tag for tag, _ in Elements(site.get("/embed?suite=toy&rows=2").text).elements].count("tr") == 3
    assert site.get("/embed?suite=nothing").status_code == 404
    for rows in ("-1", "x", "9" * 30, "", "\u0663"):
        assert site.client.get("/embed", params={"suite": "toy", "rows": rows}).status_code == 200


def entries(text):
    """Return BibTeX entries by key; every brace counts, as in BibTeX."""
    keys, depth, fields = {}, 0, ""
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
        fields += character
        if character == "}" and not depth:
            key = re.match(r"\s*@misc\{([A-Za-z0-9.:-]+),", fields)[1]
            assert key.lower() not in {other.lower() for other in keys}
            keys[key], fields = fields, ""
    assert (depth, fields.strip()) == (0, "")
    return keys


def test_every_row_has_a_citation_key_of_its_own(site):
    cited = entries(site.get("/rows.bib").text)
    assert len(cited) == 9
    first, second = (key for key in cited if key.startswith("rewardbench-org-Model-1"))
    assert first != second
    entry = next(text for key, text in cited.items() if key.startswith("rewardbench-org-best"))
    assert "author = {{org}}" in entry
    assert f"url = {{{site.url}/?view=model&suite=toy&model=org%2Fbest}}" in entry
    assert "verified" in entry
    assert citations._key("a", "org/M") != citations._key("a", "org/m")
    assert citations._key("a", "数/数") != citations._key("a", "文/文")


def test_a_suite_is_cited_with_its_revision_and_published_ones_by_their_paper(site):
    core = site.get("/cite.bib?suite=core").text
    assert entries(core).keys() == {"rewardbench-core"}
    assert "Revision 2.0.0" in core
    assert f"url = {{{site.url}/?view=suite&suite=core}}" in core
    model = entries(site.get("/cite.bib?model=tiny-rm").text)
    assert len(model) == 2
    assert site.get("/cite.bib?suite=nothing").status_code == 404
    for suite, eprint in (("reward-bench", "2403.13787"), ("reward-bench-2", "2506.01937"), ("rm-bench", "2410.16184")):
        assert eprint in citations.cite_suite(suite, "http://x/")
        assert len(entries(citations.cite_suite(suite, "http://x/"))) == 1


def test_address_in_a_citation_is_that_of_the_visitor(site):
    forwarded = {"host": "board.example", "x-forwarded-proto": "https"}
    assert (
        "url = {https://board.example/?view=suite&suite=core}"
        in site.get("/cite.bib?suite=core", headers=forwarded).text
    )


def test_latex_table_is_escaped(site):
    text = site.get("/rows.tex?suite=toy").text
    assert text.startswith(r"\begin{tabular}{r")
    assert r"org/Model-1.1 & " in text
    assert r"\textbackslash{}" in text


def test_thousands_of_sections_do_not_become_columns():
    from test_tables import row

    wide = [row(f"org/m{n}", sections=tuple(Figure(f"{n}-{k}", 0.5) for k in range(900))) for n in range(20)]
    lines = list(csv.reader(io.StringIO(records.encode_csv(wide).decode())))
    assert len(lines[0]) == len(records.FIXED_COLUMNS) + records.MOST_COLUMNS
    assert pq.read_table(io.BytesIO(records.encode_parquet(wide))).num_columns == len(lines[0])
