"""The explorer over 100,000 allocations: building its view from a real broker, and the server time of every page.

Beside the building stand its limits in the same run: the same client reading the same topics into nothing, and the view
taking the same records from memory. `PROOFRAIL_BENCH_ALLOCATIONS` makes it smaller.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from aiokafka import TopicPartition

from proofrail.artifacts.cache import cache_dir
from proofrail.artifacts.store import ArtifactStore
from proofrail.explorer.database import Database
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.schema import TOPICS
from proofrail.explorer.source import TopicSource
from proofrail.explorer.view import View
from proofrail.explorer.web import application
from proofrail.messaging import heap
from proofrail.messaging.client import publish
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.log_reader import LogReader
from proofrail.messaging.records import Message, Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire import topics
from proofrail.wire.canonical import sha256_hex
from proofrail.wire.messages import (
    Attestation,
    AuditReport,
    CommitmentBlock,
    CommitmentSeal,
    DeadLetter,
    IndexEntry,
    Input,
    Proof,
    Registration,
    reason_names,
    to_line,
)
from proofrail.wire.ndjson import batches
from proofrail.wire.proposals import parse_proposal
from tests.explorer_cases import World, proposal

ALLOCATIONS = int(os.environ.get("PROOFRAIL_BENCH_ALLOCATIONS", "100000"))
BATCH = 250
"""Allocations in a run: what a busy system has."""
ASKED = 120
"""Requests for each figure."""
_LOT = 4000
_SENT = 20_000


def _line(what: str, figure: str) -> None:
    print(f"{what:<58} {figure}", flush=True)


def _hash(*parts: object) -> str:
    return sha256_hex(":".join(map(str, parts)).encode())


@dataclass
class _Made:
    """What is published: topic, key and value."""

    messages: list[Message]

    def say(self, topic: str, key: str, *lines: bytes) -> None:
        for value in batches(lines, 256 * 1024):
            self.messages.append(Message(topic, key.encode(), value))


def _batch(made: _Made, number: int, forms: Sequence[dict[str, object]]) -> None:
    """One settled run over proposals, and its attestations; three of ten are recorded, some refused."""
    run = _hash("run", number)[:32]
    root, wrong = _hash("root", number), number % 97 == 96
    for row, form in enumerate(forms):
        name = str(form["allocation_id"])
        entry = IndexEntry(
            allocation_id=name,
            proposal_sha256=_hash("proposal", name),
            run_id=run,
            row=row,
            topic=topics.PROPOSALS,
            partition=0,
            offset=number * BATCH + row,
        )
        made.say(topics.INDEX, name, to_line(entry))
    items = 30 * len(forms)
    inputs = [to_line(Input(run_id=run, index=row, input=form)) for row, form in enumerate(forms)]
    blocks = [
        to_line(
            CommitmentBlock(
                run_id=run,
                block=block,
                first_item=block * 256,
                items=256,
                bits=16,
                packed="ab" * 512,
                chain=root,
            )
        )
        for block in range(-(-items // 256))
    ]
    seal = CommitmentSeal.model_validate(
        {
            "run_id": run,
            "items": items,
            "blocks": len(blocks),
            "bits": 16,
            "block_items": 256,
            "chain": _hash("chain", number),
            "root": root,
            "program": {
                "backend": "cairo",
                "method_id": "0x1" + _hash("program")[:60],
                "artifact_sha256": _hash("a"),
            },
            "layout": "small",
            "spans": "own",
            "inputs_count": len(forms),
            "inputs_sha256": _hash("inputs", number),
            "outcome": "completed",
            "n_steps": 65536,
            "output_count": 9,
            "output_sha256": _hash("output", number),
        }
    )
    made.say(topics.COMMITMENTS, run, *inputs, *blocks, to_line(seal))
    digest = _hash("proof", number)
    proof = Proof(
        run_id=run,
        backend="stwo",
        backend_version="1",
        method="circle-stark",
        is_mock=False,
        statement={"n_steps": 65536, "output": ["0x1"] * 200},
        parameters={"fri": {"n_queries": 70}},
        security_bits=96,
        digest=digest,
        size=1_200_000,
        uri=f"artifact:sha256/{digest}",
        identities={"fact_hash": "0x1" + _hash("fact", number)[:60]},
        timings={"prove": 9_000, "total": 10_000},
    )
    made.say(topics.PROOFS, run, to_line(proof))
    for subject in ("run", "proof"):
        first = {"first_mismatch": {"kind": "output_bytes", "block": 3, "item": 800}}
        report = AuditReport.model_validate(
            {
                "run_id": run,
                "subject": subject,
                "verdict": "MISMATCH" if wrong and subject == "run" else "MATCH",
                "checked": ["inputs", "blocks"],
                "unchecked": [],
                "signature": _hash("s", number) * 2,
                **(first if wrong and subject == "run" else {}),
            }
        )
        made.say(topics.REPORTS, run, to_line(report))
    if wrong:
        return
    for row, form in enumerate(forms):
        _settle(made, run, root, digest, row, form)


def _settle(made: _Made, run: str, root: str, digest: str, row: int, form: dict[str, object]) -> None:
    name, verdict = str(form["allocation_id"]), 2 if row % 5 == 4 else 0
    protocols = [str(one["name"]) for one in form["protocols"]]
    attestation = Attestation.model_validate(
        {
            "allocation_id": name,
            "proposal_sha256": _hash("proposal", name),
            "approved": verdict == 0,
            "verdict": verdict,
            "reasons": reason_names(verdict),
            "protocols": protocols,
            "risks": [30] * len(protocols),
            "recommended_bps": [5000] * len(protocols),
            "proposed_bps": [5000] * len(protocols),
            "run_id": run,
            "row": row,
            "root": root,
            "proof": {
                "digest": digest,
                "uri": f"artifact:sha256/{digest}",
                "backend": "stwo",
                "security_bits": 96,
                "is_mock": False,
            },
            "audit": {"run_report": _hash("r", run), "proof_report": _hash("p", run)},
            "timestamp": 1,
            "signature": _hash("s", name) * 2,
        }
    )
    line = to_line(attestation)
    made.say(topics.ATTESTATIONS, name, line)
    if row % 10 < 3:
        said = {"outcome": "recorded", "fact": {"fact_hash": "0x1" + _hash("fact", run)[:60]}}
        if row % 50 == 0:
            said = {"outcome": "refused", "code": "policy-security", "message": "too few bits"}
        registration = Registration.model_validate(
            {
                "allocation_id": name,
                "proposal_sha256": _hash("proposal", name),
                "attestation": sha256_hex(line),
                "run_id": run,
                "row": row,
                "approved": verdict == 0,
                "proof": digest,
                "ledger": {"kind": "file"},
                "timestamp": 1,
                **said,
            }
        )
        made.say(topics.REGISTRATIONS, name, to_line(registration))


def everything() -> list[Message]:
    """What 100,000 allocations leave on the topics, through the models of the wire; the last run is a real one with its
    trace events. Of the others the events are one small record each: the view notes where events stand and no more."""
    made = _Made([])
    for number in range(ALLOCATIONS // BATCH):
        values = [proposal(number * BATCH + row, protocols=2 + row % 3) for row in range(BATCH)]
        forms = [parse_proposal(value).normal_form() for value in values]
        for value, form in zip(values, forms, strict=True):
            made.messages.append(Message(topics.PROPOSALS, form["allocation_id"].encode(), value))
        run = _hash("run", number)[:32]
        made.messages.append(Message(topics.EVENTS, run.encode(), b'{"type":"TraceStart","v":1}\n'))
        _batch(made, number, forms)
    for number in range(ALLOCATIONS // 50):
        letter = DeadLetter(
            topic=topics.PROPOSALS,
            partition=0,
            offset=10_000_000 + number,
            key=f"bad-{number}",
            code="proposal-shares-sum",
            message="proposed_bps add up to 9000, not to 10000",
            value=b'{"allocation_id":"bad"}'.hex(),
            attempts=1,
        )
        made.say(topics.PROPOSALS_DLQ, f"bad-{number}", to_line(letter))
    world = World()
    real = world.seal(world.propose(*(proposal(ALLOCATIONS + 1000 + row) for row in range(BATCH))))
    real.settle()
    made.messages.extend(Message(one.topic, one.key, one.value) for one in world.records)
    return made.messages


@dataclass(frozen=True)
class _Took:
    """Seconds on the clock, and of this process's CPU time: other work on the machine is in the first alone."""

    wall: float
    cpu: float

    def rate(self, count: int) -> str:
        return f"{count / self.wall:8,.0f} records/s ({count / self.cpu:,.0f} a second of CPU time)"


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(begun: tuple[float, float]) -> _Took:
    return _Took(time.perf_counter() - begun[0], time.process_time() - begun[1])


