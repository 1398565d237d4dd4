"""A registrar: checks each attestation with all that it rests on, its proof included, and registers it once.

    python examples/registrar.py ledger.json --auditor-key auditor.vkey --store file:///…/artifacts [--kafka HOST:PORT]

First the effect, then the position: killed in between, it sees the attestation again, and the ledger knows its key.
What does not hold is refused by name. What may still come, and what cannot be read, ends it where it was (status 2).
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any, Protocol

from proofrail import client


class Ledger(Protocol):
    def register(self, key: str, entry: dict[str, Any]) -> bool:
        """Register `entry` durably; False when something is registered under the key already."""


class FileLedger:
    """A ledger in a file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = json.loads(path.read_text()) if path.exists() else {}

    def register(self, key: str, entry: dict[str, Any]) -> bool:
        if key in self._entries:
            return False
        self._entries[key] = entry
        scratch = self._path.with_suffix(".new")
        scratch.write_text(json.dumps(self._entries, indent=2) + "\n")
        scratch.replace(self._path)
        return True


async def checked(
    item: client.Item, archive: client.Archive, trust: client.Trust, proofs: client.ProofChecker
) -> dict[str, Any]:
    """What to register. Raises ProofrailError when it must not be."""
    attestation = client.check(item.line, trust)  # who says so, before anything it names is looked for
    grounds = await archive.grounds(attestation)
    client.check(attestation, trust, proposal=grounds.proposal, proof=grounds.proof, reports=grounds.reports)
    proven = await proofs.check(grounds.proof, attestation, grounds.proposal)
    said = {name: getattr(attestation, name) for name in ("allocation_id", "approved", "row")}
    return {**said, "proof": proven.digest, "security_bits": proven.security_bits, **proven.identities}


async def register(options: argparse.Namespace) -> None:
    kafka, ledger = client.KafkaSettings(bootstrap=options.kafka), FileLedger(options.ledger)
    trust = client.Trust([options.auditor_key.read_text()], backends=options.backends.split(","))
    proofs = client.ProofChecker(options.store, trust)
    positions = client.PositionFile(options.ledger.with_suffix(".position"))
    stream = client.subscribe(kafka, client.ATTESTATIONS, positions=positions, follow=not options.once)
    async with client.Archive(kafka) as archive, stream:
        async for item in stream:
            try:
                new = ledger.register(item.digest, await checked(item, archive, trust, proofs))
                print(item.key, "registered" if new else "registered before", flush=True)
            except client.TransientError:
                raise
            except client.ProofrailError as error:
                print(item.key, f"refused: {error}", flush=True)
            await stream.done(item)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ledger", type=Path, help="where registrations are kept")
    parser.add_argument("--auditor-key", type=Path, required=True, help="the auditor's public key (.vkey)")
    parser.add_argument("--store", required=True, metavar="URL", help="the artifact store, an fsspec URL")
    parser.add_argument("--backends", default="stwo", help="whose proofs are accepted: stwo, stone, or both")
    parser.add_argument("--kafka", default="127.0.0.1:9092", metavar="HOST:PORT")
    parser.add_argument("--once", action="store_true", help="end when all there is has been handled")
    try:
        asyncio.run(register(parser.parse_args()))
    except KeyboardInterrupt:
        parser.exit()
    except client.ProofrailError as error:
        parser.exit(2, f"{error}\n")
