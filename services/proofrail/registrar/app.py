"""`proofrail registrar`: put the registrar together from its settings and run it."""

from __future__ import annotations

from collections.abc import Collection

from proofrail.cairo.risk_program import load_chain
from proofrail.client import Trust
from proofrail.messaging.host import ServiceContext, run_service
from proofrail.messaging.metrics import Metrics
from proofrail.proving.stone.presets import preset_named
from proofrail.registrar.calldata import CalldataCommand, StoneCalldata
from proofrail.registrar.file_ledger import FileLedger
from proofrail.registrar.ledger import Ledger, LedgerMisconfigured
from proofrail.registrar.service import Registrar
from proofrail.registrar.settings import ON_CHAIN_PRESETS, RegistrarSettings
from proofrail.wire.canonical import parse_felt
from proofrail.wire.errors import MalformedError


def run(settings: RegistrarSettings, codes: Collection[str] | None = None) -> int:
    """Run the registrar until SIGTERM; returns the exit status."""

    async def main(context: ServiceContext) -> None:
        ledger = ledger_of(settings, context.metrics)
        await Registrar(settings, ledger, trust_of(settings, ledger), context).work()

    return run_service("registrar", main, settings, codes)


def trust_of(settings: RegistrarSettings, ledger: Ledger) -> Trust:
    """What must hold before anything is given to this ledger. On chain: proofs of the chain build, by Stone."""
    keys, bits = settings.auditor_keys.split(), settings.min_security_bits
    if ledger.identity.kind == "file":
        return Trust(keys, bits, settings.prover_backends.split(","), presets=ledger.presets)
    program = load_chain()
    return Trust(keys, bits, ("stone",), {program.method_id: program.builtins}, ledger.presets)


def ledger_of(settings: RegistrarSettings, metrics: Metrics | None = None) -> Ledger:
    """The ledger that the settings name. Raises UnusableInputError `preset-unknown`; LedgerMisconfigured
    `chain-extra`, `wallet-file`, `chain-address`."""
    presets = [preset_named(name).name for name in settings.registrar_presets.split()]
    if settings.registrar_ledger == "file":
        return FileLedger(
            settings.registrar_dir / "ledger.sqlite", settings.min_security_bits, presets or None
        )
    return _starknet(settings, presets or list(ON_CHAIN_PRESETS), metrics)


def _starknet(settings: RegistrarSettings, presets: list[str], metrics: Metrics | None) -> Ledger:
    from proofrail.registrar.starknet.chain import Finality
    from proofrail.registrar.starknet.ledger import StarknetLedger
    from proofrail.registrar.starknet.rpc import RpcChain
    from proofrail.registrar.starknet.sender import Limits
    from proofrail.registrar.starknet.signer import KeyFile, Signer, SignerCommand

    signer: Signer
    if settings.chain_wallet_file is not None:
        signer = KeyFile.read(settings.chain_wallet_file)
    else:
        signer = SignerCommand(
            settings.chain_signer, [_address(one) for one in settings.chain_accounts.split()]
        )
    command = settings.calldata_command
    return StarknetLedger(
        RpcChain(
            settings.chain_url.get_secret_value(), settings.chain_network, signer, settings.chain_timeout_s
        ),
        settings.registrar_dir / "transactions.sqlite",
        CalldataCommand(command) if command else StoneCalldata(),
        Limits(
            settings.chain_max_fee_fri,
            settings.chain_max_calldata,
            settings.chain_confirm_s,
            settings.chain_poll_s,
            Finality(settings.chain_finality),
        ),
        network=settings.chain_network,
        contract=_address(settings.chain_contract),
        presets=presets,
        programs=[parse_felt(load_chain().method_id)],
        batch=settings.registrar_batch,
        watched_s=settings.chain_watch_s,
        metrics=metrics,
    )


def _address(text: str) -> int:
    try:
        return parse_felt(text)
    except MalformedError as error:
        raise LedgerMisconfigured(
            "chain-address",
            f"{text!r:.80} is no address on Starknet",
            "Give it as 0x…, without leading zeros",
        ) from error
