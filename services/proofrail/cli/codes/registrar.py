"""Codes of the registrar: what a ledger refuses, and what is in the way of recording."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import Area, Entry

_SETTINGS: Final = "services/proofrail/registrar/settings.py"
_SENDER: Final = "services/proofrail/registrar/starknet/sender.py"
_CHAIN: Final = "services/proofrail/cli/chain.py"
_FOR_CHAIN: Final = (
    "Trace the chain build, prove it with --for chain, and with as many queries as the bits take."
)

REGISTRAR: Final = Area.of(
    "registrar",
    "The registrar: what ledgers refuse, and what is waited for",
    "services/proofrail/registrar",
    (
        Entry(
            "account-balance",
            "The registrar's account cannot pay for a transaction.",
            "It has less STRK than the transaction may cost.",
            "Give it some; what waits goes on by itself.",
            _SENDER,
        ),
        Entry(
            "calldata-refused",
            "The program that serializes proofs refuses this one, or prints something else than felts.",
            "The proof is of a form that it does not know, or it is not such a program.",
            "Run PROOFRAIL_CALLDATA_COMMAND by hand on the proof, which the artifact store has.",
        ),
        Entry(
            "calldata-too-long",
            "The proof takes more calldata than a transaction may have.",
            "The program stands in the public input, two felts a word; each query adds paths.",
            "Name the registry's presets to the prover, which then makes proofs fit, or raise the limit of both: "
            "PROOFRAIL_CHAIN_MAX_CALLDATA.",
        ),
        Entry(
            "calldata-unavailable",
            "The program that serializes proofs for the verifier on chain cannot be run.",
            "It is not there, takes too long, or was killed.",
            "Correct PROOFRAIL_CALLDATA_COMMAND, or leave it empty: Proofrail's own needs Stone's verifier only.",
        ),
        Entry(
            "chain-address",
            "A setting is no address on Starknet.",
            "It is no felt; as a setting it may not have leading zeros or capitals either.",
            "Give it as 0x…, lower case, without leading zeros.",
            _SETTINGS,
        ),
        Entry(
            "chain-away",
            "The node gave no answer that can be read.",
            "It is down, slow or behind something else; what was sent to it may have arrived.",
            "Nothing: the outcome is looked up by the transaction's hash, and only what is not there sent again.",
        ),
        Entry(
            "chain-contract",
            "The contracts do not accept what the registrar is set up for.",
            "The address is another contract's, or it has other programs, presets, bits or recorders.",
            "Correct the settings, or deploy a contract that accepts them. Nothing was given up.",
        ),
        Entry(
            "chain-extra",
            "The ledger on Starknet needs a package that is not installed.",
            "starknet-py comes with the extra `chain` only.",
            "Run `pip install 'proofrail[chain]'`.",
        ),
        Entry(
            "chain-malfunction",
            "The node refuses with a code that says nothing about the transaction.",
            "It is overloaded, broken, or newer than this version.",
            "It is asked again; if it stays, the message has the node's words.",
        ),
        Entry(
            "chain-options",
            "What was asked of `proofrail chain` contradicts itself or has another form.",
            "--anyone beside --recorder, shares that are no basis points, or what is no allocation_id.",
            "The message says which; `proofrail chain --help` shows the forms.",
            _CHAIN,
        ),
        Entry(
            "chain-other-network",
            "The node is of another chain than the settings say.",
            "PROOFRAIL_CHAIN_URL or PROOFRAIL_CHAIN_NETWORK is wrong.",
            "Correct it before anything is sent.",
        ),
        Entry(
            "chain-settings",
            "The node takes no transaction or call of this form, account or address.",
            "A key that is not the account's, an account or contract that is not deployed, or another version.",
            "Correct the settings; nothing was given up.",
        ),
        Entry(
            "chain-unsettled",
            "Several transactions, each one's outcome known, came to nothing.",
            "Somebody else uses the registrar's accounts, or fees rise faster than they can be asked for.",
            "Give the registrar accounts of its own; it tries again by itself.",
            _SENDER,
        ),
        Entry(
            "class-unusable",
            "A contract class cannot be declared as it lies here.",
            "It is no Sierra class, its CASM is not beside it, or its hash is not the one on record.",
            "Compile it again; for those of Proofrail: install the package again.",
            "services/proofrail/registrar/starknet/classes.py",
        ),
        Entry(
            "contract-not-found",
            "No contract is at the address.",
            "The address or the node's network is wrong, or it was not deployed yet.",
            "Check both; `proofrail chain deploy` puts a DecisionRegistry there.",
            _CHAIN,
        ),
        Entry(
            "deployment-refused",
            "The chain refuses to declare or deploy a contract.",
            "The message has the chain's or the constructor's own word for it.",
            "Correct what it is deployed with; what was there before is as it was.",
            "services/proofrail/registrar/starknet/deploy.py",
        ),
        Entry(
            "fee-over-cap",
            "A transaction may cost more than is allowed.",
            "Gas is dear at the moment, or the batch is large.",
            "Wait, or raise PROOFRAIL_CHAIN_MAX_FEE_FRI; for `chain deploy`: --max-fee.",
            _SENDER,
        ),
        Entry(
            "ledger-entry-refused",
            "The contract refuses a decision.",
            "The message has its own word for it.",
            "Compare the attestation with what the proof says.",
        ),
        Entry(
            "ledger-fact-missing",
            "The fact that a decision rests on is not registered, or not well enough.",
            "It was not registered yet, or the chain has lost its last blocks.",
            "It is registered and tried again by itself.",
        ),
        Entry(
            "ledger-fact-refused",
            "The verifier on chain refuses the proof.",
            "The proof, its preset or its serialization is not what that verifier takes.",
            "Verify the proof with `proofrail verify`; the message has the verifier's own word.",
        ),
        Entry(
            "ledger-fact-weak",
            "The ledger asks for more of a proof: bits, or a preset that it accepts.",
            "It was made for local use, or with fewer queries.",
            _FOR_CHAIN,
        ),
        Entry(
            "ledger-other-decision",
            "Another decision is recorded for the allocation.",
            "It was decided twice, with different contents; the first stands.",
            "Find out why; what is recorded stays.",
        ),
        Entry(
            "ledger-program",
            "The ledger takes the chain build alone.",
            "The run is of the first build, whose output the contract does not read.",
            _FOR_CHAIN,
        ),
        Entry(
            "ledger-row",
            "The row to be recorded is not the one in the proven output, or of another allocation.",
            "The attestation was made for another row.",
            "Do not act on it; tell the auditor's operator.",
        ),
        Entry(
            "proof-annotations",
            "What Stone's verifier says of the parts of a proof is not of this proof.",
            "The verifier is of an unknown version, or a proof parameter means something new.",
            "Use cpu_air_verifier of Stone v2 or v3, or name another serializer in PROOFRAIL_CALLDATA_COMMAND.",
            "services/proofrail/proving/stone/calldata.py",
        ),
        Entry(
            "registrar-disk",
            "The registrar's files cannot be written.",
            "The disk is full or gone.",
            "Nothing is sent meanwhile; it goes on when there is space.",
        ),
        Entry(
            "registrar-file",
            "A file of the registrar's cannot be used.",
            "Permissions, a damaged file, or another version's.",
            "Check PROOFRAIL_REGISTRAR_DIR. Never start with an empty journal while transactions may be under way.",
        ),
        Entry(
            "registrar-in-use",
            "Another registrar works with the same files.",
            "Two instances share a PROOFRAIL_REGISTRAR_DIR.",
            "Give each instance a folder, and accounts, of its own.",
        ),
        Entry(
            "signer-away",
            "The external signer does not sign now.",
            "It timed out, was killed, or ended with status 75.",
            "It is asked again.",
        ),
        Entry(
            "signer-refused",
            "The external signer does not sign.",
            "It cannot be run, refuses, or prints no signature.",
            "Check PROOFRAIL_CHAIN_SIGNER; nothing was sent.",
        ),
        Entry(
            "transaction-pending",
            "A transaction that was sent has no outcome yet.",
            "The chain is slow, or the fee too low for the moment.",
            "Nothing: it stays in the journal, and nothing else is sent from its account before its outcome is known.",
        ),
        Entry(
            "wallet-file",
            "The wallet file cannot be used.",
            "Others can read it, or it holds something else than addresses and keys.",
            "chmod 600; a line for each account: address and private key, both 0x….",
        ),
    ),
)
