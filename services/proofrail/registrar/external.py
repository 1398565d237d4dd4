"""Programs that are asked one thing: it goes to their standard input, and what they print is the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proofrail.proving import child

_SAID: Final = 500


@dataclass(frozen=True)
class Answer:
    """How the program ended. `status` is negative for a signal; `said`: its last words on stderr."""

    status: int
    printed: bytes
    said: str

    @property
    def was_killed(self) -> bool:
        """Whether it was ended by others, memory that ran out above all, and has answered nothing."""
        return self.status < 0


async def ask(words: Sequence[str], question: bytes, timeout_s: float) -> Answer:
    """Runs the program; whatever it started ends with it. Raises OSError when it cannot be started, TimeoutError."""
    ended = await child.run(words, timeout=timeout_s, stdin=question, on_line=lambda _: None)
    if ended.timed_out:
        raise TimeoutError
    return Answer(ended.returncode, ended.stdout, "\n".join(ended.tail).strip()[-_SAID:])
