"""Random requests to the leaderboard: valid ones, and ones with a part that is damaged, forged or repeated."""

import json
import random
import string
from dataclasses import dataclass, field
from urllib.parse import quote

from malformed_uploads import BODIES, KINDS
from served import META

NASTY = (
    *("", "\0", "\r\n", "\r\nX-Injected: 1", "\x1b[2J", "\u202e", "\ud800", "a" * 3_000, "../" * 9, "%2e%2e%2f"),
    *("/dev/zero", "/dev/random", "/proc/self/mem", "/proc/self/environ", "/etc/passwd", "file:///etc/passwd"),
    *("http://127.0.0.1:9/", "${jndi:x}", "{{7*7}}", "<script>alert(1)</script>", "' OR 1=1 --", "NaN", "1e999"),
    *("Ａ", "é", "e\u0301", "ﬀ", "İ", "\U0001f600" * 40, "-1", str(2**70), "true", "null", "[]", "{}"),
)
PATHS = (
    *("/", "/config", "/theme.css", "/robots.txt", "/manifest.json", "/assets/x.js", "/static/x", "/favicon.ico"),
    *("/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/component_server/"),
    *("/gradio_api/cancel", "/gradio_api/heartbeat/x", "/gradio_api/upload_progress", "/gradio_api/app_id"),
    *("/gradio_api/file=/etc/passwd", "/gradio_api/info", "/gradio_api/openapi.json", "/docs", "/openapi.json"),
    *("/rows.json", "/rows.csv", "/rows.parquet", "/rows.tex", "/rows.bib", "/cite.bib", "/badge.svg", "/embed"),
    *("/rows.schema.json", "/icon.svg", "/social-card.png", "/login/huggingface", "/login/callback"),
    *("/gradio_api/reset", "/gradio_api/run/check", "/gradio_api/call/check", "/monitoring", "/login", "/logout"),
)
EXPORTS = ("rows.json", "rows.csv", "rows.parquet", "rows.tex", "rows.bib", "cite.bib", "badge.svg", "embed")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "X", "get")
VIEWS = (
    *("board", "model", "compare", "size", "items", "suite", "submit", "about", "none"),
    *("suites", "history", "queue", "compare", "Board", "board\n"),
)
FIELDS = (
    "view",
    "suite",
    "model",
    "a",
    "b",
    "c",
    "row",
    "protocol",
    "subset",
    "search",
    "from",
    "all",
    "subsets",
    "sort",
)


@dataclass
class RandomRequest:
    """A request."""

    method: str = "GET"
    path: str = "/"
    headers: dict = field(default_factory=dict)
    body: bytes | None = None
    raw: bytes | None = None
    """What is sent instead, byte by byte."""


