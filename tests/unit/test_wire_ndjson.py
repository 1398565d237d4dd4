"""NDJSON framing."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.wire.errors import MalformedError
from proofrail.wire.ndjson import batches, iter_lines, join, split
from proofrail.wire.topics import MAX_LINE

LINES = st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")))


@given(LINES)
def test_lines_joined_are_split_again(lines: list[bytes]) -> None:
    """Joining and splitting are inverse, empty lines included."""
    assert lines == split(join(lines))


@given(LINES.filter(lambda lines: bool(lines) and lines[-1] != b""))
def test_the_last_line_feed_is_optional(lines: list[bytes]) -> None:
    """A value reads the same with and without its last line feed."""
    assert lines == split(join(lines).removesuffix(b"\n"))


@given(st.binary(max_size=100))
def test_files_read_as_values_do(value: bytes) -> None:
    """Reading line by line numbers the same lines from 1."""
    assert list(enumerate(split(value), 1)) == list(iter_lines(io.BytesIO(value)))


def test_only_the_line_feed_ends_a_line() -> None:
    """Carriage returns, form feeds and Unicode separators are ordinary bytes."""
    value = "a\rb\x0bc\x0cd\x85e\u2028f\n".encode()
    assert [value[:-1]] == split(value)


def test_the_longest_line_is_read() -> None:
    """A line of exactly the limit passes, its line feed not counted."""
    line = b"x" * MAX_LINE
    assert [line] == split(line + b"\n") == split(line)
    assert [(1, line)] == list(iter_lines(io.BytesIO(line + b"\n"))) == list(iter_lines(io.BytesIO(line)))
    assert line + b"\n" == join([line])


def test_a_longer_line_is_refused_by_number() -> None:
    """One byte more is `line-too-long`, with the number of the line, for readers and writers."""
    value = b"{}\n" + b"x" * (MAX_LINE + 1)
    for read in (
        lambda: split(value),
        lambda: list(iter_lines(io.BytesIO(value))),
        lambda: join([b"{}", value[3:]]),
    ):
        with pytest.raises(MalformedError, match="line-too-long") as refused:
            read()
        assert {"line": 2} == refused.value.context


def test_a_long_line_is_not_read_whole() -> None:
    """A reader asks for no more than the limit and one byte at a time."""

    class Endless(io.RawIOBase):
        asked = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            self.asked = max(self.asked, size or 0)
            return b"x" * (size or 0)

    file = Endless()
    with pytest.raises(MalformedError, match="line-too-long"):
        next(iter_lines(file))
    assert MAX_LINE + 1 == file.asked


def test_a_line_feed_inside_a_line_is_refused() -> None:
    """Joining never makes two lines of one."""
    with pytest.raises(MalformedError, match="line 1 holds a line feed"):
        join([b"a\nb"])


@given(LINES, st.integers(1, 60))
def test_batches_keep_all_lines_in_order(lines: list[bytes], limit: int) -> None:
    """Batches hold every line once, and exceed the limit only by a single line that does so alone."""
    values = list(batches(lines, limit))
    assert lines == [line for value in values for line in split(value)]
    assert all(len(value) <= limit or len(split(value)) == 1 for value in values)