async def _read_all(kafka: KafkaSettings, take: Callable[[list[Record]], Awaitable[None]]) -> _Took:
    async with LogReader(kafka, TOPICS, {}) as log:
        await log.connect(30)
        await log.start()
        begun = _now()
        lots: list[Record] = []
        while True:
            records = await log.read()
            lots += records
            if len(lots) >= _LOT or not records:
                await take(lots)
                lots = []
            if not records and await log.at_end():
                return _since(begun)


def _ends(records: Sequence[Record]) -> dict[TopicPartition, int]:
    return {record.tp: record.offset + 1 for record in records}


async def _from_broker(kafka: KafkaSettings, folder: Path) -> _Took:
    """As the service does it: the next lot is read while one is written."""
    database = Database(folder / "view.sqlite")
    view = View(database)
    loop = asyncio.get_running_loop()
    writing: list[asyncio.Future[object]] = []

    async def take(records: list[Record]) -> None:
        await asyncio.gather(*writing)
        writing[:] = [loop.run_in_executor(None, view.apply, records, _ends(records))]

    begun = _now()
    await _read_all(kafka, take)
    await asyncio.gather(*writing)
    took = _since(begun)
    database.close()
    return took


def _from_memory(records: Sequence[Record], folder: Path) -> _Took:
    database = Database(folder / "memory.sqlite")
    view = View(database)
    begun = _now()
    for start in range(0, len(records), _LOT):
        lot = records[start : start + _LOT]
        view.apply(lot, _ends(lot))
    took = _since(begun)
    database.close()
    return took


