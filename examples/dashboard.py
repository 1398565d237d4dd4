"""A dashboard: counts reports, proofs, attestations and dead letters by verdict, from the beginning of the topics.

    python examples/dashboard.py counts.json [--kafka HOST:PORT] [--once]

Counters and position stand in one file that is replaced as a whole: each message counts exactly once, however often
the dashboard is killed. A bad record does not stop it: it is counted as unreadable, by its code.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from pathlib import Path

from proofrail import client

TOPICS = (client.REPORTS, client.ATTESTATIONS, client.PROOFS, client.PROPOSALS_DLQ)


class Counts:
    """The counters, and the position up to which they count: a client.PositionStore."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.counts: Counter[str] = Counter()

    def load(self) -> client.Position | None:
        if not self._path.exists():
            return None
        kept = json.loads(self._path.read_text())
        self.counts = Counter(kept["counts"])
        return client.Position.from_bytes(kept["position"].encode())

    def save(self, position: client.Position) -> None:
        scratch = self._path.with_suffix(".new")
        kept = {"counts": dict(sorted(self.counts.items())), "position": position.to_bytes().decode()}
        scratch.write_text(json.dumps(kept, indent=2) + "\n")
        scratch.replace(self._path)


def kind(item: client.Item | client.Unreadable) -> str:
    """What an item counts as."""
    if isinstance(item, client.Unreadable):
        return f"unreadable: {item.error.code}"
    match item.message:
        case client.Attestation(approved=approved):
            return f"attestation: {'approved' if approved else 'rejected'}"
        case client.AuditReport(subject=subject, verdict=verdict):
            return f"report on {subject}: {verdict}"
        case client.Proof(backend=backend, security_bits=bits):
            return f"proof: {backend}, {bits} bits"
        case client.ProofFailure(code=code):
            return f"no proof: {code}"
        case client.DeadLetter(code=code):
            return f"refused proposal: {code}"
    return "other"


async def watch(options: argparse.Namespace) -> None:
    kafka, kept = client.KafkaSettings(bootstrap=options.kafka), Counts(options.counts)
    async with client.subscribe(
        kafka, *TOPICS, positions=kept, unreadable="deliver", follow=not options.once
    ) as stream:
        async for item in stream:
            kept.counts[kind(item)] += 1
            await stream.done(item)
            print(f"{kept.counts[kind(item)]:>6}  {kind(item)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("counts", type=Path, help="where the counters are kept")
    parser.add_argument("--kafka", default="127.0.0.1:9092", metavar="HOST:PORT")
    parser.add_argument("--once", action="store_true", help="end when all there is has been counted")
    try:
        asyncio.run(watch(parser.parse_args()))
    except KeyboardInterrupt:
        parser.exit()
    except client.ProofrailError as error:
        parser.exit(2, f"{error}\n")
