"""What is said of one code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

TRACE = "schemas/trace-v1.md"


@dataclass(frozen=True)
class Entry:
    """A code of one area: what it means, why it happens, what to do, and where it is defined."""

    code: str
    means: str
    why: str
    remedy: str
    spec: str = ""
    area: str = ""

    def to_object(self) -> dict[str, object]:
        return {
            "v": 1,
            "type": "Explanation",
            "code": self.code,
            "area": self.area,
            "means": self.means,
            "why": self.why,
            "remedy": self.remedy,
            "spec": self.spec,
        }


@dataclass(frozen=True)
class Area:
    """Codes that one part of the system gives. Entries without a `spec` of their own have the area's."""

    name: str
    title: str
    spec: str
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, name: str, title: str, spec: str, entries: Sequence[Entry]) -> Area:
        found = (replace(entry, spec=entry.spec or spec, area=name) for entry in entries)
        return cls(name, title, spec, tuple(sorted(found, key=lambda entry: entry.code)))
