"""Asks Stone's verifier about one proof. Whom it trusts is for the caller: it accepts any security and any program."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import Final

from proofrail.proving.errors import RefusedProof
from proofrail.proving.scratch import environment, scratch_folder
from proofrail.wire.errors import TransientError

_SECONDS: Final = 120
_REFUSED: Final = 1
_SHOWN: Final = 300
_LOGGED: Final = re.compile(r"(?:[EF]\d{8} \S+ +\d+ [^ \]]+\] | *what\(\): +)(.+)")


def ask(program: Path, proof: bytes) -> str | None:
    """None when the verifier `program` accepts the proof, else its reason.

    Raises TransientError: `verifier-wrong-host` (it uses an instruction that this CPU lacks), `verifier-does-not-run`
    (it cannot be started), `verifier-broken` (it gave no answer), `scratch-…`.
    """
    return _asked(program, proof)[0]


def annotated(program: Path, proof: bytes) -> list[str]:
    """What the verifier `program` says of each part of a proof that it accepts, line by line.

    Raises as `ask`, and RefusedProof `proof-refused`.
    """
    refusal, lines = _asked(program, proof, annotate=True)
    if refusal is not None:
        raise RefusedProof("proof-refused", f"Stone's verifier refuses the proof: {refusal}")
    return lines


def _asked(program: Path, proof: bytes, *, annotate: bool = False) -> tuple[str | None, list[str]]:
    """The reason of a refusal, or None; and the annotations, where they are asked for."""
    with scratch_folder(None, len(proof)) as folder:
        path, annotations = folder / "proof.json", folder / "annotations"
        path.write_bytes(proof)
        try:
            ended = subprocess.run(  # noqa: S603 -- the program is the operator's choice
                [
                    str(program),
                    *("--in_file", str(path)),
                    *(("--annotation_file", str(annotations)) if annotate else ()),
                ],
                env=environment(folder),
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except OSError as error:
            raise TransientError(
                "verifier-does-not-run",
                f"Stone's verifier could not be started: {error}",
                "See to the program, and to the host's memory and limits of processes.",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise TransientError("verifier-broken", f"Stone's verifier gave no answer: {error}") from error
        if ended.returncode == 0:
            return None, annotations.read_text(errors="replace").splitlines() if annotate else []
    said = _reason(ended.stderr.decode("utf-8", errors="replace"))
    # Proofs with nonsense for parameters, such as no queries, make it read where nothing is.
    if ended.returncode in (_REFUSED, -signal.SIGSEGV):
        return said or f"status {ended.returncode}", []
    if ended.returncode == -signal.SIGILL:
        raise TransientError(
            "verifier-wrong-host",
            "Stone's verifier was built for another CPU: it uses an instruction that this one lacks",
            "Install a build for this host.",
        )
    raise TransientError(
        "verifier-broken",
        f"Stone's verifier ended with status {ended.returncode}: {said or 'no word'}",
    )


def _reason(text: str) -> str:
    """The first error that the verifier logged, without time and process, for the last one only says that there was
    one; of anything else the last line."""
    lines = text.strip().splitlines()
    logged = next((found for line in lines if (found := _LOGGED.match(line))), None)
    said = logged.group(1) if logged else lines[-1] if lines else ""
    return said[:_SHOWN]
