"""How commands speak: results on stdout (readable on a terminal, JSON lines when piped), all else on stderr.

Exit statuses are the same for every command: 0 done or accepted, 1 a negative verdict, 2 unusable input,
3 undecided because a part is missing, 130 interrupted, 141 the reader of stdout went away.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Final, NoReturn, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from proofrail.cli.terminal import SafeConsole
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import InvalidProposalError, MalformedError, ProofrailError, UnusableInputError

T = TypeVar("T")


class Exit(IntEnum):
    """What a command's exit status means."""

    OK = 0
    NEGATIVE = 1
    UNUSABLE = 2
    UNDECIDED = 3
    INTERRUPTED = 130
    BROKEN_PIPE = 141


_PART_MISSING: Final = ("broker-unavailable", "not-published", "view-behind")
"""Codes that say nothing of what was asked, for the broker was not there."""
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

stderr: Final = SafeConsole(stderr=True, highlight=False, soft_wrap=True)


class ExitError(Exception):
    """Ends a command with this status; what there was to say has been said."""

    def __init__(self, status: Exit) -> None:
        super().__init__(status)
        self.status = status


def wants_json(flag: bool) -> bool:
    """JSON when asked for, and whenever stdout is not a terminal."""
    return flag or not sys.stdout.isatty()


def emit_json(value: Mapping[str, Any]) -> None:
    """One canonical JSON line on stdout."""
    emit_line(canonical(value))


def emit_line(line: bytes) -> None:
    """One line on stdout, written at once: whoever reads a pipe sees it now."""
    sys.stdout.buffer.write(line.removesuffix(b"\n") + b"\n")
    sys.stdout.buffer.flush()


def emit_table(rows: Sequence[tuple[str, object]], title: str | None = None) -> None:
    """Name and value pairs on stdout, for a person."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(escape(name), escape(str(value)))
    SafeConsole(file=sys.stdout, highlight=False).print(table)


def note(text: str) -> None:
    """One line on stderr, for a person."""
    stderr.print(escape(text))


def report_error(error: ProofrailError) -> None:
    """Say on stderr what went wrong: code, why, where, and what to do next."""
    stderr.print(f"[bold red]error[/] \\[{escape(error.code)}] {escape(error.message)}")
    where = ", ".join(f"{name} {value}" for name, value in error.context.items())
    if where:
        stderr.print(f"  where: {escape(where)}")
    if error.next_step:
        stderr.print(f"  next: {escape(error.next_step)}")
    if stderr.is_terminal:
        stderr.print(f"  more: proofrail explain {escape(error.code)}", style="dim")


def fail(error: ProofrailError, status: Exit) -> NoReturn:
    """Report the error and end the command with this status."""
    report_error(error)
    raise ExitError(status)


@contextmanager
def command() -> Iterator[None]:
    """Wraps the body of a command: every way it can end becomes one message and one exit status.

    Errors about what the user gave end with 2, a broker that is away with 3, other known errors with 1; Ctrl-C with
    130; a closed pipe is silent.
    """
    try:
        yield
        sys.stdout.flush()
    except ExitError as ending:
        _leave(ending.status)
    except BrokenPipeError:
        # Python would complain once more when it closes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _leave(Exit.BROKEN_PIPE)
    except (KeyboardInterrupt, typer.Abort):  # the latter at a question
        stderr.print("interrupted")
        _leave(Exit.INTERRUPTED)
    except (UnusableInputError, MalformedError, InvalidProposalError) as error:
        report_error(error)
        _leave(Exit.UNUSABLE)
    except ProofrailError as error:
        report_error(error)
        _leave(Exit.UNDECIDED if error.code in _PART_MISSING else Exit.NEGATIVE)
    except OSError as error:
        report_error(file_error(error))
        _leave(Exit.UNUSABLE)


def file_error(error: OSError) -> UnusableInputError:
    """What the operating system said about a file, as an error with a next step."""
    name = error.filename if isinstance(error.filename, str) else str(error.filename or "a file")
    if isinstance(error, FileNotFoundError):
        return UnusableInputError("file-not-found", f"{name} does not exist", "Check the path.")
    if isinstance(error, PermissionError):
        return UnusableInputError("file-not-permitted", f"{name} may not be opened", "Check its permissions.")
    if isinstance(error, IsADirectoryError):
        return UnusableInputError("file-is-a-folder", f"{name} is a folder", "Name a file in it.")
    if error.errno in _NO_ROOM:
        return UnusableInputError(
            "disk-full",
            f"there is no room left to write {name}: {error.strerror}",
            "Make room, and do it again.",
        )
    return UnusableInputError(
        "file-unusable", f"{name}: {error.strerror or error}", "Check the path and the disk."
    )


def interruptible(work: Callable[[], T]) -> T:
    """Run native code that cannot be stopped so that Ctrl-C still ends the process at once.

    Ctrl-C reaches Python only between two of its own instructions; hence the work goes to a daemon thread,
    and the main thread waits for it.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="work", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if errors:
        raise errors[0]
    return results[0]


def _leave(status: Exit) -> NoReturn:
    raise typer.Exit(int(status))
