"""Whose attestations `propose --wait` and `demo` believe, and what they say of others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from proofrail.cli.believed import accepts, trust_in
from proofrail.cli.home import Home
from proofrail.cli.propose import unfinished
from proofrail.client.proposing import Proposed
from proofrail.client.settlement import Published, Settlement
from proofrail.commitment.checkpoint import generate_key
from proofrail.wire import topics
from proofrail.wire.errors import PoisonError, UnusableInputError


def _vkey(seed: int) -> str:
    return generate_key("proofrail-auditor", bytes([seed]) * 32)[1]


def test_the_home_folders_auditor_is_believed_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key there is no trust, and a policy of the environment holds here as in the auditor."""
    monkeypatch.setenv("PROOFRAIL_PROVER_BACKENDS", "stone,stwo")
    monkeypatch.setenv("PROOFRAIL_MIN_SECURITY_BITS", "100")
    home = Home(tmp_path / "home")
    assert trust_in(home, None) is None
    home.prepare()
    home.auditor_key.with_suffix(".vkey").write_text(_vkey(1) + "\n")
    trust = trust_in(home, None)
    assert trust is not None
    assert ([_vkey(1)], 100, ("stone", "stwo")) == (
        trust.auditor_keys,
        trust.min_security_bits,
        trust.backends,
    )
    other = tmp_path / "other.vkey"
    other.write_text(_vkey(2) + "\n")
    named = trust_in(home, other)
    assert named is not None
    assert [_vkey(2)] == named.auditor_keys


def test_a_running_system_says_what_its_auditor_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for attestations in another terminal knows that proofs by Stone are accepted there; what is set
    here goes first."""
    home = Home(tmp_path / "home")
    environment = {"PROOFRAIL_PROVER_BACKENDS": "stone", "PROOFRAIL_MIN_SECURITY_BITS": "80", "PATH": "/bin"}
    with home.claimed():
        home.auditor_key.with_suffix(".vkey").write_text(_vkey(1) + "\n")
        home.announce({"phase": "ready", "accepts": accepts(environment)})
        told = trust_in(home, None)
        monkeypatch.setenv("PROOFRAIL_MIN_SECURITY_BITS", "100")
        set_here = trust_in(home, None)
    ended = trust_in(home, None)
    found = [(one.backends, one.min_security_bits) for one in (told, set_here, ended) if one is not None]
    assert [(("stone",), 80), (("stone",), 100), (("stwo",), 100)] == found


def test_a_file_without_a_key_is_refused(tmp_path: Path) -> None:
    """Asked to believe a key, and given none, nothing is published."""
    empty = tmp_path / "empty.vkey"
    empty.write_text("\n")
    with pytest.raises(UnusableInputError) as refused:
        trust_in(Home(tmp_path), empty)
    assert "key-malformed" == refused.value.code


async def test_a_forged_attestation_is_named_at_the_end() -> None:
    """Of two proposals without an end, the one that somebody forged an attestation for says so."""
    pending = [Published(topics.PROPOSALS, 0, offset, b"{}", 0.0, None) for offset in (3, 4)]
    settlement = Settlement(pending)
    settlement.refused[topics.PROPOSALS, 0, 4] = PoisonError("attestation-signature", "signed by nobody")
    async with asyncio.timeout(5):
        following = asyncio.create_task(asyncio.sleep(0))
        said = unfinished(Proposed(settlement, following))
        await following
    assert [
        f"not settled in time: {topics.PROPOSALS}/0 offset 3",
        f"an attestation that is not believed: {topics.PROPOSALS}/0 offset 4: "
        "attestation-signature: signed by nobody",
    ] == said
