"""Compiles the tests' contracts, each to a .json beside it: `python tests/data/contracts/compile.py`."""

from pathlib import Path

from proofrail.cairo.contract_compiler import compile_contract, find_compiler

for source in sorted(Path(__file__).parent.glob("*.cairo")):
    source.with_suffix(".json").write_bytes(compile_contract(source, find_compiler()))
