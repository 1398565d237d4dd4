"""Which attestations `propose --wait` and `demo` believe: those of the home folder's auditor, or of a key given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from proofrail.auditor.settings import AuditorSettings
from proofrail.cli.home import Home
from proofrail.cli.keys import read_vkeys
from proofrail.client import Trust
from proofrail.proving.backends import parse_names


class _Accepted(BaseSettings):
    """What the system's own auditor accepts, from the same variables."""

    model_config = SettingsConfigDict(env_prefix="PROOFRAIL_", extra="ignore")

    prover_backends: str = AuditorSettings.model_fields["prover_backends"].default
    min_security_bits: int = AuditorSettings.model_fields["min_security_bits"].default

    @classmethod
    def by(cls, home: Home) -> _Accepted:
        """The system that runs in this home says what its auditor was told; the environment goes first."""
        told = (home.running() or {}).get("accepts", {})
        unset = {name: value for name, value in told.items() if f"PROOFRAIL_{name.upper()}" not in os.environ}
        return cls(**unset)


def accepts(environment: Mapping[str, str]) -> dict[str, str]:
    """What the auditor of services with this environment was told to accept, for `Home.announce`."""
    named = {name: environment.get(f"PROOFRAIL_{name.upper()}") for name in _Accepted.model_fields}
    return {name: value for name, value in named.items() if value is not None}


def trust_in(home: Home, auditor_key: Path | None) -> Trust | None:
    """Trust in the auditors of `auditor_key`, a file of vkeys, else in the home folder's own; None where there is
    neither: a broker elsewhere, and nobody said whose word counts.

    Raises UnusableInputError for a key file that cannot be used.
    """
    own = home.auditor_key.with_suffix(".vkey")
    if auditor_key is None and not own.exists():
        return None
    accepted = _Accepted.by(home)
    return Trust(
        read_vkeys(auditor_key or own),
        min_security_bits=accepted.min_security_bits,
        backends=parse_names(accepted.prover_backends),
    )
