"""An allocator: publishes proposals, awaits their attestations, checks each, and prints what was decided.

    python examples/allocator.py proposals.ndjson --auditor-key .proofrail/keys/auditor.vkey [--kafka HOST:PORT]

A proposal that is refused is found by its dead letter, which names the member and what is allowed. Exit status: 0 all
approved, 1 some rejected or refused, 2 nothing done, 3 some undecided in time: publish those again, the same proposal
starts no second run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from proofrail import client


def decision(settled: client.Settled) -> tuple[bool, str]:
    """Whether the allocator may go on, and why."""
    match settled.message:
        case client.Attestation() as attestation:
            shares = zip(attestation.protocols, attestation.recommended_bps, strict=True)
            advice = ", ".join(f"{protocol} {bps / 100:.2f} %" for protocol, bps in shares)
            verdict = "approved" if attestation.approved else f"rejected for {', '.join(attestation.reasons)}"
            return attestation.approved, f"{verdict}; recommended: {advice}"
        case client.DeadLetter() as letter:
            return False, f"refused [{letter.code}] {letter.message}"
        case client.AuditReport() as report:
            return False, f"the {report.subject} of run {report.run_id} is wrong: ask its operator"


async def allocate(options: argparse.Namespace) -> int:
    trust = client.Trust([options.auditor_key.read_text()])
    kafka = client.KafkaSettings(bootstrap=options.kafka)
    values = [line for line in options.proposals.read_bytes().split(b"\n") if line.strip()]
    status = 0
    # Whoever can write to the topics can write an attestation: with `trust`, only one that holds settles a proposal.
    async with client.propose(kafka, values, trust=trust) as proposed:
        async for settled in proposed.results(options.within):
            approved, said = decision(settled)
            print(f"{settled.published.allocation_id}: {said}", flush=True)
            status = status if approved else 1
        for one in proposed.pending:
            why = proposed.refused.get(one.place, "nothing has come")
            print(f"{one.allocation_id}: not decided within {options.within:.0f} s: {why}")
            status = 3
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("proposals", type=Path, help="proposals, one a line")
    parser.add_argument("--auditor-key", type=Path, required=True, help="the auditor's public key (.vkey)")
    parser.add_argument("--kafka", default="127.0.0.1:9092", metavar="HOST:PORT")
    parser.add_argument("--within", type=float, default=120.0, metavar="SECONDS")
    try:
        sys.exit(asyncio.run(allocate(parser.parse_args())))
    except client.ProofrailError as error:
        parser.exit(2, f"{error}\n")
