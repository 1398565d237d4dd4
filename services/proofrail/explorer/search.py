"""Search by any id or hash, or the beginning of one, and by step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from sqlite3 import Connection
from typing import Final

from proofrail.explorer.errors import bad_query
from proofrail.explorer.model.answers import Hit, SearchResult
from proofrail.explorer.site import Site
from proofrail.explorer.tables import program_names, range_of

_SITE: Final = Site()
_LEAST: Final = 4
"""Characters of a hash, where it is not given whole."""
_MOST: Final = 100
_STEP: Final = re.compile(r"(?P<run>\S{4,256}?)\s*(?:@|#|\s+step\s+)\s*(?P<step>\d{1,15})")
_OF_ALLOCATIONS: Final = frozenset({"proposal", "attestation", "transaction"})
_STEPS_PER_BLOCK: Final = 4096


def search(connection: Connection, q: str, limit: int) -> SearchResult:
    """What fits `q`, whole ids before beginnings. Raises BadQueryError."""
    if not 1 <= limit <= _MOST:
        raise bad_query(f"limit is {limit}; it must lie in 1 … {_MOST}")
    text = q.strip()
    found: dict[tuple[str, str], Hit] = {}
    for hit in _hits(connection, text, limit + 1) if text else ():
        found.setdefault((hit.href, hit.title), hit)
        if len(found) > limit:
            break
    return SearchResult(query=text[:256], hits=tuple(found.values())[:limit], more=len(found) > limit)


def _hits(connection: Connection, text: str, limit: int) -> Iterator[Hit]:
    low, high = range_of(text)
    yield from _steps(connection, text)
    for table, name in (("runs", "run_id"), ("allocations", "allocation_id")):
        rows = connection.execute(
            f"SELECT {name}, state FROM {table} WHERE {name} >= ? AND {name} < ? ORDER BY {name} LIMIT ?",  # noqa: S608
            (low, high, limit),
        )
        for row in rows:
            yield _run(row[0], row[1]) if table == "runs" else _allocation(row[0], row[1])
    if len(text) >= _LEAST:
        low, high = range_of(text.lower())
        rows = connection.execute(
            "SELECT digest, kind, ref FROM digests WHERE digest >= ? AND digest < ? ORDER BY digest LIMIT ?",
            (low, high, limit),
        )
        for digest, kind, ref in rows:
            yield _digest(connection, digest, kind, ref)
        rows = connection.execute(
            "SELECT run_id, program FROM runs WHERE program >= ? AND program < ? ORDER BY at_ms DESC LIMIT ?",
            (low, high, limit),
        )
        for run_id, program in rows:
            named = program_names().get(program, program)
            yield Hit(kind="run", title=f"run {run_id}", href=_SITE.run(run_id), detail=f"of program {named}")


def _steps(connection: Connection, text: str) -> Iterator[Hit]:
    if text.isascii() and text.isdigit() and len(text) < 16:
        rows = connection.execute(
            "SELECT run_id FROM runs WHERE mismatch_step = ? ORDER BY at_ms DESC LIMIT 20", (int(text),)
        )
        for row in rows:
            yield _step(row[0], int(text), "where its audit found the first mismatch")
        return
    match = _STEP.fullmatch(text)
    if match is None:
        return
    step = int(match["step"])
    low, high = range_of(match["run"])
    rows = connection.execute(
        "SELECT run_id, n_steps FROM runs WHERE run_id >= ? AND run_id < ? AND n_steps > ? LIMIT 20",
        (low, high, step),
    )
    for run_id, n_steps in rows:
        yield _step(run_id, step, f"of {n_steps}, in StepBlock {step // _STEPS_PER_BLOCK}")


def _step(run_id: str, step: int, detail: str) -> Hit:
    return Hit(
        kind="step",
        title=f"step {step} of run {run_id}",
        href=_SITE.run(run_id, step=step),
        detail=detail,
    )


def _run(run_id: str, state: str) -> Hit:
    return Hit(kind="run", title=f"run {run_id}", href=_SITE.run(run_id), detail=state)


def _allocation(name: str, state: str) -> Hit:
    return Hit(kind="allocation", title=f"allocation {name}", href=_SITE.allocation(name), detail=state)


def _digest(connection: Connection, digest: str, kind: str, ref: str) -> Hit:
    if kind in _OF_ALLOCATIONS or kind.startswith(("fact", "verification")):
        known = connection.execute("SELECT 1 FROM runs WHERE run_id = ?", (ref,)).fetchone()
        if known is None:
            return Hit(
                kind="allocation",
                title=f"{kind} of allocation {ref}",
                href=_SITE.allocation(ref),
                detail=digest,
            )
    return Hit(kind="run", title=f"{kind} of run {ref}", href=_SITE.run(ref), detail=digest)
