"""The whole system: latency of a lone proposal, and decisions a second for a thousand at once, stage by stage.

Beside each figure stands its limit in the same run: the bare prover program on the same run, the bare VM. Of the
thousand, each stage's seconds are read off the records' timestamps. BENCH_BURST says how many come at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from proofrail.cairo.program import CairoProgram
from proofrail.cairo.risk_program import pedersens_of, program_input, risk_engine_artifact
from proofrail.cairo.vm import run
from proofrail.cli.home import Home
from proofrail.cli.launch import LaunchedSystem
from proofrail.client.proposing import Proposed, proposal_message, propose
from proofrail.client.settlement import Published
from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.proving.locate import find
from proofrail.proving.stwo import STWO_LIMITS, StwoBackend
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object
from proofrail.wire.messages import Attestation
from proofrail.wire.proposals import parse_proposal
from proofrail.wire.readable import proposal_digest
from tests.faults.proposals import valid as proposal
from tests.faults.watching import Contents, read_all

LONE = 9
BURST = int(os.environ.get("BENCH_BURST", "1000"))
FETCH_S = 0.6


def forms(values: list[bytes]) -> list[dict[str, Any]]:
    return [parse_proposal(value).normal_form() for value in values]


def bare_prover(values: list[bytes]) -> float:
    """Seconds of the prover program alone on the run of these proposals."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.json"
        inputs.write_text(json.dumps(program_input(forms(values))))
        started = time.perf_counter()
        subprocess.run(
            [
                str(find()),
                "prove",
                "--program",
                str(risk_engine_artifact()),
                "--input",
                str(inputs),
                "--out",
                str(Path(folder) / "proof"),
                *StwoBackend().parameters.arguments(),
            ],
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - started


def full_proofs(values: list[bytes]) -> list[list[bytes]]:
    """The proposals in the fewest runs that one proof each can hold."""
    each = STWO_LIMITS.max_instances["pedersen"] // pedersens_of(forms(values[:1])[0])
    return [values[start : start + each] for start in range(0, len(values), each)]


def bare_vm(values: list[bytes]) -> float:
    program = CairoProgram.load(risk_engine_artifact())
    arguments = program_input(forms(values))
    started = time.perf_counter()
    run(program, arguments, "small", None, private_input=False)
    return time.perf_counter() - started


class Publisher:
    """Publishes with a producer that is connected already, as an allocator's is."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def __call__(self, _: KafkaSettings, values: list[bytes]) -> list[Published]:
        messages = [proposal_message(value) for value in values]
        # The first fetch of a fresh reader can be for some of its topics only, and lasts half a second then.
        await asyncio.sleep(FETCH_S)
        at = time.monotonic()
        sent = [
            await self._producer.send(one.topic, one.value, one.key, headers=list(one.headers))
            for one in messages
        ]
        places = await asyncio.gather(*sent)
        return [
            Published(place.topic, place.partition, place.offset, value, at, proposal_digest(value))
            for place, value in zip(places, values, strict=True)
        ]


async def _settle(
    kafka: KafkaSettings, publisher: Publisher, values: list[bytes]
) -> tuple[float, float, list[str]]:
    """Seconds from publishing to the last run report and to the last attestation, and the runs."""
    reported = 0.0
    async with propose(kafka, values, publisher=publisher) as proposed:
        started = min(one.at for one in proposed.pending)
        known = set(proposed.runs)
        settling = asyncio.create_task(_drain(proposed))
        # Looked at a thousand times a second only so long: the prover needs the processor.
        while not settling.done() and not reported:
            runs = [facts for run_id, facts in proposed.runs.items() if run_id not in known]
            if runs and all("run" in facts.verdicts for facts in runs):
                reported = time.monotonic() - started
            await asyncio.sleep(0.001)
        await settling
        assert not proposed.pending
        return (
            reported,
            time.monotonic() - started,
            [run_id for run_id in proposed.runs if run_id not in known],
        )


async def _drain(proposed: Proposed) -> None:
    async for settled in proposed.results(600):
        assert isinstance(settled.message, Attestation), settled.message


def _times(records: list[Record], key: str) -> list[float]:
    """When the records with this key were written, in seconds since the epoch."""
    return [record.timestamp / 1000 for record in records if record.key_text == key]


def _stages(contents: Contents, runs: list[str], values: list[bytes]) -> None:
    """Where the time went, run by run: the stages of a run follow one another, and the prover takes one run after the
    other."""
    names = {proposal_message(value).key.decode() for value in values}
    records = contents.records
    begin = min(record.timestamp / 1000 for record in records[topics.PROPOSALS] if record.key_text in names)
    inputs = Counter(one["run_id"] for one in contents.lines(topics.COMMITMENTS, "Input"))
    timings = {one["run_id"]: one["timings"] for one in contents.lines(topics.PROOFS, "Proof")}
    attested: dict[str, float] = {}
    for record in records[topics.ATTESTATIONS]:
        run_id = parse_object(record.value.rstrip(b"\n"))["run_id"]
        attested[run_id] = max(attested.get(run_id, 0.0), record.timestamp / 1000)
    spent: Counter[str] = Counter()
    free = 0.0
    for run_id in sorted(runs, key=lambda one: _times(records[topics.COMMITMENTS], one)):
        sealed = _times(records[topics.COMMITMENTS], run_id)[-1] - begin
        proven = _times(records[topics.PROOFS], run_id)[-1] - begin
        said = timings[run_id]
        program = said["total"] / 1000
        stages = {
            "until sealed": max(0.0, sealed - free),
            "re-executed, proof verified and kept": proven - max(sealed, free) - program,
            "prover program": program,
        }
        audited = attested[run_id] - begin - proven
        inside = ", ".join(
            f"{stage} {ms / 1000:.1f}"
            for stage, ms in said.items()
            if stage not in ("total", "prove") and ms >= 100
        )
        print(
            f"  run of {inputs[run_id]}: sealed at {sealed:.2f} s, "
            f"{stages['re-executed, proof verified and kept']:.2f} s around the prover program's {program:.2f} s "
            f"({inside}), audited and attested in {audited:.2f} s"
        )
        spent.update(stages)
        free = proven
    spent["audited and attested (the last run)"] = audited
    whole = sum(spent.values())
    for stage, seconds in spent.items():
        print(f"    {100 * seconds / whole:5.1f} %  {seconds:6.2f} s  {stage}")


async def _measure() -> None:
    with tempfile.TemporaryDirectory(prefix="proofrail-bench-") as folder:
        system = LaunchedSystem(Home(Path(folder)))
        await system.start()
        try:
            kafka = KafkaSettings(bootstrap=system.home.bootstrap())
            producer = AIOKafkaProducer(
                bootstrap_servers=kafka.bootstrap, acks="all", enable_idempotence=True
            )
            await producer.start()
            publisher = Publisher(producer)
            reports, attestations, bares = [], [], []
            for number in range(LONE):
                values = [proposal("lone", number)]
                reported, attested, _ = await _settle(kafka, publisher, values)
                reports.append(reported)
                attestations.append(attested)
                bares.append(bare_prover(values))
            bare = statistics.median(bares)
            lone = statistics.median(reports) * 1000
            print(f"lone proposal, publish → run report     p50 {lone:7.0f} ms   (mark 150 ms)")
            print(
                f"lone proposal, publish → attestation    p50 {statistics.median(attestations):7.2f} s    "
                f"bare prover {bare:.2f} s, ratio {statistics.median(attestations) / bare:.2f}   (mark 1.15)"
            )
            values = [proposal("burst", number) for number in range(BURST)]
            _, seconds, runs = await _settle(kafka, publisher, values)
            vm, prover = bare_vm(values), sum(bare_prover(part) for part in full_proofs(values))
            print(
                f"{BURST} proposals at once: {seconds:.1f} s in {len(runs)} proofs = {BURST / seconds:.0f} decisions/s "
                f"(mark 100/s);\n  bare prover on as many in {len(full_proofs(values))} proofs {prover:.1f} s "
                f"({100 * prover / seconds:.0f} %), bare VM {vm:.2f} s ({100 * vm / seconds:.1f} %)"
            )
            _stages(await read_all(kafka), runs, values)
            await producer.stop()
        finally:
            await system.stop()


def main() -> None:
    asyncio.run(_measure())
