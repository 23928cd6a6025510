"""Share rendered and tokenized texts among models: a text is converted once for each tokenizer, template and limit.

The requests are in a private temporary database of SQLite, which stays in memory up to `MEMORY` bytes and spills to a
file that SQLite deletes itself, so memory does not grow with the number of texts.
"""

from __future__ import annotations

import json
import sqlite3
from hashlib import blake2b

from rewardbench.chat import Chat
from rewardbench.models.fingerprint import digest, tokenizer_identity
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.types import Messages, TokenRequest, Tools, decode_request

MEMORY = 256 * 2**20
"""Bytes of requests that stay in memory."""


class Renderings:
    """The requests of all texts so far, by the text and by what decides how it is converted."""

    def __init__(self) -> None:
        self.rendered = self.reused = 0
        """Texts that were converted, and texts whose conversion was shared."""
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in (f"cache_size = -{MEMORY // 1024}", "journal_mode = OFF", "synchronous = OFF"):
            self._db.execute(f"PRAGMA {setting}")
        self._db.execute("CREATE TABLE requests (key BLOB PRIMARY KEY, request BLOB NOT NULL) WITHOUT ROWID")

    def share(self, chat: Chat | None) -> None:
        """Let a chat read the requests that equal chats have made, and add its own.

        Chats of other classes, such as those of judges, convert every text themselves.
        """
        if chat is not None and type(chat) in (Chat, HeadChat):
            chat.shared = _SharedChat(self, chat).request

    def read(self, key: bytes) -> TokenRequest | None:
        """Return the request with a key; None if there is none."""
        row = self._db.execute("SELECT request FROM requests WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        request = decode_request(row[0])
        assert isinstance(request, TokenRequest)
        self.reused += 1
        return request

    def add(self, key: bytes, request: TokenRequest) -> None:
        """Add a request that was converted."""
        self.rendered += 1
        self._db.execute("INSERT OR IGNORE INTO requests VALUES (?, ?)", (key, request.encode()))


class _SharedChat:
    """Converts texts as a chat does, and looks up first what an equal chat converted."""

    def __init__(self, renderings: Renderings, chat: Chat) -> None:
        self._renderings, self._convert = renderings, chat.convert
        self._identity = chat_identity(chat).encode()

    def request(
        self, prompt: Messages, completion: Messages, rendered: bool = False, tools: Tools = ()
    ) -> TokenRequest:
        """Return a completion in its context as token ids. Errors, which name the model, are not shared."""
        content = json.dumps([prompt, completion, rendered, tools]).encode()
        key = blake2b(self._identity + content, digest_size=16).digest()
        request = self._renderings.read(key)
        if request is None:
            request = self._convert(prompt, completion, rendered, tools)
            self._renderings.add(key, request)
        return request


def chat_identity(chat: Chat) -> str:
    """Return a digest of everything that decides how a chat converts a text."""
    facts = [type(chat).__qualname__, tokenizer_identity(chat.tokenizer), chat.describe(), chat.spans]
    if isinstance(chat, HeadChat):
        facts += [chat.steps, chat.pair, chat.appended]
    return digest(facts)
