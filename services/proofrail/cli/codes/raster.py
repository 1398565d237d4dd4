"""Codes of streams of the Raster tool."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import TRACE, Area, Entry

_WHOLE = "Give the stream whole and as the tool wrote it; the error names line and byte."

RASTER: Final = Area.of(
    "raster",
    "Streams and commitments of the Raster tool",
    "services/proofrail/commitment/raster",
    (
        Entry(
            "raster-item-broken",
            "An item cannot be read.",
            "The stream was edited, or output is mixed into it.",
            _WHOLE,
        ),
        Entry(
            "raster-item-too-long",
            "An item is larger than any is read.",
            "The stream has no item's end.",
            _WHOLE,
        ),
        Entry(
            "raster-stream-cut",
            "The stream ends inside an item.",
            "The tool was ended, or a copy was cut.",
            _WHOLE,
        ),
        Entry(
            "raster-stream-encoding",
            "The stream is UTF-16.",
            "A shell such as PowerShell wrote it so.",
            "Redirect it as bytes; the tool writes UTF-8.",
        ),
        Entry(
            "raster-item-too-large",
            "An item is too large for a trace event.",
            "A line has at most 65,536 bytes, so that a call holds about 32,000.",
            "Trace smaller calls.",
            f"{TRACE} section 1",
        ),
        Entry(
            "raster-commitment-too-large",
            "A commitment file is larger than any that is compared.",
            "It is another file; 64 MiB are 33 million items of 16 bits.",
            "Name the commitment file.",
        ),
        Entry(
            "raster-out-no-file",
            "The file to write is a folder or a device.",
            "A commitment file takes the place of what is there.",
            "Name a file.",
        ),
        Entry(
            "raster-method-id",
            "A method id is none, or given twice.",
            "With risc0 it is an image id, 64 lower-case hex characters; each tile has one.",
            "Give --method-id ID for all tiles, or TILE=ID for one.",
            f"{TRACE} section 4, Imported traces",
        ),
        Entry(
            "raster-stream-changed",
            "A stream was another one when it was read again.",
            "It is still being written: an import reads it twice.",
            "Import it when it is written to its end, or pipe it in.",
        ),
        Entry(
            "raster-item-unnamed",
            "An item has no function name.",
            "A tile must have one.",
            "Correct whoever wrote the stream.",
        ),
    ),
)
