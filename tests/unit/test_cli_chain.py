"""`proofrail chain`: the contract is deployed, shown and asked, through a node on loopback that plays the chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

from tests.double.chain import BITS, PRESET, configuration
from tests.double.node import CHAIN_ID, serving
from tests.unit.deploying_node import EmptyChain

from proofrail.cairo.risk_program import allocation_felt, load_chain
from proofrail.cli.application import app
from proofrail.registrar.starknet.classes import REGISTRY, STAND_IN, packaged

FACTS = 0xFAC7
ALLOCATION = "two-pools"
SHARES = (4400, 5600)
STRONG = "recursive/blake2s_248_lsb/stone6/strict"


@pytest.fixture
def node() -> EmptyChain:
    """A chain with the stand-in for the registry of facts."""
    found = EmptyChain()
    found.contracts[FACTS] = (packaged(STAND_IN).class_hash, [])
    found.classes[packaged(REGISTRY).class_hash] = {}
    return found


@pytest.fixture
def url(node: EmptyChain) -> Iterator[str]:
    with serving(node) as found:
        yield found


@pytest.fixture
def wallet(tmp_path: Path) -> Path:
    path = tmp_path / "wallet"
    path.touch(mode=0o600)
    path.write_text("0xa1 0x1234\n")
    return path


@pytest.fixture
def contract(node: EmptyChain) -> int:
    """A DecisionRegistry that stands there."""
    arguments = [FACTS, 1, int(load_chain().method_id, 16), 1, *configuration(PRESET), BITS, 1, 0xA1]
    node.contracts[0xC0] = (packaged(REGISTRY).class_hash, arguments)
    return 0xC0


def _chain(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["chain", *map(str, arguments)])


def _told(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_deploy_says_where_the_contract_is_and_what_it_accepts(
    node: EmptyChain, url: str, wallet: Path
) -> None:
    """The object on stdout; the hash and that the registry of facts verifies nothing on stderr; again: not new."""
    options = ("--node", url, "--wallet", wallet, "--fact-registry", "0x0FAC7", "--preset", STRONG)
    first = _chain("deploy", *options)
    assert 0 == first.exit_code, first.output
    told = _told(first)
    (address,) = set(node.contracts) - {FACTS}
    assert {
        "contract": hex(address),
        "network": CHAIN_ID,
        "fact_registry": hex(FACTS),
        "fact_registry_verifies_nothing": True,
        "programs": [load_chain().method_id],
        "presets": [STRONG],
        "min_security_bits": 96,
        "recorders": ["0xa1"],
        "new": True,
        "transaction": node.done[0],
    } == {name: told[name] for name in told.keys() - _OTHERS}
    assert [True] == [one in first.stderr for one in node.done]
    assert "verifies nothing" in first.stderr
    again = _told(_chain("deploy", *options))
    assert {"new": False} | {name: told[name] for name in ("contract", "presets")} == {
        name: again[name] for name in ("new", "contract", "presets")
    }
    assert 1 == len(node.done)


_OTHERS = {"v", "type", "class_hash", "fact_registry_class", "of_this_version", "l2_gas", "fee_fri"}


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        (("--fact-registry", "0xdead"), 2, "contract-not-found"),
        (("--fact-registry", "dead"), 2, "chain-address"),
        (("--fact-registry", "0xfac7", "--recorder", "0x1", "--anyone"), 2, "chain-options"),
        (("--fact-registry", "0xfac7", "--preset", "none"), 2, "preset-unknown"),
        (
            ("--fact-registry", "0xfac7", "--preset", "recursive/keccak_160_lsb/stone6/strict"),
            2,
            "preset-weak",
        ),
        (("--fact-registry", "0xfac7", "--network", "SN_MAIN"), 2, "chain-other-network"),
        (("--fact-registry", "0xfac7", "--max-fee", "0.000000000000000001"), 3, "fee-over-cap"),
    ],
)
def test_deploy_sends_nothing_that_could_be_wrong(
    node: EmptyChain, url: str, wallet: Path, options: tuple[str, ...], status: int, code: str
) -> None:
    """What could not be corrected later is refused before anything is sent, with its code."""
    result = _chain("deploy", "--node", url, "--wallet", wallet, *options)
    assert (status, True, []) == (result.exit_code, code in result.stderr, node.sent_kinds())


def test_a_wallet_that_others_can_read_is_refused(url: str, wallet: Path) -> None:
    """Exit status 2, and the file's content is nowhere."""
    wallet.chmod(0o644)
    result = _chain("deploy", "--node", url, "--wallet", wallet, "--fact-registry", "0xfac7")
    assert (2, True, False) == (result.exit_code, "wallet-file" in result.stderr, "1234" in result.output)


