"""The alerting rules, by promtool: each fires when it should and stays silent when it nearly should."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
import yaml

from proofrail.auditor.settings import AuditorSettings
from proofrail.cli.application import app
from proofrail.messaging.metric_names import ALL, HistogramName, registry
from proofrail.messaging.settings import KafkaSettings
from proofrail.prover.settings import ProverSettings
from proofrail.registrar.settings import RegistrarSettings
from proofrail.tracer.settings import TracerSettings
from tests.deploy.rule_cases import CASES
from tests.deploy.rule_texts import SAID
from tests.deploy.tools import DEPLOY, PROMETHEUS, RULES, alerts, needs_promtool, promtool

pytestmark = pytest.mark.prometheus

EXPOSED = {
    f"{one.exposed}{suffix}"
    for one in registry()
    for suffix in (("_bucket", "_sum", "_count") if isinstance(one, HistogramName) else ("",))
}


@needs_promtool
def test_configuration_and_rules_are_valid() -> None:
    """promtool takes the configuration with the rules in it."""
    said = promtool("check", "config", "prometheus.yml")
    assert 0 == said.returncode, said.stdout + said.stderr
    assert "1 rule files found" in said.stdout


@pytest.mark.slow
@needs_promtool
def test_rules_fire_and_do_not(tmp_path: Path) -> None:
    """In each case exactly the alerts fire that should, with their labels: one for an outage, none for what is well."""
    severities = {name: rule["labels"]["severity"] for name, rule in alerts().items()}
    files = []
    for step_s in {case.step_s for case in CASES}:
        groups = [case.to_group(severities) for case in CASES if case.step_s == step_s]
        files.append(tmp_path / f"cases-{step_s}.yml")
        files[-1].write_text(
            yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": f"{step_s}s", "tests": groups})
        )
    said = promtool("test", "rules", *files)
    assert 0 == said.returncode, said.stdout + said.stderr


@needs_promtool
def test_alerts_say_why(tmp_path: Path) -> None:
    """What an alert asks Prometheus for when it fires stands in its text: counts, codes, checks, kinds."""
    file = tmp_path / "said.yml"
    rules = alerts()
    groups = [one.to_group(rules[one.alert]) for one in SAID]
    file.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "5s", "tests": groups})
    )
    said = promtool("test", "rules", file)
    assert 0 == said.returncode, said.stdout + said.stderr
    asking = {name for name, rule in rules.items() if "query" in str(rule["annotations"])}
    assert asking == {one.alert for one in SAID}


def test_every_rule_is_tried_both_ways() -> None:
    """No rule without a case in which it fires, and one that comes near it and does not."""
    fired = {name for case in CASES for firing in case.firing.values() for name, _ in firing}
    nearly = {case.near for case in CASES} - {""}
    assert alerts().keys() == fired == nearly | {name for name in fired if name not in alerts()}


def test_a_kill_is_told_within_half_a_minute() -> None:
    """What says that a service is gone waits 15 s at the most, with a scrape and an evaluation every 5 s."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert {"5s"} == {config["global"]["scrape_interval"], config["global"]["evaluation_interval"]}
    for name in ("ServiceDown", "ProverUnreachable", "InstancesDown", "KafkaUnreachable"):
        assert int(alerts()[f"Proofrail{name}"]["for"].removesuffix("s")) <= 15


def test_every_rule_says_what_to_do() -> None:
    """Summary, description and a runbook of a sentence or more; a severity; a name of ours; and a link to what
    deploy/alerts.md says of it, which tells of no other."""
    text = (DEPLOY / "alerts.md").read_text()
    assert list(alerts()) == sorted(re.findall(r"^## (\w+)$", text, re.MULTILINE), key=list(alerts()).index)
    for name, rule in alerts().items():
        assert name.startswith("Proofrail")
        assert rule["labels"]["severity"] in ("warning", "critical")
        notes = rule["annotations"]
        assert {"summary", "description", "runbook", "runbook_url"} == notes.keys()
        assert f"deploy/alerts.md#{name.lower()}" == notes["runbook_url"]
        assert len(notes["runbook"]) > 60, name


def test_rules_go_by_metrics_that_exist() -> None:
    """Each metric in an expression or an annotation is exposed by a service, and each job is a service's."""
    text = RULES.read_text()
    assert set(re.findall(r"\bproofrail_\w+", text)) <= EXPOSED
    jobs = {job for jobs in re.findall(r'job=~?["\']([\w|]+)["\']', text) for job in jobs.split("|")}
    assert jobs <= set(ALL)
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert {one["job_name"] for one in config["scrape_configs"]} <= set(ALL)


def test_runbooks_name_settings_and_commands_that_exist() -> None:
    """Whoever follows a runbook at night finds what it names."""
    text = RULES.read_text() + (DEPLOY / "alerts.md").read_text()
    known = {
        f"{kind.model_config['env_prefix']}{name}".upper()
        for kind in (KafkaSettings, TracerSettings, ProverSettings, AuditorSettings, RegistrarSettings)
        for name in kind.model_fields
    }
    assert set(re.findall(r"\bPROOFRAIL_[A-Z_]+", text)) <= known
    commands = typer.main.get_command(app).commands.keys()
    assert set(re.findall(r"`proofrail ([\w-]+)", text)) <= set(commands)
