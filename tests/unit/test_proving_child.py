"""A prover process ends with its caller, whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from proofrail.proving import cgroup, child
from proofrail.proving.scratch import ENVIRONMENT, environment

Eventually = Callable[..., Awaitable[None]]

# Starts a child of its own in the same group, says both ids, and waits for ever.
FAMILY = """
import os, subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), inner.pid, file=sys.stderr, flush=True)
time.sleep(600)
"""

# Starts a child that holds none of its pipes, says both ids, and ends.
DESERTER = """
import os, subprocess, sys
inner = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
print(os.getpid(), inner.pid, file=sys.stderr, flush=True)
os._exit(0)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def run(code: str, tmp_path: Path, *, seconds: float | None = None) -> tuple[child.Finished, list[str]]:
    lines: list[str] = []
    finished = await child.run(
        [sys.executable, "-c", code], cwd=str(tmp_path), timeout=seconds, on_line=lines.append
    )
    return finished, lines


async def test_output_lines_and_status_are_kept(tmp_path: Path) -> None:
    """Standard output, each line of stderr and the exit status reach the caller."""
    code = "import sys; print('out'); print('a\\nb', file=sys.stderr); sys.exit(3)"
    finished, lines = await run(code, tmp_path)
    assert (3, b"out\n", False) == (finished.returncode, finished.stdout, finished.timed_out)
    assert ["a", "b"] == lines == list(finished.tail)


async def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    """A line far beyond the limit is cut up, and the process still ends well."""
    code = "import sys; sys.stderr.write('x' * (5 << 20)); sys.stderr.write('\\nlast\\n')"
    finished, lines = await run(code, tmp_path)
    assert 0 == finished.returncode
    assert "last" == lines[-1]


async def test_the_timeout_ends_the_whole_group(tmp_path: Path, eventually: Eventually) -> None:
    """When time is over nothing of the process's family is left."""
    finished, lines = await run(FAMILY, tmp_path, seconds=1.5)
    assert finished.timed_out
    outer, inner = map(int, lines[0].split())
    assert not alive(outer)
    await eventually(lambda: not alive(inner))


async def test_cancelling_ends_the_whole_group(tmp_path: Path, eventually: Eventually) -> None:
    """A cancelled caller leaves no process behind, and the cancellation goes on."""
    pids: list[int] = []
    task = asyncio.create_task(
        child.run(
            [sys.executable, "-c", FAMILY],
            cwd=str(tmp_path),
            timeout=None,
            on_line=lambda line: pids.extend(map(int, line.split())),
        )
    )
    await eventually(lambda: len(pids) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(pids[0])
    await eventually(lambda: not alive(pids[1]))


async def test_a_grandchild_does_not_outlive_a_good_end(tmp_path: Path, eventually: Eventually) -> None:
    """Whatever a process leaves running in its group ends with it."""
    finished, lines = await run(DESERTER, tmp_path, seconds=30)
    assert 0 == finished.returncode
    _, inner = map(int, lines[0].split())
    await eventually(lambda: not alive(inner))


async def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A missing program is an OSError, not a result."""
    with pytest.raises(FileNotFoundError):
        await child.run(["/nothing/here"], cwd=str(tmp_path), timeout=None, on_line=print)


async def test_the_process_has_a_session_of_its_own(tmp_path: Path) -> None:
    """A signal to the caller's group, such as Ctrl-C, does not reach the prover by itself."""
    finished, _ = await run("import os; print(os.getsid(0))", tmp_path)
    assert os.getsid(0) != int(finished.stdout)


# Starts a child in a session of its own that keeps the pipes, and ends.
ESCAPED = """
import os, subprocess, sys
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(os.getpid(), inner.pid, file=sys.stderr, flush=True)
os._exit(7)
"""

# The same within the group.
HOLDER = ESCAPED.replace(", start_new_session=True", "")


async def test_the_end_of_the_process_is_the_end(tmp_path: Path, eventually: Eventually) -> None:
    """Whoever still holds its pipes: a process of its group is ended, for one outside nobody waits for long."""
    begin = time.monotonic()
    finished, lines = await run(HOLDER, tmp_path, seconds=60)
    assert (7, False) == (finished.returncode, finished.timed_out)
    await eventually(lambda: not alive(int(lines[0].split()[1])))
    finished, lines = await run(ESCAPED, tmp_path, seconds=60)
    assert 7 == finished.returncode
    assert time.monotonic() - begin < 30
    os.kill(int(lines[0].split()[1]), signal.SIGKILL)


async def test_standard_output_is_kept_within_bounds(tmp_path: Path) -> None:
    """A prover that writes without end fills no memory of its caller's."""
    code = "import os\nfor _ in range(20): os.write(1, b'x' * (1 << 20))"
    finished, _ = await run(code, tmp_path)
    assert 16 << 20 == len(finished.stdout)


@pytest.fixture
def ours() -> str:
    """How readily the kernel would kill this process."""
    return Path("/proc/self/oom_score_adj").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's choice is Linux's own")
async def test_where_memory_runs_out_the_prover_goes_first(tmp_path: Path, ours: str) -> None:
    """Its work can be done again; its caller holds what others wait for. What it starts is offered, too."""
    code = (
        "import subprocess, sys, time\n"
        "file = open('/proc/self/oom_score_adj')\n"
        f"while (said := file.read()) == {ours!r} and not file.seek(0): time.sleep(0.01)\n"
        "print(said, subprocess.run(['cat', file.name], capture_output=True, text=True).stdout)"
    )
    finished, _ = await run(code, tmp_path, seconds=30)
    theirs, childs = map(int, finished.stdout.split())
    assert int(ours) < theirs == childs


async def test_a_prover_gets_our_environment_without_the_way_to_the_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password for Kafka stays with the service; the mark of the folder it works in is there."""
    monkeypatch.setenv("PROOFRAIL_KAFKA_SASL_PASSWORD", "secret")
    finished = await child.run(
        [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"],
        cwd=str(tmp_path),
        timeout=30,
        on_line=print,
        env=environment(tmp_path),
    )
    theirs = json.loads(finished.stdout)
    assert (str(tmp_path), os.environ["PATH"], []) == (
        theirs[ENVIRONMENT],
        theirs["PATH"],
        [name for name in theirs if name.startswith("PROOFRAIL_KAFKA")],
    )


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("groups", "limit", "kills"),
    [
        ({}, None, 0),
        ({"": "max"}, None, 7),
        ({"": "5000"}, 5000, 7),
        ({"a/b": "max", "a": "3000", "": "4000"}, 3000, 7),
        ({"a/b": "2000", "a": "3000"}, 2000, 7),
    ],
)
def test_memory_is_bounded_by_every_group_around(
    tmp_path: Path, version: int, groups: dict[str, str], limit: int | None, kills: int
) -> None:
    """The least of all limits counts; a group without a limit, or a system without groups, sets none."""
    own, root = tmp_path / "own", tmp_path / "root"
    own.write_text("3:pids:/elsewhere\n0::/a/b\n" if version == 2 else "4:cpu,memory:/a/b\n0::/\n")
    files = (
        ("memory.max", "memory.events") if version == 2 else ("memory.limit_in_bytes", "memory.oom_control")
    )
    for name, most in groups.items():
        folder = (root if version == 2 else root / "memory") / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / files[0]).write_text(f"{most}\n")
        (folder / files[1]).write_text("low 0\noom 9\noom_kill 7\noom_group_kill 1\n")
    assert limit == cgroup.memory_limit(root, own)
    assert kills == cgroup.memory_kills(root, own)
    assert cgroup.memory_limit(root, tmp_path / "nowhere") is None
