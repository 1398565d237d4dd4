"""The OpenAPI document of the API, written into a checkout's schemas/ folder.

    python -m proofrail.explorer.openapi [--check] [FOLDER]

`--check` writes nothing and exits with status 1 when the file is missing or differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final, cast

from fastapi import FastAPI

from proofrail.explorer.api import router
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.web import described

NAME: Final = "explorer-openapi.json"


def document() -> dict[str, Any]:
    """The document. Routes are described without a view behind them."""
    app = FastAPI(**described())
    app.include_router(router(cast(ViewReader, None)))
    return app.openapi()


def rendered() -> str:
    """The text of the file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m proofrail.explorer.openapi", description=__doc__.split("\n")[0]
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("schemas"), help="default: schemas")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when it is out of date")
    options = parser.parse_args(arguments)
    path, text = options.folder / NAME, rendered()
    current = path.is_file() and path.read_text(encoding="utf-8") == text
    if options.check:
        if not current:
            print(f"{path} is out of date; run: python -m proofrail.explorer.openapi", file=sys.stderr)
        return 0 if current else 1
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
