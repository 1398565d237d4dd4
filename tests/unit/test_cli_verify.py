"""`proofrail verify` over golden proofs of Stone's: what each exit status means, and in which order it is found."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from stone_goldens import CHECKOUT, DATA, GOLDEN, SMALLEST, execution, expected, needs_stone, proof
from typer.testing import CliRunner, Result

from proofrail.artifacts.reference import uri_of
from proofrail.cli.offline import register
from proofrail.proving.message import claims
from proofrail.proving.policy import Policy
from proofrail.proving.stone import verifier
from proofrail.wire.canonical import canonical, sha256_hex

Object = dict[str, Any]


@pytest.fixture
def no_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFRAIL_STONE_VERIFIER", "/nowhere")


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    path = tmp_path / "proof.bin"
    path.write_bytes(proof())
    return path


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, list(map(str, arguments)))


def call(*arguments: str | Path) -> Result:
    return run("verify", *arguments)


def wrote(folder: Path, value: object) -> Path:
    path = folder / "given.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value, indent=1))
    return path


def message(folder: Path, **changes: Any) -> Path:
    """proof.json beside the golden proof, as its prover would write it, changed."""
    examined = verifier.examine(proof(), expected(), Policy(backends=("stone",)))
    said = {
        "v": 1,
        "type": "Proof",
        "run_id": "0" * 32,
        "backend": "stone",
        "backend_version": "test",
        "method": "stark",
        "is_mock": False,
        "digest": sha256_hex(proof()),
        "size": len(proof()),
        "uri": "proof.bin",
        "timings": {},
        **claims(examined),
        **changes,
    }
    path = folder / "proof.json"
    path.write_bytes(canonical(said))
    return path


@pytest.mark.usefixtures("no_verifier")
def test_without_a_verifier_a_proof_with_nothing_wrong_is_undecided(golden: Path, tmp_path: Path):
    """Exit status 3, and nothing on stdout that could be taken for an acceptance."""
    statement = wrote(tmp_path, {"program_hash": expected().program_hash, "n_steps": 512, "layout": "small"})
    stored = tmp_path / "from-the-topics"
    stored.mkdir()
    (stored / "proof.bin").write_bytes(proof())
    message(stored, uri=uri_of(sha256_hex(proof())))  # as `replay` leaves it: beside the proof
    for given in ([golden], [golden, "--statement", statement], [message(tmp_path)], [stored]):
        done = call(*given)
        assert (3, "") == (done.exit_code, done.stdout)
        assert "verifier-missing" in done.stderr


@pytest.mark.usefixtures("no_verifier")
@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ({"program_hash": "0x1"}, "proof-statement"),
        ({"output": ["0x3c", "0x1"]}, "proof-statement"),
        ({"n_steps": 1024}, "proof-statement"),
        ({"layout": "recursive"}, "proof-statement"),
    ],
)
def test_what_is_wrong_without_a_verifier_is_said_without_it(
    golden: Path, tmp_path: Path, statement: Object, code: str
):
    """Exit status 1 and the code, although the verifier is missing."""
    done = call(golden, "--statement", wrote(tmp_path, statement))
    said = json.loads(done.stdout)
    assert (1, code) == (done.exit_code, said["code"])
    assert (False, sha256_hex(proof())) == (said["accepted"], said["digest"])


@pytest.mark.usefixtures("no_verifier")
def test_other_refusals_come_before_the_missing_verifier_too(golden: Path, tmp_path: Path):
    """Policy, public input, message and form."""
    public = json.loads(execution(SMALLEST).public_input())
    wrong = wrote(tmp_path, public | {"n_steps": 1024})
    assert "policy-security" == json.loads(call(golden, "--min-bits", "97").stdout)["code"]
    assert "proof-statement" == json.loads(call(golden, "--public-input", wrong).stdout)["code"]
    assert "proof-claim" == json.loads(call(message(tmp_path, security_bits=97)).stdout)["code"]
    assert "proof-claim" == json.loads(call(message(tmp_path, size=1)).stdout)["code"]
    assert "policy-mock" == json.loads(call(message(tmp_path, is_mock=True)).stdout)["code"]
    longer = json.loads(proof())
    longer["proof_hex"] = longer["proof_hex"].upper()
    done = call(wrote(tmp_path, longer))
    assert (1, "proof-hex") == (done.exit_code, json.loads(done.stdout)["code"])
    edited = json.loads(proof())
    edited["proof_parameters"]["pow_hash"] = "blake256"
    done = call(wrote(tmp_path, edited))
    assert (1, "parameters-unbound") == (done.exit_code, json.loads(done.stdout)["code"])


@pytest.mark.usefixtures("no_verifier")
def test_a_run_in_another_layout_is_not_the_proven_one(tmp_path: Path):
    """With a run's folder, the run executed again has the layout of its seal; so must the proof."""
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps(GOLDEN["fibrec"]["inputs"][0]))
    for layout, status, code in (("small", 1, "proof-layout"), ("recursive", 3, "verifier-missing")):
        folder = tmp_path / layout
        program = CHECKOUT / "cairo" / "artifacts" / "fibonacci.json"
        assert 0 == run("trace", program, "--inputs", inputs, "--layout", layout, "--out", folder).exit_code
        (folder / "proof.bin").write_bytes(proof("fibrec"))
        done = call(folder / "proof.bin", "--statement", folder)
        assert status == done.exit_code
        assert code in done.output


