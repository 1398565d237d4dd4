"""What an exception that leaves a traced function becomes: a code and a message that are the same each time, and a
detail that need not be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import CodeType
from typing import Final

from proofrail.tracing.spans import SpanError
from proofrail.wire.errors import ProofrailError

_MAX_DETAIL: Final = 2048
_NO_FACTS: Final = (MemoryError, RecursionError)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_")


def is_fact(error: BaseException) -> bool:
    """Whether the same run would fail in the same way again. Ctrl-C, a cancelled task, exit, and the limits of a
    host's memory and stack are no facts about a run."""
    return isinstance(error, Exception) and not isinstance(error, _NO_FACTS)


def span_error(error: BaseException, codes: Mapping[CodeType, str], *, told_before: bool) -> SpanError:
    """What the Failure of a span says; `codes` names the program's functions by their code.

    `code` is that of a ProofrailError, else the exception's class in kebab case; `message` names the class and the
    innermost traced function that it left.
    """
    kind = type(error).__name__
    code = error.code if isinstance(error, ProofrailError) else _HUMP.sub("-", kind).strip("-").lower()
    origin, line = _origin(error, codes)
    detail = None
    if not told_before:
        place = "" if line is None else f"line {line} of {origin}: "
        detail = _utf8(place + _text(error))[:_MAX_DETAIL]
    return SpanError(_utf8(code) or "exception", _utf8(f"{kind} in {origin}"), detail)


def _origin(error: BaseException, codes: Mapping[CodeType, str]) -> tuple[str, int | None]:
    found: tuple[str, int | None] = ("?", None)
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code in codes:
            found = codes[code], trace.tb_lineno - code.co_firstlineno + 1
        trace = trace.tb_next
    return found


def _utf8(text: str) -> str:
    return text.encode(errors="replace").decode()


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception whose text cannot be had is one all the same
        return "(its text cannot be had)"
