"""All settings: those of the services by field, and the variables that parts read by themselves."""

from __future__ import annotations

from functools import cache
from typing import Final

from pydantic_settings import BaseSettings

from proofrail.cli.settings_file import PREFIX, VARIABLE

OTHERS: Final = {
    "PROOFRAIL_EXPLORER": "`off`: `up` goes without the explorer.",
    "PROOFRAIL_HOME": "Where a system that is started here keeps everything; .proofrail by default.",
    VARIABLE: "The file with settings; proofrail.toml by default, where there is one.",
    "PROOFRAIL_CACHE": "Where what can be had again is kept; ~/.cache/proofrail by default.",
    "PROOFRAIL_JAVA": "The java program of the embedded broker; by default that of the package.",
    "PROOFRAIL_KAFKA_JARS": "A folder with Apache Kafka's jars, instead of fetching them.",
    "PROOFRAIL_MAVEN_REPOSITORY": "Where Apache Kafka's jars are fetched from.",
    "PROOFRAIL_RISK_ENGINE": "The compiled risk engine, instead of the package's.",
    "PROOFRAIL_CAIRO_COMPILE": "The Cairo 0 compiler.",
    "PROOFRAIL_STWO_PROVER": "The stwo prover program; by default the one that was built here.",
    "PROOFRAIL_STONE_PROVER": "cpu_air_prover; by default the one on PATH.",
    "PROOFRAIL_STONE_VERIFIER": "cpu_air_verifier; by default the one on PATH.",
}
"""Variables that are no service's, and what each is for."""


def services() -> dict[str, type[BaseSettings]]:
    """The settings of each service, and of everything that talks to Kafka."""
    from proofrail.auditor.settings import AuditorSettings
    from proofrail.explorer.settings import ExplorerSettings
    from proofrail.messaging.settings import KafkaSettings
    from proofrail.prover.settings import ProverSettings
    from proofrail.registrar.settings import RegistrarSettings
    from proofrail.tracer.settings import TracerSettings

    return {
        "kafka": KafkaSettings,
        "tracer": TracerSettings,
        "prover": ProverSettings,
        "auditor": AuditorSettings,
        "registrar": RegistrarSettings,
        "explorer": ExplorerSettings,
    }


def variables_of(kind: type[BaseSettings]) -> dict[str, str]:
    """The variable of each field."""
    prefix = str(kind.model_config.get("env_prefix") or PREFIX)
    return {name: prefix + name.upper() for name in kind.model_fields if name != "kafka"}


@cache
def known_variables() -> frozenset[str]:
    """The names of all variables that are read."""
    fields = {variable for kind in services().values() for variable in variables_of(kind).values()}
    return frozenset(fields | set(OTHERS))
