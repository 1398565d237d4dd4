"""`proofrail propose`: publish, and with --wait follow to the end."""

from __future__ import annotations

from collections.abc import Iterable

from proofrail.cli.client import followed, publish_proposals, read_proposals
from proofrail.cli.output import Exit, emit_line, note
from proofrail.cli.table import DecisionTable
from proofrail.cli.terminal import SafeConsole
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import UnusableInputError


async def run_propose(
    bootstrap: str, lines: Iterable[bytes], wait: bool, json: bool, timeout_s: float
) -> Exit:
    """Publish the proposals; returns the exit status."""
    kafka = KafkaSettings(bootstrap=bootstrap)
    values = read_proposals(lines)
    if not values:
        raise UnusableInputError("no-proposals", "there are no proposals in the input", "Give one a line.")
    if not wait:
        published = await publish_proposals(kafka, values)
        note(f"published {len(published)} proposals")
        return Exit.OK
    table = DecisionTable(SafeConsole())
    refused = 0
    async with followed(kafka, values) as follower:
        note(f"published {len(values)} proposals; waiting up to {timeout_s:.0f} s")
        if not json:
            table.header()
        async for settled in follower.results(timeout_s):
            refused += settled.attestation is None
            if json:
                emit_line(settled.line)
            else:
                run = settled.attestation["run_id"] if settled.attestation else None
                table.row(settled, follower.settlement.runs.get(run) if run else None)
        unsettled = follower.settlement.pending
    for one in unsettled:
        note(f"not settled in time: {one.topic}/{one.partition} offset {one.offset}")
    return Exit.NEGATIVE if refused or unsettled else Exit.OK