def test_show_asks_about_what_is_known(node: EmptyChain, url: str, contract: int) -> None:
    """Programs, presets, bits and the named recorders; exit status 1, for the stand-in verifies nothing."""
    result = _chain(
        *("show", "--node", url, "--contract", hex(contract)), *("--recorder", "0xA1", "--recorder", "0x2")
    )
    told = _told(result)
    assert (1, [load_chain().method_id], [PRESET.name], 96, ["0xa1"], True) == (
        result.exit_code,
        *(
            told[name]
            for name in ("programs", "presets", "min_security_bits", "recorders", "of_this_version")
        ),
    )
    node.contracts[FACTS] = (0x1234, [])
    assert 0 == _chain("show", "--node", url, "--contract", hex(contract)).exit_code
    node.contracts[contract] = (0x5678, node.contracts[contract][1])
    assert 1 == _chain("show", "--node", url, "--contract", hex(contract)).exit_code


@pytest.mark.parametrize("address", [hex(FACTS), "0xdead"])
def test_what_is_no_decision_registry_is_refused(node: EmptyChain, url: str, address: str) -> None:
    """Another contract, or none."""
    result = _chain("show", "--node", url, "--contract", address)
    assert (2, True) == (result.exit_code, "contract-not-found" in result.stderr)


@pytest.mark.parametrize(
    ("verdict", "shares", "status", "asked"),
    [
        (0, (), 0, SHARES),
        (0, ("--shares", "4400/5600"), 0, SHARES),
        (0, ("--shares", "5600,4400"), 1, (5600, 4400)),
        (2, (), 1, SHARES),
        (None, (), 1, None),
        (None, ("--shares", "4400,5600"), 1, SHARES),
    ],
)
def test_decision_is_the_contracts_own_word(
    node: EmptyChain,
    url: str,
    contract: int,
    verdict: int | None,
    shares: tuple[str, ...],
    status: int,
    asked: tuple[int, ...] | None,
) -> None:
    """Exit status 0 for approved with these shares alone; without any the contract's own are asked about."""
    if verdict is not None:
        node.decisions[allocation_felt(ALLOCATION)] = (0x17, verdict, 0x1EAF, SHARES)
    result = _chain("decision", ALLOCATION, "--node", url, "--contract", hex(contract), *shares)
    told = _told(result)
    assert (status, status == 0, verdict is not None) == (
        result.exit_code,
        told["is_approved"],
        told["recorded"],
    )
    assert (verdict, None if asked is None else list(asked)) == (told.get("verdict"), told.get("shares"))
    assert ([] if verdict == 0 else ["OVER_MAX_SINGLE"] if verdict else None) == told.get("reasons")


@pytest.mark.parametrize(
    "wrong", [("x y",), (ALLOCATION, "--shares", "44%"), (ALLOCATION, "--shares", "10001")]
)
def test_unusable_questions_are_not_asked(
    node: EmptyChain, url: str, contract: int, wrong: tuple[str, ...]
) -> None:
    """Exit status 2, and the node has heard nothing."""
    result = _chain("decision", *wrong, "--node", url, "--contract", hex(contract))
    assert (2, True, []) == (result.exit_code, "chain-options" in result.stderr, node.asked)


def test_no_answer_is_no_no(node: EmptyChain, url: str, contract: int) -> None:
    """A node that gives no answer leaves the question undecided: exit status 3, neither 0 nor 1."""
    node.next_of("chainId", "drop", "drop")
    result = _chain("decision", ALLOCATION, "--node", url, "--contract", hex(contract))
    assert (3, "") == (result.exit_code, result.stdout)
