"""What a service's garbage collector goes through."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from proofrail.messaging import heap


class _Held:
    """Something the collector knows."""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_a_service_holds_is_passed_over() -> None:
    """Nothing that is there when intake begins is gone through again; what comes later is."""
    held = _Held()
    heap.spare()
    later = _Held()
    known = gc.get_objects()
    assert (False, True) == (any(one is held for one in known), any(one is later for one in known))


def test_garbage_goes_as_before() -> None:
    """Cycles are found, those from before included as long as they are garbage by then."""
    names = []
    for _ in range(2):
        one = _Held()
        one.itself = one
        names.append(weakref.ref(one))
        del one
        heap.spare()
    assert [None, None] == [name() for name in names]
