"""Where things that can be had again are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The folder of this user for all installations: PROOFRAIL_CACHE, else ~/.cache/proofrail."""
    return Path(os.environ.get("PROOFRAIL_CACHE") or "~/.cache/proofrail").expanduser()
