"""Spares a service's loop the long pauses of Python's garbage collector."""

from __future__ import annotations

import gc


def spare() -> None:
    """Let the collector pass over everything that there is now, once it has gone through it a last time.

    A full collection goes through every module, model and view that a service holds for as long as it lives: 0.1 s in
    which nothing is answered.
    """
    gc.collect()
    gc.freeze()
