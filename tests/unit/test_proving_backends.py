"""Several backends in an order of preference: the double in each place, and nobody who could name it."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.double.backend import NAME as MOCK
from tests.double.backend import Double, MockBackend
from tests.double.program import STWO_ROOT, STWO_VERSION, Mode
from typer.testing import CliRunner

from proofrail.artifacts.store import ArtifactStore
from proofrail.audit.proof_audit import ProofAuditor
from proofrail.cairo.program import CairoProgram
from proofrail.cli.application import app
from proofrail.prover.settings import ProverSettings
from proofrail.proving.backend import ProofResult
from proofrail.proving.backends import Backends, make, parse_names
from proofrail.proving.cost import Cost, in_words, machine_memory, memory_of
from proofrail.proving.errors import PolicyError
from proofrail.proving.message import proof_message
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.wire.errors import PoisonError, ProofrailError, TransientError, UnusableInputError
from proofrail.wire.messages import to_line

CHECKOUT = Path(__file__).parents[2]
FIBONACCI = CHECKOUT / "cairo" / "artifacts" / "fibonacci.json"
PAUSE_S = 300.0
RUN = "0" * 32


class Two:
    """Two doubles in the places of stone and stwo, and the time as their Backends sees it."""

    def __init__(self, folder: Path, *, fall_back: bool = True) -> None:
        self.now = 0.0
        self.stone, self.stwo = Double(folder / "stone"), Double(folder / "stwo")
        self.backends = Backends(
            {
                "stone": MockBackend(self.stone, name="stone"),
                "stwo": MockBackend(self.stwo, name="stwo"),
            },
            fall_back=fall_back,
            pause=PAUSE_S,
            clock=lambda: self.now,
        )

    def prove(self, **options: object) -> ProofResult:
        program = CairoProgram.load(FIBONACCI)
        return asyncio.run(self.backends.prove(program.compiled, b'{"n": 3}', **options))

    @property
    def attempts(self) -> tuple[int, int]:
        return len(self.stone.pids()), len(self.stwo.pids())


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


@pytest.mark.parametrize("fault", [Mode.WRONG_HOST, Mode.NOT_STARTED])
def test_the_next_backend_takes_over_where_the_host_cannot_run_the_first(two: Two, fault: Mode):
    """The caller hears who begins, and that the second does."""
    two.stone.play(fault)
    begun: list[str] = []
    assert two.prove(on_attempt=lambda name, _: begun.append(name)).is_mock
    assert ["stone", "stwo"] == begun


def test_nothing_takes_over_unless_allowed(tmp_path: Path):
    """The error is the preferred one's, and names it."""
    two = Two(tmp_path, fall_back=False)
    two.stone.play(Mode.WRONG_HOST)
    with pytest.raises(TransientError, match="prover-wrong-host") as ended:
        two.prove()
    assert "stone" == ended.value.context["backend"]
    assert ("stone",) == two.backends.names
    assert (1, 0) == two.attempts


@pytest.mark.parametrize("mode", [Mode.ABORTS, Mode.KILLED, Mode.OUT_OF_MEMORY, Mode.GARBAGE, Mode.DISK_FULL])
def test_a_fault_of_the_work_is_not_taken_elsewhere(two: Two, mode: Mode):
    """Another backend would only hide it."""
    two.stone.play(mode)
    with pytest.raises(ProofrailError) as ended:
        two.prove()
    assert "stone" == ended.value.context["backend"]
    assert (1, 0) == two.attempts


def test_a_backend_that_the_host_cannot_run_is_passed_over_for_a_while(two: Two):
    """Not each run pays for finding out again; after the pause it is tried, and preferred when it is well."""
    two.stone.play(Mode.NOT_STARTED)
    two.prove()
    two.prove()
    assert (1, 2) == two.attempts
    two.now += PAUSE_S
    two.prove()
    assert (2, 3) == two.attempts
    two.now += PAUSE_S
    two.stone.play(Mode.PROVES)
    two.prove()
    two.prove()
    assert (4, 3) == two.attempts


