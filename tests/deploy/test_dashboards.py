"""The dashboards and their provisioning, as files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any, get_args
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from starlette.routing import Route

from proofrail.explorer.model.base import AllocationState, RunState, Verdict
from proofrail.explorer.pages.mounted import routes
from proofrail.messaging.metric_names import ALL, HistogramName, registry
from tests.deploy.tools import DEPLOY, dashboards, queries

GRAFANA = DEPLOY / "grafana"
UNITS = {"none", "short", "s", "bytes", "Bps", "cpm", "d", "percentunit", "dateTimeFromNow"}
KINDS = {"timeseries", "stat", "table", "bargauge"}

EXPOSED = {
    f"{one.exposed}{suffix}": one
    for one in registry()
    for suffix in (("_bucket", "_sum", "_count") if isinstance(one, HistogramName) else ("",))
}


def _panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_the_files_are_what_the_generator_writes() -> None:
    """Nobody edits the JSON."""
    made = subprocess.run(
        [sys.executable, GRAFANA / "make_dashboards.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (0, "") == (made.returncode, made.stderr)


def test_there_are_three_boards_that_grafana_can_tell_apart() -> None:
    """Overview, prover, audit, with uids and titles of their own."""
    boards = dashboards()
    assert {"overview", "prover", "audit"} == boards.keys()
    for member in ("uid", "title"):
        assert len(boards) == len({board[member] for board in boards.values()})


@pytest.mark.parametrize("name", ["overview", "prover", "audit"])
def test_every_panel_says_what_it_shows(name: str) -> None:
    """Ids are unique, the data source is the variable, and each panel has a unit, a description, queries and a place of
    its own."""
    board = dashboards()[name]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    titles = [panel["title"] for panel in _panels(board)]
    assert len(titles) == len(set(titles))
    for panel in _panels(board):
        assert panel["type"] in KINDS
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert len(panel["description"]) > 15
        assert {"type": "prometheus", "uid": "${datasource}"} == panel["datasource"]
        assert panel["targets"]
        assert len(panel["targets"]) == len({target["refId"] for target in panel["targets"]})


@pytest.mark.parametrize("name", ["overview", "prover", "audit"])
def test_boards_let_choose_where_they_look(name: str) -> None:
    """A data source, instances of services that exist, and where a browser finds the explorer and Prometheus; each
    variable is used."""
    board = dashboards()[name]
    source, instance, *pages = board["templating"]["list"]
    assert ("datasource", "prometheus") == (source["type"], source["query"])
    (jobs,) = re.findall(r'job=~"([\w|]+)"', instance["query"]["query"])
    assert set(jobs.split("|")) <= set(ALL)
    assert [("explorer", "textbox"), ("prometheus", "textbox")] == [
        (one["name"], one["type"]) for one in pages
    ]
    asked = json.dumps([board["panels"], board["links"]])
    for variable in (source, instance, *pages):
        assert re.search(rf"\$\{{?{variable['name']}\b", asked), variable["name"]


@pytest.mark.parametrize("name", ["overview", "prover", "audit"])
def test_nothing_is_said_by_a_colour_or_an_empty_panel_alone(name: str) -> None:
    """What shows one moment says in words what no answer means; values that are words have one for each state; what
    went wrong and the slow twentieth are dashed, too."""
    for panel in _panels(dashboards()[name]):
        config = panel["fieldConfig"]
        if panel["type"] != "timeseries":
            assert len(config["defaults"]["noValue"]) > 3, panel["title"]
        for mapping in config["defaults"].get("mappings", ()):
            assert all(one["text"] for one in mapping["options"].values())
        dashed, colored = False, False
        for override in config["overrides"]:
            properties = {one["id"]: one["value"] for one in override["properties"]}
            colored |= "color" in properties
            dashed |= "dash" == properties.get("custom.lineStyle", {}).get("fill")
        assert dashed or not colored, panel["title"]


@pytest.mark.parametrize("name", ["overview", "prover", "audit"])
def test_links_lead_to_pages_that_the_explorer_has(name: str) -> None:
    """From the board and from panels; their filters are words that the explorer knows."""
    board = dashboards()[name]
    urls = [
        one["url"] for panel in [board, *_panels(board)] for one in panel.get("links", ()) if "url" in one
    ]
    assert len(urls) > 4
    paths = {route.path for route in routes(None) if isinstance(route, Route)}
    known = {"state": {*get_args(RunState), *get_args(AllocationState)}, "verdict": set(get_args(Verdict))}
    for url in urls:
        base, _, path = url.partition("}")
        if base == "${prometheus:raw":
            assert "/alerts" == path
            continue
        assert "${explorer:raw" == base
        parts = urlsplit(path)
        assert parts.path in paths
        for member, value in parse_qsl(parts.query):
            assert value in known[member], url


def test_panels_ask_for_metrics_and_labels_that_exist() -> None:
    """Every metric in a query is in the registry, and is grouped by labels that it has."""
    for _, _, expression in queries():
        names = set(re.findall(r"\bproofrail_\w+", expression))
        assert names <= EXPOSED.keys(), expression
        labels = {label.name for name in names for label in EXPOSED[name].labels} | {"job", "instance", "le"}
        for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
            wanted = {label.strip() for label in grouped.split(",")}
            assert not names or wanted <= labels, expression
        jobs = {job for jobs in re.findall(r'job=~?"([\w|]+)"', expression) for job in jobs.split("|")}
        assert jobs <= set(ALL)


def test_every_metric_is_on_a_board() -> None:
    """What is measured is shown; but for what only alerts go by."""
    shown = {name for _, _, expression in queries() for name in re.findall(r"\bproofrail_\w+", expression)}
    left = {one.name for one in registry()} - {EXPOSED[name].name for name in shown}
    assert {
        "proofrail_service_info",
        "proofrail_last_poll_age_seconds",
        "proofrail_last_dead_letter_timestamp_seconds",
    } == left


def test_provisioning_leads_to_the_boards() -> None:
    """The data source and the folder that docker-compose.yml mounts."""
    folder = GRAFANA / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert ("prometheus", True) == (source["type"], source["isDefault"])
    (provider,) = yaml.safe_load((folder / "dashboards" / "proofrail.yml").read_text())["providers"]
    assert "file" == provider["type"]
    compose = (DEPLOY.parent / "docker-compose.yml").read_text()
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}" in compose
    assert source["url"].removeprefix("http://").partition(":")[0] in yaml.safe_load(compose)["services"]
