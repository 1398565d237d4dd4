"""Files that are replaced as a whole, and what is no file and must not be."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proofrail.artifacts.files import replacing, write_atomically


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    """`--out /dev/null` by root once made the device a file, for the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        write_atomically(pipe, b"written")
        assert b"written" == read.result(10)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [pipe] == list(tmp_path.iterdir())


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(there: bool, tmp_path: Path) -> None:
    """Also one that leads to nothing yet."""
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    if there:
        target.write_bytes(b"before")
    write_atomically(link, b"after")
    assert (True, b"after") == (link.is_symlink(), target.read_bytes())


def test_a_file_that_is_not_finished_is_not_there(tmp_path: Path) -> None:
    """What stood in its place stays."""
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def half() -> None:
        with replacing(path) as file:
            file.write(b"aft")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        half()
    assert [b"before"] == [one.read_bytes() for one in tmp_path.iterdir()]