def test_when_all_are_passed_over_all_are_tried(two: Two):
    """Waiting would help nobody; the error is the preferred one's, under its name, and so is what readiness says until
    one of them proves."""
    two.stone.play(Mode.NOT_STARTED)
    two.stwo.play(Mode.WRONG_HOST)
    assert two.backends.missing() is None
    for attempt in (1, 2):
        with pytest.raises(TransientError, match="prover-does-not-run") as ended:
            two.prove()
        assert "stone" == ended.value.context["backend"]
        assert (attempt, attempt) == two.attempts
        assert "prover-does-not-run" in (two.backends.missing() or "")
    two.stwo.play(Mode.PROVES)
    two.prove()
    assert two.backends.missing() is None


def test_who_failed_after_a_fall_back_is_named(two: Two):
    """A ProofFailure must not name the backend that was only preferred."""
    two.stone.play(Mode.NOT_STARTED)
    two.stwo.play(Mode.ABORTS)
    with pytest.raises(PoisonError, match="prover-aborted") as ended:
        two.prove()
    assert "stwo" == ended.value.context["backend"]


def test_preflight_tells_which_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One that is ready is enough; where none is, the preferred one's fault says what is missing and how to get it."""
    monkeypatch.setenv("PROOFRAIL_STONE_PROVER", "/nowhere")
    stone = make(("stone",), 96, "small")
    ready = {"stwo": MockBackend(Double(tmp_path / "stwo"))}
    faults = Backends(stone | ready, fall_back=True).preflight()
    assert {"stone": "prover-missing"} == {name: fault.code for name, fault in faults.items()}
    for backends in (Backends(stone, fall_back=True), Backends(stone | ready, fall_back=False)):
        with pytest.raises(TransientError, match="prover-missing") as ended:
            backends.preflight()
        assert "PROOFRAIL_STONE_PROVER" in (ended.value.next_step or "")


@pytest.mark.parametrize(
    ("does", "code"),
    [
        ("ulimit -c 0; kill -ILL $$", "prover-wrong-host"),
        ("exit 127", "prover-does-not-run"),
        ("echo '{}'", "prover-broken"),
        ("""echo '{"preprocessed_root": "00"}'""", "prover-broken"),
        (f"""echo '{{"preprocessed_root": "{STWO_ROOT}"}}'""", None),
    ],
)
def test_stwos_prover_computes_something_known_before_it_is_given_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, code: str | None
):
    """A program that only answers for its version is not ready; what is wrong with it has the code it would have in
    a proof, and the way to a better one."""
    program = tmp_path / "prover"
    program.write_text(f"#!/bin/sh\n[ $1 = version ] && echo '{json.dumps(STWO_VERSION)}' && exit\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PROOFRAIL_STWO_PROVER", str(program))
    (backend,) = make(("stwo",), 96, "small").values()
    if code is None:
        backend.preflight()
        return
    with pytest.raises(TransientError) as ended:
        backend.preflight()
    assert code == ended.value.code
    assert "proofrail.proving.build" in (ended.value.next_step or "")


def test_names_are_read_in_their_order():
    """A setting such as PROOFRAIL_PROVER_BACKENDS=stone,stwo; an unknown name is refused, and an empty list."""
    assert ("stone", "stwo") == parse_names("stone, stwo,stone")
    assert ["stone", "stwo"] == list(make(("stone", "stwo"), 96, "small"))
    for wrong in ("", "groth16"):
        with pytest.raises(UnusableInputError, match="backend-unknown"):
            parse_names(wrong)


# --- the double stays where it is -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [MOCK, "double", f"stwo,{MOCK}"])
def test_no_setting_names_the_double(name: str):
    """Neither the services' list of backends nor an option of the command line."""
    with pytest.raises(UnusableInputError, match="backend-unknown"):
        parse_names(name)
    with pytest.raises(KeyError):
        make((name,), 96, "small")
    assert 2 == CliRunner().invoke(app, ["prove", "anywhere", "--backend", name]).exit_code


