"""Settings from a file: put into the environment before anything reads it, so that every part, and every process that a
command starts, takes them from the same place.

`PROOFRAIL_CONFIG` names the file, else `proofrail.toml` in the current folder is read where there is one. A TOML file
has the settings by their names, in lower case and without PROOFRAIL_, tables joined by `_`:

    store_url = "file:///var/lib/proofrail/artifacts"
    prover_backends = "stwo"
    [kafka]
    bootstrap = "broker:9092"

A file of another suffix is read as NAME=value lines (.env), with the variables' full names. What stands in the
environment comes before the file; flags come before both.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, MutableMapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from proofrail.wire.errors import UnusableInputError

VARIABLE: Final = "PROOFRAIL_CONFIG"
DEFAULT: Final = "proofrail.toml"
PREFIX: Final = "PROOFRAIL_"
_NEXT: Final = "`proofrail config` lists all settings."

_from_file: dict[str, Path] = {}


def from_file(name: str) -> Path | None:
    """The file that a variable of this process was read from; None for one that no file set."""
    return _from_file.get(name)


def load_settings_file(environment: MutableMapping[str, str] = os.environ) -> Path | None:
    """Read the settings file, if there is one, into `environment`; what stands there stays. The file's path.

    Raises UnusableInputError `config-missing`, `config-malformed`, `config-unknown`.
    """
    named = environment.get(VARIABLE)
    path = Path(named or DEFAULT)
    if not path.is_file():
        if named:
            raise UnusableInputError(
                "config-missing", f"{VARIABLE} names {path}, which is no file", "Correct it, or unset it."
            )
        return None
    settings = _read(path)
    _refuse_unknown(settings, path)
    for name, value in settings.items():
        if name not in environment:
            environment[name] = value
            _from_file[name] = path.absolute()
    return path


def _read(path: Path) -> dict[str, str]:
    if path.suffix == ".toml":
        try:
            return _flattened(tomllib.loads(path.read_text(encoding="utf-8")), PREFIX)
        except (tomllib.TOMLDecodeError, UnicodeError, ValueError) as error:
            raise UnusableInputError("config-malformed", f"{path}: {error}", _NEXT) from error
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def _flattened(table: Mapping[str, Any], prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in table.items():
        full = prefix + name.upper()
        if isinstance(value, dict):
            found |= _flattened(value, full + "_")
        elif isinstance(value, bool):
            found[full] = str(value).lower()
        elif isinstance(value, list):
            # Settings that hold several are separated by white space.
            found[full] = " ".join(str(one) for one in value)
        elif isinstance(value, str | int | float):
            found[full] = str(value)
        else:
            raise ValueError(f"{name} is neither text nor a number")  # noqa: TRY004 -- one kind for all of them
    return found


def _refuse_unknown(settings: Mapping[str, str], path: Path) -> None:
    from proofrail.cli.settings_known import known_variables

    known = known_variables()
    for name in settings:
        if name.startswith(PREFIX) and name not in known:
            alike = get_close_matches(name, known, n=1)
            meant = f"Did you mean {alike[0]}?" if alike else _NEXT
            raise UnusableInputError("config-unknown", f"{path} sets {name}, which nothing reads", meant)
