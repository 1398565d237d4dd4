"""Compiles the tests' contracts, each to a .json beside it: `python tests/data/contracts/compile.py [--check]`."""

import sys
from pathlib import Path

from proofrail.cairo.contract_compiler import artifacts_of, compile_all

FOLDER = "tests/data/contracts"
NAMES = tuple(path.stem for path in sorted(Path(__file__).parent.glob("*.cairo")))

if __name__ == "__main__":
    sys.exit(compile_all(artifacts_of(FOLDER, NAMES), FOLDER, f"{FOLDER}/compile.py", __doc__, None))
