"""`proofrail demo`: the main job on real parts, from an empty folder to the last attestation."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from rich.console import Console

from proofrail.cairo.risk_program import samples
from proofrail.cli.believed import trust_in
from proofrail.cli.home import Home
from proofrail.cli.launch import LaunchedSystem
from proofrail.cli.live import LiveLine, telling
from proofrail.cli.output import Exit, emit_line, note
from proofrail.cli.propose import read_proposals, unfinished
from proofrail.cli.table import DecisionTable
from proofrail.cli.terminal import SafeConsole
from proofrail.client.proposing import Proposed, propose
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.messages import Attestation, AuditReport, DeadLetter
from proofrail.wire.topics import MAX_LINE


async def run_demo(proposals: Path | None, json: bool, keep: bool, timeout_s: float) -> Exit:
    """Run it all; returns the exit status."""
    values = own_proposals(proposals) if proposals else _samples()
    home = Home(Path(tempfile.mkdtemp(prefix="proofrail-demo-")))
    console = SafeConsole(stderr=json, highlight=False)
    progress = LiveLine(SafeConsole(stderr=True, highlight=False))
    system = LaunchedSystem(home, leash=not keep, explorer=keep)
    finished = False
    try:
        await system.start(progress.say)
        kafka = KafkaSettings(bootstrap=home.bootstrap())
        async with propose(kafka, values, trust=trust_in(home, None)) as proposed:
            progress.end()
            console.print(f"{len(values)} proposals published to a fresh system\n")
            status = await _show(proposed, console, json, timeout_s, progress)
        finished = True
        return status
    finally:
        progress.end()
        if keep and finished:
            note(f"\nThe system goes on in {home.root} (broker {home.bootstrap()}, log {home.log_file}).")
            if page := (home.running() or {}).get("pages", {}).get("explorer"):
                note(f"Look at it:   {page}")
            note(f"Publish more: proofrail propose FILE --wait --home {home.root}")
            note(f"Stop it:      proofrail down --home {home.root}")
        else:
            await system.stop()
            if not keep:
                shutil.rmtree(home.root, ignore_errors=True)


async def _show(
    proposed: Proposed, console: Console, json: bool, timeout_s: float, progress: LiveLine
) -> Exit:
    table = DecisionTable(console)
    table.header()
    attested: list[Attestation] = []
    refused: list[DeadLetter] = []
    wrong: list[str] = []
    started = time.monotonic()
    async with telling(progress, lambda: _doing(proposed, time.monotonic() - started)):
        async for settled in proposed.results(timeout_s):
            valid = settled.published.digest is not None
            progress.end()
            table.row(settled, proposed.runs)
            match settled.message:
                case Attestation() as attestation:
                    attested.append(attestation)
                    if json:
                        emit_line(settled.line)
                case AuditReport() as report:
                    wrong.append(f"run {report.run_id} does not match: see its report")
                case DeadLetter() as letter:
                    refused.append(letter)
                    if valid and letter.code != "proposal-id-reused":
                        wrong.append(f"a valid proposal was dead-lettered: {settled.published.place}")
    seconds = time.monotonic() - started
    wrong += unfinished(proposed)
    _summary(console, attested, refused, proposed, seconds)
    for what in wrong:
        console.print(f"[red]✗[/] {what}")
    return Exit.NEGATIVE if wrong else Exit.OK


def _summary(
    console: Console,
    attested: list[Attestation],
    refused: list[DeadLetter],
    proposed: Proposed,
    seconds: float,
) -> None:
    approved = sum(one.approved for one in attested)
    runs = proposed.runs
    proofs = [facts for facts in runs.values() if facts.proof_bytes is not None]
    mismatches = sum("MISMATCH" in facts.verdicts.values() for facts in runs.values())
    console.print(
        f"\n{len(attested)} decisions attested ({approved} approved, {len(attested) - approved} rejected), "
        f"{len(refused)} invalid proposals dead-lettered, in {seconds:.1f} s\n"
        f"{len(runs)} runs, {len(proofs)} proofs of "
        f"{min((facts.security_bits or 0 for facts in proofs), default=0)} bits, "
        f"{sum(facts.proof_bytes or 0 for facts in proofs) / 1000:.0f} kB, {mismatches} mismatches",
        soft_wrap=True,
    )


def _doing(proposed: Proposed, seconds: float) -> str:
    """What the system is doing while nothing is settled."""
    proving = sum(facts.items is not None and facts.proof_bytes is None for facts in proposed.runs.values())
    doing = f"proving {proving} run{'s' * (proving != 1)}" if proving else "tracing and auditing"
    return f"{doing}, {len(proposed.pending)} proposals to go, {seconds:.0f} s"


def own_proposals(path: Path) -> list[bytes]:
    """The proposals in a file. Raises UnusableInputError `no-proposals`."""
    values = read_proposals(path.read_bytes().splitlines())
    if not values:
        raise UnusableInputError("no-proposals", f"there are no proposals in {path}", "Give one a line.")
    return values


def _samples() -> list[bytes]:
    """The sample proposals, then the bad ones, and one that is too large to stand in a file."""
    good, bad = samples()
    oversized = b'{"v":1,"type":"AllocationProposal","allocation_id":"oversized","padding":"'
    return [
        *read_proposals(good.read_bytes().splitlines()),
        *read_proposals(bad.read_bytes().splitlines()),
        oversized + b"x" * MAX_LINE + b'"}',
    ]
