"""`proofrail keys`: the signing keys of tracer and auditor, made ahead of a deployment and looked at."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from proofrail.cli.keys import read_vkeys
from proofrail.cli.output import command, emit_json, emit_table, wants_json
from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME, TRACER_KEY_NAME, parse_vkey
from proofrail.commitment.keyfile import load_or_make_signer
from proofrail.wire.errors import UnusableInputError

HELP: Final = "Make and show the keys that sign checkpoints, reports and attestations."

_Json = Annotated[bool, typer.Option("--json", help="JSON on stdout (the default when piped).")]


class KeyOf(StrEnum):
    """Whose key."""

    TRACER = "tracer"
    AUDITOR = "auditor"


_NAMES: Final = {KeyOf.TRACER: TRACER_KEY_NAME, KeyOf.AUDITOR: AUDITOR_KEY_NAME}


def make(
    whose: Annotated[KeyOf, typer.Argument(help="Whose key it is to be.", show_default=False)],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the private key goes.", show_default=False)
    ],
    as_json: _Json = False,
) -> None:
    """Make a signing key: the private key in FILE (mode 0600), the public one beside it (suffix .vkey).

    Services make their own on first start. This is for deployments where the others must know the public key
    before: PROOFRAIL_CHECKPOINT_KEYS of prover and auditor is the tracer's, PROOFRAIL_AUDITOR_KEYS of the registrar
    the auditor's. A key that is there already is left alone.

    \b
    Exit status:
      0  made, or there already
      2  the file holds something else, or others can read it

    \b
    Example:
      proofrail keys make tracer --out keys/tracer.key
      export PROOFRAIL_CHECKPOINT_KEYS=$(cat keys/tracer.vkey)
    """
    with command():
        made = not out.exists()
        signer = load_or_make_signer(out, _NAMES[whose], os.urandom)
        if signer.name != _NAMES[whose]:
            raise UnusableInputError(
                "key-file",
                f"{out} holds a key of {signer.name}, not of {_NAMES[whose]}",
                "Name another file.",
            )
        _say(
            {"private": str(out), "public": str(out.with_suffix(".vkey")), "vkey": signer.vkey, "made": made},
            as_json,
        )


def show(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files of public keys.", show_default=False)
    ],
    as_json: _Json = False,
) -> None:
    """Show the public keys in files: whose they are, and the id that stands in signatures.

    \b
    Exit status:
      0  shown
      2  a file holds no public key

    \b
    Example:
      proofrail keys show .proofrail/keys/*.vkey
    """
    with command():
        for file in files:
            for vkey in read_vkeys(file):
                name, _ = parse_vkey(vkey)
                _say({"file": str(file), "name": name, "id": vkey.split("+")[1], "vkey": vkey}, as_json)


COMMANDS: Final[dict[str, Callable[..., None]]] = {"make": make, "show": show}


def _say(what: dict[str, Any], as_json: bool) -> None:
    if wants_json(as_json):
        emit_json(what)
    else:
        emit_table(list(what.items()))
