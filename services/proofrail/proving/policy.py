"""What is good enough: checked before proving, and again from the proof itself (design section 7, rule 6)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from proofrail.proving.errors import PolicyError

DEFAULT_SECURITY_BITS = 96

MAX_POW_BITS = 30
"""Most of the security that may rest on proof of work: it is paid once by an attacker, too."""


@dataclass(frozen=True)
class Policy:
    """What a proof must be to be accepted.

    `layouts`, `program_hashes` ("0x…") and `presets` (names of the registry's presets) allow everything when None.
    """

    min_security_bits: int = DEFAULT_SECURITY_BITS
    backends: Collection[str] = ("stwo",)
    layouts: Collection[str] | None = None
    program_hashes: Collection[str] | None = None
    presets: Collection[str] | None = None
    allow_mock: bool = False

    def check(
        self,
        *,
        backend: str,
        security_bits: int,
        is_mock: bool = False,
        layout: str | None = None,
        program_hash: str | None = None,
    ) -> None:
        """Raises PolicyError: `policy-mock`, `policy-backend`, `policy-security`, `policy-layout`,
        `policy-program`. A layout or program that the policy restricts must be given."""
        if is_mock and not self.allow_mock:
            raise PolicyError("policy-mock", "a mock proof proves nothing")
        if backend not in self.backends:
            raise PolicyError(
                "policy-backend",
                f"backend {backend!r} is not allowed, only {', '.join(sorted(self.backends))}",
            )
        if not is_mock and security_bits < self.min_security_bits:
            raise PolicyError(
                "policy-security",
                f"{security_bits} bits of security are less than the {self.min_security_bits} asked for",
            )
        if self.layouts is not None and layout not in self.layouts:
            raise PolicyError("policy-layout", f"layout {layout!r} is not allowed")
        if self.program_hashes is not None and program_hash not in self.program_hashes:
            raise PolicyError("policy-program", f"program {program_hash} is not allowed")

    def check_preset(self, preset: str | None) -> None:
        """`preset`: of the registry, None for a proof that fits none. Raises PolicyError `policy-preset`."""
        if self.presets is not None and preset not in self.presets:
            raise PolicyError(
                "policy-preset",
                f"the registry's preset {preset} is not allowed, only {', '.join(sorted(self.presets))}",
            )
