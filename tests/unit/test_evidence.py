"""Bundles of evidence, and what the stand-alone verifier says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import synthetic_run
from evidence_runs import (
    AUDITOR,
    AUDITOR_VKEY,
    TRACER_VKEY,
    LyingRun,
    accepts,
    altered_cell,
    altered_step,
    lying,
    verifier,
    verify,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_run import Published, publish

from proofrail.commitment.checkpoint import verify_checkpoint
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.evidence import MAX_EVIDENCE, EvidenceBundle
from proofrail.wire.model import read_as

Object = dict[str, Any]
SCRIPT = Path(__file__).parents[2] / "schemas" / "verify_evidence.py"


def _lie(events: list[Object]) -> None:
    events[5]["output_bytes"] = "ff" * 32


def _edited(run: Published, item: int, **members: Any) -> Published:
    """The event as it is read, after it was sealed."""
    run.events[item] = canonical(parse_object(run.events[item]) | members)
    return run


def _bundle(run: Published | LyingRun, **audit: Any) -> bytes:
    if isinstance(run, LyingRun):
        return run.evidence(**audit).bundle(AUDITOR)
    found = run.audit(**audit)
    assert found.evidence is not None, found.report
    return found.evidence.bundle(AUDITOR)


def _read(bundle: bytes) -> Object:
    """The bundle as an object; it is canonical, small, of the schema, and signed by nobody but the auditor."""
    assert len(bundle) <= MAX_EVIDENCE
    made = parse_object(bundle)
    assert bundle == canonical(made)
    read_as({"EvidenceBundle": EvidenceBundle}, made, "bundle")
    return made


def test_a_lie_under_the_tracers_signature_is_shown_item_beside_item() -> None:
    """Both items, both signed trees, that all items before are the same, the member that differs, and what to do."""
    made = _read(_bundle(publish(edit=_lie)))
    assert ("items", 5, "output_bytes") == (
        made["shows"],
        made["first_mismatch"]["item"],
        made["first_mismatch"]["member"],
    )
    assert verify_checkpoint(made["claimed"]["checkpoint"], [TRACER_VKEY]).signers == (TRACER_VKEY,)
    assert verify_checkpoint(made["expected"]["checkpoint"], [AUDITOR_VKEY]).signers == (AUDITOR_VKEY,)
    said, lacks, result = verify(canonical(made))
    assert "the items before item 5 are the same in both trees" in said
    assert [f'they differ in member "output_bytes": "{"f" * 64}" against "{7:064x}" (auditor)'] == said[-1:]
    assert ([], True) == (lacks, str(result).startswith("tracer and auditor differ; to see who is right"))
    assert made["inputs"] == [{"amount": 5}, {"amount": 7}, {"amount": 11}]


@pytest.mark.parametrize(
    ("edit", "goes_on", "item"),
    [
        pytest.param(lambda events: events.__delitem__(slice(6, None)), "auditor", 6, id="ends-early"),
        pytest.param(lambda events: events.append(events[-1] | {"seq": 25}), "tracer", 25, id="goes-on"),
    ],
)
def test_a_length_is_shown_by_the_item_that_one_tree_lacks(
    edit: Callable[[list[Object]], None], goes_on: str, item: int
) -> None:
    """One item and its proof show that the shorter tree is the beginning of the longer one."""
    made = _read(_bundle(publish(edit=edit)))
    assert "length" == made["shows"]
    said, _, _ = verify(canonical(made))
    assert f"the trees are the same up to item {item}, where only the {goes_on}'s goes on" == said[-1]


def test_without_the_events_the_signed_trees_alone_are_shown() -> None:
    """That tracer and auditor signed different trees of one run is a difference, whatever item it is in."""
    made = _read(_bundle(publish(edit=_lie), with_events=False))
    assert ("heads", False, 5) == (
        made["shows"],
        "item" in made["claimed"],
        made["expected"]["item"]["index"],
    )
    assert accepts(canonical(made))


@pytest.mark.parametrize("item", [0, 5, 24])
def test_an_event_altered_after_sealing_does_not_speak_against_the_tracer(item: int) -> None:
    """The line is not in the tree that both signed; the bundle does not say that the tracer signed it."""
    made = _read(_bundle(_edited(publish(), item, seq=99)))
    assert ("published", False) == (made["shows"], "item" in made["claimed"])
    said, _, result = verify(canonical(made))
    assert f"what the auditor says it read as event {item} is not item {item} of that tree" in said
    assert (
        "the auditor says it read an event that the tracer has not signed; no fault of the tracer is shown"
        == result
    )


def test_a_surplus_event_in_transit_is_shown_to_be_outside_of_the_tree() -> None:
    """Where the tree has ended there is no item to show; its signed size says enough."""
    run = publish()
    run.events.append(run.events[-1])
    made = _read(_bundle(run))
    assert ("published", {"checkpoint"}) == (made["shows"], set(made["expected"]))
    assert accepts(canonical(made))


def _missing(run: Published) -> None:
    run.events.pop()


def _malformed(run: Published) -> None:
    run.events[3] = b"{" + run.events[3]


def _not_utf8(run: Published) -> None:
    run.events[3] = run.events[3].replace(b"tile", b"\xff\xfe\xfd\xfc")


def _block(run: Published) -> None:
    run.commitments[3] = canonical(parse_object(run.commitments[3]) | {"chain": "00" * 32})


def _input(run: Published) -> None:
    run.commitments[0] = canonical(parse_object(run.commitments[0]) | {"input": {"amount": 6}})


def _malformed_seal(run: Published) -> None:
    run.commitments[-1] = run.commitments[-1][:-1]


def _version(run: Published) -> None:
    run.commitments[-1] = canonical(parse_object(run.commitments[-1]) | {"v": 2})


def _unsigned(run: Published) -> None:
    seal = parse_object(run.commitments[-1])
    del seal["checkpoint"]
    run.commitments[-1] = canonical(seal)


@pytest.mark.parametrize(
    "spoil", [_missing, _malformed, _malformed_seal, _not_utf8, _block, _input, _version, _unsigned]
)
def test_what_nobody_signed_is_said_to_rest_on_the_auditors_word(spoil: Callable[[Published], None]) -> None:
    """Such a bundle holds, carries the line, and never makes the verifier exit 0."""
    run = publish()
    spoil(run)
    made = _read(_bundle(run))
    assert "nothing" == made["shows"]
    # An input that is another than the run's does not say which line is wrong.
    assert (spoil not in (_missing, _input)) == ("published" in made)
    _, _, result = verify(canonical(made))
    assert result is None


def test_a_checkpoint_of_a_strangers_key_is_not_shown_as_the_tracers() -> None:
    """What no accepted key signed is not the tracer's tree."""
    made = _read(_bundle(publish(private=synthetic_run.OTHER_PRIVATE)))
    assert ("signature", "nothing", {}) == (made["first_mismatch"]["kind"], made["shows"], made["claimed"])