def _percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def _asked(dice: random.Random, runs: Sequence[str], real: str) -> Iterator[tuple[str, Callable[[], str]]]:
    """Each page and endpoint, and an address of it made up anew for each request."""

    def allocation() -> str:
        return f"vault:{dice.randrange(ALLOCATIONS):06}"

    def run() -> str:
        return dice.choice(runs)

    states = ["attested", "recorded", "refused", "mismatch", "dead-lettered"]
    yield "/api/pipeline", lambda: "/api/pipeline"
    yield "/api/runs", lambda: "/api/runs"
    yield "/api/runs, by verdict", lambda: "/api/runs?verdict=MISMATCH"
    yield "/api/runs, by hash", lambda: f"/api/runs?q={_hash('root', dice.randrange(len(runs)))[:12]}"
    yield "/api/allocations", lambda: "/api/allocations"
    yield "/api/allocations, by state", lambda: f"/api/allocations?state={dice.choice(states)}"
    yield (
        "/api/allocations, rejected for a reason",
        lambda: "/api/allocations?approved=false&reason=OVER_MAX_SINGLE",
    )
    yield "/api/allocations, none that fits", lambda: "/api/allocations?state=recorded&reason=UNDER_LIQUIDITY"
    yield "/api/allocations, by the beginning of an id", lambda: f"/api/allocations?q={allocation()[:9]}"
    yield "/api/allocations/ID", lambda: f"/api/allocations/{allocation()}"
    yield "/api/runs/ID", lambda: f"/api/runs/{run()}"
    yield "/api/runs/ID/allocations", lambda: f"/api/runs/{run()}/allocations"
    yield "/api/runs/ID/spans of a run of 250, seen before", lambda: f"/api/runs/{real}/spans"
    yield "/api/runs/ID/events of it", lambda: f"/api/runs/{real}/events?cursor={dice.randrange(5000)}"
    yield "/api/dead-letters", lambda: "/api/dead-letters"
    yield "/api/search, an id", lambda: f"/api/search?q={allocation()}"
    yield "/api/search, a hash", lambda: f"/api/search?q={_hash('proposal', allocation())[:10]}"
    yield "page /", lambda: "/"
    yield "page /runs", lambda: "/runs"
    yield "page /allocations", lambda: "/allocations"
    yield "page /allocations, by state", lambda: f"/allocations?state={dice.choice(states)}"
    yield "page /allocations/ID", lambda: f"/allocations/{allocation()}"
    yield "page /runs/ID", lambda: f"/runs/{run()}"
    yield "page /runs/ID of a run of 250", lambda: f"/runs/{real}"
    yield "page /dead-letters", lambda: "/dead-letters"
    yield "page /search", lambda: f"/search?q={allocation()[:9]}"


