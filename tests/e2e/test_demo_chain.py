"""`proofrail demo --chain` on real parts: traced, proven by Stone, and recorded on a starknet-devnet.

PROOFRAIL_INTEGRITY_CLASSES names a folder with Integrity's compiled classes: then its verifier is what is deployed.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.faults import processes, proposals

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

from proofrail.proving.stone import programs

INTEGRITY = os.environ.get("PROOFRAIL_INTEGRITY_CLASSES")
SECONDS = 1800
"""A minute or two on an idle machine."""

pytestmark = [
    pytest.mark.chain,
    pytest.mark.stone,
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.timeout(SECONDS + 300),
    pytest.mark.skipif(shutil.which("starknet-devnet") is None, reason="starknet-devnet is not on PATH"),
    pytest.mark.skipif(
        any(programs.find(name) is None for name in (programs.PROVER, programs.VERIFIER)),
        reason="Stone's programs are not here",
    ),
]


def _proofrail(*arguments: str, scratch: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "proofrail", *arguments],
        capture_output=True,
        check=False,
        timeout=SECONDS + 200,
        env={**os.environ, "TMPDIR": str(scratch)},
    )


def test_a_proposal_ends_as_the_contracts_answer(tmp_path: Path) -> None:
    """An approved and a rejected proposal in one proof: both recorded in one transaction, the contract approves the one
    with its shares alone, and says so to `chain decision`; every form of output says what was verified on chain. `down`
    ends the system and its chain."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    file = tmp_path / "proposals.ndjson"
    values = [proposals.valid("two-pools", 1), proposals.valid("too-tight", 2, max_single_bps=5000)]
    file.write_bytes(b"".join(value + b"\n" for value in values))
    options = ["--integrity", INTEGRITY] if INTEGRITY else []
    demo = _proofrail(
        *("demo", "--chain", "--json", "--keep", "--proposals", str(file), "--timeout", str(SECONDS)),
        *options,
        scratch=scratch,
    )
    (root,) = scratch.glob("proofrail-demo-*")
    try:
        assert 0 == demo.returncode, demo.stderr.decode()
        approved, rejected, totals = map(json.loads, demo.stdout.splitlines())
        _check_lines(approved, rejected, totals)
        said = demo.stderr.decode()
        assert (not INTEGRITY) == ("NOTHING WAS VERIFIED ON CHAIN" in said)
        assert [True, True] == [one["transaction"] in said for one in (approved, rejected)]
        question = ("decision", "two-pools-1", "--node", totals["node"], "--contract", totals["contract"])
        asked = _proofrail("chain", *question, scratch=scratch)
        assert (0, [4500, 5500]) == (asked.returncode, json.loads(asked.stdout)["shares"])
        other = _proofrail("chain", *question, "--shares", "5500,4500", scratch=scratch)
        assert 1 == other.returncode
    finally:
        left = processes.of_home(root)
        down = _proofrail("down", "--home", str(root), scratch=scratch)
    assert 0 == down.returncode, down.stderr.decode()
    asyncio.run(processes.gone(left, 30))


def _check_lines(approved: dict[str, Any], rejected: dict[str, Any], totals: dict[str, Any]) -> None:
    assert ("two-pools-1", True, [], True) == _decided(approved)
    assert ("too-tight-2", True, ["OVER_MAX_SINGLE"], False) == _decided(rejected)
    for one in (approved, rejected):
        assert (totals["contract"], "recorded", bool(INTEGRITY)) == (
            one["contract"],
            one["outcome"],
            one["verified_on_chain"],
        )
    assert approved["transaction"] == rejected["transaction"]
    assert approved["fact"] == rejected["fact"]
    assert ("ChainDemo", 1, 2, 1, bool(INTEGRITY)) == tuple(
        totals[name] for name in ("type", "runs", "recorded", "approved", "verified_on_chain")
    )
    assert totals["calldata_felts"] > 1000


def _decided(line: dict[str, Any]) -> tuple[object, ...]:
    return tuple(line[name] for name in ("allocation_id", "recorded", "reasons", "is_approved"))
