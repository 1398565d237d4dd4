"""Which version of Stone a program is, by test: with stand-ins for every wrong answer, and with the real programs where
they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from proofrail import _native
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.proving.stone import programs, verifier, version
from proofrail.proving.stone.ask import ask
from proofrail.proving.stone.backend import StoneBackend
from proofrail.proving.stone.proof import StoneProof
from proofrail.proving.stone.version import VERSIONS, StoneVersion, golden, self_test, verifier_version
from proofrail.wire.errors import TransientError

GOLDEN: Final = Path(version.__file__).parent / "golden"
STONE5: Final = ("PROOFRAIL_STONE5_PROVER", "PROOFRAIL_STONE5_VERIFIER")
"""Where tests look for programs of v2: beside those of v3, which the usual variables name."""

Make = Callable[[str], Path]


@pytest.fixture
def script(tmp_path: Path) -> Make:
    """Makes a program of a shell script; `$2` is the file that a verifier is asked about."""

    def make(text: str) -> Path:
        path = tmp_path / f"program{len(list(tmp_path.iterdir()))}"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return make


def _accepts(name: str) -> str:
    return f'cmp -s "$2" "{GOLDEN}/{name}.json"'


def _makes(name: str) -> str:
    return f'cp "{GOLDEN}/{name}.json" proof.json'


def _code(run: Callable[[], object]) -> str:
    with pytest.raises(TransientError) as refused:
        run()
    return refused.value.code


def test_golden_proofs_are_of_one_run_and_differ_in_the_proof_alone() -> None:
    """In canonical form, read strictly, without any path of a host; the run is the one that the VM makes today."""
    read = [StoneProof.read(golden(name)) for name in VERSIONS]
    assert read[0].public_input == read[1].public_input
    assert read[0].parameters == read[1].parameters
    assert json.loads(read[0].data)["proof_hex"] != json.loads(read[1].data)["proof_hex"]
    run = _native.Program((GOLDEN / "program.json").read_bytes()).run(b"{}", read[0].layout.name, 512)
    assert json.loads(run.public_input()) == read[0].public_input


@pytest.mark.parametrize("name", VERSIONS)
def test_a_verifier_is_known_by_the_proof_it_accepts(script: Make, name: StoneVersion) -> None:
    """Of the two golden proofs, one."""
    assert name == verifier_version(script(_accepts(name)))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("exit 0", "verifier-accepts-anything"),
        ("echo it is no proof >&2; exit 1", "stone-version-unknown"),
        ("kill -ILL $$", "verifier-wrong-host"),
        ("exit 3", "verifier-broken"),
        ("kill -ABRT $$", "verifier-broken"),
    ],
)
def test_other_programs_are_no_verifier(script: Make, text: str, code: str) -> None:
    """Each wrong answer has its code, and none is taken for a version."""
    program = script(text)
    assert code == _code(lambda: verifier_version(program))
    assert code == _code(lambda: self_test(program, program))


def test_a_verifier_that_cannot_be_started_is_told_from_one_that_a_proof_brings_down(tmp_path: Path) -> None:
    """The host is at fault, whatever the proof: nobody may give that up."""
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF of no machine")
    program.chmod(0o755)
    assert "verifier-does-not-run" == _code(lambda: verifier_version(program))


def test_missing_programs_are_named(script: Make, tmp_path: Path) -> None:
    """By which of the two is missing."""
    nowhere = tmp_path / "nowhere"
    assert "verifier-missing" == _code(lambda: verifier_version(nowhere))
    assert "prover-missing" == _code(lambda: self_test(nowhere, script(_accepts("stone6"))))


@pytest.mark.parametrize("name", VERSIONS)
def test_a_prover_is_known_by_the_proof_it_makes(script: Make, name: StoneVersion) -> None:
    """It proves the tiny run, and the verifier is of its version."""
    assert name == self_test(script(_makes(name)), script(_accepts(name)))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (_makes("stone5"), "stone-versions-differ"),
        ("exit 0", "prover-self-test"),
        ("echo no such layout >&2; exit 7", "prover-self-test"),
        ("kill -ABRT $$", "prover-self-test"),
        ("kill -ILL $$", "prover-wrong-host"),
        ("echo '{}' > proof.json", "prover-self-test"),
        (f'sed \'s/"rc_min":[0-9]*/"rc_min":1/\' {GOLDEN}/stone6.json > proof.json', "prover-self-test"),
        (f"sed 's/0x00*/0x1/' {GOLDEN}/stone6.json > proof.json", "prover-self-test"),
        (
            f'sed \'s/"proof_hex":"0x../"proof_hex":"0xff/\' {GOLDEN}/stone6.json > proof.json',
            "prover-self-test",
        ),
    ],
)
def test_other_programs_are_no_prover(script: Make, text: str, code: str) -> None:
    """Beside a verifier of stone6: one of the other version, and every way to make no proof of the tiny run."""
    assert code == _code(lambda: self_test(script(text), script(_accepts("stone6"))))


def test_the_answer_is_kept_until_the_program_changes(script: Make, tmp_path: Path) -> None:
    """An update under the same path is asked again."""
    asked = tmp_path / "asked"
    program = script(f'echo x >> "{asked}"; {_accepts("stone6")}')
    assert ["stone6"] * 3 == [verifier_version(program) for _ in range(3)]
    assert len(VERSIONS) == len(asked.read_text().split())
    program.write_text(f"#!/bin/sh\n{_accepts('stone5')}\n")
    assert "stone5" == verifier_version(program)


def test_a_failed_test_is_not_kept(script: Make, tmp_path: Path) -> None:
    """What was wrong with the host may pass."""
    sign = tmp_path / "sign"
    program = script(f'test -e "{sign}" || exit 3; {_accepts("stone6")}')
    assert "verifier-broken" == _code(lambda: verifier_version(program))
    sign.touch()
    assert "stone6" == verifier_version(program)


def test_preflight_tests_the_programs(script: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prover that starts and proves nothing is found before any work is taken; the version stands in its name."""
    monkeypatch.setenv("PROOFRAIL_STONE_VERIFIER", str(script(_accepts("stone5"))))
    monkeypatch.setenv("PROOFRAIL_STONE_PROVER", "/bin/true")
    assert "prover-self-test" == _code(StoneBackend().preflight)
    monkeypatch.setenv("PROOFRAIL_STONE_PROVER", str(script(_makes("stone5"))))
    StoneBackend().preflight()
    assert StoneBackend().version().startswith("cpu_air_prover stone5 sha256:")


