"""The inputs file of a program other than the risk engine (design section 5, Inputs)."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from proofrail.wire.canonical import FELT_PRIME, MAX_SAFE_INTEGER, canonical
from proofrail.wire.errors import MalformedError, UnusableInputError

_MAX_DIGITS: Final = 4096


def read_inputs(data: bytes) -> dict[str, Any]:
    """The Input that a file holds: a JSON object whose integers, of any size, stand mod P as "0x…" where they
    lie beyond ±(2^53−1).

    Raises UnusableInputError `inputs-malformed` for floats, duplicate names and whatever else the wire format
    refuses.
    """
    try:
        parsed = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_refuse_float,
            parse_constant=_refuse_float,
        )
        if not isinstance(parsed, dict):
            raise _unusable("it holds no JSON object")
        canonical(parsed)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise _unusable(f"it is not JSON: {error}") from error
    except MalformedError as error:
        raise _unusable(error.message) from error
    return parsed


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _unusable("a member stands twice in one object")
    return members


def _integer(text: str) -> int | str:
    if len(text) > _MAX_DIGITS:
        raise _unusable(f"an integer has more than {_MAX_DIGITS} digits")
    value = int(text)
    return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else hex(value % FELT_PRIME)


def _refuse_float(text: str) -> NoReturn:
    raise _unusable(f"{text:.40} is not an integer")


def _unusable(why: str) -> UnusableInputError:
    return UnusableInputError(
        "inputs-malformed",
        f"the inputs cannot be used: {why}",
        "Give one JSON object of integers, strings and lists of them",
    )
