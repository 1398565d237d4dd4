"""What pages and API ask of the view."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from proofrail.explorer.model.allocation import AllocationPage
from proofrail.explorer.model.answers import Change, RawMessage, SearchResult
from proofrail.explorer.model.base import AllocationState, Page, Place, RunState, Verdict
from proofrail.explorer.model.rows import AllocationRow, DeadLetterRow, RunRow
from proofrail.explorer.model.run import RunPage
from proofrail.explorer.model.spans import Events, Span, Spans
from proofrail.explorer.model.strip import Pipeline


class Reader(Protocol):
    """What pages and API ask of the view. Every method is quick (below 100 ms), and runs off the event loop.

    Raises ProofrailError `explorer-not-found` (404) for an id that nothing is known of, `explorer-query` (400) for a
    cursor or filter that is none.
    """

    async def pipeline(self) -> Pipeline: ...

    async def runs(
        self,
        *,
        q: str | None = None,
        state: RunState | None = None,
        verdict: Verdict | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[RunRow]: ...

    async def allocations(
        self,
        *,
        q: str | None = None,
        state: AllocationState | None = None,
        approved: bool | None = None,
        reason: str | None = None,
        run_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[AllocationRow]:
        """With `run_id`, those of the run by their row, older pages being later rows."""
        ...

    async def dead_letters(
        self, *, code: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[DeadLetterRow]: ...

    async def run(self, run_id: str) -> RunPage: ...

    async def spans(
        self, run_id: str, *, parent: str | None = None, cursor: str | None = None, limit: int = 200
    ) -> Spans:
        """Without `parent`: the top of the tree, as deep as `limit` rows reach, iterations folded. With the span_id of
        a span: its children. With `SPAN_ID:iterations`: the iterations of its loop, one by one."""
        ...

    async def span_at(self, run_id: str, step: int) -> Span | None:
        """The innermost span that runs at a step; None where that is not known."""
        ...

    async def events(
        self, run_id: str, *, q: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Events:
        """`q`: a type, or text of which the line holds some. A cursor is the seq to begin with."""
        ...

    async def allocation(self, allocation_id: str) -> AllocationPage: ...

    async def search(self, q: str, *, limit: int = 20) -> SearchResult: ...

    async def message(self, place: Place) -> RawMessage: ...

    def changes(self, after: int | None = None) -> AsyncIterator[Change | Pipeline]: ...
