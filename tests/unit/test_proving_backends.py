"""Several backends in an order of preference, and what Stone's prover can do to the one who calls it.

The programs called here are doubles of `cpu_air_prover` that fail in the ways real provers do; none makes a proof.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from proofrail.cairo.program import CairoProgram
from proofrail.proving.backend import Backend, ProofResult
from proofrail.proving.backends import Backends, make, parse_names
from proofrail.proving.stone.backend import StoneBackend
from proofrail.wire.errors import PoisonError, ProofrailError, TransientError, UnusableInputError

FIBONACCI = Path(__file__).parents[2] / "cairo" / "artifacts" / "fibonacci.json"

DOUBLES = {
    "aborts": (
        "echo 'Fri parameters do not match stark degree bound' >&2; ulimit -c 0; kill -ABRT $$",
        PoisonError,
        "prover-aborted",
    ),
    "killed": ("kill -KILL $$", TransientError, "prover-killed"),
    "no-memory": ("echo 'std::bad_alloc' >&2; ulimit -c 0; kill -ABRT $$", TransientError, "prover-out-of-memory"),
    "wrong-host": ("ulimit -c 0; kill -ILL $$", TransientError, "prover-wrong-host"),
    "disk-full": ("echo 'No space left on device' >&2; exit 1", TransientError, "output-not-written"),
    "fails": ("exit 3", TransientError, "prover-broken"),
    "no-proof": ("exit 0", TransientError, "prover-broken"),
    "garbage": ("echo garbage > proof.json", TransientError, "prover-broken"),
    "truncated": ("printf '{\"proof_hex\":\"0x00' > proof.json", TransientError, "prover-broken"),
}  # fmt: skip


class Double:
    """A backend that ends every attempt in the same way."""

    def __init__(self, name: str, ending: ProofResult | ProofrailError) -> None:
        self.name = name
        self._ending = ending
        self.attempts = 0

    def preflight(self) -> None:
        if isinstance(self._ending, TransientError):
            raise self._ending

    async def prove(self, *_: object, **__: object) -> ProofResult:
        self.attempts += 1
        if isinstance(self._ending, ProofrailError):
            raise self._ending
        return self._ending


@pytest.fixture(autouse=True)
def _verifier(monkeypatch: pytest.MonkeyPatch):
    """Proving begins only where the proof could be verified."""
    monkeypatch.setenv("PROOFRAIL_STONE_VERIFIER", "/bin/true")


def _result(backend: str) -> ProofResult:
    return ProofResult(b"", backend, "1", 96, {}, (), 1, {}, 0)


def _backends(*doubles: Double, fall_back: bool) -> Backends:
    return Backends({double.name: cast(Backend, double) for double in doubles}, fall_back=fall_back)


def _prove(backends: Backends) -> ProofResult:
    return asyncio.run(backends.prove(b"", b""))


def _prover(folder: Path, script: str) -> Path:
    path = folder / "cpu_air_prover"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_next_backend_takes_over_where_the_host_lacks_the_first():
    """Only when it is allowed; the result names the one that proved."""
    missing = Double("stone", TransientError("prover-missing", "not there"))
    ready = Double("stwo", _result("stwo"))
    assert "stwo" == _prove(_backends(missing, ready, fall_back=True)).backend
    _backends(missing, ready, fall_back=True).preflight()
    for refused in (_prove, Backends.preflight):
        with pytest.raises(TransientError, match="prover-missing"):
            refused(_backends(missing, ready, fall_back=False))
    assert 1 == ready.attempts


@pytest.mark.parametrize(
    "error",
    [
        TransientError("prover-timeout", "too slow"),
        TransientError("prover-killed", "for lack of memory"),
        PoisonError("prover-aborted", "an assertion"),
    ],
)
def test_a_fault_of_the_work_is_not_taken_elsewhere(error: ProofrailError):
    """Another backend would only hide it."""
    failing, ready = Double("stone", error), Double("stwo", _result("stwo"))
    with pytest.raises(type(error), match=error.code):
        _prove(_backends(failing, ready, fall_back=True))
    assert 0 == ready.attempts


def test_names_are_read_in_their_order():
    """A setting such as PROOFRAIL_PROVER_BACKENDS=stone,stwo; an unknown name is refused, and an empty list."""
    assert ("stone", "stwo") == parse_names("stone, stwo,stone")
    assert ["stone", "stwo"] == list(make(("stone", "stwo"), 96, "small"))
    for wrong in ("", "groth16", "stwo,mock"):
        with pytest.raises(UnusableInputError, match="backend-unknown"):
            parse_names(wrong)


@pytest.mark.parametrize("double", DOUBLES)
def test_each_end_of_the_prover_is_told_apart(double: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Poison, or worth a retry, or no proof at all; and nothing is left behind."""
    script, kind, code = DOUBLES[double]
    monkeypatch.setenv("PROOFRAIL_STONE_PROVER", str(_prover(tmp_path, script)))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program = CairoProgram.load(FIBONACCI)
    with pytest.raises(kind) as ended:
        asyncio.run(StoneBackend(scratch_dir=scratch).prove(program.compiled, b'{"n": 3}'))
    assert code == ended.value.code
    assert [] == list(scratch.iterdir())


def test_a_prover_that_hangs_is_ended_with_all_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The timeout kills the whole process group; the scratch folder goes too."""
    script = f"sleep 600 & echo $! > {tmp_path}/pid; wait"
    monkeypatch.setenv("PROOFRAIL_STONE_PROVER", str(_prover(tmp_path, script)))
    program = CairoProgram.load(FIBONACCI)
    with pytest.raises(TransientError, match="prover-timeout"):
        asyncio.run(StoneBackend().prove(program.compiled, b'{"n": 3}', timeout=2))
    left = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while _alive(left):
        assert time.monotonic() < deadline, "the prover's child outlived it"


def _alive(pid: int) -> bool:
    try:
        return "Z" != Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_the_memory_limit_reaches_the_prover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As a limit of its data, in KiB for the shell; the launcher's own is left alone."""
    monkeypatch.setenv(
        "PROOFRAIL_STONE_PROVER",
        str(_prover(tmp_path, f"ulimit -d > {tmp_path}/limit; nice >> {tmp_path}/limit")),
    )
    program = CairoProgram.load(FIBONACCI)
    with pytest.raises(TransientError, match="prover-broken"):
        asyncio.run(StoneBackend().prove(program.compiled, b'{"n": 3}', memory_limit=1 << 30))
    limit, nice = (tmp_path / "limit").read_text().split()
    assert (str(1 << 20), str(min(19, os.nice(0) + 10))) == (limit, nice)
