"""`proofrail propose`: publish, and with --wait follow to the end."""

from __future__ import annotations

from collections.abc import Iterable

from proofrail.cli.broker import absence_told, reached
from proofrail.cli.output import Exit, emit_line, note
from proofrail.cli.table import DecisionTable
from proofrail.cli.terminal import SafeConsole
from proofrail.client import Trust
from proofrail.client.proposing import Proposed, propose, publish_proposals
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.messages import Attestation


def read_proposals(lines: Iterable[bytes]) -> list[bytes]:
    """One proposal a line, valid or not; blank lines are left out."""
    return [line for line in (raw.rstrip(b"\r\n") for raw in lines) if line.strip()]


async def run_propose(
    kafka: KafkaSettings,
    lines: Iterable[bytes],
    wait: bool,
    json: bool,
    timeout_s: float,
    trust: Trust | None,
) -> Exit:
    """Publish the proposals; returns the exit status. Without `trust` attestations are shown unchecked, and a note
    says so."""
    values = read_proposals(lines)
    if not values:
        raise UnusableInputError("no-proposals", "there are no proposals in the input", "Give one a line.")
    await reached(kafka)
    if not wait:
        published = await publish_proposals(kafka, values)
        note(f"published {len(published)} proposals")
        return Exit.OK
    if trust is None:
        note("attestations are not checked: no auditor's key is known here; name one with --auditor-key")
    table = DecisionTable(SafeConsole())
    refused = 0
    async with (
        propose(kafka, values, trust=trust) as proposed,
        absence_told(kafka, [topics.ATTESTATIONS, topics.PROPOSALS_DLQ]),
    ):
        note(f"published {len(values)} proposals; waiting up to {timeout_s:.0f} s")
        if not json:
            table.header()
        async for settled in proposed.results(timeout_s):
            refused += not isinstance(settled.message, Attestation)
            if json:
                emit_line(settled.line)
            else:
                table.row(settled, proposed.runs)
        unsettled = unfinished(proposed)
    for what in unsettled:
        note(what)
    return Exit.NEGATIVE if refused or unsettled else Exit.OK


def unfinished(proposed: Proposed) -> list[str]:
    """What is to be said of each proposal without an end that can be believed."""
    said = []
    for one in proposed.pending:
        place = f"{one.topic}/{one.partition} offset {one.offset}"
        error = proposed.refused.get(one.place)
        said.append(
            f"not settled in time: {place}"
            if error is None
            else f"an attestation that is not believed: {place}: {error.code}: {error.message}"
        )
    return said
