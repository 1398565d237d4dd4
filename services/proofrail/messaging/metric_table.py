"""The metrics as a table for people, deploy/metrics.md, made from the registry.

    python -m proofrail.messaging.metric_table [--check] [FILE]

`--check` writes nothing and exits with status 1 when the file differs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from proofrail.messaging.metric_names import ALL, Label, MetricName, registry

_FILE: Final = Path("deploy/metrics.md")
_HEAD: Final = """# Metrics

Made from `services/proofrail/messaging/metric_names.py`; `python -m proofrail.messaging.metric_table` writes it anew.

Each service shows its metrics at `/metrics` on its health port (`PROOFRAIL_HEALTH_PORT`), beside those of the process
and of Python. Labels never hold a run_id or an allocation_id; what bounds each is said below. A histogram has
`_bucket`, `_sum` and `_count` behind its name. The job names of `deploy/prometheus/prometheus.yml` are the services'.

| metric | kind, unit | labels | of | means | what to do |
|---|---|---|---|---|---|
"""


def table() -> str:
    """The whole file."""
    rows = "".join(_row(one) for one in registry())
    labels = {label: None for one in registry() for label in one.labels}
    return f"{_HEAD}{rows}\n| label | values |\n|---|---|\n{''.join(_label(label) for label in labels)}"


def _row(one: MetricName) -> str:
    labels = ", ".join(f"`{label.name}`" for label in one.labels) or "–"
    of = "all" if one.services == ALL else ", ".join(one.services)
    return f"| `{one.exposed}` | {one.kind}, {one.unit} | {labels} | {of} | {one.means} | {one.act} |\n"


def _label(label: Label) -> str:
    values = ", ".join(f"`{value}`" for value in label.values)
    return f"| `{label.name}` | {label.bound}{': ' + values if values else ''} |\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("file", type=Path, nargs="?", default=_FILE)
    given = parser.parse_args(arguments)
    if not given.check:
        given.file.write_text(table())
        return 0
    if given.file.is_file() and given.file.read_text() == table():
        return 0
    print(f"{given.file} is not up to date; run python -m proofrail.messaging.metric_table", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
