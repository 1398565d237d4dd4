"""What the tests' double answers is what a real node answers: recorded once, and asked again here."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

from tests.double.devnet import CHAIN, running
from tests.double.exchanges import FILE, provoked

pytestmark = [*CHAIN, pytest.mark.timeout(900)]


async def test_a_real_node_says_what_was_recorded() -> None:
    """Each error and state, word for word: accounts and addresses are always the same. Whoever compiles a contract
    again or changes devnet's version records them again: `python -m tests.double.exchanges`."""
    recorded: dict[str, Any] = json.loads(FILE.read_text())["recorded"]
    with running() as devnet:
        assert recorded == await provoked(devnet)
