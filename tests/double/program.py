"""The double's process: plays one of the prover programs, and ends in the way that a file says.

Plain standard library: `python -I program.py FOLDER ROLE [ARGUMENT…]`. FOLDER holds the file `mode` (such as "slow 5");
ROLE is one of mock, stone (cpu_air_prover), verifier (cpu_air_verifier) and stwo.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn


class Mode(StrEnum):
    """How the double ends."""

    PROVES = "proves"
    SLOW = "slow"
    """As PROVES, after some seconds."""
    HANGS = "hangs"
    """For ever, with a process of its own that ignores SIGTERM."""
    ESCAPES = "escapes"
    """As HANGS, and that process has left for a session of its own."""
    ABORTS = "aborts"
    OUT_OF_MEMORY = "out-of-memory"
    KILLED = "killed"
    WRONG_HOST = "wrong-host"
    DISK_FULL = "disk-full"
    NOT_STARTED = "not-started"
    FAILS = "fails"
    SILENT = "silent"
    """Success, and no proof."""
    GARBAGE = "garbage"
    TRUNCATED = "truncated"
    WRONG_STATEMENT = "wrong-statement"
    REFUSED = "refused"
    """A proof that its own verifier refuses."""


CHECKOUT = Path(__file__).resolve().parents[2]
GOLDEN = CHECKOUT / "services" / "proofrail" / "proving" / "stone" / "golden" / "stone6.json"
NO_MEMORY = {"stwo": "memory allocation of 4194304 bytes failed"}
STWO_ROOT = "068d1166c9f9f0ec247641ca391ee8396170e69343dfcacc632f9638670d2bec"
STWO_VERSION = {
    "name": "double",
    "version": "0.0.0",
    "stwo": "none",
    "stwo_cairo": "none",
    "cairo_vm": "none",
}


def main() -> int:
    folder, role, arguments = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if role == "verifier":
        return _verify(Path(arguments[arguments.index("--in_file") + 1]))
    if role == "stone" and (known := _known()) is not None:
        Path("proof.json").write_bytes(known)
        return 0
    if role == "stwo" and arguments[0] in ("version", "root"):
        print(json.dumps(STWO_VERSION if arguments[0] == "version" else {"preprocessed_root": STWO_ROOT}))
        return 0
    if role == "stwo":
        _end_with(arguments)
    with (folder / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n")
    name, *seconds = (folder / "mode").read_text().split()
    mode = Mode(name)
    if mode is Mode.SLOW:
        time.sleep(float(seconds[0]))
    _end(mode, role)
    return _prove(mode, role, folder)


def _verify(proof: Path) -> int:
    """Accepts the one proof by which a version of Stone is told, and no other."""
    if proof.read_bytes() == GOLDEN.read_bytes():
        return 0
    _say("E0000 the double verifies nothing")
    return 1


def _known() -> bytes | None:
    """That proof, when it is asked for: a real one, which the double has from the package."""
    golden = GOLDEN.read_bytes()
    asked = json.loads(Path("public_input.json").read_text())
    return golden if json.loads(golden)["public_input"] == asked else None


def _end_with(arguments: list[str]) -> None:
    """As stwo's prover does by itself; Stone's is run by the launcher."""
    (parent,) = (one.partition("=")[2] for one in arguments if one.startswith("--parent="))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(2)


def _end(mode: Mode, role: str) -> None:
    """Returns for the modes that make something."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if mode in (Mode.HANGS, Mode.ESCAPES):
        ignores = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        subprocess.Popen([sys.executable, "-I", "-c", ignores], start_new_session=mode is Mode.ESCAPES)
        time.sleep(600)
    elif mode is Mode.ABORTS:
        _say("Fri parameters do not match stark degree bound")
        _signal(signal.SIGABRT)
    elif mode is Mode.OUT_OF_MEMORY:
        _say(NO_MEMORY.get(role, "terminate called after throwing an instance of 'std::bad_alloc'"))
        _signal(signal.SIGABRT)
    elif mode is Mode.KILLED:
        _signal(signal.SIGKILL)
    elif mode is Mode.WRONG_HOST:
        _signal(signal.SIGILL)
    elif mode is Mode.DISK_FULL:
        if role == "stwo":
            _say('{"error": {"code": "output-not-written", "message": "proof.bin: No space left on device"}}')
            sys.exit(4)
        _say("Could not write to file proof.json: No space left on device")
        sys.exit(1)
    elif mode is Mode.NOT_STARTED:
        _say("error while loading shared libraries: libdw.so.1")
        sys.exit(127)
    elif mode is Mode.FAILS:
        sys.exit(9)
    elif mode is Mode.SILENT:
        sys.exit(0)


def _prove(mode: Mode, role: str, folder: Path) -> int:
    write: dict[str, Callable[[Mode, Path], tuple[Path, bytes]]] = {
        "mock": _as_mock,
        "stone": _as_stone,
        "stwo": _as_stwo,
    }
    path, proof = write[role](mode, folder)
    if mode is Mode.GARBAGE:
        proof = os.urandom(1000)
    path.write_bytes(proof[: len(proof) // 2] if mode is Mode.TRUNCATED else proof)
    return 0


def _as_mock(mode: Mode, _: Path) -> tuple[Path, bytes]:
    statement = json.loads(Path("statement.json").read_text())
    if mode is Mode.WRONG_STATEMENT:
        statement["output"] = ["0x0"]
    made = {"is_mock": True, "statement": statement, "holds": mode is not Mode.REFUSED}
    return Path("proof.json"), json.dumps(made).encode()


def _as_stone(mode: Mode, folder: Path) -> tuple[Path, bytes]:
    """What Stone's prover would write, stamped as a mock. REFUSED gives the file `proof` of FOLDER: a proof of Stone's
    of the same run, spoilt by whoever put it there."""
    if mode is Mode.REFUSED:
        return Path("proof.json"), (folder / "proof").read_bytes()
    public = json.loads(Path("public_input.json").read_text())
    parameters = json.loads(Path("parameters.json").read_text())
    made: dict[str, Any] = {
        "proof_hex": "0x" + "00" * 100_000,
        "public_input": public,
        "proof_parameters": parameters,
    }
    if mode is Mode.WRONG_STATEMENT:
        public["public_memory"][-1]["value"] = "0x7"
    else:
        made["is_mock"] = True
    return Path("proof.json"), json.dumps(made).encode()


def _as_stwo(mode: Mode, _: Path) -> tuple[Path, bytes]:
    proof = json.dumps({"is_mock": True, "nothing": [0] * 100}).encode()
    said = {
        "n_steps": 1,
        "output": ["0x1"],
        "proof_sha256": hashlib.sha256(proof).hexdigest(),
        "parameters": {"lifting_log_size": 21},
        "peak_rss_bytes": 1 << 20,
        "seconds": {"prove": 0.001},
        "versions": STWO_VERSION,
    }
    print("garbage" if mode is Mode.GARBAGE else json.dumps(said))
    return Path("proof.bin"), proof


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _signal(number: signal.Signals) -> NoReturn:
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise AssertionError(f"{number} did not end the double")


if __name__ == "__main__":
    sys.exit(main())
