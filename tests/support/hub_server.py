"""A Hub on 127.0.0.1, for the real client: datasets with commits, pull requests and large files, and ways to fail."""

import base64
import hashlib
import json
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse

DATE = "2026-11-28T00:00:00.000Z"
START = datetime(2026, 11, 28, tzinfo=UTC)
WHERE = "hf://datasets/org/results"
"""The address of the dataset that the fixture `hub` has."""


class Repo:
    """A dataset: trees by commit, and where the branches are."""

    def __init__(self):
        self.trees = {"0" * 40: {}}
        self.refs = {"main": "0" * 40}
        self.parents = {}
        self.pulls = {}
        self.pushes = {}
        self.closed = set()

    def commit(self, ref, files, parent=None):
        """A commit on top of a branch, or, where the branch is new, of `parent` (else of main)."""
        sha = hashlib.sha1(f"{len(self.trees)} {ref}".encode()).hexdigest()
        when = START + timedelta(seconds=len(self.trees))
        self.pushes.setdefault(ref, []).append((sha, when.strftime("%Y-%m-%dT%H:%M:%S.000Z")))
        self.trees[sha] = files
        self.parents[sha] = self.refs.get(ref) or parent or self.refs["main"]
        self.refs[ref] = sha
        return sha

    def discussion(self, name, number):
        """A pull request as the Hub describes it."""
        commits = self.pushes[f"refs/pr/{number}"]
        author = {"name": "me"}
        return {
            "title": f"Pull request {number}",
            "num": number,
            "author": author,
            "createdAt": commits[0][1],
            "status": "closed" if number in self.closed else "open",
            "repo": {"name": name, "type": "dataset"},
            "isPullRequest": True,
            "changes": {"base": "refs/heads/main"},
            "filesWithConflicts": [],
            "events": [
                {
                    "id": sha[:12],
                    "type": "commit",
                    "createdAt": when,
                    "author": author,
                    "data": {"subject": "a commit", "oid": sha},
                }
                for sha, when in commits
            ],
        }

    def line(self, sha):
        """A commit and those before it."""
        while sha:
            yield sha
            sha = self.parents.get(sha)


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def do_PUT(self):
        self.answer()

    def answer(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlparse(self.path)
        path, query = unquote(url.path), parse_qs(url.query)
        server.asked.append((self.command, path))
        fault = server.fault
        if fault == "timeout":
            time.sleep(server.patience)
            fault = 500
        if isinstance(fault, int):
            return self.say(fault, {"error": "planted"})
        with server.lock:
            return self.route(path, query, body)

    def route(self, path, query, body):
        parts = path.strip("/").split("/")
        if path == "/api/whoami-v2":
            return self.say(200, {"name": "me", "type": "user", "auth": {"accessToken": {"role": "write"}}})
        if path == "/api/repos/create":
            told = json.loads(body)
            name = f"{told.get('organization') or 'me'}/{told['name']}"
            if name in self.server.repos:
                return self.say(409, {"url": f"{self.server.url}/datasets/{name}", "error": "exists"})
            self.server.repos[name] = Repo()
            return self.say(200, {"url": f"{self.server.url}/datasets/{name}"})
        if path == "/api/validate-yaml":
            return self.say(200, {"errors": [], "warnings": []})
        if parts[0] == "lfs":
            self.server.large[parts[1]] = body
            return self.say(200, {})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.large(json.loads(body))
        if parts[0] == "api" and parts[1] in ("datasets", "models"):
            return self.api("/".join(parts[2:4]), parts[4:], query, body)
        if parts[0] == "datasets" and parts[3] == "resolve":
            return self.resolve("/".join(parts[1:3]), parts[4:])
        if len(parts) > 3 and parts[2] == "resolve":
            return self.resolve("/".join(parts[:2]), parts[3:])
        return self.say(404, {"error": path})

    def large(self, told):
        objects = [
            {
                "oid": one["oid"],
                "size": one["size"],
                "actions": {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}"}},
            }
            for one in told["objects"]
        ]
        return self.say(200, {"objects": objects, "transfer": "basic"})

    def reference(self, repo, words):
        """A revision at the start of some words, which may hold slashes; and what follows."""
        if words[:2] == ["refs", "pr"]:
            return repo.refs.get("/".join(words[:3])), "/".join(words[:3]), words[3:]
        name = words[0]
        return (repo.refs.get(name) or (name if name in repo.trees else None)), name, words[1:]

    def api(self, name, rest, query, body):
        repo = self.server.repos.get(name)
        if repo is None:
            return self.say(404, {"error": "none"}, {"X-Error-Code": "RepoNotFound"})
        if not rest or rest[0] == "revision":
            sha, _, _ = self.reference(repo, rest[1:] or ["main"])
            if sha is None:
                return self.say(404, {"error": "none"}, {"X-Error-Code": "RevisionNotFound"})
            return self.say(200, {"id": name, "sha": sha, "siblings": [], "tags": [], "private": False})
        if rest[0] == "tree":
            sha, _, folder = self.reference(repo, rest[1:])
            deep = query.get("recursive", ["False"])[0].lower() == "true"
            return self.say(200, list(tree(repo.trees[sha], "/".join(folder), deep)))
        if rest[0] == "preupload":
            files = json.loads(body)["files"]
            modes = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(".parquet") else "regular",
                    "shouldIgnore": False,
                }
                for one in files
            ]
            return self.say(200, {"files": modes})
        if rest[0] == "commit":
            return self.commit(name, repo, rest[1:], query, body)
        if rest[0] == "commits":
            sha, _, _ = self.reference(repo, rest[1:])
            return self.say(
                200, [{"id": one, "title": "", "message": "", "date": DATE, "authors": []} for one in repo.line(sha)]
            )
        if rest[0] == "discussions" and self.command == "GET":
            return self.discussions(name, repo, rest[1:], query)
        if rest[0] == "discussions":  # a comment, or another status
            repo.closed.add(int(rest[1]))
            event = {"id": "1", "type": "status-change", "createdAt": DATE, "author": {"name": "me"}}
            return self.say(200, {"newStatus": {**event, "data": {"status": "closed"}}, "newMessage": event})
        return self.say(404, {"error": "unknown"})

    def discussions(self, name, repo, rest, query):
        """One pull request, or a page of all of those with a status."""
        if rest:
            return self.say(200, repo.discussion(name, int(rest[0])))
        numbers = sorted((int(ref.rpartition("/")[2]) for ref in repo.refs if ref.startswith("refs/pr/")), reverse=True)
        found = [repo.discussion(name, number) for number in numbers]
        wanted = query.get("status", [None])[0]
        found = [one for one in found if wanted in (None, one["status"])]
        page, size = int(query.get("p", ["0"])[0]), self.server.page
        start = page * size
        return self.say(200, {"discussions": found[start : start + size], "count": len(found), "start": start})

    def commit(self, name, repo, words, query, body):
        if self.server.readonly:
            return self.say(403, {"error": "You have no right to write here"})
        lines = [json.loads(line) for line in body.splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        parent = header.get("parentCommit")
        opens = query.get("create_pr") == ["1"]
        head, branch, _ = self.reference(repo, words)
        if opens:  # from the parent that was asked for, however old
            head = parent or head
        elif parent and parent != head:
            return self.say(412, {"error": "A commit has happened since. Please refresh and try again."})
        added, gone = {}, set()
        for line in lines:
            told = line["value"]
            if line["key"] == "file":
                added[told["path"]] = base64.b64decode(told["content"])
            elif line["key"] == "lfsFile":
                added[told["path"]] = self.server.large[told["oid"]]
            elif line["key"] == "deletedFile":
                gone.add(told["path"])
        files = {path: data for path, data in repo.trees[head].items() if path not in gone} | added
        told = {"commitUrl": f"{self.server.url}/datasets/{name}/commit/x", "success": True}
        if opens:
            number = len(repo.pulls) + 1
            repo.pulls[number] = added
            told["commitOid"] = repo.commit(f"refs/pr/{number}", files, head)
            told["pullRequestUrl"] = f"{self.server.url}/datasets/{name}/discussions/{number}"
        else:
            told["commitOid"] = repo.commit(branch, files)
        return self.say(200, told)

    def resolve(self, name, words):
        repo = self.server.repos.get(name)
        if repo is None:
            return self.say(404, {}, {"X-Error-Code": "RepoNotFound"})
        sha, _, rest = self.reference(repo, words)
        if sha is None:
            return self.say(404, {}, {"X-Error-Code": "RevisionNotFound"})
        data = repo.trees[sha].get("/".join(rest))
        if data is None:
            return self.say(404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": sha}
        return self.say(200, data, headers, half=self.server.fault == "half" and "/".join(rest).endswith(".json"))

    def say(self, status, value, headers=None, half=False):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        sent = {"Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(data))}
        for name, one in sent.items():
            self.send_header(name, one)
        self.end_headers()
        if self.command == "HEAD":
            return
        if half:
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(data)


def tree(files, folder, deep):
    """What lies in a folder, with all below it if asked; folders are named as well."""
    start = f"{folder}/" if folder else ""
    seen = set()
    for path, data in sorted(files.items()):
        if not path.startswith(start):
            continue
        parts = path.removeprefix(start).split("/")
        for n in range(1, len(parts) if deep else min(2, len(parts))):
            above = start + "/".join(parts[:n])
            if above not in seen:
                seen.add(above)
                yield {"type": "directory", "path": above, "oid": "d" * 40, "size": 0}
        if deep or len(parts) == 1:
            yield {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}


@contextmanager
def hub():
    """A running double: `repos`, what was `asked`, and `fault`: a status, "timeout", "half", or None."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    server.repos, server.large, server.asked, server.lock = {}, {}, [], threading.Lock()
    server.fault, server.readonly, server.patience, server.page = None, False, 3.0, 50
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
