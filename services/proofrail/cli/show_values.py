"""Inputs and outputs of spans, decoded for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.text import Text

from proofrail.cairo.decode import Leaf, Named, Signature, named_felts, short_string, signed
from proofrail.cli.show_source import RunSource
from proofrail.cli.show_tree import Span
from proofrail.wire.canonical import felt_hex

SHOWN_VALUES: Final = 12
"""Felts of one value that are shown in a tree."""

_DECIMAL: Final = 10**15
_EXACT_AND_TEXT: Final = 2**53
_SHOWN_BYTES: Final = 48


def signature_of(span: Span, run: RunSource) -> Signature | None:
    """The function that a span of a Cairo run is of; None where the program is not at hand."""
    return None if run.names is None else run.names.function_of_span(span.name, run.spans)


def felts_of(span: Span, run: RunSource) -> tuple[list[Named], list[Named] | None] | None:
    """Arguments and return values of a Cairo span; None where its bytes are no felts, or of another backend."""
    if run.backend != "cairo":
        return None
    signature = signature_of(span, run)
    arguments, returns = (signature.arguments, signature.returns) if signature else ((), ())
    try:
        given = named_felts(bytes.fromhex(span.input_bytes), arguments)
        if span.output_bytes is None:
            return given, None
        return given, named_felts(bytes.fromhex(span.output_bytes), returns)
    except (ValueError, TypeError):
        return None


def felts_json(felts: Sequence[Named]) -> list[dict[str, Any]]:
    """Name, type and value "0x…" of each felt, and the text where it spells one; no value, where the cell was
    never written."""
    return [_felt_json(felt.leaf, felt.value) for felt in felts]


def felts_text(felts: Sequence[Named], most: int | None = SHOWN_VALUES, *, short: bool = True) -> Text:
    """`n = 5, p.x = 3`; `short` cuts numbers of more than 20 digits."""
    shown = felts if most is None else felts[:most]
    text = Text()
    for at, felt in enumerate(shown):
        text.append(", " if at else "")
        text.append(felt.leaf.name, style="cyan")
        text.append("=")
        text.append(felt_text(felt.leaf, felt.value, short=short))
    if len(shown) < len(felts):
        text.append(f", … {len(felts) - len(shown)} more")
    return text


def felt_text(leaf: Leaf, value: int | None, *, short: bool = False) -> str:
    """A felt for reading: addresses as →272, words in quotes, numbers near zero in decimal, others in hex."""
    if value is None:
        return "?"
    if leaf.is_address:
        return f"→{value}"
    spelled = short_string(value)
    if spelled is not None:
        return f'{value} "{spelled}"' if value < _EXACT_AND_TEXT else f'"{spelled}"'
    if abs(signed(value)) < _DECIMAL:
        return str(signed(value))
    text = felt_hex(value)
    return f"{text[:10]}…{text[-6:]}" if short and len(text) > 20 else text


def bytes_text(data: str | None, *, short: bool = True) -> str:
    """Bytes of a backend whose encoding is not known here: as text where they are, else in hex."""
    if not data:
        return ""
    shown = data[: 2 * _SHOWN_BYTES] if short else data
    cut = "…" if len(shown) < len(data) else ""
    try:
        text = bytes.fromhex(shown).decode()
    except (ValueError, UnicodeDecodeError):
        return shown + cut
    return f"{text!r}{cut}" if text.isprintable() else shown + cut


def _felt_json(leaf: Leaf, value: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {"name": leaf.name, "type": leaf.type}
    if value is not None:
        found["value"] = felt_hex(value)
        spelled = None if leaf.is_address else short_string(value)
        if spelled is not None:
            found["text"] = spelled
    return found
