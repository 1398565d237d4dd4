"""Which tests share a worker when pytest runs on all cores (`-n auto --dist loadgroup`)."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

_STARTING_PROGRAMS: Final = {
    **dict.fromkeys(("e2e", "faults"), "systems"),
    **dict.fromkeys(("browser", "deploy", "integration"), "programs"),
}
"""Folders whose tests start brokers, provers, nodes, browsers, in two halves of about the same length."""


class _ProgramsTogether(LoadScopeScheduling):
    """The tests of each half run one after another: more of them at once would want more memory than a machine has, and
    each worker a broker of its own. They wait more than they work: two workers take little longer than one for each.
    The others share the rest, test by test.

    Folders tell, for groups by mark (`xdist_group`) are lost on pytest 9.2: it builds names anew that xdist 3.8 sets.
    """

    def _split_scope(self, nodeid: str) -> str:
        folders = PurePosixPath(nodeid.partition("::")[0]).parts
        return next((_STARTING_PROGRAMS[name] for name in folders if name in _STARTING_PROGRAMS), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """See _ProgramsTogether; other ways to distribute are xdist's own."""
    return _ProgramsTogether(config, log) if config.getoption("dist") == "loadgroup" else None