class RequestMaker:
    """Draw requests.

    Args:
        seed: seed of the draws.
        folder: the store that is served.
    """

    def __init__(self, seed, folder):
        self.chance = random.Random(seed)
        self.keys = [path.relative_to(folder).as_posix()[:-5] for path in folder.rglob("*.json")]
        self.summary = json.loads((folder / "tiny-rm.json").read_bytes())
        self.table = (folder / "tiny-rm.parquet").read_bytes()
        self.paths = []
        """Paths of files that were uploaded."""
        self.sessions = ["abc"]

    def draw(self):
        """Return the next request."""
        kinds = (self.page, self.join, self.upload, self.see, self.copy, self.stream, self.broken, self.plain)
        kinds += (self.malformed, self.exported, self.deep_link, self.cancel)
        (kind,) = self.chance.choices(kinds, (2, 6, 5, 5, 2, 3, 4, 3, 4, 3, 2, 1))
        request = kind()
        if self.chance.random() < 0.2:
            request.headers |= self.odd_headers()
        return request

    def text(self):
        if self.chance.random() < 0.5:
            return self.chance.choice(NASTY)
        return "".join(self.chance.choices(string.printable, k=self.chance.randrange(20)))

    def value(self, depth=0):
        """Return any JSON value."""
        kind = self.chance.randrange(9 if depth < 4 else 6)
        if kind == 0:
            return None
        if kind == 1:
            return self.chance.choice((True, False))
        if kind == 2:
            return self.chance.choice((0, -1, 1, 2**31, 2**63, 10**400, 7.5, 1e308, -0.0))
        if kind in (3, 4, 5):
            return self.text()
        if kind == 6:
            return [self.value(depth + 1) for _ in range(self.chance.randrange(5))]
        if kind == 7:
            return {self.text(): self.value(depth + 1) for _ in range(self.chance.randrange(5))}
        return self.file()

    def file(self):
        """Return the description of an uploaded file, or a forged one."""
        known = self.paths and self.chance.random() < 0.7
        path = self.chance.choice(self.paths) if known else self.text()
        if self.chance.random() < 0.2:
            path = self.chance.choice((f"{path}/..", f"{path}\0", path.upper(), f"//{path}", f"{path}/", path[:-1]))
        description = {"path": path, "meta": META}
        for name in ("url", "size", "orig_name", "mime_type", "is_stream", "meta", "_type"):
            if self.chance.random() < 0.15:
                description[name] = self.value(3)
        return description

    def json_request(self, path, value):
        content = json.dumps(value).encode("utf-8", "replace")
        if self.chance.random() < 0.1:
            content = self.damaged(content)
        return RandomRequest("POST", path, {"content-type": "application/json"}, content)

    def damaged(self, content):
        """Return bytes with a part cut, doubled or replaced."""
        if not content:
            return content
        start = self.chance.randrange(len(content))
        end = min(len(content), start + self.chance.randrange(40))
        middle = self.chance.choice(
            (b"", content[start:end] * 2, b"\0", b"\xff\xfe", b"[" * 2_000, b"NaN", b"\r\n\r\n")
        )
        return content[:start] + middle + content[end:]

    def session(self):
        if self.chance.random() < 0.8:
            self.sessions = [*self.sessions[-20:], f"s{self.chance.randrange(10**6)}"]
            return self.sessions[-1]
        return self.value(3)

    def join(self):
        """Return an event: of the form, of none, or a damaged one."""
        files = [self.file() for _ in range(self.chance.randrange(1, 4))]
        data = [files, self.chance.choice(("", "org/name", self.text()))]
        if self.chance.random() < 0.3:
            data = self.value()
        event = {"data": data, "fn_index": self.chance.choice((0, 0, 0, 1, 2, -1, "0", None, True)), "event_data": None}
        event["session_hash"] = self.session()
        if self.chance.random() < 0.2:
            event[self.text()] = self.value()
        return self.json_request("/gradio_api/queue/join", event)

    def see(self):
        """Return a request for a page."""
        query = {"view": self.chance.choice(VIEWS)}
        for name in self.chance.sample(FIELDS, self.chance.randrange(5)):
            query[name] = self.chance.choice((self.text(), "core", self.chance.choice(self.keys), "1", "-1"))
        address = "?" + "&".join(f"{name}={value}" for name, value in query.items())
        data = address if self.chance.random() < 0.9 else self.value()
        call = {"data": data, "component_id": 1, "fn_name": "see", "session_hash": self.session()}
        return self.json_request("/gradio_api/component_server/", call)

    def copy(self):
        """Return a request for rows as text."""
        data = {
            "kind": self.chance.choice(("CSV", "LaTeX", "BibTeX", self.text())),
            "suite": self.chance.choice(("core", self.text())),
            "keys": self.chance.choice((self.keys, [self.value(3)] * 9, self.value())),
            "names": self.chance.choice((["Model", "Score", "Rank"], self.value())),
        }
        name = self.chance.choice(("copy", "copy", self.text()))
        call = {"data": data, "component_id": self.chance.choice((1, 1, 2, -1, "1")), "fn_name": name}
        return self.json_request("/gradio_api/component_server/", call | {"session_hash": self.session()})

    def content(self):
        """Return a name and the bytes of a file: those of a result, perhaps with a changed field, or others."""
        kind = self.chance.randrange(6)
        if kind < 2:
            summary = dict(self.summary)
            for name in self.chance.sample(sorted(summary), self.chance.randrange(3)):
                summary[name] = self.value()
            return "tiny-rm.json", json.dumps(summary).encode("utf-8", "replace")
        if kind < 4:
            return "tiny-rm.parquet", self.table if self.chance.random() < 0.6 else self.damaged(self.table)
        if kind == 4:
            lines = json.dumps({"id": "a", "scores": self.value(3)}) + "\n"
            return "tiny-rm_outputs.jsonl", lines.encode("utf-8", "replace") * self.chance.choice((1, 1_000, 20_000))
        return self.text(), self.text().encode("utf-8", "replace") * self.chance.choice((1, 1_000))

    def upload(self):
        """Return an upload of one to four files, perhaps with a damaged body."""
        boundary = self.chance.choice(("abc", "-" * 20, "x" * 70, "x" * 71, "a b", 'a"b'))
        body = b""
        for _ in range(self.chance.choice((1, 2, 2, 3, 4, 0))):
            name, content = self.content()
            field = self.chance.choice(("files", "files", "files", self.text()))
            head = f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
            head += self.chance.choice(("", "", "Content-Type: text/html\r\n", f"X: {'y' * 9_000}\r\n", "\r\n\r\n"))
            body += f"--{boundary}\r\n{head}\r\n".encode("utf-8", "replace") + content + b"\r\n"
        body += f"--{boundary}--\r\n".encode() if self.chance.random() < 0.9 else b""
        if self.chance.random() < 0.2:
            body = self.damaged(body)
        kind = f"multipart/form-data; boundary={boundary}"
        query = self.chance.choice(("", "", "?upload_id=x", f"?upload_id={'y' * 500}", "?upload_id=%00"))
        return RandomRequest("POST", f"/gradio_api/upload{query}", {"content-type": kind}, body)

    def malformed(self):
        """Return an upload that no browser sends, perhaps damaged once more, or with another Content-Type."""
        body = self.chance.choice(list(BODIES.values()))
        if self.chance.random() < 0.3:
            body = self.damaged(body)
        kinds = list(KINDS.values()) if self.chance.random() < 0.2 else ["multipart/form-data; boundary=abc"]
        query = self.chance.choice(("", "", "?upload_id=x", "?upload_id=a&upload_id=b"))
        return RandomRequest("POST", f"/gradio_api/upload{query}", {"content-type": self.chance.choice(kinds)}, body)

    def query(self):
        """Return the query of an address: known and unknown parameters, valid, odd, encoded and repeated values."""
        pairs = []
        for _ in range(self.chance.randrange(6)):
            name = self.chance.choice((*FIELDS, "rows", "page", "deep_link", "m", "scale", "markdown", self.text()))
            value = self.chance.choice((self.text(), "core", self.chance.choice(self.keys), "1", "9" * 400))
            encode = self.chance.choice((quote, quote, lambda text, errors="": text.replace(" ", "+")))
            pairs += [f"{encode(name, errors='replace')}={encode(value, errors='replace')}"] * self.chance.choice(
                (1, 2)
            )
        return "&".join(pairs)

    def exported(self):
        """Return a request for rows as a file, a badge, or an embedded table."""
        address = f"/{self.chance.choice(EXPORTS)}?{self.query()}"
        return RandomRequest(self.chance.choice(("GET", "GET", "HEAD")), address)

    def deep_link(self):
        """Return a request for a page as a browser opens it."""
        return RandomRequest("GET", f"/?view={self.chance.choice(VIEWS)}&{self.query()}")

    def cancel(self):
        """Return a request to cancel an event."""
        body = {"event_id": self.value(3), "fn_index": self.value(3), "session_hash": self.session()}
        return self.json_request("/gradio_api/cancel", body)

    def stream(self):
        """Return a request for the outcome of an event, or for another stream."""
        path = self.chance.choice(("queue/data", "queue/data", "heartbeat/x", "upload_progress"))
        session = self.chance.choice((self.chance.choice(self.sessions), "none"))
        return RandomRequest("GET", f"/gradio_api/{path}?session_hash={session}&upload_id={session}")

    def page(self):
        """Return a request for an address of the page, in one of many spellings."""
        path = self.chance.choice(PATHS)
        spelled = self.chance.choice(
            (path, f"/{path}", f"{path}/", f"{path}%00", f"{path}%2f..", f"/.{path}", path.replace("/", "%2f"))
        )
        query = self.chance.choice(("", f"?{'x' * 3_000}", "?view=model&model=%ff", "?__theme=dark", "?a=" + "%00" * 9))
        return RandomRequest(self.chance.choice(("GET", "GET", *METHODS)), spelled + query)

    def plain(self):
        """Return a request of any kind to any address."""
        body = self.chance.choice((None, b"", b"{}", b"x" * 5_000, b"\xff" * 100))
        return RandomRequest(self.chance.choice(METHODS), self.chance.choice(PATHS), self.odd_headers(), body)

    def odd_headers(self):
        """Return headers that proxies, scripts and other sites send."""
        headers = {
            "host": ("evil.example", "127.0.0.1", "[::1]:80", "localhost.", "127.0.0.1@evil.example", "a" * 300),
            "origin": ("null", "http://evil.example", "http://127.0.0.1:1", "x" * 500),
            "x-forwarded-host": ("evil.example", "127.0.0.1", ""),
            "x-forwarded-for": ("1.1.1.1", "::1", "x, y, z", "1" * 400),
            "content-type": ("text/plain", "multipart/form-data", "application/json; charset=utf-16", ""),
            "content-length": ("0", "-1", "5, 5", "1e3", "99999999999999999999", "５"),
            "transfer-encoding": ("chunked", "gzip, chunked", "identity", " chunked"),
            "content-encoding": ("gzip", "br"),
            "accept-encoding": ("gzip", "identity;q=0", "*", "gzip;q=x"),
            "range": ("bytes=0-", "bytes=-1", "bytes=5-1", "x" * 300, "bytes=" + "0-0," * 5_000 + "0-0"),
            "if-none-match": ("*", '"x"'),
            "connection": ("close", "upgrade", "keep-alive, x"),
            "upgrade": ("websocket", "h2c"),
            "expect": ("100-continue", "x"),
            "sec-fetch-site": ("cross-site", "none", "x"),
            "cookie": ("a=" + "b" * 3_000, "access-token=x", ";;;", "rewardbench=eyJrZXkiOiAieCJ9.x.y"),
            "x-forwarded-proto": ("https", "javascript", "https, http", '"><script>'),
            "x-gradio-server": ("http://evil.example", "x"),
            "if-modified-since": ("Thu, 01 Jan 1970 00:00:00 GMT", "x"),
            "authorization": ("Bearer x", "Basic ====="),
        }
        names = self.chance.sample(sorted(headers), self.chance.randrange(1, 4))
        return {name: self.chance.choice(headers[name]) for name in names}

    def broken(self):
        """Return bytes that are no HTTP, or a request with two lengths or a part missing."""
        join = b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        choices = (
            join + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
            join + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            join + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n0\r\n\r\n",
            join + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
            join + b"Content-Length: 10\r\n\r\n{}",
            join + b"Content-Length : 2\r\n\r\n{}",
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 3_000 + b"\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET /\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\0" * 5_000,
            b"A" * 100_000,
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000,
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 30,
        )
        raw = self.chance.choice(choices)
        return RandomRequest(raw=self.damaged(raw) if self.chance.random() < 0.4 else raw)
