"""Exported files that are looked at: in memory, apart from one another, and let go."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from pathlib import Path

import httpx
import pytest
from tests.explorer_cases import World, proposal, reader_of
from tests.explorer_export import exported

from proofrail.explorer.opened import open_export
from proofrail.explorer.pages import opened as dropped
from proofrail.explorer.web import application
from proofrail.wire.errors import ProofrailError


def export(number: int) -> tuple[str, bytes]:
    world = World()
    run = world.seal(world.propose(proposal(number)))
    run.settle()
    return run.run_id, exported(run.run_id, world.records, [f"vault:{number:06}"])


async def test_nothing_of_a_file_is_on_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files at once, each with its own run; no file is made for them, and readers of both may ask at once."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (one, first), (other, second) = export(1), export(2)
    readers = [open_export(first), open_export(second)]
    found = await asyncio.gather(*(reader.runs() for reader in readers * 20))
    assert [(one,), (other,)] * 20 == [tuple(row.run_id for row in page.rows) for page in found]
    page = await readers[0].run(one)
    assert (None, 1) == (page.proof and page.proof.stored, page.run.allocations)
    with pytest.raises(ProofrailError, match="artifact-missing"):
        await readers[0].artifact("0" * 64)
    assert [] == list(tmp_path.iterdir())  # noqa: ASYNC240
    for reader in readers:
        reader.close()


def test_a_file_that_is_let_go_keeps_nothing() -> None:
    """Neither memory, as soon as nobody asks any more, nor threads."""
    _, data = export(3)
    others, gone = set(threading.enumerate()), threading.Event()

    async def look() -> None:
        reader = open_export(data)
        weakref.finalize(reader, gone.set)
        await reader.runs()
        await reader.run((await reader.runs()).rows[0].run_id)

    gc.disable()  # nothing that holds itself has to be found
    try:
        asyncio.run(look())
        assert gone.wait(10)
    finally:
        gc.enable()
    left = set(threading.enumerate()) - others
    for thread in left:
        thread.join(10)
    assert [] == [thread for thread in left if thread.is_alive()]


async def test_few_files_are_read_at_the_same_time(tmp_path: Path) -> None:
    """Each may be as long as the limit: who comes on top is told to come again."""
    begun, go = threading.Semaphore(0), threading.Event()
    reader = reader_of(tmp_path, World())

    def slow(_: bytes) -> object:
        begun.release()
        assert go.wait(30)
        return reader

    app = application(reader, opener=slow)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:

        def drop(number: int) -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(client.post("/open", files={"file": ("a", b"{%d}" % number)}))

        waiting = [drop(number) for number in range(dropped._MAX_READING)]
        for _ in waiting:
            await asyncio.to_thread(begun.acquire)
        refused = await drop(99)
        go.set()
        answers = await asyncio.gather(*waiting)
        again = await drop(99)
    assert (503, True) == (refused.status_code, "export-busy" in refused.text)
    assert {303} == {one.status_code for one in (*answers, again)}
    reader.close()
