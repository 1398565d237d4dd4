"""Codes of the explorer: what it answers, and what keeps it from starting."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import Area, Entry

_GUARD: Final = "services/proofrail/explorer/guard.py"
_DATABASE: Final = "services/proofrail/artifacts/sqlite_file.py"

EXPLORER: Final = Area.of(
    "explorer",
    "The explorer: what it answers, and what keeps it from starting",
    "services/proofrail/explorer",
    (
        Entry(
            "export-busy",
            "Several files are being read already.",
            "Each is held in memory while it is.",
            "Try again in a moment.",
            "services/proofrail/explorer/pages/opened.py",
        ),
        Entry(
            "export-missing",
            "No file came with the form that opens one.",
            "None was chosen, or it is empty.",
            "Choose a file of `proofrail export`, or drop one onto the page.",
            "services/proofrail/explorer/pages/opened.py",
        ),
        Entry(
            "export-too-large",
            "The file is too large to be opened in a page.",
            "It is held in memory.",
            "`proofrail explorer --file FILE` has no such limit.",
            "services/proofrail/explorer/pages/opened.py",
        ),
        Entry(
            "explorer-disk",
            "The view cannot be written.",
            "The disk is full, or another program holds the file.",
            "Make room; it goes on by itself, where it was.",
            _DATABASE,
        ),
        Entry(
            "explorer-file",
            "The file of the view cannot be used.",
            "Its folder is not writable, or the file is damaged.",
            "Correct the permissions, or delete the folder: the view is built again from the topics.",
            _DATABASE,
        ),
        Entry(
            "explorer-host",
            "The explorer was asked for under a name that is none of its own.",
            "A page elsewhere whose name leads to this machine could read what is served here.",
            "Use 127.0.0.1, or name it in PROOFRAIL_EXPLORER_NAMES.",
            _GUARD,
        ),
        Entry(
            "explorer-in-use",
            "Another explorer has this folder.",
            "A view has one writer.",
            "Stop the other one, or give each a PROOFRAIL_EXPLORER_DIR of its own.",
            _DATABASE,
        ),
        Entry(
            "explorer-not-found",
            "Nothing is known of an id, a place or a hash.",
            "It is mistyped, or the topics had lost it before the explorer read them.",
            "Search for a part of it.",
        ),
        Entry(
            "explorer-origin",
            "A page of another site sent something to the explorer.",
            "Only its own pages may.",
            "Send it from the explorer's pages, or from no page at all.",
            _GUARD,
        ),
        Entry(
            "explorer-place",
            "A record is at a place that the view cannot name.",
            "Its topic has more than 512 partitions.",
            "Use topics with fewer: `proofrail topics`.",
            "services/proofrail/explorer/schema.py",
        ),
        Entry(
            "explorer-port",
            "The explorer cannot listen where it should.",
            "Another program has the port, or the address is not this machine's.",
            "Choose another PROOFRAIL_EXPLORER_PORT, or 0 for a free one.",
            "services/proofrail/explorer/app.py",
        ),
        Entry(
            "explorer-query",
            "A parameter of a request is none that the explorer takes.",
            "It is mistyped, or a cursor of another version.",
            "/api/openapi.json says what is allowed.",
        ),
        Entry(
            "explorer-request",
            "The address or the method is none of the explorer's.",
            "It is mistyped.",
            "Begin at /, or see /api/openapi.json.",
        ),
        Entry(
            "explorer-token",
            "The explorer asks who is there.",
            "It is served beyond this machine.",
            "Open it with ?token=… once, or send `Authorization: Bearer …`; the token is PROOFRAIL_EXPLORER_TOKEN.",
            _GUARD,
        ),
    ),
)
