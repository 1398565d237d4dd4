"""Addresses of pages: of the service itself, or of an opened file below a prefix."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from proofrail.explorer.model.base import Place


@dataclass(frozen=True)
class Site:
    """What is shown, and below which address."""

    prefix: str = ""
    """In front of every path; empty for the service itself."""
    file: str | None = None
    """Name of the exported file that is shown; None for the topics."""

    def run(self, run_id: str, **parameters: object) -> str:
        """Address of a run's page, and of what the parameters name on it."""
        return self._of("runs", "run", run_id, **parameters)

    def allocation(self, allocation_id: str) -> str:
        """Address of an allocation's page."""
        return self._of("allocations", "allocation", allocation_id)

    def message(self, place: Place) -> str:
        """Address of a message as it was published."""
        return f"{self.prefix}/message?{urlencode(place.model_dump())}"

    def fragment(self, name: str, **parameters: str | None) -> str:
        """Address of a part of a page."""
        given = {key: value for key, value in parameters.items() if value}
        return f"{self.prefix}/fragments/{name}?{urlencode(given)}"

    def _of(self, table: str, name: str, key: str, **parameters: object) -> str:
        # Browsers resolve dots and slashes in paths, escaped or not: such an id travels as a parameter.
        if key in {"", ".", ".."} or "/" in key or "\\" in key:
            return f"{self.prefix}/{name}?{urlencode({'id': key} | parameters)}"
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"{self.prefix}/{table}/{quote(key, safe='')}{query}"
