"""A broker of one's own for services as processes."""

from tests.faults.conftest import own_kafka as own_kafka
