"""The prover as a process, fed with runs that are not what their seals say."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from proofrail.messaging.client import publish
from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from tests.faults import proposals
from tests.faults.forging import ODD_RUN, STRANGER_PRIVATE, Object, Run, garbage, sealed
from tests.faults.systems import Service, environment
from tests.faults.tampering import altered
from tests.faults.watching import Contents, followed, read_all

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow]

Alter = Callable[[Run], object]


def _edit(kind: str, member: str) -> Alter:
    return lambda run: run.edit_line(kind, lambda line: line.update({member: altered(line[member])}))


def _other_limits(line: Object) -> None:
    line["input"]["limits"]["max_single_bps"] = 9999


def _under_another_key(run: Run) -> None:
    run.run_id = "0" * 32


def _cut(run: Run) -> None:
    run.commitments[1] = run.commitments[1][:-1]


_MISMATCH = "seal-mismatch"
_REFUSED: dict[str, tuple[Alter, str]] = {
    "another root": (_edit("CommitmentSeal", "root"), _MISMATCH),
    "another length": (_edit("CommitmentSeal", "items"), _MISMATCH),
    "another output": (_edit("CommitmentSeal", "output_sha256"), _MISMATCH),
    "another program": (_edit("CommitmentSeal", "program"), _MISMATCH),
    "another checkpoint": (_edit("CommitmentSeal", "checkpoint"), _MISMATCH),
    "no checkpoint": (
        lambda run: run.edit_line("CommitmentSeal", lambda seal: seal.pop("checkpoint")),
        _MISMATCH,
    ),
    "a seal with an unknown member": (
        lambda run: run.edit_line("CommitmentSeal", lambda seal: seal.update(novel=1)),
        "seal-unverifiable",
    ),
    "another chain": (_edit("CommitmentBlock", "chain"), _MISMATCH),
    "a packed value": (_edit("CommitmentBlock", "packed"), _MISMATCH),
    "no blocks": (lambda run: run.commitments.pop(run.first("CommitmentBlock")), _MISMATCH),
    "another input": (lambda run: run.edit_line("Input", _other_limits), _MISMATCH),
    "no inputs": (lambda run: run.commitments.pop(0), _MISMATCH),
    "a line that is not JSON": (_cut, "malformed-json"),
    "an honest run under another key": (_under_another_key, _MISMATCH),
}
_SETTINGS = {
    "a stranger's key": {"private": STRANGER_PRIVATE},
    "another layout": {"layout": "recursive"},
    "other bits": {"bits": 8},
}
_CODES = {name: code for name, (_, code) in _REFUSED.items()} | dict.fromkeys(_SETTINGS, _MISMATCH)


@dataclass
class Tried:
    """What one prover said about all cases, before and after it was killed and started again."""

    runs: dict[str, Run]
    contents: Contents


def _about(record: Record) -> str:
    return record.key_text


@pytest.fixture(scope="module")
def tried(own_kafka: KafkaSettings, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """All altered runs, given to one prover; half way it is killed."""
    folder = tmp_path_factory.mktemp("prover")
    runs: dict[str, Run] = {}
    for number, (name, (alter, _)) in enumerate(_REFUSED.items()):
        runs[name] = sealed([proposals.valid(f"run-{number}")])
        alter(runs[name])
    for name, settings in _SETTINGS.items():
        runs[name] = sealed([proposals.valid(name.replace("'", "").replace(" ", "-"))], **settings)
    messages = [message for run in runs.values() for message in run.messages()]
    last = messages[-1]

    async def run() -> None:
        async with (
            Service("prover", environment(folder, own_kafka)) as prover,
            followed(own_kafka) as contents,
        ):
            others = [message for message in messages if message is not last]
            await publish(own_kafka, [*garbage([topics.COMMITMENTS]), *others])
            await contents.until(lambda: contents.records[topics.PROOFS], 60, "a first answer")
            await prover.kill()
            await prover.start()
            await publish(own_kafka, [last])
            await contents.until(
                lambda: (
                    {run.run_id for run in runs.values()} <= set(map(_about, contents.records[topics.PROOFS]))
                ),
                60,
                "an answer to every run",
            )
            assert 0 == await prover.stop()

    asyncio.run(run())
    return Tried(runs, asyncio.run(read_all(own_kafka)))


@pytest.mark.parametrize("case", list(_CODES))
def test_an_altered_run_is_refused_once(tried: Tried, case: str) -> None:
    """The prover's one answer is a final ProofFailure that says why."""
    run_id = tried.runs[case].run_id
    (answer,) = [one for one in tried.contents.lines(topics.PROOFS) if one["run_id"] == run_id]
    assert ("ProofFailure", _CODES[case], True) == (answer["type"], answer["code"], answer["final"])
    answers = Counter(one["run_id"] for one in tried.contents.lines(topics.PROOFS))
    assert {run.run_id: 1 for run in tried.runs.values()} | {ODD_RUN: 1} == answers
