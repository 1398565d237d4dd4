"""What an operator reads in the panels, as Grafana's own library for data puts it.

    npm install --prefix FOLDER --legacy-peer-deps @grafana/data@12.1.0 react@18 react-dom@18 rxjs@7 jsdom@29

and PROOFRAIL_GRAFANA_DATA=FOLDER: there is no Grafana among the packages of the tests, and this is the part of it that
turns answers into words.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.tools import dashboards

_FOLDER = os.environ.get("PROOFRAIL_GRAFANA_DATA")
_NODE = shutil.which("node")
_SCRIPT = Path(__file__).with_name("grafana_panels.cjs")
_NOW = 1_700_000_000

pytestmark = pytest.mark.skipif(
    _FOLDER is None or _NODE is None,
    reason="PROOFRAIL_GRAFANA_DATA names no folder with @grafana/data, or no node",
)

Answer = Sequence[tuple[Mapping[str, str], float]]


def _panel(board: str, title: str) -> dict[str, Any]:
    (found,) = (one for one in dashboards()[board]["panels"] if one["title"] == title)
    return dict(found)


def _shown(*asked: tuple[dict[str, Any], Sequence[Answer]]) -> list[dict[str, Any]]:
    """What is shown of panels, with an answer of Prometheus for each query."""
    assert _NODE is not None
    given = [
        {
            "panel": panel,
            "results": [
                [{"metric": labels, "value": [_NOW, str(value)]} for labels, value in answer]
                for answer in answers
            ],
        }
        for panel, answers in asked
    ]
    said = subprocess.run(
        [_NODE, str(_SCRIPT), str(_FOLDER)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 0 == said.returncode, said.stderr
    return list(json.loads(said.stdout))


def _by_job(**values: float) -> Answer:
    return [({"job": job}, value) for job, value in values.items()]


def test_the_first_row_says_what_is_stuck_and_why() -> None:
    """Services by a word each; a line for each stage with its waits in the units of people; the alerts that fire."""
    services, waits, alerts = _shown(
        (
            _panel("overview", "Services"),
            [_by_job(tracer=2), _by_job(prover=0), _by_job(auditor=1), _by_job(registrar=2), ()],
        ),
        (
            _panel("overview", "What waits, and where"),
            [
                _by_job(tracer=2, prover=1),
                _by_job(tracer=89, prover=87),
                _by_job(tracer=89, prover=7200),
                _by_job(tracer=1500, prover=0, explorer=3),
                _by_job(tracer=0, prover=0, explorer=0.5),
                _by_job(tracer=0, prover=6, explorer=0),
            ],
        ),
        (
            _panel("overview", "Alerts"),
            [[({"severity": "critical", "alertname": "ProofrailServiceDown", "job": "prover"}, _NOW * 1000)]],
        ),
    )
    assert [
        ["tracer", "ready", "green"],
        ["prover", "down", "red"],
        ["auditor", "not ready", "orange"],
        ["registrar", "ready", "green"],
    ] == services["values"]
    assert {
        "headings": [
            "service",
            "in flight",
            "oldest",
            "nothing finished for",
            "records unread",
            "unread for",
            "retries in 10 min",
        ],
        "rows": [
            ["tracer", "2", "1.48 mins", "1.48 mins", "1500", "0 s", "0"],
            ["prover", "1", "1.45 mins", "2 hours", "0", "0 s", "6"],
            ["explorer", "–", "–", "–", "3", "500 ms", "0"],
        ],
    } == waits
    assert ["severity", "alert", "service", "since"] == alerts["headings"]
    assert ["critical", "ProofrailServiceDown", "prover"] == alerts["rows"][0][:3]
    assert alerts["rows"][0][3].endswith("ago")


def test_what_is_not_known_to_be_well_does_not_look_it() -> None:
    """Verdicts and outcomes keep their colour and their line, codes that nobody listed among them."""
    (reports,) = _shown(
        (
            _panel("audit", "Reports"),
            [
                [
                    ({"subject": "run", "verdict": verdict}, 1)
                    for verdict in ("MATCH", "MISMATCH", "INDETERMINATE")
                ]
            ],
        )
    )
    (records,) = _shown(
        (
            _panel("prover", "Terminal records"),
            [[({"outcome": outcome}, 0.5) for outcome in ("proof", "prover-timeout")]],
        )
    )
    assert [
        ["run MATCH", "1 c/m", "green", "solid"],
        ["run MISMATCH", "1 c/m", "red", "dash"],
        ["run INDETERMINATE", "1 c/m", "orange", "dash"],
    ] == reports["series"]
    assert [
        ["proof", "0.500 c/m", "green", "solid"],
        ["prover-timeout", "0.500 c/m", "orange", "dash"],
    ] == records["series"]


def test_a_number_without_an_answer_says_what_that_means() -> None:
    """Each panel of numbers shows its own words, and never an empty square."""
    panels = [
        panel
        for board in dashboards().values()
        for panel in board["panels"]
        if panel["type"] in ("stat", "bargauge")
    ]
    found = _shown(*((panel, [() for _ in panel["targets"]]) for panel in panels))
    assert [panel["fieldConfig"]["defaults"]["noValue"] for panel in panels] == [
        one["values"][0][1] for one in found
    ]


def test_the_slow_twentieth_is_dashed() -> None:
    """Who sees no colours tells it from the median."""
    (proofs,) = _shown(
        (
            _panel("prover", "Time of a proof"),
            [[({"backend": "stwo"}, 3.25)], [({"backend": "stwo"}, 90)]],
        )
    )
    assert [
        ["median stwo", "3.25 s", "any", "solid"],
        ["95 % stwo", "1.50 mins", "any", "dash"],
    ] == proofs["series"]
