"""Numbers, times and states in words, for the templates. Nothing here decides anything."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple


class Tone(NamedTuple):
    """How a state is shown: a class for its colour, an icon for its shape, and the word that says it."""

    css: str
    icon: str
    word: str


VERDICTS: Final[Mapping[str, Tone]] = {
    "MATCH": Tone("ok", "check", "Match"),
    "MISMATCH": Tone("bad", "cross", "Mismatch"),
    "INDETERMINATE": Tone("warn", "question", "Indeterminate"),
    "PENDING": Tone("idle", "clock", "Pending"),
}

STATES: Final[Mapping[str, Tone]] = {
    "open": Tone("run", "play", "Open"),
    "sealed": Tone("run", "clock", "Waits for proof"),
    "proven": Tone("run", "clock", "Waits for audit"),
    "given-up": Tone("warn", "cross", "Proof given up"),
    "attested": Tone("ok", "check", "Attested"),
    "waiting": Tone("idle", "clock", "Waiting"),
    "traced": Tone("run", "play", "Traced"),
    "recorded": Tone("ok", "seal", "Recorded"),
    "refused": Tone("warn", "stop", "Refused"),
    "mismatch": Tone("bad", "cross", "Mismatch"),
    "dead-lettered": Tone("warn", "stop", "Dead-lettered"),
}

ALLOCATION_STATES: Final[Mapping[str, str]] = {
    "waiting": "Waiting for a run",
    "traced": "Traced, waits for its proof",
    "proven": "Proven, waits for its audit",
    "attested": "Attested",
    "recorded": "Recorded in a ledger",
    "refused": "Refused by the ledgers",
    "mismatch": "Mismatch",
    "dead-lettered": "Dead-lettered",
}

RUN_STATES: Final[Mapping[str, str]] = {
    "open": "Open",
    "sealed": "Sealed, waits for its proof",
    "proven": "Proven",
    "given-up": "Proof given up",
    "attested": "Attested",
}

HAPPENINGS: Final[Mapping[str, Tone]] = {
    "proposed": Tone("run", "inbox", "Proposed"),
    "repeated": Tone("idle", "inbox", "Proposed again"),
    "dead-letter": Tone("warn", "stop", "Dead-lettered"),
    "run": Tone("run", "play", "Run"),
    "proof": Tone("run", "shield", "Proven"),
    "proof-failure": Tone("warn", "cross", "Proof failed"),
    "report": Tone("run", "eye", "Audited"),
    "attested": Tone("ok", "check", "Attested"),
    "recorded": Tone("ok", "seal", "Recorded"),
    "refused": Tone("warn", "stop", "Refused"),
}

SIGNED: Final[Mapping[str, Tone]] = {
    "valid": Tone("ok", "check", "signature holds"),
    "invalid": Tone("bad", "cross", "signed by no accepted auditor"),
    "unsigned": Tone("warn", "question", "not signed"),
    "no-key": Tone("idle", "question", "signature not checked: no auditor's key is configured here"),
}

MISMATCH_KINDS: Final[Mapping[str, str]] = {
    "version": "The run is of another version of the format.",
    "program": "The run is of another program than the one it names.",
    "layout": "The run was made in another layout.",
    "inputs": "The inputs are not those that the run names.",
    "proposal": "The run decides on a proposal that nobody published, or on another one.",
    "length": "One side ends first: lines are missing, or too many.",
    "malformed": "A published line cannot be read.",
    "input_bytes": "An invocation was given other arguments than the recomputed one.",
    "output_bytes": "An invocation returned something else than the recomputed one.",
    "packed": "A packed commitment value differs.",
    "chain": "The commitment's chain differs.",
    "root": "The tree's root differs.",
    "signature": "A signature is not by an accepted key, or does not hold.",
    "invariant": "An event cannot stand where it stands.",
    "proof": "The proof does not hold, or is not of this run.",
}

LIMITS: Final[Mapping[str, str]] = {
    "max_single_bps": "Most in one protocol",
    "min_diversification": "Least protocols with 10 % or more",
    "max_deviation_bps": "Most away from the recommended",
    "max_volatility_bps": "Most volatility",
    "min_liquidity": "Worst liquidity category",
}

_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))
_HIDDEN: Final = re.compile(r"[^\n\t\x20-\x7e]")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})


def visible(value: object) -> object:
    """A template's text with characters that cannot be seen, or that turn the direction of others, as U+XXXX."""
    if type(value) is not str or (value.isascii() and value.isprintable()):
        return value
    return _HIDDEN.sub(_named, value)


