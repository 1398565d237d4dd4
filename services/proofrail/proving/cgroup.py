"""What the control groups of this process (Linux, versions 1 and 2) say of memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class _Group:
    """The two files of a group that tell its limit and its kills."""

    limit: Path
    events: Path


def memory_limit(root: Path = _ROOT, own: Path = _OWN) -> int | None:
    """Bytes that this process and those beside it may take: the least limit of its groups and the groups around them.
    None without one; version 1 has a huge number for none."""
    limits = (_read(group.limit).strip() for group in _groups(root, own))
    return min((int(limit) for limit in limits if limit.isdecimal()), default=None)


def memory_kills(root: Path = _ROOT, own: Path = _OWN) -> int:
    """How many processes of its group the kernel has killed so far for lack of memory; 0 where nobody counts."""
    for group in _groups(root, own):
        found = re.search(r"^oom_kill (\d+)$", _read(group.events), re.MULTILINE)
        if found is not None:
            return int(found[1])
    return 0


def _groups(root: Path, own: Path) -> Iterator[_Group]:
    """The process's own groups, each followed by the groups around it. In a container, those may be all there are."""
    for line in _read(own).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = path.removeprefix("/")
        if number == "0":
            for folder in _around(root, inside):
                yield _Group(folder / "memory.max", folder / "memory.events")
        elif "memory" in controllers.split(","):
            for folder in _around(root / "memory", inside):
                yield _Group(folder / "memory.limit_in_bytes", folder / "memory.oom_control")


def _around(top: Path, inside: str) -> Iterator[Path]:
    folder = top / inside
    yield folder
    yield from (one for one in folder.parents if one.is_relative_to(top))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
