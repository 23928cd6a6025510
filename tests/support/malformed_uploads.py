"""Bodies of uploads that no browser sends, by what is wrong with them."""

import http.client
from contextlib import closing

BOUNDARY = "abc"
KIND = f"multipart/form-data; boundary={BOUNDARY}"
DISPOSITION = 'Content-Disposition: form-data; name="files"; filename="a.json"'


def part(head=DISPOSITION, content=b"{}", boundary=BOUNDARY):
    """Return a part of a body."""
    head = head if isinstance(head, bytes) else head.encode()
    return f"--{boundary}\r\n".encode() + head + b"\r\n\r\n" + content + b"\r\n"


def named(name, quote='"'):
    """Return a part with a file name."""
    name = name if isinstance(name, bytes) else name.encode("utf-8", "surrogatepass")
    head = b'Content-Disposition: form-data; name="files"; filename=' + quote.encode() + name + quote.encode()
    return part(head)


END = f"--{BOUNDARY}--\r\n".encode()
VALID = part() + END
NESTED = f"--{BOUNDARY}\r\n{DISPOSITION}\r\nContent-Type: multipart/mixed; boundary=def\r\n\r\n".encode()
BODIES = {
    "nothing": b"",
    "a line break": b"\r\n",
    "no boundary": b"{}",
    "another boundary": VALID.replace(b"abc", b"abx"),
    "a boundary of another case": VALID.replace(b"abc", b"ABC"),
    "a shorter boundary": VALID.replace(b"abc", b"ab"),
    "a longer boundary": VALID.replace(b"abc", b"abcd"),
    "text before the first boundary": b"preamble\r\n" + VALID,
    "text after the last boundary": VALID + b"epilogue",
    "a second body": VALID + VALID,
    "bare line feeds": VALID.replace(b"\r\n", b"\n"),
    "bare carriage returns": VALID.replace(b"\r\n", b"\r"),
    "spaces after the boundary": VALID.replace(b"abc\r\n", b"abc  \r\n"),
    "one hyphen at the end": part() + b"--abc-\r\n",
    "no last boundary": part(),
    "cut in the boundary": VALID[:3],
    "cut in the headers": VALID[:40],
    "cut after the headers": VALID[: VALID.index(b"{}")],
    "cut in the content": VALID[: VALID.index(b"{}") + 1],
    "cut in the last boundary": VALID[:-6],
    "no parts": END,
    "an empty part": b"--abc\r\n\r\n\r\n" + END,
    "an empty part without an end": b"--abc\r\n" + END,
    "no disposition": part("Content-Type: application/json") + END,
    "no name": part('Content-Disposition: form-data; filename="a.json"') + END,
    "an empty name": part('Content-Disposition: form-data; name=""; filename="a.json"') + END,
    "another name": part('Content-Disposition: form-data; name="file"; filename="a.json"') + END,
    "another disposition": part('Content-Disposition: attachment; name="files"; filename="a.json"') + END,
    "no file name": part('Content-Disposition: form-data; name="files"') + END,
    "a file, then a field": part() + part('Content-Disposition: form-data; name="files"') + END,
    "an empty file name": named("") + END,
    "an unquoted file name": named("a.json", "") + END,
    "an open quote": part(DISPOSITION[:-1]) + END,
    "a quote in the file name": named('a".json') + END,
    "two file names": part(f'{DISPOSITION}; filename="b.json"') + END,
    "an encoded file name": part("Content-Disposition: form-data; name=\"files\"; filename*=utf-8''a.json") + END,
    "a file name that is not UTF-8": named(b"\xff\xfe.json") + END,
    "a lone surrogate": named("\ud800.json") + END,
    "an overlong UTF-8 slash": named(b"\xc0\xaf.json") + END,
    "a null byte": named("a\0.json") + END,
    "a line feed in the name": named("a\nb.json") + END,
    "a direction mark": named("a\u202enosj.json") + END,
    "an endless name": named("a" * 4_000 + ".json") + END,
    "an endless extension": named("a." + "b" * 4_000) + END,
    "two dots": named("..") + END,
    "a folder": named("a/") + END,
    "a page": named("a.html") + END,
    "two dispositions": part(f"{DISPOSITION}\r\n{DISPOSITION}") + END,
    "a folded header": part(f"{DISPOSITION}\r\n folded") + END,
    "a header without a colon": part(f"{DISPOSITION}\r\nnonsense") + END,
    "a space before the colon": part(DISPOSITION.replace(":", " :")) + END,
    "a header without a name": part(f"{DISPOSITION}\r\n: x") + END,
    "a null byte in a header": part(f"{DISPOSITION}\r\nX\0: y") + END,
    "a huge header": part(f"{DISPOSITION}\r\nX: {'y' * 100_000}") + END,
    "huge headers": part(f"{DISPOSITION}\r\n" + "\r\n".join(f"X{n}: y" for n in range(10_000))) + END,
    "a header that never ends": part("X" * 500_000) + END,
    "a nested body": NESTED + part(boundary="def") + b"--def--\r\n\r\n" + END,
    "four files": part() * 4 + END,
    "thousands of files": part() * 5_000 + END,
    "thousands of fields": part('Content-Disposition: form-data; name="x"', b"") * 20_000 + END,
    "thousands of empty parts": b"--abc\r\n\r\n" * 50_000 + END,
    "a field of megabytes": part('Content-Disposition: form-data; name="x"', b"x" * 2**22) + END,
    "compressed": b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + b"\0" * 100,
}
KINDS = {
    "no boundary": "multipart/form-data",
    "an empty boundary": "multipart/form-data; boundary=",
    "a quoted empty boundary": 'multipart/form-data; boundary=""',
    "a boundary with a line break": 'multipart/form-data; boundary="a\tb"',
    "a boundary of 71 characters": f"multipart/form-data; boundary={'x' * 71}",
    "two boundaries": "multipart/form-data; boundary=abc; boundary=abx",
    "a charset": "multipart/form-data; boundary=abc; charset=utf-16",
    "an unknown charset": "multipart/form-data; charset=rot13; boundary=abc",
    "another kind": "multipart/mixed; boundary=abc",
    "a form": "application/x-www-form-urlencoded",
    "JSON": "application/json",
    "none": "",
}


def send(port, body, kind=KIND, address="127.0.0.1", headers=(), query=""):
    """Send an upload from an address of this machine; return status and text of the answer.

    Args:
        port: port of the server.
        body: body of the upload.
        kind: its Content-Type.
        address: address from which it comes.
        headers: additional headers, as pairs.
        query: query of its address.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(address, 0))
    with closing(connection):
        names = {"Content-Type": kind, "Content-Length": str(len(body)), **dict(headers)}
        connection.request("POST", f"/gradio_api/upload{query}", body, names)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