async def _pages(kafka: KafkaSettings, folder: Path, runs: Sequence[str], real: str) -> None:
    database = Database(folder / "view.sqlite")
    source = TopicSource(kafka)
    reader = ViewReader(database, source, ArtifactStore((folder / "artifacts").as_uri()), [])
    reader.health.caught_up = True
    transport = httpx.ASGITransport(application(reader))
    dice = random.Random(1)  # noqa: S311
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        begun = time.perf_counter()
        (await client.get(f"/api/runs/{real}/spans")).raise_for_status()
        _line("spans of a run of 250, never seen before", f"{(time.perf_counter() - begun) * 1000:8.1f} ms")
        for what, address in _asked(dice, runs, real):
            await client.get(address())  # templates are compiled, statements prepared
            times = []
            for _ in range(ASKED):
                answer = await client.get(address())
                answer.raise_for_status()
                times.append(float(answer.headers["server-timing"].partition("dur=")[2]))
            half, most = _percentile(times, 0.5), _percentile(times, 0.95)
            _line(what, f"{most:8.1f} ms p95, {half:6.1f} ms p50   (limit 100 ms)")
        await _deep(client)
    reader.close()
    await source.stop()
    database.close()


async def _deep(client: httpx.AsyncClient) -> None:
    """Page after page, to the end of the table."""
    times, cursor = [], ""
    while cursor is not None:
        answer = await client.get(f"/api/allocations?limit=250&cursor={cursor}")
        times.append(float(answer.headers["server-timing"].partition("dur=")[2]))
        cursor = answer.json()["older"]
    first, last = times[len(times) // 10], times[-len(times) // 10]
    _line(
        f"/api/allocations, {len(times)} pages of 250",
        f"{_percentile(times, 0.95):8.1f} ms p95 (early {first:.1f}, late {last:.1f})",
    )


async def _measure(folder: Path) -> None:
    begun = time.perf_counter()
    messages = everything()
    size = sum(len(one.value or b"") for one in messages)
    _line(
        f"{ALLOCATIONS:,} allocations, {ALLOCATIONS // BATCH + 1} runs",
        f"{len(messages):,} records, {size / 1e6:.0f} MB, made in {time.perf_counter() - begun:.0f} s",
    )
    with EmbeddedKafka(folder / "kafka", cache_dir()) as broker:
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        await ensure_topics(kafka)
        for start in range(0, len(messages), _SENT):
            await publish(kafka, messages[start : start + _SENT], 120)
        held: list[Record] = []

        async def keep(records: list[Record]) -> None:
            held.extend(records)

        async def nothing(_: list[Record]) -> None: ...

        await _read_all(kafka, keep)
        bare = await _read_all(kafka, nothing)
        _line("limit: the same client, into nothing", bare.rate(len(messages)))
        memory = await asyncio.to_thread(_from_memory, held, folder)
        _line("limit: the view, from memory", memory.rate(len(messages)))
        built = await _from_broker(kafka, folder)
        _line(
            "view built from the topics",
            f"{built.rate(len(messages))} in {built.wall:.1f} s; at least 10,000",
        )
        database = (folder / "view.sqlite").stat().st_size
        _line(
            "the view's file", f"{database / 1e6:8.0f} MB, {database / ALLOCATIONS:.0f} bytes an allocation"
        )
        runs = [_hash("run", number)[:32] for number in range(ALLOCATIONS // BATCH)]
        real = next(one.key_text for one in reversed(held) if one.topic == topics.EVENTS)
        held.clear()
        messages.clear()
        heap.spare()  # as the host of a service does
        await _pages(kafka, folder, runs, real)


def main() -> None:
    """Print the figures."""
    folder = Path(tempfile.mkdtemp(prefix="proofrail-bench-explorer-"))
    try:
        asyncio.run(_measure(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
