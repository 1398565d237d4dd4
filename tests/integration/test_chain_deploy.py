"""`proofrail chain` against a real node: starknet-devnet on loopback."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")

from tests.double.devnet import CHAIN, NETWORK, Devnet, running

from proofrail.cli.application import app
from proofrail.registrar.starknet.classes import REGISTRY, STAND_IN, packaged
from proofrail.wire.canonical import felt_hex

pytestmark = CHAIN


def _chain(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["chain", *map(str, arguments)])


def _wallet(devnet: Devnet, path: Path) -> Path:
    path.touch(mode=0o600)
    path.write_text("".join(f"{felt_hex(one)} {felt_hex(key)}\n" for one, key in devnet.one().keys.items()))
    return path


def test_the_contract_is_deployed_shown_and_asked(tmp_path: Path) -> None:
    """Once, by its content: a second deployment finds it; the node knows both classes by the hashes in the manifests;
    what the constructor refuses is refused before it costs anything; nobody is approved yet."""
    with running() as devnet:
        facts = felt_hex(asyncio.run(devnet.deploy_class(packaged(STAND_IN), [])))
        options = (
            "--node",
            devnet.url,
            "--wallet",
            _wallet(devnet, tmp_path / "wallet"),
            "--network",
            NETWORK,
        )
        first = _chain("deploy", *options, "--fact-registry", facts)
        assert 0 == first.exit_code, first.output
        told = json.loads(first.stdout)
        assert (True, True, felt_hex(packaged(REGISTRY).class_hash)) == (
            told["new"],
            told["fact_registry_verifies_nothing"],
            told["class_hash"],
        )
        assert "SUCCEEDED" == devnet.status(told["transaction"])["execution_status"]
        paid = devnet.transactions_of(devnet.one().accounts[0])
        again = json.loads(_chain("deploy", *options, "--fact-registry", facts).stdout)
        assert (False, told["contract"]) == (again["new"], again["contract"])
        address = ("--node", devnet.url, "--contract", told["contract"])
        shown = json.loads(_chain("show", *address).stdout)
        assert {name: told[name] for name in ("programs", "presets", "min_security_bits")} == {
            name: shown[name] for name in ("programs", "presets", "min_security_bits")
        }
        asked = _chain("decision", "two-pools", *address, "--shares", "4400,5600")
        assert (1, False) == (asked.exit_code, json.loads(asked.stdout)["recorded"])
        assert paid == devnet.transactions_of(devnet.one().accounts[0])
