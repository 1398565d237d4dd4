"""The consumer groups of the services, by the names that the broker knows them by."""

from __future__ import annotations

from typing import Final

TRACER: Final = "proofrail-tracer"
PROVER: Final = "proofrail-prover"
AUDITOR: Final = "proofrail-auditor"
REGISTRAR: Final = "proofrail-registrar"
"""A sign of life, and how far it is (see presence.py): the registrar keeps its position itself."""