def test_the_double_is_no_part_of_the_package():
    """No module of the package mentions it, and no service setting lets mocks pass."""
    for path in (CHECKOUT / "services" / "proofrail").rglob("*.py"):
        assert "tests.double" not in path.read_text(), path
    assert [] == [name for name in ProverSettings.model_fields if "mock" in name]
    assert not Policy().allow_mock


@pytest.fixture
def mock(tmp_path: Path) -> tuple[MockBackend, ProofResult, Expected]:
    backend = MockBackend(Double(tmp_path / "double"))
    program = CairoProgram.load(FIBONACCI)
    made = asyncio.run(backend.prove(program.compiled, b'{"n": 3}'))
    return backend, made, Expected.of(program.words, program.builtins, made.output)


def test_a_policy_refuses_mocks_unless_it_allows_them(mock: tuple[MockBackend, ProofResult, Expected]):
    """Whatever security they claim."""
    backend, made, expected = mock
    with pytest.raises(PolicyError, match="policy-mock"):
        backend.verify(made.proof, expected, Policy(backends=(MOCK,)))
    backend.verify(made.proof, expected, Policy(backends=(MOCK,), allow_mock=True))


@pytest.mark.parametrize("under", [MOCK, "stwo", "stone"])
@pytest.mark.parametrize("stamped", [True, False])
def test_an_auditor_refuses_mocks(mock: tuple[MockBackend, ProofResult, Expected], under: str, stamped: bool):
    """By their stamp; where that was taken off, by a backend that it does not accept, or by their bytes."""
    backend, made, expected = mock
    verified = backend.verify(made.proof, expected, Policy(backends=(MOCK,), allow_mock=True))
    claimed = replace(made, backend=under, is_mock=stamped)
    message = proof_message(RUN, claimed, verified, "memory://nowhere").to_object()
    store = ArtifactStore("memory://mocks")
    store.put(made.proof)
    auditor = ProofAuditor(
        expected.words, expected.builtins, make(("stwo", "stone"), 96, "small"), Policy(), store.get
    )
    report = auditor.audit(message, run_id=RUN, output=expected.output)
    assert "MISMATCH" == report.verdict
    assert report.first_mismatch is not None
    kind = "is_mock" if stamped else "backend" if under == MOCK else "proof"
    assert kind == (report.first_mismatch.member or report.first_mismatch.kind), report.first_mismatch


def test_verify_refuses_mocks(mock: tuple[MockBackend, ProofResult, Expected], tmp_path: Path):
    """A message about one, by the policy and before anything else; its bytes alone are no proof at all."""
    backend, made, expected = mock
    verified = backend.verify(made.proof, expected, Policy(backends=(MOCK,), allow_mock=True))
    proof, message = tmp_path / "proof.bin", tmp_path / "proof.json"
    proof.write_bytes(made.proof)
    message.write_bytes(to_line(proof_message(RUN, made, verified, proof.name)) + b"\n")
    done = CliRunner().invoke(app, ["verify", str(message), "--json"])
    assert (1, "policy-mock") == (done.exit_code, json.loads(done.stdout)["code"])
    assert 2 == CliRunner().invoke(app, ["verify", str(proof), "--json"]).exit_code


# --- settings -------------------------------------------------------------------------------------------------


def test_memory_is_said_in_bytes_or_as_a_share():
    """Of this machine's, or its control group's."""
    assert [3 << 30, 800 << 20, 5 << 10, 4_000_000_000] == [
        memory_of(text) for text in ("3GiB", "800 MiB", "5KiB", "4000000000")
    ]
    assert machine_memory() * 75 // 100 == memory_of(" 75% ")
    for wrong in ("", "0", "0%", "101%", "3GB", "-1", "1.5GiB", "all"):
        with pytest.raises(UnusableInputError, match="memory-limit"):
            memory_of(wrong)


def test_a_cost_is_told_in_seconds_on_the_clock():
    """All cores work; the words are as precise as an expectation is."""
    assert Cost(46.0 * (os.cpu_count() or 1), 0, 0).seconds == pytest.approx(46.0)
    assert ["1 s", "46 s", "12 min", "2.5 h"] == [in_words(seconds) for seconds in (0.1, 46, 720, 9000)]