def test_a_trace_start_of_another_run_convicts_the_tracer() -> None:
    """The run_id in the signed origin is made from what TraceStart says: no execution, no auditor is needed."""
    made = _read(_bundle(publish(edit=lambda events: events[0].update(layout="dex"))))
    assert {"kind": "identity"} == made["fault"]
    assert (
        "a fault of the tracer, shown without a VM and without trust in anyone" == verify(canonical(made))[2]
    )


def _same_address(trace: bytearray, memory: bytearray) -> None:
    del trace
    memory[40 * 30 : 40 * 30 + 8] = memory[40 * 31 : 40 * 31 + 8]


def _moved_cell(trace: bytearray, memory: bytearray) -> None:
    """The last cell leaves a gap."""
    del trace
    memory[-40:-32] = (int.from_bytes(memory[-40:-32], "little") + 5).to_bytes(8, "little")


def _swapped_cells(trace: bytearray, memory: bytearray) -> None:
    del trace
    first, second = slice(1200, 1240), slice(1240, 1280)
    memory[first], memory[second] = memory[second], memory[first]


def _no_felt(trace: bytearray, memory: bytearray) -> None:
    del trace
    memory[1208:1240] = b"\xff" * 32


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        pytest.param(altered_step(12, "pc"), {"kind": "transition", "at": 11}, id="pc"),
        pytest.param(altered_step(64, "ap"), {"kind": "transition", "at": 63}, id="ap-in-the-next-chunk"),
        pytest.param(altered_step(511, "fp"), {"kind": "transition", "at": 510}, id="fp-of-the-last"),
        pytest.param(altered_step(0, "ap"), {"kind": "transition", "at": 0}, id="ap-of-the-first"),
        pytest.param(altered_cell(40), {"kind": "transition", "at": 5}, id="dst"),
        pytest.param(altered_cell(41), {"kind": "transition", "at": 6}, id="return-address"),
        pytest.param(altered_cell(2), {"kind": "transition", "at": 0}, id="immediate"),
        pytest.param(_moved_cell, {"kind": "transition", "at": 71}, id="missing-cell"),
        pytest.param(_same_address, {"kind": "cells", "at": 30}, id="two-values"),
        pytest.param(_swapped_cells, {"kind": "cells", "at": 30}, id="order"),
        pytest.param(_no_felt, {"kind": "cells", "at": 29}, id="no-felt"),
    ],
)
def test_a_trace_that_contradicts_itself_is_shown_without_any_vm(
    change: Callable[[bytearray, bytearray], None], fault: Object
) -> None:
    """The steps, the instruction and the cells it reads lead up to the tracer's signature."""
    made = _read(_bundle(lying(change)))
    assert fault == made["fault"]
    said, lacks, result = verify(canonical(made))
    assert "is not valid" in said[-1] or "conflict" in said[-1]
    assert ([], "a fault of the tracer, shown without a VM and without trust in anyone") == (lacks, result)


