"""What the registry on chain would make of a proof, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping


def registered(identities: Mapping[str, str]) -> list[tuple[str, object]]:
    """Lines of a table from a Proof's `identities`; none for a proof that no registry knows anything of."""
    if "preset" in identities:
        return [("preset", identities["preset"]), ("verification", identities["verification_hash"])]
    if "no_preset" in identities:
        return [("preset", f"none ({identities['no_preset']}), made by {identities['stone_version']}")]
    return []
