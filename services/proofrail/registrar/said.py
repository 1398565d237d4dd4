"""What was published on registrations.v1 before, read back at start: nothing is said twice of one ledger.

The topic is not signed. So what is said there keeps a registration from being published once more, and nothing from
being recorded: whether a decision stands in the ledger, the ledger alone tells.
"""

from __future__ import annotations

import contextlib
import sys

from proofrail.messaging.records import Record
from proofrail.registrar.ledger import LedgerIdentity
from proofrail.wire.errors import MalformedError
from proofrail.wire.messages import Registration, parse_message
from proofrail.wire.ndjson import split

_Named = tuple[str | None, str | None]
"""The transactions of a decision and of its fact, where it was said whose they are."""


class SaidBefore:
    """Of attestations, by digest: whether they are said to be recorded in this ledger, and for which reasons refused.

    What was refused is examined again when it is read again: the registrar may have been set up wrongly. What was
    said to be recorded counts until the ledger takes a transaction back that it rests on.
    """

    def __init__(self, ledger: LedgerIdentity) -> None:
        self._ledger = ledger
        self._recorded: dict[str, set[_Named]] = {}
        """All that was ever named: no line takes back what another one says."""
        self._refused: dict[str, set[str | None]] = {}
        self._gone: frozenset[str] = frozenset()
        self._lost: dict[str, str] = {}

    def take(self, records: list[Record]) -> None:
        for record in records:
            with contextlib.suppress(MalformedError):
                for line in split(record.value):
                    message = parse_message(line)
                    if isinstance(message, Registration):
                        self.note(message)

    def note(self, registration: Registration) -> None:
        name, attestation = registration.ledger, registration.attestation
        if LedgerIdentity(name.kind, name.network, name.contract) != self._ledger:
            return
        if registration.fact is not None:
            self._recorded.setdefault(attestation, set()).add(_named(registration))
            self._refused.pop(attestation, None)
        else:
            self._refused.setdefault(attestation, set()).add(registration.code)

    def take_back(self, gone: frozenset[str]) -> None:
        """Note the transactions that the ledger has taken back, all of them so far."""
        new, self._gone = gone - self._gone, gone
        if new:
            self._lost |= {
                attestation: first
                for attestation, named in self._recorded.items()
                if (first := next((one for pair in named for one in pair if one in new), None)) is not None
            }

    def settle(self, attestation: str) -> None:
        """Note that what was lost has its end again."""
        self._lost.pop(attestation, None)

    @property
    def lost(self) -> dict[str, str]:
        """What was said to be recorded by a transaction that is gone, by attestation, until it is settled."""
        return dict(self._lost)

    def is_recorded(self, attestation: str) -> bool:
        """Whether it is said to be recorded by what the ledger has not taken back. Nothing to rely on."""
        return bool(self._standing(attestation))

    def has_said(self, registration: Registration) -> bool:
        """Whether this was said before, but for its timestamp, or something that it takes nothing from."""
        standing = self._standing(registration.attestation)
        if registration.fact is None:
            return bool(standing) or registration.code in self._refused.get(registration.attestation, ())
        # Whoever does not know a transaction has nothing to add to one who names it.
        own = _named(registration)
        return any(all(a in (None, b) for a, b in zip(own, one, strict=True)) for one in standing)

    def _standing(self, attestation: str) -> list[_Named]:
        return [one for one in self._recorded.get(attestation, ()) if self._gone.isdisjoint(one)]


def _named(registration: Registration) -> _Named:
    fact = registration.fact
    first, second = (
        None if one is None else sys.intern(one)
        for one in (registration.transaction, None if fact is None else fact.transaction)
    )
    return first, second
