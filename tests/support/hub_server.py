"""Serve a Hub on 127.0.0.1 to the real client: repositories with commits, pull requests and large files, and faults."""

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

from hub_accounts import AccountRoutes, Accounts

DATE = "2026-11-28T00:00:00.000Z"
START = datetime(2026, 11, 28, tzinfo=UTC)
WHERE = "hf://datasets/org/results"
"""Address of the dataset that the fixture `hub` creates."""


def stamp(when):
    """Return a time in the Hub's format."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Repo:
    """A repository: files by commit, and the commit of each branch."""

    def __init__(self):
        self.trees = {"0" * 40: {}}
        self.refs = {"main": "0" * 40}
        self.parents = {}
        self.pulls = {}
        self.pushes = {}
        self.closed = set()
        self.authors, self.titles = {}, {}
        self.events = {}
        self.live = False
        """Whether commits have the time of the clock, instead of one that is the same in each test."""

    def open_pull(self, number, files, author="SFconvertbot", title="Adding `safetensors` variant of this model"):
        """Open a pull request with these files on top of main; return its commit."""
        self.authors[number], self.titles[number] = author, title
        return self.commit(f"refs/pr/{number}", files)

    def commit(self, ref, files, parent=None):
        """Commit files on top of a branch or, if the branch is new, of `parent` (else of main); return the commit."""
        sha = hashlib.sha1(f"{len(self.trees)} {ref}".encode()).hexdigest()
        when = datetime.now(UTC) if self.live else START + timedelta(seconds=len(self.trees))
        self.pushes.setdefault(ref, []).append((sha, stamp(when)))
        self.trees[sha] = files
        self.parents[sha] = self.refs.get(ref) or parent or self.refs["main"]
        self.refs[ref] = sha
        return sha

    def discussion(self, name, number):
        """Return a pull request in the Hub's JSON format."""
        commits = self.pushes[f"refs/pr/{number}"]
        others = self.events.get(number, [])
        author = {"name": self.authors.get(number, "me")}
        return {
            "title": self.titles.get(number, f"Pull request {number}"),
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
            ]
            + others,
        }

    def describe(self, sha, path):
        """Return a file at a commit in the Hub's JSON format, with the last commit that changed it."""
        data = self.trees[sha][path]
        last = next(
            commit
            for commit in self.history(sha)
            if self.trees.get(self.parents.get(commit), {}).get(path) != data  # the first commit has no parent
        )
        when = (START + timedelta(seconds=list(self.trees).index(last))).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return {
            "type": "file",
            "path": path,
            "size": len(data),
            "oid": hashlib.sha1(data).hexdigest(),
            "lastCommit": {"id": last, "title": "", "date": when},
        }

    def event(self, number, author, kind, data):
        """Add an event to a pull request: a comment, or another status; return it."""
        events = self.events.setdefault(number, [])
        event = {"id": f"{number}-{len(events)}", "type": kind, "createdAt": stamp(datetime.now(UTC)), "data": data}
        events.append({**event, "author": {"name": author}})
        return events[-1]

    def history(self, sha):
        """Yield a commit and those before it."""
        while sha:
            yield sha
            sha = self.parents.get(sha)


