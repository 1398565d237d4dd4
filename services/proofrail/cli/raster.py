"""`proofrail raster`: traces and commitments of the Raster tool."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO, Final, NoReturn

import typer
from rich.markup import escape

from proofrail._native import Committer
from proofrail.artifacts.files import replacing
from proofrail.cli import runfolder
from proofrail.cli.keys import ephemeral_signer
from proofrail.cli.options import BlockItemsOption, SigningKeyOption
from proofrail.cli.output import Exit, ExitError, command, emit_json, emit_line, emit_table, note, wants_json
from proofrail.cli.terminal import SafeConsole
from proofrail.commitment.blocks import DEFAULT_BITS, DEFAULT_BLOCK_ITEMS, MAX_BITS
from proofrail.commitment.checkpoint import TRACER_KEY_NAME, Signer, sign_checkpoint
from proofrail.commitment.keyfile import load_or_make_signer
from proofrail.commitment.raster.audit import AuditResult, audit_items, value_hex
from proofrail.commitment.raster.encoding import Encoding
from proofrail.commitment.raster.imported import ImportedRun
from proofrail.commitment.raster.item import Item
from proofrail.commitment.raster.packing import commit_items
from proofrail.commitment.raster.stream import StreamReader
from proofrail.wire.canonical import JsonObject, canonical, parse_object
from proofrail.wire.errors import UnusableInputError

MAX_COMMITMENT: Final = 64 * 1024 * 1024
"""Most bytes of a commitment file: 33 million items at 16 bits."""

_IMAGE_ID: Final = re.compile("[0-9a-f]{64}")
_LONGEST_METHOD_ID: Final = 128
_BATCH: Final = 1 << 18
_SHOWN_BYTES: Final = 64

Stream = Annotated[
    str, typer.Argument(metavar="STREAM|-", help="The tool's stdout in a file, or - for stdin.")
]
EncodingOption = Annotated[
    Encoding, typer.Option(help="How items are hashed: postcard since the seed's commit, bincode before.")
]
Bits = Annotated[int, typer.Option(min=1, max=MAX_BITS, metavar="N", help="Width of an item's value.")]
AsJson = Annotated[bool, typer.Option("--json", help="The result as one JSON line.")]


HELP: Final = (
    "Traces and commitments of the Raster tool (casettek/raster): write its commitment files, compare a trace with "
    "one, and bring a trace under our own commitment.\n\n"
    "Exit status: 0 done or equal, 1 different, 2 unusable input."
)


class Backend(StrEnum):
    """What ran the tiles of an imported trace."""

    RISC0 = "risc0"
    NATIVE = "native"


def commit(
    stream: Stream,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The commitment file.")],
    encoding: EncodingOption = Encoding.POSTCARD,
    bits: Bits = DEFAULT_BITS,
    as_json: AsJson = False,
) -> None:
    """Write the commitment file of a trace, byte for byte as the Raster tool does.

    The stream is what a traced program wrote to stdout: objects without any delimiter, lines after RASTER_TRACE:, or
    NDJSON, with data as base64 strings or arrays of numbers (either goes with either encoding), and anything else in
    between. What is no item is passed over, counted, and the first of it shown on stderr. An item that is cut or not as
    the tool writes it ends the command with status 2, and nothing is written.

    The file is there whole or not at all. Such a file binds little: `proofrail raster import` brings the trace under a
    commitment that does.

    \b
    Exit status:
      0  written
      2  unusable input

    \b
    Examples:
      proofrail raster commit trace.stream --out commit.bin
      ./traced-program | proofrail raster commit - --encoding bincode --bits 8 --out commit.bin
    """
    with command():
        if out.exists() and not out.is_file():
            raise UnusableInputError(
                "raster-out-no-file", f"{out} is there and no file: it would be replaced", "Name a file."
            )
        digest, size = hashlib.sha256(), 0
        with _opened(stream) as file, replacing(out) as written:
            reader = StreamReader(file)
            for words in commit_items(reader, encoding, bits):
                written.write(words)
                digest.update(words)
                size += len(words)
        _tell(reader)
        summary: JsonObject = {
            "items": reader.items,
            "bytes": size,
            "encoding": str(encoding),
            "bits_per_item": bits,
            "sha256": digest.hexdigest(),
            "out": str(out),
        }
        if wants_json(as_json):
            emit_json(summary | {"skipped": reader.skipped.to_object()})
        else:
            emit_table(list(summary.items()))


def audit(
    stream: Stream,
    commitment: Annotated[Path, typer.Option(metavar="FILE", help="The commitment file to compare with.")],
    encoding: EncodingOption = Encoding.POSTCARD,
    bits: Bits = DEFAULT_BITS,
    items: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="How many items the file commits to, if it is known: the file does not say.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a trace with a commitment file of the Raster tool, and name the first item that differs.

    Any difference counts: a value, a length (of one byte too), a set padding bit. The result on stdout is readable on a
    terminal; piped or with --json it is the tool's AuditResult as one JSON line, with members of ours: reason (value,
    length, past-the-end), message, expected (of the file), computed (of the trace), the number of items, for how many
    items the file can stand, and what was skipped. diff.index counts from 0.

    Equal means that nothing differs, and no more: the tool's format leaves the last item to whoever tries 2^N times,
    and takes an item whose value is zero for padding. --items closes the second gap; `proofrail raster import` both.

    \b
    Exit status:
      0  equal
      1  different
      2  unusable input: a file is missing, the stream is broken

    \b
    Examples:
      proofrail raster audit trace.stream --commitment commit.bin
      proofrail raster audit trace.stream --commitment commit.bin \\
          --encoding bincode --bits 8 --json | jq .diff.index
    """
    with command():
        expected = _read_commitment(commitment)
        with _opened(stream) as file:
            reader = StreamReader(file)
            result = audit_items(reader, expected, encoding, bits, items)
        _tell(reader)
        if wants_json(as_json):
            emit_line(result.to_line(skipped=reader.skipped.to_object()))
        else:
            _print(result)
        found = result.difference
        if found is None:
            raise ExitError(Exit.OK)
        if found.index == 0 and found.reason == "value":
            note(
                "already the first item differs: was the file made with "
                f"--encoding {encoding} --bits {bits}, and of this program?"
            )
        raise ExitError(Exit.NEGATIVE)