def test_a_verifier_without_a_version_accepts_nothing(script: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What accepts every proof cannot be what says that one holds."""
    monkeypatch.setenv("PROOFRAIL_STONE_VERIFIER", str(script("exit 0")))
    proof = golden("stone6")
    own = verifier.what_it_states(proof)
    assert Expected(own.words, (), ()) == own
    refused = _code(lambda: verifier.verify(proof, own, Policy(1, backends=("stone",))))
    assert "verifier-accepts-anything" == refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "echo 'E20261121 15:18:44.878939 29371 proof_system.cc:28] src/oods.cc:233: it failed' >&2;"
            "echo 'E20261121 15:18:44.898727 29371 cpu_air_verifier_main.cc:40] Invalid proof.' >&2",
            "src/oods.cc:233: it failed",
        ),
        ("echo something else >&2; echo at last >&2", "at last"),
        ("true", "status 1"),
        ("head -c 2000 /dev/zero | tr '\\0' x >&2", "x" * 300),
    ],
)
def test_the_reason_of_a_refusal_is_the_first_that_was_logged(script: Make, text: str, said: str) -> None:
    """Without time and process, so that the same refusal is the same text; else the last line, cut."""
    assert said == ask(script(f"{text}; exit 1"), b"{}")


def _pairs() -> list[object]:
    named = [os.environ.get(name) for name in STONE5]
    return [
        pytest.param(
            (programs.find(programs.PROVER), programs.find(programs.VERIFIER)),
            VERSIONS,
            marks=pytest.mark.skipif(
                programs.find(programs.PROVER) is None or programs.find(programs.VERIFIER) is None,
                reason="Stone's cpu_air_prover and cpu_air_verifier are not on PATH",
            ),
            id="installed",
        ),
        pytest.param(
            tuple(Path(name) for name in named if name),
            ("stone5",),
            marks=pytest.mark.skipif(not all(named), reason=f"{' and '.join(STONE5)} name no programs of v2"),
            id="stone5",
        ),
    ]


@pytest.mark.stone
@pytest.mark.parametrize(("pair", "among"), _pairs())
def test_real_programs_pass_their_self_test(
    pair: tuple[Path, Path], among: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the prover makes is its version's golden proof, byte for byte; a second call makes none."""
    made: list[bytes] = []
    proven = version._proven
    monkeypatch.setattr(version, "_proven", lambda prover: made.append(proven(prover)) or made[-1])
    version._self_test.cache_clear()
    found = self_test(*pair)
    assert found in among
    assert [golden(found)] == made
    assert (found, 1) == (self_test(*pair), len(made))
