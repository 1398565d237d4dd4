"""The contract on a chain in memory: what it records, and every attack it refuses, each with its own reason.

Needs a Python with cairo-lang 0.12.3, named in PROOFRAIL_STARKNET (tests/data/contracts/memory_chain.py says how to
make one); the digests are compared without.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.double.stated_proof import stated
from tests.unit.registry_attacks import (
    ANYBODY,
    BATCH,
    BITS,
    CALLS,
    CHECKOUT,
    CONFIGURATION,
    FACTS,
    PROGRAM,
    RECORDER,
    ROW,
    SECOND,
    WEAK_CONFIGURATION,
)

from proofrail.cairo import contract_compiler, risk_rows
from proofrail.cairo.compiled import Compile, run
from proofrail.cairo.risk_program import load_chain
from proofrail.wire.errors import UnusableInputError

CONTRACTS = CHECKOUT / "tests" / "data" / "contracts"


class Chain:
    """A registry of facts, one that nobody asked for, and the contract, on a chain in memory."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.facts = self.deploy(CONTRACTS / "fact_registry_double.json", [])
        self.lying = self.deploy(CONTRACTS / "lying_fact_registry.json", [BITS, *CONFIGURATION])
        self.babbling = self.deploy(CONTRACTS / "lying_fact_registry.json", [0, *CONFIGURATION])
        self.contract = self.deploy(self.artifact, self.constructor())
        self.do(do="keep")

    artifact = CHECKOUT / "cairo" / "contracts" / "artifacts" / "decision_registry.json"

    def constructor(self, **changed: Any) -> list[int]:
        """The calldata of the constructor, with some of its arguments changed."""
        given: dict[str, Any] = {
            "facts": self.facts,
            "programs": [PROGRAM],
            "configurations": [CONFIGURATION],
            "bits": BITS,
            "recorders": [RECORDER],
        } | changed
        programs, configurations, recorders = (
            given[name] for name in ("programs", "configurations", "recorders")
        )
        return [
            *(given["facts"], len(programs), *programs),
            *(len(configurations), *(felt for members in configurations for felt in members)),
            *(given["bits"], len(recorders), *recorders),
        ]

    def do(self, **step: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(step) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def deploy(self, sierra: Path, calldata: list[int]) -> Any:
        answer = self.do(do="deploy", sierra=str(sierra), calldata=calldata)
        return answer.get("address", answer.get("reverted"))

    def call(
        self, function: str, calldata: list[int], *, to: int | None = None, caller: int = ANYBODY
    ) -> Any:
        """The result, or the reason why it was reverted."""
        answer = self.do(
            do="call", to=to or self.contract, function=function, calldata=calldata, caller=caller
        )
        self.events = answer.get("events", [])
        return answer.get("reverted", answer.get("result"))

    def register(
        self,
        fact: int,
        bits: int = BITS,
        configuration: Sequence[int] = CONFIGURATION,
        *,
        to: int | None = None,
    ) -> None:
        assert [] == self.call("register", [fact, 1, bits, *configuration], to=to or self.facts)

    def record(self, calldata: list[int], caller: int = RECORDER) -> Any:
        return self.call("record", calldata, caller=caller)

    def approved(
        self, row: Sequence[int], *, shares: Sequence[int] | None = None, inputs: int | None = None
    ) -> bool:
        proposed = row[7::3] if shares is None else shares
        asked = [row[0]] if inputs is None else [row[0], inputs]
        function = "is_approved" if inputs is None else "is_approved_for"
        (answer,) = self.call(function, [*asked, len(proposed), *proposed])
        return bool(answer)


@pytest.fixture(scope="module")
def deployed() -> Iterator[Chain]:
    python = os.environ.get("PROOFRAIL_STARKNET")
    if python is None or shutil.which(python) is None:
        pytest.skip("no Python with cairo-lang 0.12.3 is named in PROOFRAIL_STARKNET")
    command = [python, str(CONTRACTS / "memory_chain.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Chain(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def chain(deployed: Chain) -> Chain:
    """The state in which nothing is registered or recorded."""
    deployed.do(do="restore")
    return deployed


def test_the_artifact_is_what_the_source_compiles_to() -> None:
    """By the digests recorded at compilation; `proofrail.cairo.contract_compiler --check` compiles again."""
    assert [] == contract_compiler.stale_digests()


def test_a_changed_contract_is_noticed(tmp_path: Path) -> None:
    """A source that differs by a byte, a missing artifact and a missing manifest are each named."""
    contracts = tmp_path / "cairo" / "contracts"
    assert "MANIFEST.json cannot be read" in contract_compiler.stale_digests(tmp_path)[0]
    shutil.copytree(CHECKOUT / "cairo" / "contracts", contracts)
    with (contracts / "decision_registry.cairo").open("a") as source:
        source.write("\n")
    (contracts / "artifacts" / "decision_registry.json").unlink()
    assert [
        "cairo/contracts/artifacts/decision_registry.json is not what was compiled",
        "cairo/contracts/decision_registry.cairo has changed since decision_registry was compiled",
    ] == contract_compiler.stale_digests(tmp_path)


def test_the_manifest_names_the_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever declares it needs no compiler; a hash that is not the artifact's is noticed without one."""
    pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")
    artifacts = contract_compiler.artifacts_of("cairo/contracts/artifacts", contract_compiler.CONTRACTS)
    assert [] == artifacts.other_hashes(CHECKOUT)
    shutil.copytree(CHECKOUT / "cairo" / "contracts", tmp_path / "cairo" / "contracts")
    manifest = tmp_path / artifacts.folder / "MANIFEST.json"
    written = json.loads(manifest.read_text())
    manifest.write_text(
        json.dumps(written).replace(written["programs"]["decision_registry"]["class_hash"], "0x1")
    )

    def unavailable() -> Compile:
        raise UnusableInputError("compiler-unavailable", "none")

    assert 1 == run(artifacts, tmp_path, unavailable, "compiler", None, ["--check"])
    said = capsys.readouterr().err
    assert "nothing was recompiled" in said
    assert "the manifest says that class_hash of decision_registry is 0x1, and" in said


def test_another_package_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The compiler is taken by its digest: what else a package index gives is not unpacked."""

    def download(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        Path(command[command.index("--dest") + 1], "cairo-lang-0.12.3.zip").write_bytes(b"another")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(contract_compiler.subprocess, "run", download)
    monkeypatch.setattr(contract_compiler, "_IN_CHECKOUT", tmp_path / "cairo-2.1")
    with pytest.raises(UnusableInputError, match="has the digest") as raised:
        contract_compiler.find_compiler()
    assert "compiler-unavailable" == raised.value.code
    assert [] == list(tmp_path.iterdir())


@pytest.mark.slow
def test_every_row_of_a_proven_batch_is_recorded(chain: Chain) -> None:
    """Two to eight protocols, approved and rejected; the event says all, and views say what stands there."""
    chain.register(BATCH.fact())
    for index, row in enumerate(BATCH.rows):
        assert not chain.approved(row)
        assert [1] == chain.record(BATCH.record(index))
        ((_, allocation_id, *told),) = chain.events
        assert [row[0], row[1], row[3], BATCH.fact(), index] == [allocation_id, *told]
        assert (row[3] == 0) == chain.approved(row) == chain.approved(row, inputs=row[1])
        assert [1, row[1], row[3], risk_rows.leaf(row)] == chain.call("decision", [row[0]])


@pytest.mark.slow
def test_approval_is_for_these_shares_and_inputs(chain: Chain) -> None:
    """Neither other shares, nor fewer, more or impossible ones, nor other inputs, nor another id are approved."""
    chain.register(BATCH.fact())
    chain.record(BATCH.record(0))
    proposed = list(ROW[7::3])
    assert chain.approved(ROW)
    others = (
        [5600, 4400],
        [4400],
        [4400, 5600, 0],
        [],
        [4401, 5599],
        [0] * 9,
        [4400 + 2**14, 5600],
        [4400, 2**200],
    )
    assert [] == [shares for shares in others if chain.approved(ROW, shares=shares)]
    assert not chain.approved(ROW, inputs=ROW[1] + 1)
    assert not chain.approved(BATCH.rows[2], shares=proposed)
    assert [0, 0, 0, 0] == chain.call("decision", [BATCH.rows[2][0]])


@pytest.mark.slow
def test_a_second_record_of_the_same_says_so(chain: Chain) -> None:
    """Nothing happens twice: no event, and the answer is no."""
    chain.register(BATCH.fact())
    assert [1] == chain.record(BATCH.record(0))
    assert [0] == chain.record(BATCH.record(0))
    assert [] == chain.events


@pytest.mark.slow
def test_an_allocation_is_decided_once(chain: Chain) -> None:
    """Another proposal under the same id is refused, however well it is proven."""
    chain.register(BATCH.fact())
    chain.register(SECOND.fact())
    assert [1] == chain.record(BATCH.record(0))
    assert "ANOTHER_DECISION" == chain.record(SECOND.record(0))
    assert chain.approved(ROW, inputs=ROW[1])


@pytest.mark.slow
@pytest.mark.parametrize("attack", FACTS)
def test_no_decision_without_its_proof(chain: Chain, attack: str) -> None:
    """A registration alone says nothing: program, output, configuration and bits must all fit, in one verification."""
    registered, why = FACTS[attack]
    for fact, bits, configuration in registered:
        chain.register(fact, bits, configuration)
    assert why == chain.record(BATCH.record(0))
    assert not chain.approved(ROW)


@pytest.mark.slow
def test_more_than_is_asked_is_enough(chain: Chain) -> None:
    """More bits, and a good verification among poor ones."""
    chain.register(BATCH.fact(), BITS, WEAK_CONFIGURATION)
    chain.register(BATCH.fact(), BITS - 1)
    chain.register(BATCH.fact(), BITS + 4)
    assert [1] == chain.record(BATCH.record(0))


@pytest.mark.slow
def test_a_registry_that_lies_is_not_asked(chain: Chain) -> None:
    """The registry is that of the deployment, and no argument names another."""
    told = chain.call("get_all_verifications_for_fact_hash", [BATCH.fact()], to=chain.lying)
    assert [1, BATCH.fact(), BITS, *CONFIGURATION] == told
    assert "FACT_NOT_REGISTERED" == chain.record(BATCH.record(0))
    assert [chain.facts] == chain.call("fact_registry", [])


@pytest.mark.slow
@pytest.mark.parametrize("registry", ["babbling", "nothing there", "contract"])
def test_what_is_no_registry_verifies_nothing(chain: Chain, registry: str) -> None:
    """Answers that are no verifications, no contract at all, or one without such a function: nothing is recorded."""
    address = getattr(chain, registry, 0xABC)
    contract = chain.deploy(chain.artifact, chain.constructor(facts=address))
    assert [1] != chain.call("record", BATCH.record(0), to=contract, caller=RECORDER)
    assert [0, 0, 0, 0] == chain.call("decision", [ROW[0]], to=contract)


@pytest.mark.slow
def test_the_stand_in_believes_what_a_proof_says_of_itself(chain: Chain) -> None:
    """Program, output and bits are read from the proof as Integrity takes it; the same proof twice is one verification;
    what is cut off is no proof."""
    proof = stated(load_chain().words, risk_rows.output(len(BATCH.rows), BATCH.root), BITS)
    for _ in range(2):
        told = chain.call("verify_proof_full_and_register_fact", [*CONFIGURATION, *proof], to=chain.facts)
        assert [BATCH.fact(), chain.facts, BITS, *CONFIGURATION] == told[:-1]
    (count, *_) = chain.call("get_all_verifications_for_fact_hash", [BATCH.fact()], to=chain.facts)
    assert 1 == count
    assert [1] == chain.record(BATCH.record(0))
    cut = [*CONFIGURATION, *proof[:1000]]
    said = chain.call("verify_proof_full_and_register_fact", cut, to=chain.facts)
    assert "Input too short for arguments" == said


@pytest.mark.slow
def test_only_a_recorder_records(chain: Chain) -> None:
    """A proof does not say that its inputs are true: not everybody may bring one. Without recorders all may."""
    chain.register(BATCH.fact())
    assert "NOT_A_RECORDER" == chain.record(BATCH.record(0), caller=ANYBODY)
    assert [[1], [0]] == [chain.call("may_record", [account]) for account in (RECORDER, ANYBODY)]
    open_to_all = chain.deploy(chain.artifact, chain.constructor(recorders=[]))
    assert [1] == chain.call("record", BATCH.record(0), to=open_to_all, caller=ANYBODY)


@pytest.mark.slow
@pytest.mark.parametrize("attack", CALLS)
def test_no_record_but_of_what_was_proven(chain: Chain, attack: str) -> None:
    """With the batch's fact registered, each attempt to record something else is refused."""
    chain.register(BATCH.fact())
    calldata, why = CALLS[attack]
    assert why == chain.record(calldata)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"facts": 0}, "NO_FACT_REGISTRY"),
        ({"programs": []}, "NO_PROGRAM"),
        ({"configurations": []}, "NO_CONFIGURATION"),
        ({"bits": 0}, "NO_SECURITY"),
    ],
)
def test_nothing_is_accepted_by_omission(chain: Chain, changed: dict[str, Any], why: str) -> None:
    """A deployment that leaves something open is refused."""
    assert why in chain.deploy(chain.artifact, chain.constructor(**changed))


@pytest.mark.slow
def test_what_was_deployed_can_be_read(chain: Chain) -> None:
    """Everything that decides what is accepted has a view."""
    assert [[1], [0]] == [chain.call("accepts_program", [program]) for program in (PROGRAM, PROGRAM + 1)]
    configurations = (CONFIGURATION, WEAK_CONFIGURATION)
    assert [[1], [0]] == [chain.call("accepts_configuration", members) for members in configurations]
    assert [BITS] == chain.call("min_security_bits", [])
