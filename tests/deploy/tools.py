"""Prometheus and promtool, where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
PROMETHEUS: Final = DEPLOY / "prometheus"
RULES: Final = PROMETHEUS / "rules" / "proofrail.yml"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)"
)


def promtool(*arguments: str | Path, folder: Path = PROMETHEUS) -> subprocess.CompletedProcess[str]:
    """What promtool says; its exit status is the caller's to look at."""
    return subprocess.run(
        ["promtool", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def alerts() -> dict[str, dict[str, Any]]:
    """The alerting rules by name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}
