"""Identities under which a registry on chain knows a program, an output and a fact.

Source: Integrity's hashes, a Poseidon sponge over felts (design section 5, "Artifacts"; reference on Cairo
and Stone, section 12).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from poseidon_py.poseidon_hash import poseidon_hash_many

from proofrail.wire.canonical import felt_hex

Felts = Sequence[int]


@lru_cache(maxsize=64)
def _hash(felts: tuple[int, ...]) -> int:
    return int(poseidon_hash_many(list(felts)))


def program_hash(words: Felts) -> int:
    """The hash of a program's words: a program's method_id. Builtin names are not part of it."""
    return _hash(tuple(words))


def output_hash(output: Felts) -> int:
    """The hash of a run's output felts."""
    return int(poseidon_hash_many(list(output)))


def fact_hash(program: int, output: int) -> int:
    """The fact "this program can output this", from `program_hash` and `output_hash`."""
    return int(poseidon_hash_many([program, output]))


def config_hash(layout: str, hasher: str, stone_version: str, memory_verification: str) -> int:
    """The hash of the settings that a registry verifies a proof with, each a short string."""
    return int(
        poseidon_hash_many(
            [_short_string(text) for text in (layout, hasher, stone_version, memory_verification)]
        )
    )


def verification_hash(fact: int, config: int, bits: int) -> int:
    """The registry's key for "this fact was verified with these settings and this security". `bits` as the registry
    counts them: those of queries and proof of work, whatever the hashes give."""
    return int(poseidon_hash_many([fact, config, bits]))


def of(words: Felts, output: Felts) -> dict[str, str]:
    """The members of a Proof's `identities` that need no registry settings: `program_hash`, `output_hash`,
    `fact_hash`, each "0x…"."""
    program, out = program_hash(words), output_hash(output)
    return {
        "program_hash": felt_hex(program),
        "output_hash": felt_hex(out),
        "fact_hash": felt_hex(fact_hash(program, out)),
    }


def _short_string(text: str) -> int:
    """A Cairo short string: the ASCII bytes as a big-endian felt."""
    return int.from_bytes(text.encode("ascii"), "big")
