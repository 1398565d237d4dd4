"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proofrail.commitment.blocks import MAX_BITS

BitsOption = Annotated[int, typer.Option(min=1, max=MAX_BITS, help="Width of a packed value.")]
BlockItemsOption = Annotated[
    int, typer.Option(min=1, max=2**53 - 1, help="Items in a full commitment block.")
]
SigningKeyOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Private key that signs; made (0600) if missing. Default: a fresh one, forgotten.",
        show_default=False,
    ),
]
