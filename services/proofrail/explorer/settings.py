"""Settings of the explorer."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from proofrail.messaging.settings import ServiceSettings

_LEAST_TOKEN = 16


class ExplorerSettings(ServiceSettings):
    """What the explorer needs to know beside Kafka; from `PROOFRAIL_…`."""

    store_url: str
    """Where proofs and evidence are kept: an fsspec URL such as file:///var/lib/proofrail/artifacts."""

    explorer_dir: Path
    """A folder of the instance's own for its view. It may be deleted: the view is built again from the topics."""

    explorer_host: str = "127.0.0.1"
    """Where pages and API are served. Beyond loopback only with a token."""
    explorer_port: int = Field(default=0, ge=0, le=65535)
    """0 takes a free port, the same as last time where that is free; it is logged."""

    explorer_token: SecretStr | None = None
    """What a reader must show: as a bearer token, or once as `?token=…`, which becomes a cookie."""

    explorer_names: str = ""
    """Host names under which it is reached (behind a proxy), separated by white space, beside those of loopback. A
    request for another name is refused. Beyond loopback any name goes when this is empty."""

    auditor_keys: str = ""
    """Auditors whose signatures are shown as valid: their vkeys, separated by white space."""

    checkpoint_keys: str = ""
    """Tracers whose checkpoints count: their vkeys, separated by white space. The command that checks evidence names
    them."""

    registrar_ledger: str = ""
    """Anything: there is a registrar, and attestations wait for it."""

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.explorer_host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.explorer_host).is_loopback
        except ValueError:
            return False

    @model_validator(mode="after")
    def _protected(self) -> ExplorerSettings:
        token = self.explorer_token.get_secret_value() if self.explorer_token else ""
        if not self.is_local and not token:
            raise ValueError(
                f"{self.explorer_host} can be reached by others: set PROOFRAIL_EXPLORER_TOKEN, or serve on 127.0.0.1 "
                "behind a proxy that asks who it is"
            )
        if self.explorer_token is not None and len(token) < _LEAST_TOKEN:
            raise ValueError(f"PROOFRAIL_EXPLORER_TOKEN needs {_LEAST_TOKEN} characters or more")
        return self
