"""The kinds of panels, with the looks of the house: no colour that says something alone, no empty panel without a word.

Grafana's own library types them; see `models` and `builders` of grafana_foundation_sdk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Queries = Sequence[tuple[str, str]]
"""Expressions and their legends."""

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
SERVICES: Final = "tracer|prover|auditor|registrar|explorer"
CHOSEN: Final = '{instance=~"$instance"}'
"""Of the instances chosen at the top."""

_HEIGHT: Final = 7
_WIDTH: Final = 8
_WELL: Final = "accepted|committed|completed|MATCH|ok|proof|recorded|succeeded|true"
_BAD: Final = "altered|failed|MISMATCH|reverted"

_Any = TypeVar("_Any", timeseries.Panel, stat.Panel, table.Panel, bargauge.Panel)


@dataclass(frozen=True)
class Column:
    """One of a table, from a query of its own. `scale`: Grafana's unit."""

    title: str
    query: str
    scale: str = "none"
    red: float | None = None
    names: Mapping[int, tuple[str, str]] | None = None
    """Text and colour in place of a value."""


def quantiles(metric: str, by: str = "", only: str = "") -> Queries:
    """The median and the slowest twentieth of a histogram."""
    keep = f"le, {by}" if by else "le"
    name = f" {{{{{by}}}}}" if by else ""
    return [
        (
            f"histogram_quantile({q}, sum by ({keep}) (rate({metric}_bucket{only}[$__rate_interval])))",
            f"{said}{name}",
        )
        for q, said in ((0.5, "median"), (0.95, "95 %"))
    ]


def per_minute(metric: str, by: str, only: str = "") -> Queries:
    """Per minute, as these are rare events."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return [(f"60 * sum by ({by}) (rate({metric}{only}[$__rate_interval]))", legend)]


def graph(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    *,
    judged: bool = False,
    line: float | None = None,
    empty: str = "",
    see: str = "",
    width: int = _WIDTH,
    height: int = _HEIGHT,
) -> timeseries.Panel:
    """Over time. `judged`: series are stacked and named after outcomes, and look it. `line`: a limit to draw. The slow
    twentieth is dashed, as is what went wrong: who sees no colours tells them apart by that and by the legend."""
    panel = _common(timeseries.Panel(), title, description, unit, see, empty, width, height)
    panel.min(0)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(looks.LegendDisplayMode.LIST)
        .placement(looks.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )
    panel.tooltip(
        common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING)
    )
    if line is not None:
        panel.thresholds(_limits(line))
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
        )
    if judged:
        panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL)).fill_opacity(20)
        # Outcomes may be codes that nobody lists: what is not known to be well looks as if it is not.
        panel.override_by_regexp("/./", [_shades("orange"), _line("dash")])
        panel.override_by_regexp(f"/(^| )({_WELL})$/", [_shades("green"), _line("solid")])
        panel.override_by_regexp(f"/(^| )({_BAD})$/", [_shades("red")])
    elif any(legend.startswith("95 %") for _, legend in queries) and len(queries) > 1:
        panel.override_by_regexp("/^95 %/", [_line("dash")])
    return _asking(panel, queries, instant=False)


def figure(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    *,
    red: float | None = None,
    names: Mapping[int, tuple[str, str]] | None = None,
    empty: str,
    see: str = "",
    width: int = _WIDTH,
    height: int = 6,
) -> stat.Panel:
    """Numbers of this moment, with their names; `names`: text and colour in place of a value; `empty`: what no answer
    means."""
    panel = _common(stat.Panel(), title, description, unit, see, empty, width, height)
    panel.text_mode(looks.BigValueTextMode.VALUE_AND_NAME).graph_mode(looks.BigValueGraphMode.NONE)
    panel.color_mode(looks.BigValueColorMode.VALUE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.thresholds(_limits(red))
    if names:
        panel.mappings([_mapping(names)])
    return _asking(panel, queries, instant=True)


def bars(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    *,
    full: float,
    red: float,
    empty: str,
    see: str = "",
    width: int = _WIDTH,
    height: int = 6,
) -> bargauge.Panel:
    """A bar for each, of this moment: full at `full`, orange from there on."""
    panel = _common(bargauge.Panel(), title, description, unit, see, empty, width, height)
    panel.min(0).max(full).orientation(looks.VizOrientation.HORIZONTAL)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.thresholds(_limits(red, orange=full))
    return _asking(panel, queries, instant=True)


def rows(
    title: str,
    description: str,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    *,
    empty: str,
    sort: str = "",
    see: str = "",
    width: int = _WIDTH,
    height: int = 6,
) -> table.Panel:
    """A table of this moment: a row for each value of `labels` (label and heading), a column for each query. `sort`:
    the heading by which it is sorted, highest first."""
    panel = _common(table.Panel(), title, description, "none", see, empty, width, height)
    # Grafana's names of the queries' values: the one, or one for each.
    values = ["Value"] if len(columns) == 1 else [f"Value #{_ref(at)}" for at in range(len(columns))]
    shown = [*labels, *values]
    panel.transformations(
        [
            *([DataTransformerConfig("merge", options={})] if len(columns) > 1 else []),
            DataTransformerConfig(
                "organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": {name: at for at, name in enumerate(shown)},
                    "renameByName": dict(labels)
                    | {value: column.title for value, column in zip(values, columns, strict=True)},
                },
            ),
        ]
    )
    for column in columns:
        panel.override_by_name(column.title, _cell(column))
    if sort:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
    return _asking(panel, [(column.query, "") for column in columns], instant=True, as_table=True)


def link(title: str, path: str, of: str = "explorer") -> dashboard.DashboardLink:
    """To a page of the explorer's, or of what else a variable says where it is."""
    return (
        dashboard.DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .url(f"${{{of}:raw}}{path}")
        .icon("external link")
        .target_blank(True)
    )


