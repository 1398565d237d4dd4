"""Codes of the on-chain registry's presets, and of Stone's versions."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import Area, Entry

_PRESETS: Final = "services/proofrail/proving/stone/presets.py"
_VERSION: Final = "services/proofrail/proving/stone/version.py"
_FOR_CHAIN: Final = "Prove it with --for chain, or keep it for local use."
_ALL_BUILTINS: Final = "Use the build of the program that has all builtins of the layout."
_OTHER_PROGRAMS: Final = (
    "Name a build of v2 or v3 in PROOFRAIL_STONE_PROVER and PROOFRAIL_STONE_VERIFIER, both of one."
)

REGISTRY: Final = Area.of(
    "registry",
    "Presets of the on-chain registry, and Stone's versions",
    _PRESETS,
    (
        Entry(
            "policy-preset",
            "The proof fits no preset that is accepted.",
            "The policy names others.",
            "Prove it for one of those.",
            "services/proofrail/proving/policy.py",
        ),
        Entry(
            "registry-unknown",
            "The settings name no registry on chain.",
            "PROOFRAIL_REGISTRY_NETWORK is unknown and no address is given, or PROOFRAIL_REGISTRY_ADDRESS is no felt.",
            "Name sepolia or mainnet, or a network and its registry's address.",
            "services/proofrail/proving/registry.py",
        ),
        Entry(
            "preset-unknown",
            "The registry has no such preset.",
            "The name is misspelled, or of a hasher with which Stone does not prove.",
            "Name layout/hasher/stone version/memory verification.",
        ),
        Entry(
            "preset-weak",
            "The contract would count more bits of a proof than it has.",
            "A registry counts queries and work; collisions of 160-bit digests cost 80 bits, however many queries.",
            "Name presets of a 248-bit hasher, or ask for as many bits as the digests give.",
        ),
        Entry(
            "preset-of-another-layout",
            "The settings ask for a preset that no proof of these runs can fit.",
            "Runs are traced in another layout than the preset is of.",
            "Name presets of that layout in PROOFRAIL_REGISTRY_PRESETS.",
        ),
        Entry(
            "preset-of-stwo",
            "The settings ask for presets of the registry and for the backend stwo.",
            "The registry verifies Stone's proofs only.",
            "Set PROOFRAIL_PROVER_BACKENDS to stone, or leave PROOFRAIL_REGISTRY_PRESETS empty.",
            "services/proofrail/proving/backends.py",
        ),
        Entry(
            "preset-layout",
            "The registry has no verifier for the layout.",
            "It is plain, or another that is for local use.",
            "Prove the run in small, dex, recursive or recursive_with_poseidon.",
        ),
        Entry(
            "preset-channel",
            "The proof's channel is not the registry's.",
            "It was not made for the chain: the registry's hashes with poseidon3, and so are its trees' top layers.",
            _FOR_CHAIN,
        ),
        Entry(
            "preset-page-hash",
            "The public memory is hashed with another hash than the registry's.",
            "It takes pedersen only.",
            _FOR_CHAIN,
        ),
        Entry(
            "preset-hasher",
            "The registry has no verifier for the proof's hashes.",
            "Commitment and proof of work are by another pair.",
            _FOR_CHAIN,
        ),
        Entry(
            "preset-pow",
            "The registry refuses so few or so many bits of proof of work.",
            "It takes 20 to 49.",
            _FOR_CHAIN,
        ),
        Entry(
            "preset-fri",
            "The registry refuses the FRI parameters.",
            "They do not fit the number of steps, or are beyond its limits.",
            _FOR_CHAIN,
        ),
        Entry(
            "preset-range-check",
            "The bounds of the range check are none that the registry takes.",
            "The least must be below the greatest.",
            "Let the run use two values at least.",
        ),
        Entry(
            "preset-pages",
            "The public memory lies on more than one page.",
            "The registry takes the main page only.",
            "Run the program without continuous pages.",
        ),
        Entry(
            "preset-uses",
            "A builtin's segment does not fit the layout.",
            "It has more uses than there is room for, or holds a part of one.",
            "Take the public input as the run wrote it.",
        ),
        Entry(
            "preset-states",
            "The run does not begin and end where the registry demands it.",
            "Strict verification takes runs in proof mode from pc 1 to 5.",
            "Compile the program in proof mode.",
        ),
        Entry(
            "preset-program",
            "The program does not begin as the registry demands it.",
            "It was not compiled in proof mode, or not with all builtins of the layout.",
            _ALL_BUILTINS,
        ),
        Entry(
            "preset-main-page",
            "The public memory is not what the registry demands.",
            "Cells are missing, too many, or in another order.",
            _ALL_BUILTINS,
        ),
        Entry(
            "preset-stone",
            "The version of Stone does not prove with the registry's hasher.",
            "stone5 truncates Blake to 160 bits, for which the registry has no verifier.",
            "Use keccak_160_lsb, or stone6.",
        ),
        Entry(
            "stone-version-unknown",
            "Which version of Stone the program is could not be found out.",
            "It takes neither a proof of v2 (stone5) nor one of v3 (stone6).",
            _OTHER_PROGRAMS,
            _VERSION,
        ),
        Entry(
            "stone-versions-differ",
            "Stone's prover and verifier are of different versions.",
            "One of them was replaced.",
            _OTHER_PROGRAMS,
            _VERSION,
        ),
        Entry(
            "verifier-accepts-anything",
            "Stone's verifier accepts what it must refuse.",
            "It is another program, or a broken build.",
            _OTHER_PROGRAMS,
            _VERSION,
        ),
        Entry(
            "prover-self-test",
            "Stone's prover failed on a proof that must succeed.",
            "It lacks the layout small, or is a broken build.",
            _OTHER_PROGRAMS,
            _VERSION,
        ),
        Entry(
            "verifier-wrong-host",
            "Stone's verifier was built for another CPU.",
            "It uses an instruction that this one lacks.",
            "Install a build for this host.",
            "services/proofrail/proving/stone/ask.py",
        ),
    ),
)