def import_(
    stream: Stream,
    backend: Annotated[Backend, typer.Option(help="What ran the tiles.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the run's files; made if missing.")],
    method_id: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID|TILE=ID",
            help="Method id of all tiles, or of one (repeat); with risc0 an image id, 64 hex characters.",
            show_default=False,
        ),
    ] = None,
    artifact: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The program that was traced; its hash is committed to.", show_default=False
        ),
    ] = None,
    bits: Bits = DEFAULT_BITS,
    block_items: BlockItemsOption = DEFAULT_BLOCK_ITEMS,
    key: SigningKeyOption = None,
    as_json: AsJson = False,
) -> None:
    """Turn a trace of the Raster tool into a run of ours, under a full and signed commitment.

    Each item becomes a tile of depth 0, with everything it says in the events: name, description, types, input and
    output. Every bit is then bound by the seal's root, and the number of items by its checkpoint.
    schemas/trace-v1.md, "Imported traces", says what the members mean.

    Writes to DIR: events.ndjson, commitments.ndjson (input, blocks, signed seal), tracer.vkey. The same stream and
    options give the same run_id and root.

    \b
    Exit status:
      0  written
      2  unusable input, or an item too large for a line: nothing is written

    \b
    Examples:
      proofrail raster import trace.stream --backend native --out run
      proofrail raster import trace.stream --backend risc0 --artifact program.elf \\
          --method-id greet=9c3f… --method-id exclaim=41aa… --out run
      proofrail check run/events.ndjson
    """
    with command(), _reopenable(stream) as reopen:
        shared, single = _method_ids(method_id or [], backend)
        with reopen() as file:
            first = StreamReader(file)
            unnamed = set(single)
            for item in first:
                unnamed.discard(item.fn_name)
        if unnamed:
            _refuse_method_id(f"no item of the stream is a call of {min(unnamed)!r:.80}", "Check the name.")
        run = ImportedRun(
            "risc0" if backend is Backend.RISC0 else "native",
            items=first.items,
            stream_sha256=first.sha256(),
            bits=bits,
            block_items=block_items,
            method_id=shared,
            tile_method_ids=single,
            artifact_sha256=None if artifact is None else _file_sha256(artifact),
        )
        signer = load_or_make_signer(key, TRACER_KEY_NAME, os.urandom) if key else ephemeral_signer()
        seal = _write_run(out, run, reopen, signer)
        _tell(first)
        summary = {
            "run_id": run.run_id,
            "imported": first.items,
            "items": seal["items"],
            "root": seal["root"],
            "program": run.facts["program"]["method_id"],
            "out": str(out),
        }
        if wants_json(as_json):
            emit_json(summary | {"skipped": first.skipped.to_object()})
        else:
            emit_table(list(summary.items()))


COMMANDS: Final[dict[str, Callable[..., None]]] = {"commit": commit, "audit": audit, "import": import_}
"""By name, as they are registered."""


@contextmanager
def _opened(stream: str) -> Iterator[BinaryIO]:
    if stream == "-":
        yield sys.stdin.buffer
    else:
        with Path(stream).open("rb") as file:
            yield file