def test_files_that_are_not_those_committed_to_show_no_fault() -> None:
    """Altered after sealing, trace.bin says nothing about the tracer."""
    run = lying()
    run.trace = run.trace[:24] + b"\x01" + run.trace[25:]
    made = _read(_bundle(run))
    assert ("step", "nothing", False) == (made["first_mismatch"]["kind"], made["shows"], "fault" in made)


def test_items_that_do_not_fit_are_named_by_their_digests_and_kept() -> None:
    """A bundle is small whatever the items' size; the whole item goes to the store under its digest."""

    def grow(events: list[Object]) -> None:
        events[2]["input_bytes"] = "ab" * 20_000

    kept: list[bytes] = []

    def keep(item: bytes) -> str:
        kept.append(item)
        return f"artifact:sha256/{sha256(item).hexdigest()}"

    found = publish(edit=grow).audit()
    assert found.evidence is not None
    made = _read(found.evidence.bundle(AUDITOR, keep))
    item = made["claimed"]["item"]
    assert (True, False) == ("claimed.item" in made["omitted"], "text" in item)
    assert (sha256(kept[0]).hexdigest(), len(kept[0])) == (item["sha256"], item["size"])
    assert item["uri"].endswith(item["sha256"])
    assert sha256(b"\0" + kept[0]).hexdigest() == item["leaf"]
    assert accepts(canonical(made))


@pytest.mark.parametrize("text", ["\x01" * 9_000, "\N{SNOWMAN}" * 9_000, '"' * 30_000])
@pytest.mark.parametrize("sealed", [True, False])
def test_a_bundle_stays_small_whatever_was_published(text: str, sealed: bool) -> None:
    """Texts that swell when they are escaped, in names and values, in items and lines."""

    def swell(events: list[Object]) -> None:
        events[3] |= {"path": text, "tile_id": text[:2000], text[:1000]: text[:1000]}

    if sealed:
        run = publish(edit=swell)
    else:
        run = publish([{"amount": 5, "note": text[:4000]}])
        _edited(run, 3, path=text, tile_id=text[:1500], **{text[:1000]: text[:1500]})
    _read(_bundle(run))


