"""A dashboard from its rows: the variables, links and marks that all have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, dashboard, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import TimeZoneBrowser
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from boards.panels import SERVICES, SOURCE, link

_TAG: Final = "proofrail"
_FIRING: Final = 'ALERTS{alertstate="firing", alertname=~"Proofrail.*"}'
_DEFAULT: Final = VariableOption(text="default", value="default")
_ALL: Final = VariableOption(selected=True, text="All", value="$__all")


@dataclass(frozen=True)
class Row:
    """Panels under a heading, in the order of reading; their widths fill lines of 24."""

    title: str
    panels: Sequence[timeseries.Panel | stat.Panel | table.Panel | bargauge.Panel]


def board(
    uid: str, title: str, description: str, rows: Sequence[Row], *, jobs: str = SERVICES
) -> dict[str, Any]:
    """A dashboard as Grafana's provisioning takes it. `jobs`: the services of which instances may be chosen."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([_TAG])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .refresh("10s")
        .time("now-1h", "now")
        .timezone(TimeZoneBrowser)
        .links([link("Explorer", "/"), link("Alerts and what to do", "/alerts", "prometheus"), _siblings()])
        .variables(
            [
                _source(),
                _instances(jobs),
                _pages("explorer", "Explorer", "http://127.0.0.1:8080"),
                _pages("prometheus", "Prometheus' pages", "http://127.0.0.1:9090"),
            ]
        )
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts")
            .datasource(SOURCE)
            .enable(True)
            .icon_color("red")
            .expr(_FIRING)
        )
    )
    number = 0
    for row in rows:
        number += 1
        made.with_row(dashboard.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            made.with_panel(panel.id(number))
    found: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    # What Prometheus is asked for marks, and what is written beside one: members of the data source's own, which the
    # library's type does not know.
    found["annotations"]["list"][0] |= {
        "target": {"expr": _FIRING, "refId": "alerts"},
        "titleFormat": "{{alertname}}",
        "textFormat": "{{job}}",
        "tagKeys": "severity",
    }
    return found


def _siblings() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Proofrail")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([_TAG])
        .as_dropdown(False)
        .keep_time(True)
    )


def _source() -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus").current(_DEFAULT)


def _instances(jobs: str) -> dashboard.QueryVariable:
    query = f'label_values(proofrail_service_info{{job=~"{jobs}"}}, instance)'
    return (
        dashboard.QueryVariable("instance")
        .label("Instance")
        .description(
            "Figures of single processes are those of these; what concerns the whole is shown of the whole."
        )
        .datasource(SOURCE)
        .query({"query": query, "refId": "instances"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(_ALL)
    )


def _pages(name: str, label: str, url: str) -> dashboard.TextBoxVariable:
    return (
        dashboard.TextBoxVariable(name)
        .label(label)
        .description("Where your browser finds them: links lead there.")
        .default_value(url)
        .current(VariableOption(text=url, value=url))
    )
