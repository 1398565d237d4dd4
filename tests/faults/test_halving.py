"""The tracer as a process, told by a prover that its runs cannot be proven."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from proofrail.messaging.client import publish
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.headers import span_of
from tests.faults import proposals
from tests.faults.forging import failure, garbage, proposed
from tests.faults.systems import Service, environment
from tests.faults.watching import Contents, followed, read_all

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


_READ = (topics.INDEX, topics.COMMITMENTS, topics.PROOFS)


class Watched:
    """A tracer at work, and what it has published."""

    def __init__(self, kafka: KafkaSettings, contents: Contents) -> None:
        self._kafka = kafka
        self.contents = contents

    async def sealed(self, count: int) -> list[list[str]]:
        """For each run, in order, its allocations; returns when there are `count` runs."""
        await self.contents.until(lambda: len(self.contents.runs) >= count, 30, f"{count} runs")
        return self.allocations()

    def allocations(self) -> list[list[str]]:
        found: dict[str, list[str]] = {}
        for line in self.contents.lines(topics.COMMITMENTS, "Input"):
            found.setdefault(line["run_id"], []).append(line["input"]["allocation_id"])
        return [found[run_id] for run_id in self.contents.runs]

    def index(self) -> dict[str, tuple[str, int, str | None]]:
        """The latest entry of every allocation: run, row, code of its dead letter."""
        return {
            one["allocation_id"]: (one["run_id"], one["row"], one.get("dead_letter"))
            for one in self.contents.lines(topics.INDEX)
        }

    async def fail(self, run: int) -> None:
        await publish(self._kafka, [failure(self.contents.runs[run])])

    async def refused(self, value: bytes) -> None:
        """Publish a record that is no proposal, and wait for its dead letter: what came before is done then."""
        count = len(self.contents.letters())
        await publish(self._kafka, proposed([value]))
        await self.contents.until(lambda: len(self.contents.letters()) > count, 30, "a dead letter")


async def test_a_failed_run_is_halved_down_to_the_culprit(own_kafka: KafkaSettings, tmp_path: Path) -> None:
    """The halves are sealed as runs of their own, in the trace of the whole, and indexed; the culprit,
    alone, is dead-lettered once, also when the tracer is killed and started again."""
    env = environment(tmp_path, own_kafka) | {"PROOFRAIL_RUNS_IN_FLIGHT": "10"}
    tracer = Service("tracer", env)
    values = proposals.several("batch", 3)
    async with followed(own_kafka) as contents:
        watched = Watched(own_kafka, contents)
        # Published before the tracer starts, so that it takes all of them at once.
        await publish(own_kafka, [*garbage(_READ), *proposed(values)])
        async with tracer:
            runs = await watched.sealed(1)
            assert ["batch-0", "batch-1", "batch-2"] == runs[0]

            # A failure that is not final is no last word.
            await publish(own_kafka, [failure(contents.runs[0], final=False)])
            await watched.refused(b"first sentinel")
            assert 1 == len(contents.runs)

            await watched.fail(0)
            runs = await watched.sealed(3)
            assert [["batch-0", "batch-1"], ["batch-2"]] == runs[1:]
            upper, lower = contents.runs[1:3]
            assert {
                "batch-0": (upper, 0, None),
                "batch-1": (upper, 1, None),
                "batch-2": (lower, 0, None),
            } == watched.index()

            await watched.fail(1)
            runs = await watched.sealed(5)
            assert [["batch-0"], ["batch-1"]] == runs[3:]

            letters = len(contents.letters())
            await watched.fail(4)
            await contents.until(lambda: len(contents.letters()) > letters, 30, "the culprit's dead letter")
            await tracer.kill()
            await tracer.start()
            # The same proposal again changes nothing; nor does the same failure, said again.
            await publish(own_kafka, proposed(values))
            await watched.fail(4)
            await watched.fail(0)
            await watched.refused(b"last sentinel")

        everything = await read_all(own_kafka)
        assert contents.runs == everything.runs
        assert 5 == len(everything.runs)
        letter, _ = everything.letters()[-2:]
        assert ("out-of-luck", "batch-1", 1) == (letter["code"], letter["key"], letter["offset"])
        assert proposals.form_of(bytes.fromhex(letter["value"]))["allocation_id"] == "batch-1"
        assert {"batch-0": None, "batch-1": "out-of-luck", "batch-2": None} == {
            name: code for name, (_, _, code) in watched.index().items()
        }
        assert Counter({"out-of-luck": 1, "proposal-malformed-json": 2}) == Counter(
            one["code"] for one in everything.letters()
        )
        assert len(set(everything.runs)) == len(everything.runs)
        spans = {
            one.key_text: span_of(one.traceparent or "")
            for one in [*everything.records[topics.COMMITMENTS], *everything.records[topics.PROPOSALS_DLQ]]
            if "content-type" in one.headers and one.key_text in {*everything.runs, "batch-1"}
        }
        assert 6 == len(spans) == len(set(spans.values())), (
            "a run and its halves each have a span of their own"
        )
        assert 1 == len({trace_id for trace_id, *_ in filter(None, spans.values())})