def _common(
    panel: _Any, title: str, description: str, unit: str, see: str, empty: str, width: int, height: int
) -> _Any:
    panel.title(title).description(description).datasource(SOURCE).unit(unit).span(width).height(height)
    if empty:
        panel.no_value(empty)
    if see:
        panel.links([link("Show in the explorer", see)])
    return panel


def _asking(panel: _Any, queries: Queries, *, instant: bool, as_table: bool = False) -> _Any:
    for at, (expression, legend) in enumerate(queries):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(_ref(at))
        query.datasource(SOURCE)
        query.format(PromQueryFormat.TABLE if as_table else PromQueryFormat.TIME_SERIES)
        panel.with_target(query.instant() if instant else query.range())
    return panel


def _cell(column: Column) -> list[DynamicConfigValue]:
    # A cell without a value would repeat what an empty table says.
    found = [DynamicConfigValue("unit", column.scale), DynamicConfigValue("noValue", "–")]
    if column.names:
        found.append(DynamicConfigValue("mappings", [_mapping(column.names)]))
    if column.red is not None:
        found.append(DynamicConfigValue("thresholds", _limits(column.red).build()))
    if column.names or column.red is not None:
        found.append(DynamicConfigValue("custom.cellOptions", looks.TableColorTextCellOptions()))
    return found


def _limits(red: float | None, orange: float | None = None) -> dashboard.ThresholdsConfig:
    steps = [Threshold(None, "green")]
    if orange is not None:
        steps.append(Threshold(orange, "orange"))
    if red is not None:
        steps.append(Threshold(red, "red"))
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _mapping(names: Mapping[int, tuple[str, str]]) -> ValueMapping:
    return ValueMap(
        {
            str(value): ValueMappingResult(text=text, color=color, index=at)
            for at, (value, (text, color)) in enumerate(names.items())
        }
    )


def _shades(color: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": FieldColorModeId.SHADES, "fixedColor": color})


def _line(fill: str) -> DynamicConfigValue:
    return DynamicConfigValue("custom.lineStyle", {"fill": fill, "dash": [8, 6]})


def _ref(at: int) -> str:
    return chr(ord("A") + at)
