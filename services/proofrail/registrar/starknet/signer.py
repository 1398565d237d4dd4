"""Who signs: keys in a file that only its owner can read, or a program that never shows its key."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from proofrail.cairo.pedersen import PRIME
from proofrail.commitment.keyfile import is_private
from proofrail.registrar import external
from proofrail.registrar.ledger import LedgerMisconfigured
from proofrail.wire.canonical import canonical, felt_hex, parse_felt
from proofrail.wire.errors import MalformedError, TransientError

_TIMEOUT_S: Final = 60.0


class Signer(Protocol):
    """Signs for some accounts."""

    @property
    def accounts(self) -> Sequence[int]:
        """Their addresses."""

    async def sign(self, account: int, transaction: int, payload: Mapping[str, Any]) -> list[int]:
        """The signature of the transaction with this hash; `payload` is what will be sent, without its signature.

        Raises LedgerMisconfigured `signer-refused`, TransientError `signer-away`.
        """


@dataclass(frozen=True)
class KeyFile:
    """Private keys in memory, from a file."""

    keys: Mapping[int, int]

    def __repr__(self) -> str:
        return f"KeyFile({len(self.keys)} accounts)"

    @classmethod
    def read(cls, path: Path) -> KeyFile:
        """A line for each account: its address and its private key, both "0x…". Raises LedgerMisconfigured
        `wallet-file` when others can read it, too, or it holds no keys. Its content is never quoted."""
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                if not is_private(status):
                    mode = status.st_mode & 0o7777
                    raise _unusable(
                        path, f"others have access to it (mode {mode:04o})", f"Run `chmod 600 {path}`"
                    )
                text = file.read().decode("ascii", errors="replace")
        except OSError as error:
            raise _unusable(path, str(error.strerror), "Check path and permissions") from error
        keys: dict[int, int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            try:
                address, key = map(parse_felt, words)
            except (MalformedError, ValueError):
                raise _unusable(path, f"line {number} is not an address and a key", _FORM) from None
            if not 0 < address < PRIME or not 0 < key < PRIME or address in keys:
                raise _unusable(
                    path, f"line {number} has a zero, a number too large or an address again", _FORM
                )
            keys[address] = key
        if not keys:
            raise _unusable(path, "it holds no account", _FORM)
        return cls(keys)

    @property
    def accounts(self) -> Sequence[int]:
        """See Signer."""
        return tuple(self.keys)

    async def sign(self, account: int, transaction: int, payload: Mapping[str, Any]) -> list[int]:
        """See Signer. About 75 ms, in a thread."""
        from starknet_py.hash.utils import message_signature

        return list(await asyncio.to_thread(message_signature, transaction, self.keys[account]))


class SignerCommand:
    """A program that is given, as one JSON object on its standard input, `account`, `hash` and `transaction`, and that
    prints the signature as a JSON array of felts ("0x…"). Exit status 1: it will not sign this. 75: try again."""

    def __init__(self, command: str, accounts: Sequence[int]) -> None:
        self._words = shlex.split(command)
        self._accounts = tuple(accounts)

    @property
    def accounts(self) -> Sequence[int]:
        """See Signer."""
        return self._accounts

    async def sign(self, account: int, transaction: int, payload: Mapping[str, Any]) -> list[int]:
        """See Signer."""
        asked = {"account": felt_hex(account), "hash": felt_hex(transaction), "transaction": dict(payload)}
        printed = await self._run(canonical(asked) + b"\n")
        try:
            found = json.loads(printed)
            signature = [parse_felt(felt) for felt in found]
        except (ValueError, TypeError, MalformedError) as error:
            raise self._refused("it prints no JSON array of felts") from error
        if not signature:
            raise self._refused("it prints an empty signature")
        return signature

    async def _run(self, asked: bytes) -> bytes:
        try:
            answer = await external.ask(self._words, asked, _TIMEOUT_S)
        except TimeoutError:
            raise self._away(f"it took more than {_TIMEOUT_S:.0f} s") from None
        except OSError as error:
            raise self._refused(f"it cannot be run: {error.strerror}") from error
        if answer.was_killed:
            raise self._away(f"it was killed by signal {-answer.status}")
        if answer.status == _TEMPORARY:
            raise self._away(answer.said)
        if answer.status:
            raise self._refused(f"exit status {answer.status}: {answer.said}")
        return answer.printed

    def _away(self, why: str) -> TransientError:
        return TransientError(
            "signer-away", f"{self._words[0]} does not sign now: {why}", "It is asked again"
        )

    def _refused(self, why: str) -> LedgerMisconfigured:
        return LedgerMisconfigured(
            "signer-refused", f"{self._words[0]} does not sign: {why}", "Check PROOFRAIL_CHAIN_SIGNER"
        )


_TEMPORARY: Final = 75
_FORM: Final = "It holds a line for each account: its address and its private key, both as 0x…"


def _unusable(path: Path, why: str, next_step: str) -> LedgerMisconfigured:
    return LedgerMisconfigured("wallet-file", f"the wallet file {path} cannot be used: {why}", next_step)
