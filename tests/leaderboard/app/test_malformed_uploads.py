"""Test how the bodies of uploads are read: malformed ones are refused with one sentence, others written in one form."""

import pytest
from malformed_uploads import BODIES, END, KINDS, named, part

pytest.importorskip("gradio")

from rewardbench.leaderboard.app.multipart import MultipartWriter, boundary_of
from rewardbench.leaderboard.app.uploads import RejectedError


def write(body, size):
    """Write a body again, given in pieces of `size` bytes."""
    writer = MultipartWriter(b"abc")
    written = b"".join(writer.feed(body[start : start + size]) for start in range(0, len(body), size))
    writer.finish()
    return written.replace(writer.boundary.encode(), b"B"), writer.names


@pytest.mark.parametrize("name", BODIES)
def test_malformed_body_is_rejected_in_pieces_of_any_size(name):
    body = BODIES[name]
    for size in (2**16, 1_000, *((1, 2, 7) if len(body) < 2_000 else ())):
        with pytest.raises(RejectedError) as error:
            write(body, size)
        assert 400 <= error.value.status < 500
        assert str(error.value).count("\n") == 0
        assert str(error.value).endswith((".", '"...".'))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 2**16])
def test_valid_body_is_written_in_one_form(size):
    content = b"\r\n--ab\r\n--\r\n\r\n--abc"[:-3] + b"\0\xff"
    body = named("../b\u00e9.json") + part(content=content) + part(content=b"") + END
    written, names = write(body, size)
    assert names == ["b\u00e9.json", "a.json", "a.json"]
    heads = [f'--B\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n' for name in names]
    contents = [b"{}", content, b""]
    files = [head.encode() + data + b"\r\n" for head, data in zip(heads, contents, strict=True)]
    assert written == b"".join(files) + b"--B--\r\n"


@pytest.mark.parametrize("name", KINDS)
def test_content_type_that_is_not_of_an_upload_is_rejected(name):
    with pytest.raises(RejectedError, match="must be multipart/form-data with a boundary"):
        boundary_of(KINDS[name])


def test_every_browser_form_of_a_file_name_is_accepted():
    for name in ("model (1).json", "a;b.json", "a%22b.json", "mod\u00e8le.json", "\u6a21\u578b.parquet", "a'b.jsonl"):
        writer = MultipartWriter(b"abc")
        writer.feed(named(name) + END)
        writer.finish()
        assert writer.names == [name]
