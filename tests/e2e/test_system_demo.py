"""The whole system as a user meets it: `demo`, `up`, `propose`, `down`, and what the services tell about
themselves."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.faults import processes, proposals
from tests.faults.systems import running
from tests.faults.watching import Contents, read_all

from proofrail.cli.home import Home
from proofrail.commitment.checkpoint import parse_vkey
from proofrail.messaging.metric_names import LABELS
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, parse_object, sha256_hex
from proofrail.wire.headers import CONTENT_TYPE
from proofrail.wire.messages import Attestation, DeadLetter, parse_message
from proofrail.wire.signing import verify_message

pytestmark = [pytest.mark.kafka, pytest.mark.prover, pytest.mark.slow]

_VALID = [
    proposals.valid("two-pools", 1),
    proposals.valid("too-tight", 2, max_single_bps=5000),
    proposals.seed("seed-form"),
]
_REFUSED = [proposals.invalid("bad"), proposals.reused("two-pools", 1), b'{"allocation_id":"cut']


def _proofrail(
    *arguments: str, env: dict[str, str] | None = None, seconds: float = 200
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "proofrail", *arguments],
        capture_output=True,
        check=False,
        timeout=seconds,
        env={**os.environ, **(env or {})},
    )


def _file(folder: Path, values: list[bytes]) -> str:
    path = folder / "proposals.ndjson"
    path.write_bytes(b"".join(value + b"\n" for value in values))
    return str(path)


@dataclass
class Kept:
    """What `demo --json --keep` printed, and the system it left."""

    finished: subprocess.CompletedProcess[bytes]
    home: Home

    @property
    def lines(self) -> list[bytes]:
        return self.finished.stdout.splitlines()

    def read(self) -> Contents:
        return asyncio.run(read_all(KafkaSettings(bootstrap=self.home.bootstrap())))

    def line_of(self, value: bytes) -> bytes:
        return next(
            one for one in self.lines if parse_object(one)["proposal_sha256"] == proposals.digest_of(value)
        )

    def propose(self, folder: Path, values: list[bytes]) -> subprocess.CompletedProcess[bytes]:
        return _proofrail("propose", _file(folder, values), "--wait", "--home", str(self.home.root))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A demo of valid and refused proposals; its system is ended afterwards, and nothing of it may be left."""
    scratch = tmp_path_factory.mktemp("demo")
    file = _file(tmp_path_factory.mktemp("file"), [*_VALID, *_REFUSED])
    finished = _proofrail("demo", "--json", "--keep", "--proposals", file, env={"TMPDIR": str(scratch)})
    try:
        (root,) = scratch.iterdir()
        yield Kept(finished, Home(root))
    finally:
        left = processes.of_home(scratch)
        for process in left:
            if process.is_service("up"):
                os.kill(process.pid, 15)
        asyncio.run(processes.gone(left, 35))


def test_demo_prints_signed_attestations_and_nothing_else(kept: Kept) -> None:
    """Exit status 0; stdout has one canonical, signed attestation for each valid proposal, decided as the model
    decides."""
    assert 0 == kept.finished.returncode, kept.finished.stderr.decode()
    key = parse_vkey((kept.home.root / "keys" / "auditor.vkey").read_text().strip())[1]
    found = {}
    for line in kept.lines:
        said = parse_object(line)
        assert isinstance(parse_message(line), Attestation)
        assert line == canonical(said)
        assert verify_message(said, key)
        assert not verify_message({**said, "approved": not said["approved"]}, key)
        assert (96, False) == (said["proof"]["security_bits"], said["proof"]["is_mock"])
        found[said["proposal_sha256"]] = proposals.decision_of(said)
    assert {proposals.digest_of(value): proposals.expected_decision(value) for value in _VALID} == found
    assert len(_VALID) == len(kept.lines)


