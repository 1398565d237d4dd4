"""One step of a run, for a person and for programs."""

from __future__ import annotations

from typing import Any, Final

from rich.text import Text

from proofrail.cairo.moment import Frame, Moment, Variable
from proofrail.cairo.source import SourceFiles
from proofrail.cli.show_print import console, facts_table, place_text
from proofrail.cli.show_rerun import Rerun
from proofrail.cli.show_values import felt_text, felts_json
from proofrail.wire.canonical import JsonObject, felt_hex

_INNERMOST: Final = 12
_OUTERMOST: Final = 3
_CALLS: Final = 256
"""Innermost calls of the JSON form; a deep recursion has more."""
_CONTEXT: Final = 2
"""Source lines before the one that runs."""


def step_json(again: Rerun, moment: Moment, sources: SourceFiles) -> JsonObject:
    """The step as one object; members with nothing to say are absent."""
    now, location, instruction = moment.registers, moment.location, moment.instruction
    found: JsonObject = {
        "v": 1,
        "type": "ShownStep",
        "run_id": again.made.run_id,
        "step": moment.step,
        "n_steps": again.execution.n_steps,
        "real_steps": again.execution.real_steps,
        "pc": now.pc,
        "ap": now.ap,
        "fp": now.fp,
        "calls": [_frame_json(frame) for frame in moment.frames[:_CALLS]],
        "calls_count": len(moment.frames),
        "values": [_variable_json(variable) for variable in moment.variables],
    }
    if location is not None:
        found |= {"source": f"{location.file}:{location.line}", "function": location.function}
        text = sources.line(location.file, location.line)
        if text is not None:
            found["source_text"] = text
    if moment.hints:
        found["hints"] = list(moment.hints)
    if moment.cells:
        found["cells"] = {name: felt_hex(value) for name, value in moment.cells}
    if moment.word is not None:
        found["word"] = felt_hex(moment.word)
    if instruction is not None:
        found["instruction"] = instruction.text(moment.immediate)
        found["operands"] = [
            {"name": operand.name, "address": operand.address}
            | ({} if operand.value is None else {"value": felt_hex(operand.value)})
            for operand in moment.operands
        ]
    span = again.innermost(moment.step)
    if span is not None:
        found["span"] = {
            name: span[name] for name in ("span_id", "path", "depth", "iteration") if name in span
        }
    failure = _failure_at(again, moment)
    if failure is not None:
        found["error"] = failure
    if again.is_same is not None:
        found["same_root"] = again.is_same
    return found


def print_step(again: Rerun, moment: Moment, sources: SourceFiles) -> None:
    """What stands before the step is made."""
    out = console()
    now, execution = moment.registers, again.execution
    title = f"step {moment.step:,} of {execution.n_steps:,}"
    if execution.outcome == "completed" and moment.step >= execution.real_steps:
        title += f": padding after the last real step, {execution.real_steps - 1:,}"
    out.print(Text(title, style="bold"))
    failure = _failure_at(again, moment)
    if failure is not None:
        out.print(Text(f"FAILED here  {failure['message']}", style="bold red"))
    if again.is_same is False:
        out.print(
            Text("note: executed again, this run has another root than published: audit it", style="red")
        )
    span = again.innermost(moment.step)
    rows: list[tuple[str, str | Text]] = [("registers", f"pc {now.pc}  ap {now.ap}  fp {now.fp}")]
    if moment.location is not None:
        rows.append(("function", moment.location.function or "none: the program's frame"))
        rows.append(("source", _source_text(moment, sources)))
    rows.append(("span", "none" if span is None else str(span.get("path") or _unpathed(span))))
    rows += [("hint", hint.strip()) for hint in moment.hints]
    rows.append(("instruction", _instruction_text(moment)))
    out.print(facts_table(rows))
    if moment.cells:
        out.print(Text("\nvalues in reach have no names", style="bold"))
        out.print(facts_table((name, felt_text(None, value)) for name, value in moment.cells))
    if moment.variables:
        out.print(Text("\nvalues in reach", style="bold"))
        if any(variable.pointee for variable in moment.variables):
            out.print(Text("behind an address: as memory is at the end of the run", style="dim italic"))
        out.print(facts_table(row for variable in moment.variables for row in _variable_rows(variable)))
    out.print(Text("\ncalls, innermost first", style="bold"))
    out.print(facts_table(_frame_rows(moment.frames)))


def _failure_at(again: Rerun, moment: Moment) -> dict[str, str] | None:
    failure = again.execution.failure
    if failure is None or moment.step != again.last_step:
        return None
    return {"code": failure.code, "message": failure.message}


def _source_text(moment: Moment, sources: SourceFiles) -> Text:
    location = moment.location
    text = Text(place_text(location))
    if location is None or sources.line(location.file, location.line) is None:
        return text
    for number in range(max(1, location.line - _CONTEXT), location.line + 1):
        is_here = number == location.line
        mark = ">" if is_here else " "
        line = sources.line(location.file, number) or ""
        text.append(f"\n{mark}{number:>5} | {line}", style="bold" if is_here else "dim")
    return text


def _instruction_text(moment: Moment) -> Text:
    if moment.instruction is None:
        return Text("none at this pc" if moment.word is None else f"{felt_hex(moment.word)} is none")
    text = Text(moment.instruction.text(moment.immediate), style="bold")
    for operand in moment.operands:
        value = "not known" if operand.value is None else felt_text(None, operand.value)
        text.append(f"\n{operand.name} = [{operand.address}] = {value}", style="not bold")
    return text


def _variable_rows(variable: Variable) -> list[tuple[str, Text]]:
    rows: list[tuple[str, Text]] = []
    for felt in variable.felts:
        text = Text(felt_text(felt.leaf, felt.value))
        text.append(f"  {felt.leaf.type}", style="dim")
        if variable.kind != "reference":
            text.append(f", {variable.kind}", style="dim")
        if not variable.is_settled:
            text.append(", not touched by this call so far", style="dim italic")
        rows.append((felt.leaf.name, text))
    rows += [(f"  {felt.leaf.name}", Text(felt_text(felt.leaf, felt.value))) for felt in variable.pointee]
    return rows


def _frame_rows(frames: tuple[Frame, ...]) -> list[tuple[str, str]]:
    rows = [
        (frame.function or "(start)", f"{place_text(frame.location)}  pc {frame.pc}  fp {frame.fp}")
        for frame in frames
    ]
    left_out = len(rows) - _INNERMOST - _OUTERMOST
    if left_out <= 1:
        return rows
    return [*rows[:_INNERMOST], ("…", f"{left_out:,} more"), *rows[-_OUTERMOST:]]


def _frame_json(frame: Frame) -> JsonObject:
    found: JsonObject = {"pc": frame.pc, "fp": frame.fp}
    if frame.function is not None:
        found["function"] = frame.function
    if frame.location is not None:
        found["source"] = f"{frame.location.file}:{frame.location.line}"
    return found


def _variable_json(variable: Variable) -> JsonObject:
    found: dict[str, Any] = {
        "name": variable.name,
        "type": variable.type,
        "kind": variable.kind,
        "felts": felts_json(variable.felts),
        "settled": variable.is_settled,
    }
    if variable.pointee:
        found["pointee"] = felts_json(variable.pointee)
    return found


def _unpathed(span: JsonObject) -> str:
    return f"{span.get('name') or span.get('tile_id')} at depth {span['depth']}"