def test_an_unsigned_bundle_is_never_accepted() -> None:
    """Without the auditor's key everything may be shown, and nothing is decided."""
    found = publish(edit=_lie).audit()
    assert found.evidence is not None
    made = _read(found.evidence.bundle())
    assert "signature" not in made
    _, lacks, result = verify(canonical(made))
    assert (2, True) == (len(lacks), bool(result))
    assert not accepts(canonical(made))


def _run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environment,
    )


def test_the_command_tells_by_its_status_what_it_has_established(tmp_path: Path) -> None:
    """0 established, 1 does not hold, 2 unusable, 3 not decided; without signatures verified never 0."""
    bundle, keys = tmp_path / "bundle.json", ("--tracer-key", TRACER_VKEY, "--auditor-key", AUDITOR_VKEY)
    data = _bundle(publish(edit=_lie))
    bundle.write_bytes(data)
    (tmp_path / "cryptography.py").write_text("raise ImportError")
    (tmp_path / "auditor.vkey").write_text(AUDITOR_VKEY + "\n")
    done = _run(bundle, *keys[:3], tmp_path / "auditor.vkey")
    assert (0, "RESULT: tracer and auditor differ") == (done.returncode, done.stdout.splitlines()[-1][:33])
    assert 3 == _run(bundle).returncode
    assert 3 == _run(bundle, *keys[:2]).returncode
    assert 3 == _run(bundle, *keys[2:]).returncode
    assert 3 == _run(bundle, *keys, PYTHONPATH=str(tmp_path)).returncode
    assert 2 == _run(bundle, "--tracer-key", AUDITOR_VKEY).returncode
    assert 2 == _run(tmp_path / "none.json", *keys).returncode
    bundle.write_bytes(data + b"\n")
    assert 1 == _run(bundle, *keys).returncode
    bundle.write_bytes(b"{")
    assert 2 == _run(bundle, *keys).returncode


def test_the_verifier_is_short_and_its_own() -> None:
    """At most 200 lines; the standard library and Ed25519, nothing of ours."""
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 200
    imported = {line.split()[1] for line in text.splitlines() if line.strip().startswith("from ")}
    assert {"cryptography.hazmat.primitives.asymmetric.ed25519"} == imported


def test_the_golden_bundles_hold_for_ever() -> None:
    """All but the last establish something: an acceptance once given stays given."""
    lines = (SCRIPT.parent / "vectors" / "messages" / "EvidenceBundle.ndjson").read_bytes().split(b"\n")[:-1]
    assert [*[True] * 8, False] == [accepts(line) for line in lines]
    assert verifier().check.__doc__
    assert ["items", "length", "heads", "published"] == [json.loads(line)["shows"] for line in lines[:4]]


_JUNK = st.sampled_from([None, True, -1, 2**53 - 1, "", "x", "\N{SNOWMAN}" * 400, [], {"a": 1}, "ff" * 3000])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_bundle_of_any_mismatch_is_small_and_holds(data: st.DataObject) -> None:
    """Whatever is altered, and whether the tracer signed it: the verifier never refuses what the auditor made."""
    sealed = data.draw(st.booleans())
    item = data.draw(st.integers(0, 24))
    member = data.draw(st.sampled_from([*parse_object(publish().events[item]), "extra"]))
    value = data.draw(_JUNK)
    how = data.draw(st.sampled_from(["member", "drop", "double", "move", "cut", "garbage"]))

    def alter(events: list[Any]) -> None:
        match how:
            case "member":
                events[item] = events[item] | {member: value}
            case "drop":
                del events[item]
            case "double":
                events.insert(item, events[item])
            case "move":
                events.append(events.pop(item))
            case "cut":
                del events[item:]

    if sealed:
        run = publish(edit=alter)
    else:
        run = publish()
        lines = [parse_object(line) for line in run.events]
        alter(lines)
        run.events = [canonical(line) for line in lines]
        if how == "garbage":
            run.events[item] = data.draw(st.binary(max_size=40))
    audit = run.audit(with_events=data.draw(st.booleans()))
    if audit.evidence is not None:
        verify(canonical(_read(audit.evidence.bundle(AUDITOR))))