def test_demo_tells_where_the_kept_system_is(kept: Kept) -> None:
    """With --keep it says where the system goes on and how to end it."""
    said = kept.finished.stderr.decode().replace("\n", "")
    assert f"proofrail down --home {kept.home.root}" in said
    state = kept.home.running()
    assert state is not None
    assert "ready" == state["phase"]


def test_everything_is_settled_exactly_once(kept: Kept) -> None:
    """The topics hold what the demo printed, and each thing once."""
    contents = kept.read()
    proposals.assert_settled_once(contents)
    assert sorted(kept.lines) == sorted(
        record.value.removesuffix(b"\n") for record in contents.records[topics.ATTESTATIONS]
    )


def test_records_carry_their_headers(kept: Kept) -> None:
    """CloudEvents headers on every record; an attestation is in the trace of its proposal."""
    contents = kept.read()
    for topic, records in contents.records.items():
        for record in records:
            headers = record.headers
            assert (CONTENT_TYPE, "1.0", topic, sha256_hex(record.value)) == (
                headers["content-type"],
                headers["ce_specversion"],
                headers["ce_type"],
                headers["ce_id"],
            )
    traces = {
        sha256_hex(record.value): _trace(record.headers) for record in contents.records[topics.PROPOSALS]
    }
    assert len(_VALID) + len(_REFUSED) == len(set(traces.values()))
    expected = {proposals.digest_of(value): traces[sha256_hex(value)] for value in _VALID}
    assert expected == {
        parse_object(record.value.rstrip(b"\n"))["proposal_sha256"]: _trace(record.headers)
        for record in contents.records[topics.ATTESTATIONS]
    }
    for topic in (topics.EVENTS, topics.COMMITMENTS, topics.PROOFS, topics.REPORTS):
        assert {_trace(record.headers) for record in contents.records[topic]} <= set(expected.values())
    letters = contents.records[topics.PROPOSALS_DLQ]
    assert {traces[sha256_hex(value)] for value in _REFUSED} == {_trace(letter.headers) for letter in letters}


def _trace(headers: dict[str, str]) -> str:
    return headers["traceparent"].split("-")[1]


@pytest.mark.parametrize("service", ["tracer", "prover", "auditor"])
def test_services_tell_how_they_are(kept: Kept, service: str) -> None:
    """Health, readiness and metrics answer; the figures are those of what has been done."""
    state = kept.home.running()
    assert state is not None
    with httpx.Client(base_url=state["services"][service], timeout=5) as client:
        for path in ("/healthz", "/readyz"):
            answer = client.get(path)
            assert (200, "ok", service) == (
                answer.status_code,
                answer.json()["status"],
                answer.json()["service"],
            )
        answer = client.get("/metrics")
    assert 200 == answer.status_code
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    ours = [sample for sample in samples if sample.name.startswith("proofrail_")]
    assert {name for sample in ours for name in sample.labels} <= LABELS | {"le"}
    figures = {(sample.name, *sorted(sample.labels.values())): sample.value for sample in ours}
    contents = kept.read()
    runs = len(contents.runs)
    expected = {
        "tracer": {
            ("proofrail_proposals_total", "accepted"): len(contents.attestations()),
            ("proofrail_proposals_total", "refused"): len(contents.letters()),
            ("proofrail_runs_total", "completed"): runs,
            ("proofrail_in_flight",): 0,
        },
        "prover": {("proofrail_proofs_total", "proof", "stwo"): runs, ("proofrail_proving", "stwo"): 0},
        "auditor": {
            ("proofrail_reports_total", "MATCH", "run"): runs,
            ("proofrail_reports_total", "MATCH", "proof"): runs,
        },
    }[service]
    assert expected == {name: figures[name] for name in expected}
    if service == "auditor":
        attested = [value for name, value in figures.items() if name[0] == "proofrail_attestations_total"]
        assert len(contents.attestations()) == sum(attested)
    assert figures[("proofrail_last_poll_age_seconds",)] < 15
    assert {1.0} == {value for name, value in figures.items() if name[0] == "proofrail_ready"}


