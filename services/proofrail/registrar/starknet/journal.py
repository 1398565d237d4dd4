"""The journal of transactions: each stands here, signed, before it is sent, until its outcome is known.

Whoever finds an open one after a crash cannot know whether it was sent. Its hash tells the node's word on it, and the
very same bytes may be sent again: a nonce serves once.

What counts may still be taken back with its block, until it is final. So the journal also knows which transactions have
counted and since when.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from proofrail.registrar.database import Database
from proofrail.registrar.starknet.chain import Signed
from proofrail.wire.canonical import canonical

Outcome = Literal["succeeded", "reverted", "never"]
"""`never`: it was refused, or its nonce has served another transaction."""

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS transactions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE, account TEXT NOT NULL,
    nonce INTEGER NOT NULL, payload BLOB NOT NULL, outcome TEXT, reason TEXT
);
CREATE TABLE IF NOT EXISTS effects (effect TEXT NOT NULL, transaction_number INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS effects_by_name ON effects (effect);
CREATE INDEX IF NOT EXISTS open_transactions ON transactions (number) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS counted (
    transaction_number INTEGER PRIMARY KEY, since REAL NOT NULL, final INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS not_final ON counted (transaction_number) WHERE final = 0
"""


@dataclass(frozen=True)
class Entry:
    """A transaction in the journal."""

    signed: Signed
    account: int
    nonce: int


class Journal:
    """One file, one process. Every method returns when the disk has it; none blocks for longer than that."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Raises UnusableInputError `registrar-file`, `registrar-in-use`."""
        self._database = Database(path, _SCHEMA, _VERSION)
        self._clock = clock

    def close(self) -> None:
        self._database.close()

    def write(self, entry: Entry, effects: Sequence[str]) -> None:
        """Keep a transaction that is about to be sent. `effects`: names of what it will have put on chain."""
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO transactions (hash, account, nonce, payload) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (hash) DO UPDATE SET outcome = NULL, reason = NULL RETURNING number",
                (entry.signed.hash, hex(entry.account), entry.nonce, canonical(entry.signed.payload)),
            )
            number = cursor.fetchone()[0]
            connection.execute("DELETE FROM effects WHERE transaction_number = ?", (number,))
            connection.executemany(
                "INSERT INTO effects VALUES (?, ?)", [(effect, number) for effect in effects]
            )

    def close_entry(self, entry: Entry, outcome: Outcome, reason: str = "") -> None:
        """Keep what became of it."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE transactions SET outcome = ?, reason = ? WHERE hash = ?",
                (outcome, reason, entry.signed.hash),
            )
            if outcome == "succeeded":
                connection.execute(
                    "INSERT INTO counted (transaction_number, since)"
                    " SELECT number, ? FROM transactions WHERE hash = ? ON CONFLICT DO NOTHING",
                    (self._clock(), entry.signed.hash),
                )

    def open_entries(self) -> list[Entry]:
        """Those whose outcome is not known, oldest first."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT hash, payload, account, nonce FROM transactions WHERE outcome IS NULL ORDER BY number"
            ).fetchall()
        return [
            Entry(Signed(hash_, json.loads(payload)), int(account, 16), nonce)
            for hash_, payload, account, nonce in found
        ]

    def not_final(self, younger_s: float) -> dict[str, float]:
        """The hashes of those that count, not for longer than this, and are not known to be final; oldest first, with
        the seconds for which they have counted."""
        now = self._clock()
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT hash, since FROM counted JOIN transactions ON number = transaction_number"
                " WHERE final = 0 AND outcome = 'succeeded' AND since > ? ORDER BY number",
                (now - younger_s,),
            ).fetchall()
        return {hash_: now - since for hash_, since in found}

    def note_final(self, hashes: Iterable[str]) -> None:
        """Keep that these will not be taken back."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE counted SET final = 1"
                " WHERE transaction_number = (SELECT number FROM transactions WHERE hash = ?)",
                [(hash_,) for hash_ in hashes],
            )

    def reopen(self, hashes: Iterable[str]) -> None:
        """Keep that these have no outcome any more: their blocks are gone."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE transactions SET outcome = NULL, reason = NULL WHERE hash = ?",
                [(hash_,) for hash_ in hashes],
            )

    def taken_back(self) -> frozenset[str]:
        """The hashes of those that counted once and came to nothing when they were sent again."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT hash FROM counted JOIN transactions ON number = transaction_number"
                " WHERE outcome IN ('reverted', 'never')"
            ).fetchall()
        return frozenset(hash_ for (hash_,) in found)

    def transaction_of(self, effect: str) -> str | None:
        """The hash of our transaction that had this effect; None where somebody else's did. The last one: if blocks
        were taken back, an earlier one is gone."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT hash FROM transactions JOIN effects ON number = transaction_number"
                " WHERE effect = ? AND outcome = 'succeeded' ORDER BY number DESC LIMIT 1",
                (effect,),
            ).fetchone()
        return found[0] if found else None
