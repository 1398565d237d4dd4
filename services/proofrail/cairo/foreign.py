"""What a file is that is no Cairo 0 program compiled for proofs, told by its members: so that the error can say it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from proofrail.wire.canonical import check_depth
from proofrail.wire.errors import MalformedError, UnusableInputError

_COMPILE: Final = "Compile it: cairo-compile --proof_mode prog.cairo --output prog.json."
_CAIRO_0: Final = (
    "Only programs of Cairo 0 are run here: write it in Cairo 0, compile with cairo-compile --proof_mode."
)
_SOURCE: Final = re.compile(
    rb"^\s*(%builtins|%lang|from \S+ import|func \w|fn \w|use \w|mod \w|//)", re.MULTILINE
)


def refusal(compiled: bytes, error: UnusableInputError) -> UnusableInputError:
    """The VM's refusal of a program in the words of someone who looks at the whole file; `error` itself where there
    is no more to say. Codes: `program-unusable`, `program-not-provable`, `program-without-main`."""
    if compiled.startswith(b"PK\x03\x04"):
        return UnusableInputError(
            "program-unusable",
            "this is a zip file, such as a Cairo PIE: a run that was made elsewhere, and no program",
            "Give the compiled program, and the inputs that it was run with.",
        )
    try:
        check_depth(compiled.decode())
        obj = json.loads(compiled)
    except (ValueError, MalformedError):
        if _SOURCE.search(compiled[:4096]):
            return UnusableInputError(
                "program-unusable", "this is source text, not a compiled program", _COMPILE
            )
        return error
    if not isinstance(obj, dict):
        return error
    what = _another_format(obj)
    if what is not None:
        return UnusableInputError("program-unusable", f"this is {what}, no Cairo 0 program", _CAIRO_0)
    if error.code == "program-not-provable" and not _has_main(obj):
        return UnusableInputError(
            "program-without-main",
            "the program has no function main: it is a library, or its functions lie in other modules",
            "Give the file that is compiled a `func main`, and compile it with cairo-compile --proof_mode.",
        )
    return error


def _another_format(obj: dict[str, Any]) -> str | None:
    program = obj.get("program")
    inner = program if isinstance(program, dict) else {}
    if "sierra_program" in obj or "type_declarations" in inner or "type_declarations" in obj:
        return "Sierra, compiled from Cairo 1"
    if "bytecode" in obj or "bytecode" in inner:
        return "CASM, compiled from Cairo 1"
    if "entry_points_by_type" in obj:
        return "a Starknet contract class"
    return None


def _has_main(obj: dict[str, Any]) -> bool:
    identifiers = obj.get("identifiers")
    return not isinstance(identifiers, dict) or "__main__.main" in identifiers
