"""Which tests share a worker when pytest runs on all cores (`-n auto --dist loadgroup`)."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

_STARTING_PROGRAMS: Final = frozenset({"browser", "deploy", "e2e", "faults", "integration"})
"""Folders whose tests start brokers, provers, nodes, browsers: these use more than one core already."""


class _ProgramsTogether(LoadScopeScheduling):  # type: ignore[misc]
    """One worker takes, one after another, all tests that start programs: two of them at once would want more memory
    than a machine has, and each worker a broker of its own. The others share the rest, test by test.

    Folders tell, for groups by mark (`xdist_group`) are lost on pytest 9.2: it builds names anew that xdist 3.8 sets.
    """

    def _split_scope(self, nodeid: str) -> str:
        folders = PurePosixPath(nodeid.partition("::")[0]).parts
        return "programs" if _STARTING_PROGRAMS.intersection(folders) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """See _ProgramsTogether; other ways to distribute are xdist's own."""
    return _ProgramsTogether(config, log) if config.getoption("dist") == "loadgroup" else None
