"""Values of native traces for reading (schemas/trace-v1.md, "Native traces")."""

from __future__ import annotations

from typing import Any, Final

from proofrail.tracing.values import Record, decode
from proofrail.wire.errors import MalformedError

_SHOWN_TEXT: Final = 96
_SHOWN_DIGITS: Final = 20


def native_text(data: str, *, short: bool) -> str | None:
    """Arguments as `name=value, …`, a result as Python writes it, both from hex; None where it is no such encoding.
    `short` cuts long numbers and long texts."""
    try:
        value = decode(bytes.fromhex(data))
    except (ValueError, MalformedError):
        return None
    if data[2:4] == b"a".hex():
        text = ", ".join(f"{name}={_text(element, short)}" for name, element in value.items())
    else:
        text = _text(value, short)
    return f"{text[:_SHOWN_TEXT]}…" if short and len(text) > _SHOWN_TEXT else text


def _text(value: Any, short: bool) -> str:
    if isinstance(value, Record):
        return f"{value.name}({', '.join(f'{name}={_text(v, short)}' for name, v in value.fields.items())})"
    if isinstance(value, list):
        return f"[{', '.join(_text(element, short) for element in value)}]"
    if isinstance(value, tuple):
        return f"({', '.join(_text(element, short) for element in value)}{',' * (len(value) == 1)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_text(key, short)}: {_text(v, short)}' for key, v in value.items())}}}"
    if type(value) is int and value.bit_length() > 64:
        # str() of a number of thousands of digits is refused; in hex any is quick.
        text = hex(value)
        return f"{text[:10]}…{text[-6:]}" if short and len(text) > _SHOWN_DIGITS else text
    return repr(value)
