"""When the strip asks for a person, and what stays to be seen after that."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.explorer_cases import World, given_up, proposal, reader_of
from tests.explorer_site import Read

from proofrail.explorer.model.strip import Pipeline
from proofrail.explorer.run_events import RunEvents
from proofrail.explorer.web import application
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.wire import topics

HOUR_MS = 3_600_000


async def strip(folder: Path, world: World, after_ms: int = 5_000) -> Pipeline:
    reader = reader_of(folder, world, at=world.at + after_ms)
    reader.health.groups = {}
    try:
        return await reader.pipeline()
    finally:
        reader.close()


def concerns(found: Pipeline) -> dict[str, str]:
    return {stage.name: stage.concern for stage in found.stages if stage.concern is not None}


async def test_no_question_of_the_strip_sorts_a_table(tmp_path: Path) -> None:
    """Every page has the strip, and a table has 100,000 rows: what is oldest or last is read off an index. Sorted are
    gaps alone, and what of a day is counted anyway."""
    reader = reader_of(tmp_path)
    asked: list[str] = []
    with reader._database.snapshot() as connection:
        connection.set_trace_callback(asked.append)
        reader._strip(connection)
        connection.set_trace_callback(None)
        plans = {one: connection.execute(f"EXPLAIN QUERY PLAN {one}").fetchall() for one in asked}
    reader.close()
    assert len(plans) > 15
    sorting = [one for one, plan in plans.items() if any("TEMP B-TREE" in row["detail"] for row in plan)]
    assert [] == [one for one in sorting if "FROM gaps" not in one and "count(*) OVER ()" not in one]


async def test_what_cannot_be_proven_asks_for_a_person(tmp_path: Path) -> None:
    """With its code and the command that runs it again, until it is."""
    world = World()
    run = given_up(world)
    found = await strip(tmp_path / "given up", world)
    assert {"prover": "given-up"} == concerns(found)
    said = str(found.stages[1].attention)
    assert "vault:000001 cannot be proven [prover-out-of-memory]" in said
    assert f"proofrail requeue {run.run_id[:12]}" in said
    run.index([next(one for one in world.records if one.topic == topics.PROPOSALS)])
    assert {} == concerns(await strip(tmp_path / "requeued", world))


async def test_a_refusal_asks_for_a_person_until_a_ledger_records(tmp_path: Path) -> None:
    """The last one with its code, and how many more; one that was recorded after all needs nobody."""
    world = World()
    run = world.seal(world.propose(proposal(1), proposal(2)))
    run.settle()
    run.register("vault:000001", "policy-security")
    run.register("vault:000002", "policy-security")
    found = await strip(tmp_path / "both", world)
    assert {"registrar": "refused"} == concerns(found)
    said = str(found.stages[3].attention)
    assert said.startswith("vault:000002 was refused [policy-security]: the proof has 80 bits")
    assert said.endswith(", and 1 more")
    run.register("vault:000002")
    said = str((await strip(tmp_path / "one", world)).stages[3].attention)
    assert ("vault:000001 was refused [policy-security]", False) == (said, "more" in said)
    run.register("vault:000001")
    assert {} == concerns(await strip(tmp_path / "none", world))


async def test_an_undecided_audit_asks_for_a_person_when_nothing_is_waited_for(tmp_path: Path) -> None:
    """What is only late, the auditor waits for, and says until when."""
    for name, until, expected in (
        ("late", {"until": "2026-01-02T03:04:05Z"}, {}),
        ("gone", {}, {"auditor": "undecided"}),
    ):
        world = World()
        run = world.seal(world.propose(proposal(1)))
        missing = {"part": "events", "code": "missing", "message": "the events have expired", **until}
        run.report("run", "INDETERMINATE", unchecked=[missing])
        run.prove()
        found = await strip(tmp_path / name, world)
        assert expected == concerns(found)
        assert ("missing", "run undecided: the events have expired") == (
            found.stages[2].last_error.code,
            found.stages[2].last_error.message,
        )


async def test_a_mismatch_is_red_for_a_day_and_told_of_for_ever(tmp_path: Path) -> None:
    """Nobody can say on the topics that he has seen to it: red would hide the next one, silence this one."""
    world = World()
    for number in (1, 2):
        world.seal(world.propose(proposal(number))).mismatch()
    fresh = await strip(tmp_path / "fresh", world)
    assert "mismatch" == concerns(fresh)["auditor"]
    assert str(fresh.stages[2].attention).endswith(", and 1 more")
    reader = reader_of(tmp_path / "old", world, at=world.at + 25 * HOUR_MS)
    reader.health.groups = {}
    old = await reader.pipeline()
    assert "mismatch" not in concerns(old).values()
    assert (2, True) == (old.mismatches, old.last_mismatch is not None)
    app = application(reader)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        for address in ("/", "/allocations", "/search?q=none", "/fragments/banner"):
            page = Read((await client.get(address)).text)
            assert "2 runs do not hold" in " ".join(page.text.split()), address
            assert "/runs?verdict=MISMATCH" in page.links
    reader.close()


@pytest.mark.parametrize(
    ("concern", "address"),
    [("unreachable", "/runs?verdict=PENDING"), ("mismatch", "#audit")],
)
async def test_what_is_shown_is_what_is_meant(tmp_path: Path, concern: str, address: str) -> None:
    """`Show` leads to what waits for a service that is away, and to the mismatch where there is one."""
    world = World()
    world.seal(world.propose(proposal(1))).mismatch()
    reader = reader_of(tmp_path, world)
    if concern == "mismatch":
        reader.health.groups = {}
    else:
        reader.health.groups = {"auditor": reader.health.groups["prover"]}
    app = application(reader)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        found = await client.get("/fragments/banner")
    assert any(link.endswith(address) for link in Read(found.text).links)
    reader.close()


class Away:
    """A broker that does not answer."""

    def __init__(self) -> None:
        self.asked = 0

    async def values(self, _: object) -> list[bytes] | None:
        self.asked += 1
        raise BrokerUnavailableError("broker-unavailable", "it does not answer")


async def test_a_run_is_shown_while_the_broker_is_away(tmp_path: Path) -> None:
    """All but its events, which nobody else has; as soon as the broker is known to be away it is not waited for. Of the
    services nothing is said then."""
    world = World()
    run = world.seal(world.propose(proposal(1)))
    run.settle()
    reader = reader_of(tmp_path, world)
    source = Away()
    reader._run_events = RunEvents(source)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application(reader)), base_url="http://127.0.0.1"
    ) as client:
        for since in (None, world.at):
            reader.health.broker_since_ms = since
            reader._pipeline = None
            page = await client.get(f"/runs/{run.run_id}?step=3")
            assert (200, 1) == (page.status_code, source.asked)
            text = " ".join(Read(page.text).text.split())
            assert "No spans" in text
            assert "96 bits" in text
        assert 503 == (await client.get(f"/api/runs/{run.run_id}/spans")).status_code
        assert 1 == source.asked
        assert 4 == (await client.get("/")).text.count("Not known now")
    reader.close()