def test_up_refuses_a_home_in_use(kept: Kept) -> None:
    """A second system in the same home is refused, with a way out, and does not touch the first."""
    refused = _proofrail("up", "--home", str(kept.home.root))
    assert 2 == refused.returncode
    assert b"already-running" in refused.stderr
    assert kept.home.running() is not None


def test_propose_waits_for_what_is_new_and_knows_what_is_not(kept: Kept, tmp_path: Path) -> None:
    """New proposals are attested, known ones answered with the attestation they have, bad ones dead-lettered."""
    before = len(kept.read().runs)
    new = proposals.valid("new")
    proposed = kept.propose(tmp_path, [new, _VALID[0], proposals.invalid("new-bad")])
    assert 1 == proposed.returncode, proposed.stderr.decode()
    messages = [parse_message(line) for line in proposed.stdout.splitlines()]
    assert kept.line_of(_VALID[0]) in proposed.stdout.splitlines()
    assert {"new-0", "two-pools-1"} == {one.allocation_id for one in messages if isinstance(one, Attestation)}
    assert ["proposal-shares-sum"] == [one.code for one in messages if isinstance(one, DeadLetter)]
    assert 3 == len(messages)
    contents = kept.read()
    assert before + 1 == len(contents.runs)

    again = kept.propose(tmp_path, [new, *_VALID])
    assert 0 == again.returncode, again.stderr.decode()
    assert [before + 1, len(_VALID) + 1] == [len(kept.read().runs), len(kept.read().attestations())]
    assert sorted(record.value for record in contents.records[topics.ATTESTATIONS]) == sorted(
        line + b"\n" for line in again.stdout.splitlines()
    )


def test_a_restart_on_the_same_home_keeps_everything(kept: Kept, tmp_path: Path) -> None:
    """After `down` and `up` keys, topics and store are the same, and known proposals get the same attestations."""
    before = kept.read()
    keys = {path.name: path.read_bytes() for path in (kept.home.root / "keys").iterdir()}
    left = processes.of_home(kept.home.root)
    down = _proofrail("down", "--home", str(kept.home.root))
    assert 0 == down.returncode, down.stderr.decode()
    asyncio.run(processes.gone(left, 5))
    refused = kept.propose(tmp_path, _VALID)
    assert 2 == refused.returncode
    assert b"no-running-system" in refused.stderr

    async def again() -> tuple[subprocess.CompletedProcess[bytes], Contents]:
        async with running(kept.home.root) as system:
            proposed = await asyncio.to_thread(kept.propose, tmp_path, _VALID)
            return proposed, await read_all(system.kafka)

    proposed, after = asyncio.run(again())
    assert 0 == proposed.returncode, proposed.stderr.decode()
    assert sorted(kept.lines) == sorted(proposed.stdout.splitlines())
    assert keys == {path.name: path.read_bytes() for path in (kept.home.root / "keys").iterdir()}
    for topic, records in before.records.items():
        assert [record.value for record in records] == [
            record.value for record in after.records[topic][: len(records)]
        ]
    assert before.runs == after.runs
    blobs = [
        kept.home.root / "artifacts" / "sha256" / one["digest"][:2] / one["digest"] for one in _proofs(after)
    ]
    assert [one["digest"] for one in _proofs(after)] == [sha256_hex(blob.read_bytes()) for blob in blobs]


def _proofs(contents: Contents) -> list[dict[str, str]]:
    return contents.lines(topics.PROOFS, "Proof")


def test_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    """Without --keep the system and its folder are gone when the demo ends."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    file = _file(tmp_path, [proposals.invalid("bad")])
    finished = _proofrail("demo", "--json", "--proposals", file, env={"TMPDIR": str(scratch)})
    assert (0, b"") == (finished.returncode, finished.stdout), finished.stderr.decode()
    assert [] == list(scratch.iterdir())
    assert [] == processes.of_home(scratch)
