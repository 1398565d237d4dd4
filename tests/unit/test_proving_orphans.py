"""Kill -9 at each level of a proof: nothing of it may go on, whoever is killed first.

The levels: a service; Stone's launcher; a shell around the prover, such as an operator might write; the prover; a
process that the prover has started and that ignores SIGTERM. For stwo there is no launcher.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.double.backend import Double
from tests.double.program import Mode
from tests.faults import processes
from tests.faults.processes import Process

from proofrail.proving import locate, scratch
from proofrail.proving.scratch import PREFIX, scratch_folder, sweep
from proofrail.proving.stone import launcher
from proofrail.wire.errors import TransientError

Eventually = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

CHECKOUT = Path(__file__).parents[2]
SERVICE = """
import asyncio, sys
from pathlib import Path
from proofrail.proving.backends import make
backend = make((sys.argv[1],), 96, "small", scratch_dir=Path(sys.argv[2]))[sys.argv[1]]
program = Path(sys.argv[3]).read_bytes()
try:
    asyncio.run(backend.prove(program, b'{"n": 3}'))
except Exception as error:
    sys.exit(f"{error.code}")
"""


@dataclass
class Family:
    """A service that has a proof under way."""

    service: subprocess.Popen[bytes]
    scratch: Path
    double: Double

    def members(self) -> list[Process]:
        """All that was started for the proof, the service not among them."""
        return list(processes.mentioning(f"{scratch.ENVIRONMENT}={self.scratch}".encode()))

    def at(self, level: str) -> Process:
        """The one process of that level; raises ValueError while it is not there."""
        prover = self.double.pids()[-1:]
        is_it: dict[str, Callable[[Process], bool]] = {
            "launcher": lambda one: any("launcher.py" in word for word in one.command[:3]),
            "shell": lambda one: one.command[0] == "/bin/sh",
            "prover": lambda one: one.pid in prover,
            "child": lambda one: "SIG_IGN" in one.command[-1],
        }
        (found,) = filter(is_it[level], self.members())
        return found

    def has(self, levels: tuple[str, ...]) -> bool:
        try:
            return len({self.at(level).pid for level in levels}) == len(levels)
        except ValueError:
            return False


LEVELS = {
    "stwo": ("prover", "child"),
    "stone": ("launcher", "prover", "child"),
    "stone in a shell": ("launcher", "shell", "prover", "child"),
}


@pytest.fixture
async def family(
    request: pytest.FixtureRequest, tmp_path: Path, eventually: Eventually
) -> AsyncIterator[Family]:
    """Indirect parameter: one of LEVELS."""
    name: str = request.param
    double = Double(tmp_path / "double")
    double.play(Mode.HANGS)
    folder = tmp_path / "scratch"
    folder.mkdir()
    played = double.as_stwo() if name == "stwo" else double.as_stone(beside="shell" in name)
    fibonacci = CHECKOUT / "cairo" / "artifacts" / "fibonacci.json"
    service = subprocess.Popen(  # noqa: ASYNC220 -- it starts at once
        [sys.executable, "-c", SERVICE, name.split()[0], str(folder), str(fibonacci)],
        env=os.environ | played,
        stderr=subprocess.PIPE,
    )
    found = Family(service, folder, double)
    try:
        await eventually(lambda: found.has(LEVELS[name]), 60)
        yield found
    finally:
        service.kill()
        service.wait()
        assert service.stderr is not None
        service.stderr.close()
        for left in found.members():
            os.kill(left.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "by_itself"), [("stwo", 1), ("stone", 3), ("stone in a shell", 4)], indirect=["family"]
)
async def test_a_killed_service_takes_the_proof_with_it(family: Family, by_itself: int) -> None:
    """With all that Stone's prover had started, and with stwo's, which starts nothing. The scratch folder stays until
    the next start, which sweeps away whatever else there is."""
    members = sorted(family.members(), key=lambda one: one == family.at("child"))
    family.service.kill()
    family.service.wait()
    await processes.gone(members[:by_itself], 10)
    assert 1 == sweep(family.scratch)
    await processes.gone(members, 10)
    assert [] == list(family.scratch.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "level"),
    [(name, level) for name, levels in LEVELS.items() for level in levels[:-1]],
    indirect=["family"],
)
async def test_whoever_is_killed_below_it_the_service_clears_up(family: Family, level: str) -> None:
    """It says that the prover was killed, and leaves neither a process nor a file."""
    members = family.members()
    family.at(level).kill()
    assert family.service.stderr is not None
    said = await asyncio.to_thread(family.service.stderr.read)
    assert "prover-killed" == said.decode().strip().splitlines()[-1]
    await processes.gone(members, 10)
    assert [] == list(family.scratch.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "by_itself"), [("stone", ["prover"]), ("stone in a shell", ["shell"])], indirect=["family"]
)
async def test_when_service_and_launcher_are_killed_the_rest_is_swept(
    family: Family, by_itself: list[str]
) -> None:
    """The kernel ends what the launcher has started; what that had started ends at the next start."""
    members, direct = family.members(), [family.at(level) for level in by_itself]
    launcher = family.at("launcher")
    # Stopped, so that it cannot hear of the service's end before its own.
    os.kill(launcher.pid, signal.SIGSTOP)
    family.service.kill()
    launcher.kill()
    family.service.wait()
    await processes.gone([launcher, *direct], 10)
    assert 1 == sweep(family.scratch)
    await processes.gone(members, 10)


def test_the_launcher_starts_nothing_for_a_caller_that_is_gone(tmp_path: Path) -> None:
    """It may have ended before the launcher could ask to end with it."""
    command = [
        sys.executable,
        "-I",
        launcher.__file__,
        "1",
        "0",
        "0",
        "usage.json",
        "/usr/bin/touch",
        "started",
    ]
    assert 1 == subprocess.run(command, cwd=tmp_path, check=False).returncode
    assert [] == list(tmp_path.iterdir())


@pytest.mark.prover
def test_stwos_prover_does_nothing_for_a_caller_that_is_gone(tmp_path: Path) -> None:
    """As the launcher."""
    program = locate.find()
    assert program is not None
    options = ["--program=program.json", "--input=input.json", "--out=proof.bin", "--parent=1"]
    done = subprocess.run([program, "prove", *options], cwd=tmp_path, capture_output=True, check=False)
    assert (2, "parent-gone") == (done.returncode, json.loads(done.stderr)["error"]["code"])


def test_a_folder_whose_owner_lives_is_never_swept(tmp_path: Path) -> None:
    """Nor is anything that is not a scratch folder; what nobody owns is."""
    (tmp_path / "other").mkdir()
    (tmp_path / f"{PREFIX}left").mkdir()
    (tmp_path / f"{PREFIX}left" / "trace.bin").write_bytes(b"1")
    with scratch_folder(tmp_path) as folder:
        assert 1 == sweep(tmp_path)
        assert {"other", folder.name} == {one.name for one in tmp_path.iterdir()}
    assert ["other"] == [one.name for one in tmp_path.iterdir()]


@pytest.mark.parametrize("ending", [RuntimeError, KeyboardInterrupt, asyncio.CancelledError])
def test_a_scratch_folder_goes_on_every_way_out(tmp_path: Path, ending: type[BaseException]) -> None:
    """With all that is in it."""

    def work() -> None:
        with scratch_folder(tmp_path) as folder:
            (folder / "deep" / "er").mkdir(parents=True)
            raise ending

    with pytest.raises(ending):
        work()
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "scratch-full"), (errno.EDQUOT, "scratch-full"), (errno.EIO, "scratch-unusable")],
)
def test_what_the_disk_refuses_may_pass(tmp_path: Path, number: int, code: str) -> None:
    """Also while the files of a proof are written."""
    with pytest.raises(TransientError, match=code), scratch_folder(tmp_path):
        raise OSError(number, os.strerror(number))
    with pytest.raises(TransientError, match="scratch-unusable"), scratch_folder(tmp_path / "nowhere"):
        pass