class Hub(AccountRoutes, BaseHTTPRequestHandler):
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
        server.requests.append((self.command, path))
        fault = server.fault
        if fault == "timeout":
            time.sleep(server.patience)
            fault = 500
        if isinstance(fault, int):
            return self.respond(fault, {"error": "injected"})
        for name, (token, status, code) in server.locked.items():
            if name in path and self.headers.get("Authorization") != f"Bearer {token}":
                return self.respond(status, {"error": "no access"}, {"X-Error-Code": code})
        with server.lock:
            return self.route(path, query, body)

    def route(self, path, query, body):
        parts = path.strip("/").split("/")
        answer = self.account_route(path, query, body)
        if answer is not False:
            return answer
        if path == "/api/repos/create":
            fields = json.loads(body)
            name = f"{fields.get('organization') or 'me'}/{fields['name']}"
            if name in self.server.repos:
                return self.respond(409, {"url": f"{self.server.url}/datasets/{name}", "error": "exists"})
            self.server.repos[name] = Repo()
            return self.respond(200, {"url": f"{self.server.url}/datasets/{name}"})
        if path == "/api/validate-yaml":
            return self.respond(200, {"errors": [], "warnings": []})
        if parts[0] == "lfs":
            self.server.large[parts[1]] = body
            return self.respond(200, {})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.large(json.loads(body))
        if parts[0] == "api" and parts[1] in ("datasets", "models"):
            return self.api("/".join(parts[2:4]), parts[4:], query, body)
        if parts[0] == "datasets" and parts[3] == "resolve":
            return self.resolve("/".join(parts[1:3]), parts[4:])
        if len(parts) > 3 and parts[2] == "resolve":
            return self.resolve("/".join(parts[:2]), parts[3:])
        return self.respond(404, {"error": path})

    def large(self, batch):
        """Return where to upload large files."""
        objects = []
        for file in batch["objects"]:
            upload = {"href": f"{self.server.url}/lfs/{file['oid']}"}
            objects.append({"oid": file["oid"], "size": file["size"], "actions": {"upload": upload}})
        return self.respond(200, {"objects": objects, "transfer": "basic"})

    def reference(self, repo, words):
        """Split a path that begins with a revision: return its commit, its name (which may have slashes), the rest."""
        if words[:2] == ["refs", "pr"]:
            return repo.refs.get("/".join(words[:3])), "/".join(words[:3]), words[3:]
        name = words[0]
        return (repo.refs.get(name) or (name if name in repo.trees else None)), name, words[1:]

    def api(self, name, endpoint, query, body):
        """Answer a call of the API for a repository; `endpoint` is the path below it, split."""
        repo = self.server.repos.get(name)
        if repo is None:
            return self.respond(404, {"error": "none"}, {"X-Error-Code": "RepoNotFound"})
        if not endpoint or endpoint[0] == "revision":
            sha, _, _ = self.reference(repo, endpoint[1:] or ["main"])
            if sha is None:
                return self.respond(404, {"error": "none"}, {"X-Error-Code": "RevisionNotFound"})
            return self.respond(200, {"id": name, "sha": sha, "siblings": [], "tags": [], "private": False})
        if endpoint[0] == "tree":
            sha, _, folder = self.reference(repo, endpoint[1:])
            deep = query.get("recursive", ["False"])[0].lower() == "true"
            return self.respond(200, list(tree(repo.trees[sha], "/".join(folder), deep)))
        if endpoint[0] == "paths-info":
            sha, _, _ = self.reference(repo, endpoint[1:])
            if sha is None:
                return self.respond(404, {"error": "none"}, {"X-Error-Code": "RevisionNotFound"})
            names = parse_qs(body.decode())["paths"]
            return self.respond(200, [repo.describe(sha, name) for name in names if name in repo.trees[sha]])
        if endpoint[0] == "preupload":
            files = json.loads(body)["files"]
            modes = []
            for file in files:
                mode = "lfs" if file["path"].endswith(".parquet") else "regular"
                modes.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False})
            return self.respond(200, {"files": modes})
        if endpoint[0] == "commit":
            return self.commit(name, repo, endpoint[1:], query, body)
        if endpoint[0] == "commits":
            sha, _, _ = self.reference(repo, endpoint[1:])
            description = {"title": "", "message": "", "date": DATE, "authors": []}
            return self.respond(200, [{"id": commit, **description} for commit in repo.history(sha)])
        if endpoint[0] == "discussions" and self.command == "GET":
            return self.discussions(name, repo, endpoint[1:], query)
        if endpoint[0] == "discussions":
            return self.discuss(repo, int(endpoint[1]), endpoint[2], json.loads(body))
        return self.respond(404, {"error": "unknown"})

    def discuss(self, repo, number, action, fields):
        """Add a comment to a pull request, or close it."""
        author = self.server.accounts.owner(self.headers)
        if author is None or not self.server.accounts.may(self.headers, "write-discussions"):
            return self.respond(403 if author else 401, {"error": "no right"})
        text = fields.get("comment")
        data = {"edited": False, "hidden": False, "latest": {"raw": text}}
        comment = repo.event(number, author, "comment", data) if text else None
        if action == "comment":
            return self.respond(200, {"newMessage": comment})
        repo.closed.add(number)
        status = repo.event(number, author, "status-change", {"status": fields["status"]})
        return self.respond(200, {"newStatus": status, "newMessage": comment})

    def discussions(self, name, repo, number_and_action, query):
        """Return a pull request, or a page of those with a status."""
        if number_and_action:
            return self.respond(200, repo.discussion(name, int(number_and_action[0])))
        numbers = sorted((int(ref.rpartition("/")[2]) for ref in repo.refs if ref.startswith("refs/pr/")), reverse=True)
        status, author = query.get("status", [None])[0], query.get("author", [None])[0]
        pulls = []
        for number in numbers:
            pull = repo.discussion(name, number)
            if status in (None, pull["status"]) and author in (None, pull["author"]["name"]):
                pulls.append(pull)
        page, size = int(query.get("p", ["0"])[0]), self.server.page
        start = page * size
        return self.respond(200, {"discussions": pulls[start : start + size], "count": len(pulls), "start": start})

    def commit(self, name, repo, words, query, body):
        if self.server.readonly:
            return self.respond(403, {"error": "You have no right to write here"})
        account = self.server.accounts.owner(self.headers)
        if account is None:
            return self.respond(401, {"error": "Invalid username or password."})
        opens = query.get("create_pr") == ["1"]
        owner, revision = name.partition("/")[0], "/".join(words)
        belongs = owner == account or owner in self.server.accounts.organizations[account]
        if revision.startswith("refs/pr/"):
            belongs = belongs or repo.authors.get(int(words[2])) == account
        scope = "write-discussions" if opens else "write-repos"
        if not (opens or belongs) or not self.server.accounts.may(self.headers, scope):
            return self.respond(403, {"error": "You have no right to write here"})
        lines = [json.loads(line) for line in body.splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        parent = header.get("parentCommit")
        head, branch, _ = self.reference(repo, words)
        if opens:  # from the requested parent, however old
            head = parent or head
        elif parent and parent != head:
            return self.respond(412, {"error": "A commit has happened since. Please refresh and try again."})
        files, added = dict(repo.trees[head]), {}
        for line in lines:
            operation = line["value"]
            if line["key"] == "file":
                added[operation["path"]] = base64.b64decode(operation["content"])
            elif line["key"] == "lfsFile":
                added[operation["path"]] = self.server.large[operation["oid"]]
            elif line["key"] == "deletedFile":
                files.pop(operation["path"], None)
        files |= added
        answer = {"commitUrl": f"{self.server.url}/datasets/{name}/commit/x", "success": True}
        if opens:
            number = len(repo.pulls) + 1
            repo.pulls[number] = added
            repo.authors[number], repo.titles[number] = account, header["summary"]
            answer["commitOid"] = repo.commit(f"refs/pr/{number}", files, head)
            answer["pullRequestUrl"] = f"{self.server.url}/datasets/{name}/discussions/{number}"
        else:
            answer["commitOid"] = repo.commit(branch, files)
        return self.respond(200, answer)

    def resolve(self, name, words):
        repo = self.server.repos.get(name)
        if repo is None:
            return self.respond(404, {}, {"X-Error-Code": "RepoNotFound"})
        sha, _, file = self.reference(repo, words)
        if sha is None:
            return self.respond(404, {}, {"X-Error-Code": "RevisionNotFound"})
        data = repo.trees[sha].get("/".join(file))
        if data is None:
            return self.respond(404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": sha}
        return self.respond(200, data, headers, half=self.server.fault == "half" and "/".join(file).endswith(".json"))

    def respond(self, status, value, headers=None, half=False):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        sent = {"Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(data))}
        for header in sent.items():
            self.send_header(*header)
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
    """Yield the files and folders in a folder; if `deep`, also those in its subfolders."""
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
    """Context manager: run the server.

    It has `repos` by name, the `requests` it received, and a `fault`: a status code, "timeout", "half" or None. For a
    part of a path, `locked` has the token that opens it, and the status and error code of requests without that token.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    server.repos, server.large, server.requests, server.lock = {}, {}, [], threading.Lock()
    server.locked, server.accounts = {}, Accounts()
    server.fault, server.readonly, server.patience, server.page = None, False, 3.0, 50
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
