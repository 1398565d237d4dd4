"""What operators do about proposals that came to nothing, with real tracer, prover and auditor: they are attested."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from proofrail.messaging.client import publish
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, parse_object
from tests.faults import proposals
from tests.faults.commands import called
from tests.faults.forging import TRACER_PRIVATE, proposed
from tests.faults.systems import Service, environment
from tests.faults.watching import Contents, followed

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow]

_PROOF_S = 240


def _environment(folder: Path, kafka: KafkaSettings) -> dict[str, str]:
    """With the tracer's key that prover and auditor accept."""
    key = folder / "tracer.key"
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(TRACER_PRIVATE + "\n")
    return environment(folder, kafka)


def _attested(contents: Contents, *names: str) -> bool:
    return set(names) <= {one["allocation_id"] for one in contents.attestations()}


async def test_a_run_that_could_not_be_proven_is_requeued_and_attested(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """A prover with too little memory gives the run up, and its halves; with enough of it `requeue` of the first run
    has both proposals proven, audited and attested. `status` asks for a person until then, and tells every attempt."""
    env = _environment(tmp_path, own_kafka)
    tracer, auditor = Service("tracer", env), Service("auditor", env)
    poor = Service("prover", env | {"PROOFRAIL_PROOF_MEMORY_LIMIT": "16MiB"})
    names = ["poor-0", "poor-1"]
    async with followed(own_kafka) as contents:
        # Before the tracer starts, so that they share a run.
        await publish(own_kafka, proposed([proposals.valid("poor", number) for number in range(2)]))
        async with tracer, auditor:
            async with poor:
                await contents.until(lambda: len(contents.letters()) == 2, _PROOF_S, "two dead letters")
            first = contents.runs[0]
            status, (found,) = await called(own_kafka, tmp_path, "status", "--json")
            wrong = found["stages"][1]["needs_person"]
            assert (1, 2) == (status, sum("proofrail requeue" in one for one in wrong))
            status, said = await called(own_kafka, tmp_path, "requeue", first[:8])
            assert (2, []) == (status, said)  # two of them, and nobody can be asked
            status, said = await called(own_kafka, tmp_path, "requeue", first[:8], "--yes")
            assert (0, names) == (status, sorted(one["key"] for one in said))

            async with Service("prover", env):
                await contents.until(lambda: _attested(contents, *names), _PROOF_S, "both attestations")
            status, told = await called(
                own_kafka, tmp_path, "status", *names, "--auditor-key", str(tmp_path / "auditor.vkey")
            )
            assert (0, {"attested"}) == (status, {one["state"] for one in told})
            for one in told:
                states = [attempt["state"] for attempt in one["attempts"]]
                assert ["given up", "given up", "audited"] == states
            status, (found,) = await called(own_kafka, tmp_path, "status", "--json")
            assert [] == [wrong for stage in found["stages"][1:] for wrong in stage["needs_person"]]
            assert 1 == (await called(own_kafka, tmp_path, "requeue", first))[0]  # nothing of it is open


async def test_a_dead_letter_is_corrected_replayed_and_attested(
    own_kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Replayed as it was, it is refused again, and the attempts count on; with a corrected value it is attested. The
    history stays: each letter, what replayed it, by whom, and the record's headers that say so."""
    env = _environment(tmp_path, own_kafka)
    form: dict[str, Any] = parse_object(proposals.valid("wrong", 7))
    form["protocols"][0]["proposed_bps"] -= 1
    bad, corrected = canonical(form), tmp_path / "corrected.json"
    corrected.write_bytes(proposals.valid("wrong", 7))
    name = form["allocation_id"]

    def letters() -> list[dict[str, Any]]:
        return [one for one in contents.letters() if one.get("key") == name]

    async with followed(own_kafka) as contents, Service("tracer", env), Service("auditor", env):
        await publish(own_kafka, [Message(topics.PROPOSALS, name.encode(), bad)])
        await contents.until(letters, 60, "a dead letter")
        assert 1 == (await called(own_kafka, tmp_path, "dlq", "replay", name))[0]  # it would be refused again
        assert 0 == (await called(own_kafka, tmp_path, "dlq", "replay", name, "--force"))[0]
        await contents.until(lambda: len(letters()) == 2, 60, "a second dead letter")
        assert [1, 2] == [one["attempts"] for one in letters()]
        status, _ = await called(own_kafka, tmp_path, "dlq", "replay", name, "--value", str(corrected))
        assert 0 == status
        _, (told,) = await called(own_kafka, tmp_path, "status", name)
        assert ("waiting", False) == (told["state"], "code" in told)
        async with Service("prover", env):
            await contents.until(lambda: _attested(contents, name), _PROOF_S, "the attestation")
        _, listed = await called(own_kafka, tmp_path, "dlq", "list", "--code", letters()[0]["code"])
        first, second = (one for one in listed if one["dead_letter"].get("key") == name)
        assert ("refused again", second["letter"], "replayed") == (
            first["state"], first["next"], second["state"]
        )  # fmt: skip
        assert all(one["replays"][0]["by"] for one in (first, second))
        record = contents.records[topics.PROPOSALS][-1]
        assert second["replays"][0]["offset"] == record.offset
        assert corrected.read_bytes() == record.value
        assert second["letter"].partition("-")[2] in " ".join(record.headers.values())
