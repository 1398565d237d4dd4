"""Importing starknet-py, which only the extra `chain` brings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from proofrail.registrar.ledger import LedgerMisconfigured


@contextmanager
def starknet_py() -> Iterator[None]:
    """Import from starknet-py inside. Raises LedgerMisconfigured `chain-extra`."""
    depth = sys.getrecursionlimit()
    try:
        yield
    except ImportError as error:
        raise LedgerMisconfigured(
            "chain-extra",
            f"the Starknet ledger needs the extra `chain`: {error.name} is not installed",
            "Run `pip install 'proofrail[chain]'`, or use PROOFRAIL_REGISTRAR_LEDGER=file",
        ) from error
    finally:
        # A library below it raises the limit for the whole process, and nested JSON then overflows the stack.
        sys.setrecursionlimit(depth)
