"""Codes of the commands for operators."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import Area, Entry

OPERATORS: Final = Area.of(
    "operators",
    "Commands for operators",
    "proofrail COMMAND --help",
    (
        Entry(
            "run-id-malformed",
            "What was given cannot be a run_id.",
            "A run_id is 32 hexadecimal characters; four or more of its first ones will do.",
            "`proofrail status` lists the runs.",
        ),
        Entry(
            "export-malformed",
            "A line of the file is none of an exported run.",
            "The file is none that `proofrail export` wrote, or it was altered.",
            "Export the run again.",
        ),
        Entry(
            "export-incomplete",
            "The exported run is not whole.",
            "The file was cut short, or put together from several.",
            "Export the run again: `proofrail export RUN --out FILE`.",
        ),
    ),
)