@contextmanager
def _reopenable(stream: str) -> Iterator[Callable[[], BinaryIO]]:
    """Opens the stream anew each time; what can be read only once is spooled."""
    if Path(stream).is_file():
        yield partial(_open, Path(stream))
        return
    with _opened(stream) as file, tempfile.NamedTemporaryFile(prefix="proofrail-raster-") as spool:
        shutil.copyfileobj(file, spool)
        spool.flush()
        yield partial(_open, Path(spool.name))


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _read_commitment(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_COMMITMENT + 1)
    if len(data) > MAX_COMMITMENT:
        raise UnusableInputError(
            "raster-commitment-too-large",
            f"{path} has more than {MAX_COMMITMENT} bytes, the most that are compared",
            "Check that it is a commitment file.",
        )
    return data


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _method_ids(given: list[str], backend: Backend) -> tuple[str | None, dict[str, str]]:
    """The id for all tiles, where one was given, and those for single tiles."""
    shared: str | None = None
    single: dict[str, str] = {}
    for text in given:
        tile, named, method_id = text.rpartition("=")
        if backend is Backend.RISC0 and not _IMAGE_ID.fullmatch(method_id):
            _refuse_method_id(f"{method_id!r:.80} is no image id", "Give 64 lower-case hex characters.")
        if not 1 <= len(method_id) <= _LONGEST_METHOD_ID:
            _refuse_method_id("a method id has 1 to 128 characters", "Give --method-id ID or TILE=ID.")
        if tile in single if named else shared is not None:
            _refuse_method_id(f"there are two method ids for {tile or 'all tiles'}", "Give one of them.")
        if named:
            single[tile] = method_id
        else:
            shared = method_id
    return shared, single


def _refuse_method_id(why: str, next_step: str) -> NoReturn:
    raise UnusableInputError("raster-method-id", why, next_step)


def _write_run(out: Path, run: ImportedRun, reopen: Callable[[], BinaryIO], signer: Signer) -> JsonObject:
    with reopen() as file, runfolder.RunFolderWriter(out) as folder:
        reader = StreamReader(file)
        committer = Committer(run.run_id, run.bits, run.block_items)
        with folder.open(runfolder.EVENTS) as events, folder.open(runfolder.COMMITMENTS) as commitments:
            commitments.write(run.input_line + b"\n")
            for batch in _batches(run.lines(reader, time.time_ns())):
                events.write(batch)
                commitments.writelines(block + b"\n" for block in committer.feed(batch))
            if reader.sha256() != run.stream_sha256:
                raise UnusableInputError(
                    "raster-stream-changed",
                    "the stream changed while it was imported",
                    "Import it when it is written to its end.",
                )
            *last, core = committer.finish()
            seal = parse_object(core) | run.facts | run.results
            root = bytes.fromhex(seal["root"])
            seal["checkpoint"] = sign_checkpoint(run.run_id, seal["items"], root, signer)
            commitments.writelines(line + b"\n" for line in (*last, canonical(seal)))
        folder.write(runfolder.VKEY, f"{signer.vkey}\n".encode())
    return seal


def _batches(lines: Iterator[bytes]) -> Iterator[bytes]:
    batch = bytearray()
    for line in lines:
        batch += line + b"\n"
        if len(batch) >= _BATCH:
            yield bytes(batch)
            batch.clear()
    yield bytes(batch)


def _tell(reader: StreamReader) -> None:
    skipped = reader.skipped
    if not reader.items:
        note("the stream holds no items")
    if skipped.pieces:
        what = "1 piece" if skipped.pieces == 1 else f"{skipped.pieces} pieces"
        note(
            f"skipped what is no item: {what}, {skipped.bytes} bytes; the first at line {skipped.line}, "
            f"byte {skipped.offset}: {skipped.text!r}"
        )


def _print(result: AuditResult) -> None:
    console = SafeConsole(file=sys.stdout, highlight=False)
    found = result.difference
    possible = result.possible_items
    stands_for = "no trace has such a file" if possible is None else "{} to {}".format(*possible)
    lengths = [
        ("items in the trace", result.items),
        ("bytes of the file", f"{len(result.commitment)}, of the trace {result.computed_size}"),
        ("items the file can stand for", stands_for),
    ]
    if found is None:
        console.print("[bold green]EQUAL[/]")
        emit_table(lengths)
        return
    console.print(f"[bold red]DIFFERENT[/]  at item {found.index}: {found.reason}\n{escape(found.message)}")
    values = [("expected (file)", found.expected), ("computed (trace)", found.computed)]
    rows: list[tuple[str, object]] = [(n, "none" if v is None else value_hex(v)) for n, v in values]
    if result.window and found.index < result.items:
        rows += _item_rows(result.window[-1])
    emit_table([*rows, *lengths])


def _item_rows(item: Item) -> list[tuple[str, object]]:
    inputs = ", ".join(f"{name}: {ty}" for name, ty in item.inputs)
    rows: list[tuple[str, object]] = [("item", f"{item.fn_name}({inputs}) -> {item.output_type or '()'}")]
    if item.desc is not None:
        rows.append(("description", item.desc))
    return [*rows, ("input data", _shown(item.input_data)), ("output data", _shown(item.output_data))]


def _shown(data: bytes) -> str:
    text = data[:_SHOWN_BYTES].hex() or "none"
    return text if len(data) <= _SHOWN_BYTES else f"{text}… ({len(data)} bytes)"
