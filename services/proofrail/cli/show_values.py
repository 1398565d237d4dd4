"""Inputs and outputs of spans, decoded for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.text import Text

from proofrail.cairo.decode import Leaf, Named, Signature, named_felts, short_string, signed
from proofrail.cli.show_native import native_text
from proofrail.cli.show_source import RunSource
from proofrail.cli.show_tree import Span
from proofrail.tracing.tracer import LAYOUT as NATIVE_LAYOUT
from proofrail.wire.canonical import canonical, felt_hex
from proofrail.wire.errors import ProofrailError

SHOWN_VALUES: Final = 12
"""Felts of one value that are shown in a tree."""

_DECIMAL: Final = 10**15
_EXACT_AND_TEXT: Final = 2**53
_SHOWN_BYTES: Final = 48
_SHOWN_INPUTS: Final = 160
_SHOWN_NAMES: Final = 6


def signature_of(span: Span, run: RunSource) -> Signature | None:
    """The function that a span of a Cairo run is of; None where the program is not at hand."""
    return None if run.names is None else run.names.function_of_span(span.name, run.spans)


def felts_of(span: Span, run: RunSource) -> tuple[list[Named], list[Named] | None] | None:
    """Arguments and return values of a Cairo span; None where its bytes are no felts, or of another backend."""
    if run.backend != "cairo":
        return None
    given = bytes_felts(span.input_bytes, "input_bytes", span.name, run)
    if given is None or span.output_bytes is None:
        return None if given is None else (given, None)
    output = bytes_felts(span.output_bytes, "output_bytes", span.name, run)
    return None if output is None else (given, output)


def bytes_felts(value: object, member: str, span: str, run: RunSource) -> list[Named] | None:
    """The felts of a span's `input_bytes` or `output_bytes`, its name given; None where they are none."""
    if run.backend != "cairo" or not isinstance(value, str):
        return None
    signature = None if run.names is None else run.names.function_of_span(span, run.spans)
    leaves = (
        () if signature is None else signature.arguments if member == "input_bytes" else signature.returns
    )
    try:
        return named_felts(bytes.fromhex(value), leaves)
    except ValueError:
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


def felt_text(leaf: Leaf | None, value: int | None, *, short: bool = False) -> str:
    """A felt for reading: addresses as →272, words in quotes, numbers near zero in decimal, others in hex."""
    if value is None:
        return "?"
    if leaf is not None and leaf.is_address:
        return f"→{value}"
    spelled = short_string(value)
    if spelled is not None:
        return f'{value} "{spelled}"' if value < _EXACT_AND_TEXT else f'"{spelled}"'
    if abs(signed(value)) < _DECIMAL:
        return str(signed(value))
    text = felt_hex(value)
    return f"{text[:10]}…{text[-6:]}" if short and len(text) > 20 else text


def bytes_text(data: str | None, run: RunSource, *, short: bool = True) -> str:
    """Bytes of a span that is not Cairo's: decoded in a native trace, else as text where they are, else in hex."""
    if not data:
        return ""
    if run.start.get("layout") == NATIVE_LAYOUT and (decoded := native_text(data, short=short)) is not None:
        return decoded
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


def inputs_text(run: RunSource) -> str:
    """The inputs in short: the allocations of a batch, else the beginning of the values."""
    count = count_text(run.start.get("inputs_count"))
    inputs = run.inputs
    if inputs is None:
        return f"{count}, not at hand; sha256 {run.start.get('inputs_sha256', '?')}"
    ids = [value["allocation_id"] for value in inputs if isinstance(value.get("allocation_id"), str)]
    if ids and len(ids) == len(inputs):
        return f"{count}: {', '.join(ids[:_SHOWN_NAMES])}{' …' if len(ids) > _SHOWN_NAMES else ''}"
    arguments = inputs[0].get("arguments") if inputs else None
    if run.start.get("layout") == NATIVE_LAYOUT and isinstance(arguments, str):
        return f"{count}: {inputs[0].get('entry', '?')}({bytes_text(arguments, run)})"
    try:
        text = ", ".join(canonical(value).decode() for value in inputs)
    except ProofrailError:
        text = str(inputs)
    return f"{count}: {text[:_SHOWN_INPUTS]}{' …' if len(text) > _SHOWN_INPUTS else ''}"


def count_text(value: object) -> str:
    """A number with its thousands told apart; ? for anything else."""
    return f"{value:,}" if type(value) is int else "?"
