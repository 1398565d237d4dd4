"""What an archive holds, which grows with every allocation for as long as the topics keep them."""

from __future__ import annotations

import tracemalloc

from tests.unit.client_cases import FORMS

from proofrail.client import Archive, KafkaSettings
from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import canonical

_COUNT = 500


def test_an_allocation_takes_little_more_than_its_line() -> None:
    """Some hundred bytes beside the line itself, where the message that was read would take thousands."""
    archive = Archive(KafkaSettings())
    lines = [canonical({**FORMS[0], "allocation_id": f"a{number:08d}"}) for number in range(_COUNT)]
    records = [
        Record(topics.PROPOSALS, 0, offset, b"", line, {}, 0)
        for offset, line in enumerate([lines[0], *lines])
    ]
    archive._take(records[:1])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        archive._take(records[1:])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The lines themselves were there before.
    assert (after - before) / _COUNT < 400