def _named(found: re.Match[str]) -> str:
    char = found.group()
    return f"⟨U+{ord(char):04X}⟩" if unicodedata.category(char) in _INVISIBLE else char


def count(value: int | None) -> str:
    """1,234,567; a dash for what is not known."""
    return "–" if value is None else f"{value:,}"


def duration(ms: float | None) -> str:
    """Milliseconds in one or two units: `430 ms`, `1.2 s`, `3 min 20 s`."""
    if ms is None:
        return "–"
    if ms < 0:
        return "0 ms"
    if 0 < ms < 1:
        return f"{ms * 1000:.0f} µs"
    if ms < 1000:
        return f"{ms:.0f} ms" if ms >= 10 or ms == int(ms) else f"{ms:.1f} ms"
    if ms < 10_000:
        return f"{ms / 1000:.1f} s"
    left, parts = int(ms), list[str]()
    for size, unit in _UNITS:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts)


def ago(ms: int, now_ms: int) -> str:
    """How long ago a time was; times ahead of the clock are now."""
    return "just now" if now_ms - ms < 1000 else f"{_one_unit(now_ms - ms)} ago"


def _one_unit(ms: int) -> str:
    size, unit = next((pair for pair in _UNITS if ms >= pair[0]), _UNITS[-1])
    return f"{ms // size} {unit}"


def moment(ms: int) -> str:
    """The time in UTC, to the second."""
    return _at(ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def stamp(ms: int) -> str:
    """The time for machines, RFC 3339."""
    return _at(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def brief(ms: int) -> str:
    """Day and time in UTC, for lists."""
    return _at(ms).strftime("%d %b %H:%M:%S")


def _at(ms: int) -> datetime:
    # A record may claim any time: beyond what a calendar holds it is shown as the calendar's end.
    return datetime.fromtimestamp(min(max(ms, 0), 253_402_300_799_000) / 1000, UTC)


def size(value: int | None) -> str:
    """Bytes in decimal units."""
    if value is None:
        return "–"
    for limit, unit in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")):
        if value >= limit:
            return f"{value / limit:.1f} {unit}"
    return f"{value} B"


def percent(bps: int | None) -> str:
    """Basis points as a percentage with as many digits as it takes."""
    return "–" if bps is None else f"{bps / 100:.2f}".rstrip("0").rstrip(".") + " %"


def short(text: str, head: int = 10, tail: int = 6) -> str:
    """The beginning and the end of a long id."""
    return text if len(text) <= head + tail + 2 else f"{text[:head]}…{text[-tail:]}"


def cut(text: str, most: int) -> str:
    """The beginning of a long text, with how much is left out: pages stay small whatever a run says."""
    return text if len(text) <= most else f"{text[:most]}… and {len(text) - most:,} characters more"


def differing(expected: str, claimed: str) -> tuple[tuple[str, bool], ...]:
    """`claimed` in pieces, with whether each differs from `expected`: what lies between the common beginning and the
    common end does."""
    least = min(len(expected), len(claimed))
    head = next((at for at in range(least) if expected[at] != claimed[at]), least)
    tail = next((at for at in range(least - head) if expected[-1 - at] != claimed[-1 - at]), least - head)
    end = len(claimed) - tail
    pieces = ((claimed[:head], False), (claimed[head:end], True), (claimed[end:], False))
    return tuple(piece for piece in pieces if piece[0])
