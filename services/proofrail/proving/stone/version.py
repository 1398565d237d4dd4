"""Which version of Stone the external programs are, found out by test: neither of them knows.

v3 (the registry's `stone6`) draws its randomness from the number of verifier-friendly layers too, v2 (`stone5`) does
not: proofs of one are refused by the other (reference on Cairo and Stone, section 15). Two proofs of the same tiny run
lie here, one by each, which tell verifiers apart. Provers are deterministic: proving that run again makes one of them.
"""

from __future__ import annotations

import json
import signal
import subprocess
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from proofrail import _native
from proofrail.proving.errors import RefusedProof
from proofrail.proving.scratch import environment, scratch_folder
from proofrail.proving.stone.ask import ask
from proofrail.proving.stone.inputs import PROOF, prover_command, write_inputs
from proofrail.proving.stone.programs import PROVER, VERIFIER, Installed
from proofrail.proving.stone.proof import StoneProof
from proofrail.proving.stone.prover_config import prover_config
from proofrail.wire.canonical import JsonObject
from proofrail.wire.errors import TransientError

StoneVersion = Literal["stone5", "stone6"]
VERSIONS: Final[tuple[StoneVersion, ...]] = ("stone6", "stone5")

_STEP_LIMIT: Final = 1 << 9
_SECONDS: Final = 120
_SCRATCH_BYTES: Final = 1 << 20
_SHOWN: Final = 300
_NEXT: Final = "Name builds of Stone v2 or v3, both of the same, that have the layout small."


def golden(version: StoneVersion) -> bytes:
    """The proof of the tiny run that this version makes, in canonical form. Its security is none."""
    return _data(f"{version}.json")


def verifier_version(verifier: Path) -> StoneVersion:
    """The version of `cpu_air_verifier`, known from what it accepts; about 50 ms, once for each program.

    Raises TransientError: `verifier-missing`, `verifier-does-not-run`, `verifier-broken`, `verifier-wrong-host`,
    `stone-version-unknown`, `verifier-accepts-anything`.
    """
    return _verifier_version(Installed.at(VERIFIER, verifier))


def self_test(prover: Path, verifier: Path) -> StoneVersion:
    """The version of both programs, after the prover has proven the tiny run on this host and the verifier has
    accepted what it made; about a second, once for each pair of programs.

    Raises TransientError: as `verifier_version`, and `prover-missing`, `prover-wrong-host`, `prover-self-test`,
    `stone-versions-differ`.
    """
    return _self_test(Installed.at(PROVER, prover), Installed.at(VERIFIER, verifier))


@lru_cache(maxsize=16)
def _verifier_version(verifier: Installed) -> StoneVersion:
    answers = {version: ask(verifier.path, golden(version)) for version in VERSIONS}
    accepted = [version for version, refusal in answers.items() if refusal is None]
    if not accepted:
        raise TransientError(
            "stone-version-unknown",
            f"{verifier.path} accepts no proof of a known version of Stone: {answers[VERSIONS[0]]}",
            _NEXT,
        )
    if len(accepted) > 1:
        raise TransientError(
            "verifier-accepts-anything",
            f"{verifier.path} accepts proofs of {' and of '.join(accepted)}, which no version of Stone does",
            _NEXT,
        )
    return accepted[0]


@lru_cache(maxsize=16)
def _self_test(prover: Installed, verifier: Installed) -> StoneVersion:
    version = _verifier_version(verifier)
    made = _proven(prover.path)
    if made == golden(version):
        return version
    for other in VERSIONS:
        if made == golden(other):
            raise TransientError(
                "stone-versions-differ",
                f"the prover {prover.path} is {other}, the verifier {verifier.path} is {version}",
                _NEXT,
            )
    # The proof may have other bytes for a reason that this version does not know; that it holds is what counts.
    refusal = ask(verifier.path, made)
    if refusal is not None:
        raise TransientError(
            "prover-self-test", f"{prover.path} made a proof that {verifier.path} refuses: {refusal}", _NEXT
        )
    return version


def _proven(prover: Path) -> bytes:
    """The tiny run's proof by this prover, in canonical form."""
    reference = json.loads(golden(VERSIONS[0]))
    run = _native.Program(_data("program.json")).run(b"{}", reference["public_input"]["layout"], _STEP_LIMIT)
    with scratch_folder(None, _SCRATCH_BYTES) as scratch:
        write_inputs(scratch, run, reference["proof_parameters"], prover_config(full_extension=False))
        _run(prover, scratch)
        try:
            made = StoneProof.canonical_form((scratch / PROOF).read_bytes())
        except (OSError, RefusedProof) as error:
            raise TransientError(
                "prover-self-test", f"{prover} wrote no proof of the tiny run: {error}", _NEXT
            ) from error
    if _but_proof(made) != _but_proof(golden(VERSIONS[0])):
        raise TransientError("prover-self-test", f"{prover} proved something else than the tiny run", _NEXT)
    return made


def _but_proof(proof: bytes) -> JsonObject:
    return {name: value for name, value in json.loads(proof).items() if name != "proof_hex"}


def _run(prover: Path, scratch: Path) -> None:
    try:
        ended = subprocess.run(  # noqa: S603 -- the program is the operator's choice
            prover_command(prover),
            cwd=scratch,
            env=environment(scratch),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TransientError("prover-self-test", f"{prover} did not prove the tiny run: {error}") from error
    if ended.returncode == -signal.SIGILL:
        raise TransientError(
            "prover-wrong-host",
            f"{prover} was built for another CPU: it uses an instruction that this one lacks",
            "Install a build for this host.",
        )
    if ended.returncode != 0:
        said = ended.stderr.decode("utf-8", errors="replace").strip()[-_SHOWN:]
        raise TransientError(
            "prover-self-test",
            f"{prover} ended with status {ended.returncode} on the tiny run: {said or 'no word'}",
            _NEXT,
        )


def _data(name: str) -> bytes:
    return files("proofrail.proving.stone").joinpath("golden", name).read_bytes()
