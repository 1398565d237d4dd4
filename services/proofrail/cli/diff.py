"""`proofrail diff`: where two runs part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from proofrail.audit.compare import Difference
from proofrail.audit.values import ABSENT, Absent, shown
from proofrail.cairo.decode import Named
from proofrail.cairo.moment import Moment
from proofrail.cairo.source import SourceFiles
from proofrail.cli.diff_items import Compared, ItemsApart, Place, Sides, compare_runs
from proofrail.cli.diff_steps import CellsApart, StepsApart, cells_apart, steps_apart
from proofrail.cli.output import Exit, ExitError, command, emit_json, interruptible, wants_json
from proofrail.cli.show_print import console, place_text
from proofrail.cli.show_rerun import Rerun, rerun
from proofrail.cli.show_source import HomeFolder, RunSource, SourceFolder, opened, sources_of
from proofrail.cli.show_values import bytes_felts, bytes_text, felt_text, inputs_text
from proofrail.wire.canonical import JsonObject, felt_hex
from proofrail.wire.errors import PoisonError, UnusableInputError

_BYTES: Final = frozenset({"input_bytes", "output_bytes"})


def diff(
    a: Annotated[
        str, typer.Argument(metavar="A", help="A run's folder, its events, - for stdin, or a run_id.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The other run, likewise.")],
    program: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The compiled program of both.", show_default="program.json beside each"
        ),
    ] = None,
    source: SourceFolder = None,
    home: HomeFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="What differs as one JSON line.")] = False,
) -> None:
    """Show where two runs part: the first item that differs, and the first step.

    What differs in their headers (program, layout, inputs) is said first. Items are paired by position; the first
    one that differs is shown with the span it belongs to, the member and both values, decoded where the program
    is at hand. Where both runs can be executed again, the first step that differs follows, with the source lines.
    Timestamps and other members outside of every verdict are not compared.

    \b
    Exit status:
      0  the runs are the same
      1  they differ
      2  unusable input: no run, or a line that cannot be read

    \b
    Examples:
      proofrail diff run other
      proofrail diff run/events.ndjson published.ndjson --json | jq .member
    """
    with command():
        if a == b == "-":
            raise UnusableInputError(
                "diff-stdin-twice", "both runs are standard input", "Give one as a file."
            )
        with opened(a, program, home) as left, opened(b, program, home) as right:
            compared = interruptible(lambda: compare_runs(left, right))
            found = _Found(left, right, compared)
            if not compared.is_same:
                found.look_into()
            if wants_json(as_json):
                emit_json(found.to_object())
            else:
                found.show(sources_of(left, source))
            raise ExitError(Exit.OK if compared.is_same else Exit.NEGATIVE)


class _Found:
    """What differs between two runs, to be shown."""

    def __init__(self, left: RunSource, right: RunSource, compared: Compared) -> None:
        self._runs = (left, right)
        self._compared = compared
        self._steps: StepsApart | None = None
        self._cells: CellsApart | None = None
        self._why_not: str | None = None

    def look_into(self) -> None:
        """Execute both again, where that is possible. Runs of other backends have no steps."""
        if any(run.backend != "cairo" for run in self._runs):
            return
        try:
            again = [rerun(run) for run in self._runs]
        except (UnusableInputError, PoisonError) as error:
            self._why_not = error.message
            return
        altered = [run.name for run, made in zip(self._runs, again, strict=True) if made.is_same is False]
        if altered:
            self._why_not = (
                f"executed again, {' and '.join(altered)} has another root than published: audit it"
            )
        self._compare(*again)

    def _compare(self, left: Rerun, right: Rerun) -> None:
        self._steps = steps_apart(left, right)
        if self._steps is None:
            self._cells = cells_apart(left, right)

    def to_object(self) -> JsonObject:
        compared, apart = self._compared, self._compared.apart
        found: JsonObject = {
            "v": 1,
            "type": "RunDifference",
            "same": compared.is_same,
            "equal_items": compared.equal,
        }
        if compared.header:
            found["header"] = {name: _sides_json(sides) for name, sides in compared.header.items()}
            found["left_out"] = list(compared.left_out)
        if apart is not None:
            found |= self._item_json(apart)
        if self._steps is not None:
            found["step"] = _steps_json(self._steps)
        if self._cells is not None:
            found["cell"] = _cells_json(self._cells)
        if self._why_not is not None:
            found["note"] = self._why_not
        return found

    def _item_json(self, apart: ItemsApart) -> JsonObject:
        found: JsonObject = {"item": apart.item, "line": apart.item + 1, "kind": _kind(apart)}
        paths = [place.path for place in apart.places]
        if paths[0] is not None:
            found["path_a"] = paths[0]
        if paths[1] is not None:
            found["path_b"] = paths[1]
        difference = apart.difference
        if difference is None:
            types = Sides(*(ABSENT if event is None else event.get("type") for event in _pair(apart.events)))
            return found | _sides_json(types)
        found |= {"member": difference.member, "pointer": difference.pointer}
        found |= _sides_json(Sides(difference.expected, difference.claimed))
        felts = self._felts(apart)
        if felts:
            found["felts"] = [
                {"name": name, "a": _hex(left), "b": _hex(right)} for name, left, right in felts
            ]
        return found

    def _felts(self, apart: ItemsApart) -> list[tuple[str, Named | None, Named | None]]:
        """The felts of a member of bytes that differ."""
        difference = apart.difference
        if difference is None or difference.member not in _BYTES:
            return []
        sides = [
            bytes_felts(value, difference.member, place.name, run)
            for value, place, run in zip(
                (difference.expected, difference.claimed), apart.places, self._runs, strict=True
            )
        ]
        if sides[0] is None or sides[1] is None:
            return []
        left, right = sides[0], sides[1]
        rows = []
        for at in range(max(len(left), len(right))):
            ours = left[at] if at < len(left) else None
            theirs = right[at] if at < len(right) else None
            if ours is None or theirs is None or ours.value != theirs.value:
                named = ours or theirs
                rows.append((named.leaf.name if named else "", ours, theirs))
        return rows

    def show(self, sources: SourceFiles) -> None:
        out = console()
        compared, apart = self._compared, self._compared.apart
        if compared.is_same:
            out.print(Text(f"the same: {compared.equal:,} items are equal", style="bold green"))
            return
        if compared.header:
            out.print(Text(f"other {', '.join(map(_said, compared.header))}", style="bold red"))
            out.print(_table([self._header_row(name, sides) for name, sides in compared.header.items()]))
        if apart is None:
            out.print(Text(f"\nno item differs but the first: {compared.equal:,} items", style="bold"))
        else:
            self._show_item(apart)
        if self._steps is not None:
            _show_steps(self._steps, sources)
        elif self._cells is not None:
            out.print(Text("\nall steps are equal; the first memory cell that differs", style="bold"))
            rows = [("cell", _cell(self._cells.sides[0]), _cell(self._cells.sides[1]))]
            uses = self._cells.uses
            if uses[0] is not None or uses[1] is not None:
                rows.append(("first used", _use(uses[0]), _use(uses[1])))
                rows += _moment_rows("", uses, sources)
            out.print(_table(rows))
        if self._why_not is not None:
            out.print(Text(f"\nnote: {self._why_not}", style="italic"))

    def _show_item(self, apart: ItemsApart) -> None:
        out = console()
        event = apart.events.a or apart.events.b
        title = f"\nitem {apart.item:,} is the first that differs: {event.get('type')}, {_kind(apart)}"
        out.print(Text(title, style="bold red"))
        rows = [("span", _path(apart.places[0]), _path(apart.places[1]))]
        difference = apart.difference
        if difference is None:
            rows.append(("event", _event(apart.events.a), _event(apart.events.b)))
        else:
            felts = self._felts(apart)
            if not felts:
                rows.append((difference.pointer[1:], *self._values(difference)))
            rows += [(name, _felt(left), _felt(right)) for name, left, right in felts]
        out.print(_table(rows))

    def _values(self, difference: Difference) -> tuple[str, str]:
        if difference.member in _BYTES and isinstance(difference.expected, str | Absent):
            left, right = (
                bytes_text(value, run) if isinstance(value, str) else "absent"
                for value, run in zip((difference.expected, difference.claimed), self._runs, strict=True)
            )
            if left != right:
                return left, right
        values = shown(difference.expected, difference.claimed)
        return str(values.get("expected", "absent")), str(values.get("claimed", "absent"))

    def _header_row(self, name: str, sides: Sides) -> tuple[str, str, str]:
        if name == "inputs_sha256":
            return name, inputs_text(self._runs[0]), inputs_text(self._runs[1])
        if name == "program" and isinstance(sides.a, dict) and isinstance(sides.b, dict):
            return name, str(sides.a.get("method_id")), str(sides.b.get("method_id"))
        return name, str(sides.a), str(sides.b)


def _show_steps(apart: StepsApart, sources: SourceFiles) -> None:
    out = console()
    out.print(Text(f"\nstep {apart.step:,} is the first that differs", style="bold red"))
    rows = []
    if apart.before is not None:
        rows += _moment_rows(f"step {apart.step - 1:,}", apart.before, sources)
    rows += _moment_rows(f"step {apart.step:,}", apart.sides, sources)
    out.print(_table(rows))


def _moment_rows(
    name: str, sides: tuple[Moment | None, Moment | None], sources: SourceFiles
) -> list[tuple[str, str, str]]:
    def of(moment: Moment | None) -> list[str]:
        if moment is None:
            return ["has ended", "", "", ""]
        now, location = moment.registers, moment.location
        line = None if location is None else sources.line(location.file, location.line)
        operands = ", ".join(
            f"{operand.name} {'?' if operand.value is None else felt_text(None, operand.value, short=True)}"
            for operand in moment.operands
        )
        instruction = "" if moment.instruction is None else moment.instruction.text(moment.immediate)
        return [
            f"pc {now.pc}  ap {now.ap}  fp {now.fp}",
            f"{place_text(location)} {location.function if location else ''}".strip(),
            (line or "").strip(),
            f"{instruction}  ({operands})" if operands else instruction,
        ]

    left, right = of(sides[0]), of(sides[1])
    names = (name, "", "", "")
    return [row for row in zip(names, left, right, strict=True) if row[1] or row[2]]


def _table(rows: list[tuple[str, str, str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", style="dim")
    table.add_column("A", overflow="fold", ratio=1)
    table.add_column("B", overflow="fold", ratio=1)
    for name, left, right in rows:
        style = "" if left == right else "red"
        table.add_row(Text(name), Text(left), Text(right, style=style))
    return table


def _steps_json(apart: StepsApart) -> JsonObject:
    found: JsonObject = {"index": apart.step}
    for name, moment in zip(("a", "b"), apart.sides, strict=True):
        if moment is not None:
            found[name] = _moment_json(moment)
    if apart.before is not None:
        found["before"] = {
            name: _moment_json(moment) for name, moment in zip(("a", "b"), apart.before, strict=True)
        }
    return found


def _cells_json(apart: CellsApart) -> JsonObject:
    found: JsonObject = {"index": apart.cell}
    for name, cell, use in zip(("a", "b"), apart.sides, apart.uses, strict=True):
        if cell is not None:
            found[name] = cell.shown()
        if use is not None:
            found[f"first_use_{name}"] = {"step": use.step, **_moment_json(use)}
    return found


def _moment_json(moment: Moment) -> JsonObject:
    found: JsonObject = {"pc": moment.registers.pc, "ap": moment.registers.ap, "fp": moment.registers.fp}
    if moment.location is not None:
        location = moment.location
        found |= {"source": f"{location.file}:{location.line}", "function": location.function}
    if moment.instruction is not None:
        found["instruction"] = moment.instruction.text(moment.immediate)
    return found


def _sides_json(sides: Sides) -> dict[str, Any]:
    values = shown(sides.a, sides.b)
    return {{"expected": "a", "claimed": "b"}.get(name, name): value for name, value in values.items()}


def _kind(apart: ItemsApart) -> str:
    return "length" if apart.difference is None else apart.difference.kind


def _pair(sides: Sides) -> tuple[Any, Any]:
    return sides.a, sides.b


def _event(event: Any) -> str:
    return str(event["type"]) if event else "has ended"


def _path(place: Place) -> str:
    return place.path or "none"


def _hex(felt: Named | None) -> str:
    return "absent" if felt is None or felt.value is None else felt_hex(felt.value)


def _felt(felt: Named | None) -> str:
    return "absent" if felt is None else felt_text(felt.leaf, felt.value)


def _cell(cell: Any) -> str:
    return "none" if cell is None else f"[{cell.address}] = {felt_text(None, cell.value)}"


def _use(moment: Moment | None) -> str:
    return "by no step" if moment is None else f"at step {moment.step:,}"


def _said(member: str) -> str:
    return {"inputs_sha256": "inputs", "inputs_count": "number of inputs"}.get(member, member)
