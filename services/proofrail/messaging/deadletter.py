"""Dead letters: what is put on a dead-letter topic for a record that must not be worked on."""

from __future__ import annotations

from typing import Final

from proofrail.messaging.records import Record
from proofrail.wire.errors import ProofrailError
from proofrail.wire.messages import DeadLetter

MAX_VALUE_HEX: Final = 48 * 1024
"""Most characters of `value`; hex digits come in pairs, so that the cut never splits a byte."""


def dead_letter(record: Record, error: ProofrailError, *, attempts: int = 1) -> DeadLetter:
    """The DeadLetter (design section 5) for `record`, refused with `error` after `attempts` attempts.

    `value` is the record's value in hex, cut off at 48 KiB of hex; the coordinates find the whole record.
    """
    message = f"{error.message}. {error.next_step}" if error.next_step else error.message
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key_text,
        code=error.code,
        message=message,
        value=record.value[: MAX_VALUE_HEX // 2].hex(),
        attempts=attempts,
    )
