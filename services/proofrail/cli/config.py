"""`proofrail config`: the settings in effect, and where each comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from proofrail.cli.columns import Column, Columns
from proofrail.cli.home import Home
from proofrail.cli.meant import completing, meant
from proofrail.cli.output import Exit, ExitError, command, emit_json, note, wants_json
from proofrail.cli.run_options import HomeOption, JsonOption
from proofrail.cli.settings_file import from_file
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.shown_url import shown_url

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

_COLUMNS: Final = (Column("service", 9), Column("setting", 24), Column("from", 12))
_SERVICES: Final = ("kafka", "tracer", "prover", "auditor", "registrar", "explorer")
_MASK: Final = "********"
_SECRET: Final = ("password", "secret", "token")
_URLS: Final = ("url", "repository")
_PROGRAMS: Final = ("signer", "calldata_command")
"""A program and its arguments, which may be secret."""
_STYLES: Final = {"default": "dim", "missing": "bold red", "invalid": "bold red"}


@dataclass(frozen=True)
class Setting:
    """One setting of one service. `source`: default, home, file, environment, missing or invalid."""

    service: str
    name: str
    variable: str
    value: str
    source: str
    help: str

    def to_object(self) -> dict[str, Any]:
        return {
            "v": 1,
            "type": "Setting",
            "service": self.service,
            "name": self.name,
            "variable": self.variable,
            "value": self.value,
            "source": self.source,
            "help": self.help,
        }


def config(
    service: Annotated[
        str | None,
        typer.Argument(
            help=f"{', '.join(_SERVICES)} or other.",
            show_default="all",
            autocompletion=completing(lambda: (*_SERVICES, "other")),
        ),
    ] = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Those alone that are not at their default.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show the settings in effect of every service, and where each comes from.

    A setting is taken from the environment (PROOFRAIL_…), else from the settings file that PROOFRAIL_CONFIG names
    (proofrail.toml in the current folder by default), else from the home folder, where `up` keeps keys and artifacts,
    else it has its default. Secrets are masked. A setting that is not valid, or is needed and not there, is marked.

    \b
    Exit status:
      0  shown, and all are valid
      1  one is missing or not valid
      2  unusable input: there is no such service

    \b
    Examples:
      proofrail config --changed
      proofrail config prover
      proofrail config --json | jq -r 'select(.source == "file") | .variable'
    """
    with command():
        from proofrail.cli.settings_known import OTHERS, services

        kinds = services()
        if service is not None and service not in (*kinds, "other"):
            raise UnusableInputError(
                "service-unknown",
                f"there is no service {service!r:.40}",
                meant(service, [*kinds, "other"]),
            )
        defaults = Home.at(home).service_defaults()
        found = [
            setting
            for name, kind in kinds.items()
            if service in (None, name)
            for setting in settings_of(name, kind, defaults)
        ]
        if service in (None, "other"):
            found += [_other(variable, told) for variable, told in OTHERS.items()]
        table = Columns(_COLUMNS, "value")
        for one in found:
            if changed and one.source == "default":
                continue
            if wants_json(as_json):
                emit_json(one.to_object())
            else:
                style = _STYLES.get(one.source, "")
                table.row(one.service, one.name, (one.source, style), (one.value, style))
        wrong = [one for one in found if one.source in ("missing", "invalid")]
        for one in wrong:
            note(f"{one.service}: {one.variable or one.name} is {one.source}: {one.value}")
        raise ExitError(Exit.NEGATIVE if wrong else Exit.OK)


def settings_of(service: str, kind: type[BaseSettings], defaults: dict[str, str]) -> Iterator[Setting]:
    """The settings of a service as it would find them; `defaults` are those of the home folder, by variable."""
    from pydantic import SecretStr, ValidationError

    from proofrail.cli.settings_known import variables_of

    variables = variables_of(kind)
    given = {
        name: value
        for name, variable in variables.items()
        if variable not in os.environ and (value := defaults.get(variable)) is not None
    }
    faults: dict[str, str] = {}
    values: dict[str, Any] = {}
    try:
        make: Any = kind
        values = dict(make(**given))
    except ValidationError as error:
        faults = {str(fault["loc"][0]) if fault["loc"] else "": fault["msg"] for fault in error.errors()}
        values = {
            name: os.environ.get(variable, given.get(name, field.get_default(call_default_factory=True)))
            for name, variable in variables.items()
            if not (field := kind.model_fields[name]).is_required() or variable in os.environ or name in given
        }
    for name, variable in variables.items():
        value = values.get(name)
        shown = _shown(name, value.get_secret_value() if isinstance(value, SecretStr) else value)
        source = _source(variable, name in given)
        if name in faults:
            source, shown = ("invalid" if name in values else "missing"), faults[name]
        yield Setting(service, name, variable, shown, source, kind.model_fields[name].description or "")
    if "" in faults:
        yield Setting(service, "together", "", faults[""], "invalid", "What settings ask of each other.")


def _other(variable: str, told: str) -> Setting:
    name = variable.removeprefix("PROOFRAIL_").lower()
    shown = _shown(name, os.environ.get(variable))
    return Setting("other", name, variable, shown, _source(variable, False), told)


def _shown(name: str, value: object) -> str:
    """By the setting's name: a value that is not valid is of no type that would tell."""
    if value is None or value == "":
        return ""
    text = str(value)
    if any(word in name for word in _SECRET):
        return _MASK
    if name.endswith(_URLS):
        return shown_url(text)
    if name.endswith(_PROGRAMS):
        program, *arguments = text.split(maxsplit=1)
        return f"{program} …" if arguments else program
    return text


def _source(variable: str, from_home: bool) -> str:
    if variable in os.environ:
        return "file" if from_file(variable) else "environment"
    return "home" if from_home else "default"
