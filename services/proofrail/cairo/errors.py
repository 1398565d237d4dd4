"""Errors of the native part as Proofrail's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from proofrail._native import NativeError
from proofrail.wire.errors import MalformedError, PoisonError, UnusableInputError

_UNUSABLE: Final = {
    "program-unusable": "Compile it again with cairo-compile (Cairo 0)",
    "program-not-provable": "Compile it with cairo-compile --proof_mode",
    "unknown-hint": 'Use hints of the standard library, ids.X = program_input["K"] and '
    'segments.write_arg(ids.X, program_input["K"])',
    "input-malformed": "Give a JSON object of integers, strings 0x… and nested lists of them",
    "input-missing": "Add the member to the inputs file",
    "input-type": "Give a list where the program writes a list, an integer where it takes one",
    "layout-unknown": "Name one of these layouts",
    "layout-unusable": "Choose a layout that has all of the program's builtins",
    "commitment-bits": None,
    "commitment-block-items": None,
}


@contextmanager
def translated() -> Iterator[None]:
    """Raise UnusableInputError for what the caller gave, MalformedError for malformed lines, and PoisonError
    for everything else: it would happen again."""
    try:
        yield
    except NativeError as error:
        code, message = error.args
        if code in _UNUSABLE:
            raise UnusableInputError(code, message, _UNUSABLE[code]) from error
        if code.startswith("malformed-"):
            raise MalformedError(code, message) from error
        raise PoisonError(code, message) from error
