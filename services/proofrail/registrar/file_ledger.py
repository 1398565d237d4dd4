"""A ledger in a file: the embedded default, with the rules of the contract on chain."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from proofrail.cairo import risk_rows
from proofrail.registrar.database import Database
from proofrail.registrar.ledger import (
    Decision,
    Fact,
    LedgerIdentity,
    Receipt,
    Recorded,
    RefusedEntry,
    other_decision,
)
from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import PoisonError

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (
    fact_hash TEXT NOT NULL, preset TEXT NOT NULL, bits INTEGER NOT NULL, proof TEXT NOT NULL,
    PRIMARY KEY (fact_hash, preset, bits)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS decisions (
    id TEXT PRIMARY KEY, allocation_id TEXT NOT NULL, leaf TEXT NOT NULL, verdict INTEGER NOT NULL,
    row TEXT NOT NULL, position INTEGER NOT NULL, fact_hash TEXT NOT NULL
) WITHOUT ROWID
"""


class FileLedger:
    """Facts and decisions in a SQLite file. It takes proofs of at least `min_bits` bits, of any preset or none, or of
    those in `presets` alone."""

    def __init__(self, path: Path, min_bits: int, presets: Collection[str] | None = None) -> None:
        self._path = path
        self._min_bits = min_bits
        self._presets = None if presets is None else frozenset(presets)
        self._database: Database | None = None

    @property
    def identity(self) -> LedgerIdentity:
        return LedgerIdentity("file")

    @property
    def presets(self) -> Collection[str] | None:
        """See Ledger."""
        return self._presets

    async def open(self) -> None:
        """See Ledger. Raises UnusableInputError `registrar-file`, `registrar-in-use`."""
        self._database = await asyncio.to_thread(Database, self._path, _SCHEMA, _VERSION)

    async def close(self) -> None:
        """See Ledger."""
        database, self._database = self._database, None
        if database is not None:
            await asyncio.to_thread(database.close)

    async def missing(self) -> str | None:
        """See Ledger."""
        return None if self._database is not None else "the ledger's file is not open"

    async def taken_back(self) -> frozenset[str]:
        """See Ledger; a file is final."""
        return frozenset()

    async def has(self, row: Sequence[int]) -> bool:
        """See Ledger."""
        return await asyncio.to_thread(self._has, row)

    async def holds(self, fact: Fact) -> Receipt | None:
        """See Ledger."""
        return await asyncio.to_thread(self._holds, fact)

    async def register(self, fact: Fact, proof: bytes) -> Receipt:
        """See Ledger; the proof itself stays in the artifact store. Raises RefusedEntry `ledger-fact-weak`."""
        return await asyncio.to_thread(self._register, fact)

    async def record(self, decisions: Sequence[Decision]) -> list[Recorded]:
        """See Ledger. Refused are, by RefusedEntry, `ledger-fact-missing`, `ledger-row`, `ledger-other-decision`, and
        by PoisonError what `Decision.checked` raises."""
        return await asyncio.to_thread(self._record, decisions)

    def _has(self, row: Sequence[int]) -> bool:
        with self._opened().transaction() as connection:
            return _leaf_of(connection, felt_hex(row[0])) == felt_hex(risk_rows.leaf(row))

    def _holds(self, fact: Fact) -> Receipt | None:
        with self._opened().transaction() as connection:
            return Receipt(new=False) if self._verified(connection, fact) else None

    def _register(self, fact: Fact) -> Receipt:
        preset = fact.preset.name if fact.preset else ""
        if fact.bits < self._min_bits or not self._takes(preset):
            raise RefusedEntry(
                "ledger-fact-weak",
                f"the ledger takes proofs of {self._min_bits} bits"
                + (f" and of {', '.join(sorted(self._presets))}" if self._presets is not None else "")
                + f"; this one has {fact.bits} and fits {preset or 'no preset'}",
            )
        with self._opened().transaction() as connection:
            if self._verified(connection, fact):
                return Receipt(new=False)
            connection.execute(
                "INSERT INTO facts VALUES (?, ?, ?, ?)",
                (felt_hex(fact.fact_hash), preset, fact.bits, fact.digest),
            )
            return Receipt(new=True)

    def _record(self, decisions: Sequence[Decision]) -> list[Recorded]:
        with self._opened().transaction() as connection:
            return [self._record_one(connection, decision) for decision in decisions]

    def _record_one(self, connection: Connection, decision: Decision) -> Recorded:
        try:
            row = decision.checked
        except PoisonError as error:
            return error
        if not self._verified(connection, decision.fact):
            return RefusedEntry(
                "ledger-fact-missing", f"no fact {felt_hex(decision.fact.fact_hash)} is registered"
            )
        key, leaf = felt_hex(decision.id), felt_hex(decision.leaf)
        known = _leaf_of(connection, key)
        if known is not None:
            return Receipt(new=False) if known == leaf else other_decision(decision)
        connection.execute(
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                key,
                decision.allocation_id,
                leaf,
                row.verdict,
                " ".join(map(felt_hex, decision.place.row)),
                decision.place.index,
                felt_hex(decision.fact.fact_hash),
            ),
        )
        return Receipt(new=True)

    def _verified(self, connection: Connection, fact: Fact) -> bool:
        found = connection.execute(
            "SELECT preset FROM facts WHERE fact_hash = ? AND bits >= ?",
            (felt_hex(fact.fact_hash), self._min_bits),
        ).fetchall()
        return any(self._takes(preset) for (preset,) in found)

    def _takes(self, preset: str) -> bool:
        return self._presets is None or preset in self._presets

    def _opened(self) -> Database:
        if self._database is None:
            raise RuntimeError("the ledger is not open")
        return self._database


def _leaf_of(connection: Connection, key: str) -> str | None:
    found = connection.execute("SELECT leaf FROM decisions WHERE id = ?", (key,)).fetchone()
    return None if found is None else str(found[0])
