"""The original cairo-lang (from the package index) in a virtual environment of its own, for it needs old versions
of common libraries. It is called as a program.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from proofrail.wire.errors import UnusableInputError

VERSION: Final = "0.14.0.1"

IN_CHECKOUT: Final = Path(__file__).parents[3] / "build" / "cairo-lang"
"""Where `make cairo` keeps it."""

# What compiling and running need of cairo-lang's dependencies; the others serve parts that are not used here.
_REQUIREMENTS: Final = (
    "ecdsa==0.19.2",
    "fastecdsa==4.0.0",
    "frozendict==2.5.1",
    "lark==1.3.1",
    "marshmallow==3.26.2",
    "marshmallow-dataclass==8.6.1",
    "marshmallow-enum==1.5.1",
    "marshmallow-oneofschema==3.2.0",
    "mpmath==1.3.0",
    "numpy>=2,<3",
    "packaging>=25",
    "pyyaml>=6,<7",
    "sympy==1.14.0",
    "typeguard==2.13.3",
    "typing-inspect==0.9.0",
)
# Python 3.11 and newer refuse this default at import.
_BROKEN_DEFAULT: Final = "field(default=CpuInstanceDef())"
_MENDED_DEFAULT: Final = "field(default_factory=CpuInstanceDef)"


def is_ready(folder: Path) -> bool:
    """Whether the folder holds a whole environment with this version."""
    return _marker(folder).exists()


def library() -> Path | None:
    """Where the sources of Cairo's own library lie: in the checkout's environment, if that is there."""
    folders = sorted(IN_CHECKOUT.glob("lib/python*/site-packages")) if is_ready(IN_CHECKOUT) else []
    return folders[0] if folders else None


def environment(folder: Path, tell: Callable[[str], None]) -> Path:
    """The folder of an environment with cairo-lang, which is set up if need be (half a minute); `tell` is called
    before that takes its time.

    Raises UnusableInputError `compiler-unavailable`.
    """
    if is_ready(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a") as lock:
        # Of two that want it at once the second finds it made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready(folder):
            tell(f"setting up cairo-lang {VERSION} in {folder} (half a minute)")
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _set_up([sys.executable, "-m", "venv", "--clear", str(folder)])
    _set_up([*pip, *_REQUIREMENTS])
    _set_up([*pip, "--no-deps", f"cairo-lang=={VERSION}"])
    for module in folder.glob("lib/python*/site-packages/starkware/cairo/lang/instances.py"):
        module.write_text(module.read_text().replace(_BROKEN_DEFAULT, _MENDED_DEFAULT))
    _marker(folder).touch()


def _set_up(command: list[str]) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if finished.returncode != 0:
        raise UnusableInputError(
            "compiler-unavailable",
            f"cairo-lang {VERSION} could not be set up: {finished.stderr.strip()[-400:]}",
            "Give pip a package index, or name a cairo-compile in PROOFRAIL_CAIRO_COMPILE",
        )


def _marker(folder: Path) -> Path:
    return folder / f".ready-{VERSION}"
