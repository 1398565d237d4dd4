"""Which registry on chain a proof is meant for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proofrail.wire.canonical import parse_felt
from proofrail.wire.errors import MalformedError, UnusableInputError

_ADDRESSES: Final[Mapping[str, str]] = {
    "sepolia": "0x4ce7851f00b6c3289674841fd7a1b96b6fd41ed1edc248faccd672c26371b8c",
    "mainnet": "0xcc63a1e8e7824642b89fa6baf996b8ed21fa4707be90ef7605570ca8e4f00b",
}
"""Integrity's fact registry by network (reference on Cairo and Stone, section 13)."""


@dataclass(frozen=True)
class Registry:
    """`address`: of the registry's contract, "0x…"."""

    network: str
    address: str


def registry_of(network: str, address: str) -> Registry | None:
    """From settings; None when both are empty. The address may be left out where the network's registry is known.

    Raises UnusableInputError `registry-unknown`.
    """
    if not network and not address:
        return None
    found = address or _ADDRESSES.get(network, "")
    try:
        parse_felt(found)
    except MalformedError:
        found = ""
    if not network or not found:
        raise UnusableInputError(
            "registry-unknown",
            f"network {network!r:.40} and address {address!r:.80} name no registry",
            f"Name one of {', '.join(_ADDRESSES)}, or a network and its registry's address as 0x….",
        )
    return Registry(network, found)
