"""Events that have expired leave a run to be audited from its commitments alone; events that never came do not."""

from __future__ import annotations

import pytest

from proofrail.auditor.cases import Case

START, NEXT = b'{"seq":0,"type":"TraceStart"}\n{"seq":1}\n', b'{"seq":2}\n'


@pytest.mark.parametrize(
    ("values", "lost", "expired"),
    [
        ([], True, True),
        ([], False, False),
        ([NEXT], True, True),
        ([NEXT], False, False),
        ([START], True, False),
        ([START, NEXT], True, False),
        ([b"{"], True, True),
    ],
)
def test_events_have_expired_where_the_first_is_gone_from_a_topic_that_lost_records(
    values: list[bytes], lost: bool, expired: bool
) -> None:
    """Retention removes from the beginning: behind a first event that is there nothing has expired."""
    case = Case("r", opened_at=0.0)
    case.replace_events(values, may_have_expired=lost)
    assert expired == case.events_expired
