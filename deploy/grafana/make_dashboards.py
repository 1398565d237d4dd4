"""Write the dashboards beside this file: what each panel asks and means stands in `boards`, where it can be read.

    python deploy/grafana/make_dashboards.py [--check]

`--check` writes nothing and exits with status 1 when a file differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from boards import audit, overview, prover

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS = {"overview.json": overview.BOARD, "prover.json": prover.BOARD, "audit.json": audit.BOARD}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    wrong = 0
    for name, content in DASHBOARDS.items():
        file, text = FOLDER / name, json.dumps(content, indent=1) + "\n"
        if not given.check:
            file.write_text(text)
        elif not file.is_file() or file.read_text() != text:
            print(f"{file} is not up to date; run python {__file__}", file=sys.stderr)
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
