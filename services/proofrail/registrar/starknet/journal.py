"""The journal of transactions: each stands here, signed, before it is sent, until its outcome is known.

Whoever finds an open one after a crash cannot know whether it was sent. Its hash tells the node's word on it, and the
very same bytes may be sent again: a nonce serves once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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
CREATE INDEX IF NOT EXISTS open_transactions ON transactions (number) WHERE outcome IS NULL
"""


@dataclass(frozen=True)
class Entry:
    """A transaction in the journal."""

    signed: Signed
    account: int
    nonce: int


class Journal:
    """One file, one process. Every method returns when the disk has it; none blocks for longer than that."""

    def __init__(self, path: Path) -> None:
        """Raises UnusableInputError `registrar-file`, `registrar-in-use`."""
        self._database = Database(path, _SCHEMA, _VERSION)

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
