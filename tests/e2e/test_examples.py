"""The examples as a user runs them: processes of their own, beside one whole system that all of them share."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.faults import proposals
from tests.faults.systems import System, running

from proofrail.client import ATTESTATIONS, REPORTS, Attestation, subscribe
from proofrail.commitment.checkpoint import Signer, generate_key
from proofrail.messaging.client import publish
from proofrail.messaging.records import Message
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.messages import to_line
from proofrail.wire.signing import sign_message

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.prover,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

EXAMPLES = Path(__file__).parents[2] / "examples"
APPROVED = proposals.valid("two-pools", 1)
REJECTED = proposals.valid("too-tight", 2, max_single_bps=5000)
REFUSED = proposals.invalid("bad-sum")


@dataclass
class Neighbours:
    """A running system, and the examples as its neighbours."""

    system: System
    folder: Path
    allocated: subprocess.CompletedProcess[str]
    """The allocator, run on APPROVED, REJECTED, a proposal in the seed's form, and REFUSED."""

    @property
    def key(self) -> str:
        return str(self.system.home.auditor_key.with_suffix(".vkey"))

    async def run(self, example: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return await _run(self.system, example, *arguments)

    async def register(self) -> subprocess.CompletedProcess[str]:
        options = ("--auditor-key", self.key, "--store", self.system.home.store_url, "--once")
        return await self.run("registrar.py", str(self.folder / "ledger.json"), *options)

    def read(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name).read_text())
        return found

    async def attestations(self) -> list[Attestation]:
        """The signed ones, in order."""
        async with subscribe(self.system.kafka, ATTESTATIONS, follow=False, unreadable="deliver") as stream:
            found = [getattr(item, "message", None) async for item in stream]
        return [one for one in found if isinstance(one, Attestation) and one.timestamp]


async def _run(system: System, example: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / example), *arguments, "--kafka", system.kafka.bootstrap]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, timeout=200
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def neighbours(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Neighbours]:
    folder = tmp_path_factory.mktemp("examples")
    file = folder / "proposals.ndjson"
    file.write_bytes(b"\n".join([APPROVED, REJECTED, proposals.seed("seed-form"), REFUSED]) + b"\n")
    async with running(folder / "home") as system:
        key = str(system.home.auditor_key.with_suffix(".vkey"))
        allocated = await _run(system, "allocator.py", str(file), "--auditor-key", key)
        yield Neighbours(system, folder, allocated)


async def test_the_allocator_prints_what_was_decided(neighbours: Neighbours) -> None:
    """Each proposal has its line: decided as the model decides, or refused with code and reason; exit status 1, since
    not all are approved."""
    allocated = neighbours.allocated
    assert (1, "") == (allocated.returncode, allocated.stderr)
    said = dict(line.split(": ", 1) for line in allocated.stdout.splitlines())
    shares = proposals.expected_decision(APPROVED)["recommended_bps"]
    advice = f"jediswap {shares[0] / 100:.2f} %, ekubo {shares[1] / 100:.2f} %"
    assert f"approved; recommended: {advice}" == said["two-pools-1"]
    assert said["too-tight-2"].startswith("rejected for OVER_MAX_SINGLE; recommended: jediswap ")
    assert said["seed-form"].startswith("approved; ")
    assert said["bad-sum-0"].startswith("refused [proposal-shares-sum] protocols: proposed_bps add up to ")
    assert 4 == len(said)


async def test_the_allocator_believes_no_other_auditor(neighbours: Neighbours) -> None:
    """With another key the same attestation settles nothing, and the reason is named."""
    key, file = neighbours.folder / "other.vkey", neighbours.folder / "again.ndjson"
    key.write_text(generate_key("proofrail-auditor", bytes(32))[1])
    file.write_bytes(APPROVED)
    again = await neighbours.run("allocator.py", str(file), "--auditor-key", str(key), "--within", "1")
    assert 3 == again.returncode
    assert again.stdout.startswith("two-pools-1: not decided within 1 s: [attestation-signature] ")


async def test_the_registrar_registers_what_holds_once(neighbours: Neighbours) -> None:
    """Each attestation is registered with what its proof says; with its position lost it sees all of them again, and
    registers nothing twice."""
    attested = await neighbours.attestations()
    first = await neighbours.register()
    assert (0, "") == (first.returncode, first.stderr)
    ledger = neighbours.read("ledger.json")
    assert {one.allocation_id: one.row for one in attested} == {
        entry["allocation_id"]: entry["row"] for entry in ledger.values()
    }
    for entry in ledger.values():
        assert 96 <= entry["security_bits"]
        assert {"program_hash", "output_hash", "fact_hash"} <= entry.keys()
    (neighbours.folder / "ledger.position").unlink()
    again = await neighbours.register()
    assert 3 * ["registered before"] == [line.split(" ", 1)[1] for line in again.stdout.splitlines()]
    assert ledger == neighbours.read("ledger.json")


async def test_the_registrar_passes_over_nothing(neighbours: Neighbours) -> None:
    """Run again it goes on where it was: a forged attestation is refused by name, and at a record that cannot be read
    it stops."""
    ledger, (true, *_) = neighbours.read("ledger.json"), await neighbours.attestations()
    forger = Signer.parse(generate_key("proofrail-auditor", bytes(range(32)))[0])
    forged = canonical(sign_message({**parse_object(to_line(true)), "timestamp": 0}, forger.key))
    values = (forged, b'{"v":2,"type":"Attestation"}')
    await publish(neighbours.system.kafka, [Message(ATTESTATIONS, b"forged", value) for value in values])
    stopped = await neighbours.register()
    assert (2, 1, 1) == (stopped.returncode, stopped.stdout.count("\n"), stopped.stderr.count("\n"))
    assert stopped.stdout.startswith("forged refused: [attestation-signature] ")
    assert stopped.stderr.startswith("[unknown-version] ")
    assert ledger == neighbours.read("ledger.json")


async def test_the_dashboard_counts_each_message_once(neighbours: Neighbours) -> None:
    """From the beginning, over records that nobody can read, and on from where it was."""
    for _ in range(2):
        once = await neighbours.run("dashboard.py", str(neighbours.folder / "counts.json"), "--once")
        assert (0, "") == (once.returncode, once.stderr)
        await publish(neighbours.system.kafka, [Message(REPORTS, b"k", b"{")])
    counts = neighbours.read("counts.json")["counts"]
    runs = len({one.run_id for one in await neighbours.attestations()})
    attestations = {name: counts.pop(f"attestation: {name}") for name in ("approved", "rejected")}
    assert {
        "proof: stwo, 96 bits": runs,
        "refused proposal: proposal-shares-sum": 1,
        "report on proof: MATCH": runs,
        "report on run: MATCH": runs,
        "unreadable: malformed-json": 1,
        "unreadable: unknown-version": 1,
    } == counts
    # It believes whatever stands there: the forged one is among them.
    assert 4 == sum(attestations.values())
