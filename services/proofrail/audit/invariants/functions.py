"""What all calls of one Cairo function have in common: how many felts they take and return, whether they loop."""

from __future__ import annotations

import re
from typing import Any, Final

from proofrail.audit.invariants.expecting import Constant
from proofrail.audit.invariants.violations import Violations
from proofrail.wire.canonical import FELT_PRIME, JsonObject

MAX_FUNCTIONS: Final = 10_000
"""Functions that are remembered, so that memory does not grow with a stream of ever new names."""

_FELT: Final = 64
_PRIME: Final = f"{FELT_PRIME:064x}"
_FELTS: Final = re.compile("[0-9a-f]{64}")


class Functions:
    """The functions of a Cairo run by name, as its spans show them."""

    def __init__(self, log: Violations) -> None:
        self._log = log
        self._seen: dict[tuple[str, str], Constant] = {}

    def felts(self, line: int, event: JsonObject, name: str | None, member: str) -> None:
        """Check input_bytes or output_bytes."""
        text = event[member]
        if len(text) % _FELT or any(felt >= _PRIME for felt in _FELTS.findall(text)):
            said = f"{member} are felts of 32 bytes, each below P"
            self._log.add("felts-wrong", line, said, event, member, claimed=text)
        elif name is not None:
            self.same(line, event, name, member, len(text) // _FELT)

    def same(self, line: int, event: JsonObject, name: str, what: str, value: Any) -> None:
        """A fact about a function: `input_bytes` or `output_bytes` in felts, or whether it is a `loop`."""
        constant = self._seen.get((name, what))
        if constant is None:
            if len(self._seen) < MAX_FUNCTIONS:
                self._seen[name, what] = Constant(value)
        elif constant.wrong(value):
            said = {
                "input_bytes": "the function took another number of felts before",
                "output_bytes": "the function returned another number of felts before",
                "loop": "the function was a loop before"
                if constant.value
                else "the function was no loop before",
            }[what]
            self._log.add("function-differs", line, said, event, what, constant.value, value)
