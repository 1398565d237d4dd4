"""The component keda: held to KEDA's documented names, and in substance to our topics, groups and window.

KEDA's own schema and scaler are not part of the project. The names are those of KEDA 2.20's documents for the trigger
`kafka` and for ScaledObject; where the resource definitions are at hand, `test_kubernetes_applied.py` asks a server.
"""

from __future__ import annotations

from typing import Any

import pytest

from proofrail.messaging import groups
from proofrail.messaging.settings import KafkaSettings
from proofrail.prover.settings import ProverSettings
from proofrail.tracer.settings import TracerSettings
from proofrail.wire import topics
from tests.deploy.manifests import Manifest, built, choose, environment, filled, named, pods

SPEC = {"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "advanced", "triggers"}
TRIGGER = {"type", "name", "metadata", "metricType", "authenticationRef"}
METADATA = {
    "bootstrapServersFromEnv",
    "consumerGroup",
    "topic",
    "lagThreshold",
    "offsetResetPolicy",
    "allowIdleConsumers",
    "excludePersistentLag",
    "sasl",
    "tls",
}
MECHANISMS = {"PLAIN": "plaintext", "SCRAM-SHA-256": "scram_sha256", "SCRAM-SHA-512": "scram_sha512"}
"""Kafka's names and KEDA's."""
PARAMETERS = {"username", "password", "ca"}


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """With the component, without a login."""
    copy = filled(tmp_path_factory.mktemp("keda"))
    choose(copy, ["keda"])
    return built(copy)


@pytest.fixture(scope="module")
def with_login(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """With a login and a certificate authority beside it."""
    copy = filled(tmp_path_factory.mktemp("login"))
    choose(copy, ["keda", "keda-login", "kafka-ca"])
    return built(copy)


def spec_of(manifests: list[Manifest]) -> dict[str, Any]:
    spec: dict[str, Any] = named(manifests, "ScaledObject", "prover")["spec"]
    return spec


def triggers(manifests: list[Manifest]) -> dict[str, dict[str, Any]]:
    return {trigger["name"]: trigger for trigger in spec_of(manifests)["triggers"]}


def test_only_documented_names_are_used(scaled: list[Manifest], with_login: list[Manifest]) -> None:
    """KEDA passes over what it does not know, without a word; and metadata are strings."""
    for manifests in (scaled, with_login):
        assert set() == spec_of(manifests).keys() - SPEC
        for trigger in triggers(manifests).values():
            assert ("kafka", "AverageValue") == (trigger["type"], trigger["metricType"])
            assert set() == trigger.keys() - TRIGGER
            assert set() == trigger["metadata"].keys() - METADATA
            assert {str} == {type(value) for value in trigger["metadata"].values()}


def test_it_is_the_lag_of_those_who_read_before_a_proof(scaled: list[Manifest]) -> None:
    """Proposals that wait for the tracer's window, and runs in the window that wait for a prover."""
    found = {
        name: (trigger["metadata"]["consumerGroup"], trigger["metadata"]["topic"])
        for name, trigger in triggers(scaled).items()
    }
    assert {
        "proposals": (groups.TRACER, topics.PROPOSALS),
        "runs": (groups.PROVER, topics.COMMITMENTS),
    } == found


def test_lag_that_stands_still_counts(scaled: list[Manifest]) -> None:
    """While proofs are made no position moves: a backlog behind them is what more provers are for. And what was
    written before any position was committed waits as well, since services read topics from the first record on."""
    for trigger in triggers(scaled).values():
        assert "false" == trigger["metadata"]["excludePersistentLag"]
        assert "earliest" == trigger["metadata"]["offsetResetPolicy"]


def test_there_is_a_partition_and_a_place_in_the_window_for_every_prover(scaled: list[Manifest]) -> None:
    """Two places for each, as the setting says; KEDA's own bound goes by the topic that provers read."""
    most = spec_of(scaled)["maxReplicaCount"]
    args = pods(scaled)["topics"]["spec"]["containers"][0]["args"]
    assert str(most) == args[args.index("--partitions") + 1]
    assert "2 for each prover" in (TracerSettings.model_fields["runs_in_flight"].description or "")
    assert str(2 * most) == environment(scaled, "tracer")["PROOFRAIL_RUNS_IN_FLIGHT"]
    bounded = {name: trigger["metadata"]["allowIdleConsumers"] for name, trigger in triggers(scaled).items()}
    assert {"proposals": "true", "runs": "false"} == bounded


def test_applying_again_leaves_the_number_of_provers_alone(scaled: list[Manifest]) -> None:
    """It is the autoscaler's; without the component it is ours. Never none: a lone proposal does not wait for a pod."""
    assert "replicas" not in named(scaled, "StatefulSet", "prover")["spec"]
    assert 1 == spec_of(scaled)["minReplicaCount"]
    target = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "prover"}
    assert target == spec_of(scaled)["scaleTargetRef"]


def test_going_down_waits_for_longer_than_a_prover_drains(scaled: list[Manifest]) -> None:
    """Or the number would swing with every proof."""
    behaviour = spec_of(scaled)["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    grace = pods(scaled)["prover"]["spec"]["terminationGracePeriodSeconds"]
    assert 2 * grace < behaviour["scaleDown"]["stabilizationWindowSeconds"]


def test_an_idle_system_keeps_one_prover(scaled: list[Manifest]) -> None:
    """Behind the last run of each partition its transaction's marker stays: lag that nobody reads."""
    metadata = triggers(scaled)["runs"]["metadata"]
    assert spec_of(scaled)["maxReplicaCount"] < int(metadata["lagThreshold"])


def test_keda_reaches_kafka_as_the_provers_do(scaled: list[Manifest], with_login: list[Manifest]) -> None:
    """Where it is, and the login, from the provers' environment; the mechanism by a name of KEDA's."""
    kafka = {f"PROOFRAIL_KAFKA_{name.upper()}" for name in KafkaSettings.model_fields}
    for trigger in triggers(scaled).values():
        assert trigger["metadata"]["bootstrapServersFromEnv"] in environment(scaled, "prover")
        assert set() == {"sasl", "tls"} & trigger["metadata"].keys()
    login = named(with_login, "TriggerAuthentication", "kafka")["spec"]
    assert {"env", "configMapTargetRef"} == login.keys()
    taken = [*login["env"], *login["configMapTargetRef"]]
    assert PARAMETERS == {one["parameter"] for one in taken}
    assert set() == {one["name"] for one in login["env"]} - kafka
    (authority,) = login["configMapTargetRef"]
    assert authority["key"] in named(with_login, "ConfigMap", authority["name"])["data"]
    for trigger in triggers(with_login).values():
        assert {"name": "kafka"} == trigger["authenticationRef"]
        assert trigger["metadata"]["sasl"] in MECHANISMS.values()
        assert "enable" == trigger["metadata"]["tls"]


def test_a_prover_hands_back_in_time_what_it_cannot_finish(scaled: list[Manifest]) -> None:
    """Its drain is the setting of its pod, not the default of a service that works in milliseconds."""
    drains = float(environment(scaled, "prover")["PROOFRAIL_DRAIN_SECONDS"])
    assert ProverSettings.model_fields["drain_seconds"].default < drains
