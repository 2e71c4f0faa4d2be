"""Bodies in chunks, as gunicorn reads them: damaged ones are told to their client."""

from types import SimpleNamespace

import pytest
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.unreader import IterUnreader

from zoo.errors import BadRequest
from zoo.web.chunks import Chunks

WHOLE = b"3\r\nab\n\r\n2\r\ncd\r\n0\r\n\r\n"


def chunks(data):
    """The body of a request that comes as these bytes."""
    request = SimpleNamespace(parse_headers=lambda *_, **__: [], trailers=[], cfg=None)
    return Chunks(Body(ChunkedReader(request, IterUnreader(iter([data])))))


def test_a_sound_body_is_given_as_it_is():
    assert chunks(WHOLE).read() == b"ab\ncd"
    lines = chunks(WHOLE)
    assert [lines.readline(), lines.readline(1), lines.read(7)] == [b"ab\n", b"c", b"d"]


@pytest.mark.parametrize(
    "data", [b"zz\r\nabc\r\n", b"-3\r\nabc\r\n", b"3\r\nabcXX", b"3;a=\r\nabc\r\n0\r\n\r\n"]
)
def test_damaged_chunks_are_a_fault_of_the_client(data):
    with pytest.raises(BadRequest, match="chunks of the body are damaged"):
        chunks(data).read()
    with pytest.raises(BadRequest, match="chunks of the body are damaged"):
        chunks(data).readline()


@pytest.mark.parametrize("data", [b"", b"ff", b"ff\r\nabc"])
def test_a_body_that_ends_too_early_is_told(data):
    with pytest.raises(BadRequest, match="ended before all of it"):
        chunks(data).read()
