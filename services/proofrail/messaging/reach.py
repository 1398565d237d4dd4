"""Why a broker that answers will not have us: aiokafka itself says no more than that it cannot be reached."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from typing import Final

from aiokafka import errors as kafka_errors
from aiokafka.conn import create_conn

from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import UnusableInputError

_SECONDS: Final = 5.0
_LOGIN: Final = (
    kafka_errors.SaslAuthenticationFailed,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.IllegalSaslStateError,
)
_OPTIONS: Final = frozenset(inspect.signature(create_conn).parameters)


async def refusal(kafka: KafkaSettings) -> UnusableInputError | None:
    """What a broker has against these settings, asked of one after the other; None when one takes them, or none
    answers. Codes: `kafka-login`, `kafka-certificate`, `kafka-protocol`."""
    found: UnusableInputError | None = None
    options = {name: value for name, value in kafka.client_options().items() if name in _OPTIONS}
    for server in kafka.servers:
        host, _, port = server.rpartition(":")
        try:
            async with asyncio.timeout(_SECONDS):
                connection = await create_conn(host.strip("[]"), int(port), **options)
        except ssl.SSLCertVerificationError as error:
            found = UnusableInputError(
                "kafka-certificate",
                f"the certificate of {server} is not accepted: {error.verify_message}",
                "Name the bundle that signed it in PROOFRAIL_KAFKA_TLS_CA_FILE, and the host as it stands in it",
            )
        except ssl.SSLError as error:
            found = UnusableInputError(
                "kafka-protocol",
                f"{server} takes no TLS connection of ours: {error.reason or type(error).__name__}",
                "Check PROOFRAIL_KAFKA_SECURITY_PROTOCOL and the port, and whether it wants a certificate of ours",
            )
        except _LOGIN as error:
            said = str(error.args[0]) if error.args else type(error).__name__
            found = UnusableInputError(
                "kafka-login",
                f"{server} refused the login: {said}",
                "Check PROOFRAIL_KAFKA_SASL_USERNAME, _SASL_PASSWORD and _SASL_MECHANISM",
            )
        except (OSError, ValueError, kafka_errors.KafkaError):
            continue
        else:
            connection.close()
            return None
    return found