@pytest.mark.parametrize(
    ("option", "text", "code"),
    [
        ("--public-input", "", "public-input-unusable"),
        ("--public-input", "[]", "public-input-unusable"),
        ("--public-input", "{", "public-input-unusable"),
        ("--public-input", '{"layout": "small", "layout": "small"}', "public-input-unusable"),
        ("--public-input", '{"n_steps": 512.0}', "public-input-unusable"),
        ("--public-input", '{"nonsense": 1}', "public-input-unusable"),
        ("--public-input", "\xff", "public-input-unusable"),
        ("--public-input", None, "file-not-found"),
        ("--statement", "{}", "statement-empty"),
        ("--statement", "[]", "malformed-not-an-object"),
        ("--statement", '{"nonsense": 1}', "statement-unknown-member"),
        ("--statement", None, "file-not-found"),
    ],
)
def test_input_that_is_no_input_is_unusable(
    golden: Path, tmp_path: Path, option: str, text: str | None, code: str
):
    """Exit status 2 with a code, never a traceback and never a verdict."""
    path = tmp_path / "given.json"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    done = call(golden, option, path)
    assert (2, "") == (done.exit_code, done.stdout), done.output
    assert f"[{code}]" in done.stderr


def test_a_proof_must_fit_a_preset_that_is_named(golden: Path, tmp_path: Path, no_verifier: None):
    """One for local use fits none, one for the chain only its own: found before any verifier is looked for."""
    chain = tmp_path / "chain.bin"
    chain.write_bytes(proof("chainrec"))
    fitting, other = (f"recursive/blake2s_248_lsb/stone6/{memory}" for memory in ("strict", "relaxed"))
    assert "preset-channel" == json.loads(call(golden, "--preset", fitting).stdout)["code"]
    assert "policy-preset" == json.loads(call(chain, "--preset", other).stdout)["code"]
    assert 3 == call(chain, "--preset", other, "--preset", fitting).exit_code
    unknown = call(chain, "--preset", "recursive/strict")
    assert (2, True) == (unknown.exit_code, "[preset-unknown]" in unknown.stderr)


@pytest.mark.parametrize("text", ['{"v":1}', '{"v":1,"type":"Proof"}', "{", '{"v":2,"type":"Proof"}'])
def test_a_file_that_is_no_message_is_unusable(tmp_path: Path, text: str):
    """A file that looks like JSON and is neither a proof nor a Proof message."""
    done = call(wrote(tmp_path, text))
    assert (2, "") == (done.exit_code, done.stdout)
    assert "[proof-message-unusable]" in done.stderr


@needs_stone
@pytest.mark.stone
def test_an_accepted_proof_tells_what_it_proves(golden: Path, tmp_path: Path):
    """Exit status 0: statement, run, parameters, security, and what the registry would make of it."""
    public = wrote(tmp_path, execution(SMALLEST).public_input())
    done = call(golden, "--public-input", public)
    said = json.loads(done.stdout)
    assert (0, True, 96) == (done.exit_code, said["accepted"], said["security_bits"])
    assert ("small", 512, 32763) == tuple(said["statement"][name] for name in ("layout", "n_steps", "rc_min"))
    assert [{"page": 0, "begin": 1, "end": 35}, {"page": 0, "begin": 344, "end": 347}] == said["statement"][
        "public_memory"
    ]
    assert [hex(felt) for felt in expected().output] == said["output"]
    assert "stone_version" in said["identities"]
    assert 0 == call(message(tmp_path)).exit_code
    assert 0 == call(golden, "--statement", message(tmp_path)).exit_code


@needs_stone
@pytest.mark.stone
def test_a_proof_from_elsewhere_is_read_as_it_is(tmp_path: Path):
    """White space, host members and left-out defaults are put right, and the digest is that of the canonical form."""
    path = tmp_path / "stone.proof.json"
    path.write_bytes(gzip.decompress((DATA / "elsewhere" / "small_fib512_96.proof.json.gz").read_bytes()))
    assert "policy-security" == json.loads(call(path).stdout)["code"]
    done = call(path, "--min-bits", "80")
    assert (0, 80) == (done.exit_code, json.loads(done.stdout)["security_bits"])
