"""The alterations of a Stone proof that tests/data/stone/elsewhere/MANIFEST.json names, carried out.

A proof is the JSON object in its file. Each alteration is found by the words of the manifest.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

from proofrail.wire.canonical import FELT_PRIME

Object = dict[str, Any]
Change = Callable[[Object], object]


def altered(proof: Object, words: str) -> Object:
    """A copy of the proof, altered as the words say. Raises KeyError for words that name no alteration."""
    change = _PLAIN.get(words) or _parameter(words)
    copied = copy.deepcopy(proof)
    change(copied)
    return copied


def flip_nibble(proof: Object, place: int) -> None:
    """Turns the lowest bit of a hex digit of proof_hex, counted behind 0x."""
    digits = proof["proof_hex"]
    place += 2
    proof["proof_hex"] = digits[:place] + format(int(digits[place], 16) ^ 1, "x") + digits[place + 1 :]


def add_prime(proof: Object, word: int) -> bool:
    """Adds P to a 32-byte word of proof_hex; False when that does not fit."""
    start = 2 + 64 * word
    digits = proof["proof_hex"]
    value = int(digits[start : start + 64], 16) + FELT_PRIME
    proof["proof_hex"] = digits[:start] + format(value, "064x") + digits[start + 64 :]
    return value < 1 << 256


def digits_of(proof: Object) -> int:
    return len(proof["proof_hex"]) - 2


def _append(digits: str) -> Change:
    return lambda proof: proof.update(proof_hex=proof["proof_hex"] + digits)


def _flip(quarters: int) -> Change:
    return lambda proof: flip_nibble(proof, min(digits_of(proof) * quarters // 4, digits_of(proof) - 1))


def _cells(proof: Object) -> list[Object]:
    cells: list[Object] = proof["public_input"]["public_memory"]
    return cells


def _value(place: Callable[[list[Object]], int], change: Callable[[int], str]) -> Change:
    def work(proof: Object) -> None:
        cell = _cells(proof)[place(_cells(proof))]
        cell["value"] = change(int(cell["value"], 16))

    return work


def _first(cells: list[Object]) -> int:
    return 0


def _middle(cells: list[Object]) -> int:
    return len(cells) // 2


def _last(cells: list[Object]) -> int:
    return len(cells) - 1


def _swap(proof: Object) -> None:
    cells = _cells(proof)
    cells[0], cells[1] = cells[1], cells[0]


def _public(name: str, change: Callable[[Any], Any]) -> Change:
    return lambda proof: proof["public_input"].update({name: change(proof["public_input"][name])})


def _segment(name: str, end: str) -> Change:
    def work(proof: Object) -> None:
        proof["public_input"]["memory_segments"][name][end] += 1

    return work


def _layout(name: str) -> Change:
    return _public("layout", lambda _: name)


def _no_queries(proof: Object) -> None:
    proof["proof_parameters"]["stark"]["fri"].update(n_queries=0, proof_of_work_bits=0)


_PLAIN: dict[str, Change] = {
    "trailing byte 00": _append("00"),
    "trailing byte ff": _append("ff"),
    "trailing 32 zero bytes": _append("00" * 32),
    "trailing 32 bytes 01..01": _append("01" * 32),
    "nibble flipped: first": _flip(0),
    "nibble flipped: quarter": _flip(1),
    "nibble flipped: half": _flip(2),
    "nibble flipped: three quarters": _flip(3),
    "nibble flipped: last": _flip(4),
    "public_memory last value +1 (output)": _value(_last, lambda value: hex(value + 1)),
    "public_memory first value +1 (padding cell)": _value(_first, lambda value: hex(value + 1)),
    "public_memory middle value +1": _value(_middle, lambda value: hex(value + 1)),
    "public_memory last address +1": lambda proof: _cells(proof)[-1].update(
        address=_cells(proof)[-1]["address"] + 1
    ),
    "public_memory last value + p (non-canonical)": _value(_last, lambda value: hex(value + FELT_PRIME)),
    "public_memory last value re-spelled with leading zeros": _value(_last, lambda value: f"0x{value:064x}"),
    "public_memory entries 0,1 swapped": _swap,
    "public_memory last entry duplicated": lambda proof: _cells(proof).append(dict(_cells(proof)[-1])),
    "public_memory last entry removed": lambda proof: _cells(proof).pop(),
    "public_memory last entry page 0 -> 1": lambda proof: _cells(proof)[-1].update(page=1),
    "proof_parameters: unknown key added": lambda proof: proof["proof_parameters"].update(unknown_key=1),
    "combined: n_queries 0 and proof_of_work_bits 0": _no_queries,
    "one nibble appended": _append("0"),
    "last byte removed": lambda proof: proof.update(proof_hex=proof["proof_hex"][:-2]),
    "empty proof (0x00)": lambda proof: proof.update(proof_hex="0x00"),
    "leading 00 byte prepended": lambda proof: proof.update(proof_hex="0x00" + proof["proof_hex"][2:]),
    "hex upper case": lambda proof: proof.update(proof_hex="0x" + proof["proof_hex"][2:].upper()),
    "output.stop_ptr +1": _segment("output", "stop_ptr"),
    "execution.begin_addr +1": _segment("execution", "begin_addr"),
    "program.stop_ptr +1": _segment("program", "stop_ptr"),
    "range_check.stop_ptr +1": _segment("range_check", "stop_ptr"),
    "rc_min +1": _public("rc_min", lambda value: value + 1),
    "rc_max +1": _public("rc_max", lambda value: value + 1),
    "rc_max -1": _public("rc_max", lambda value: value - 1),
    "n_steps x2": _public("n_steps", lambda value: value * 2),
    "n_steps /2": _public("n_steps", lambda value: value // 2),
    "n_steps -1": _public("n_steps", lambda value: value - 1),
    "layout -> dex": _layout("dex"),
    "layout -> recursive": _layout("recursive"),
    "layout -> plain": _layout("plain"),
    "layout -> recursive_with_poseidon": _layout("recursive_with_poseidon"),
    "layout -> nosuch": _layout("nosuch"),
    "public_input: unknown key added": lambda proof: proof["public_input"].update(unknown_key=1),
    "public_input: dynamic_params key removed": lambda proof: proof["public_input"].pop("dynamic_params"),
}

_EDITED = re.compile(r"(?P<name>[a-z_.]+) (?P<before>\[[^]]*\]|\S+)(?: -> (?P<after>.+))?")
_FRI = ("n_queries", "proof_of_work_bits", "last_layer_degree_bound", "fri_step_list")


def _parameter(words: str) -> Change:
    """`NAME BEFORE -> AFTER`, or `NAME removed`."""
    edited = _EDITED.fullmatch(words)
    if edited is None or not (edited["after"] or edited["before"] == "removed"):
        raise KeyError(words)
    name = edited["name"]

    def change(proof: Object) -> None:
        inside = proof["proof_parameters"]
        if name in _FRI:
            inside = inside["stark"]["fri"]
        elif name == "log_n_cosets":
            inside = inside["stark"]
        elif name == "statement.page_hash":
            inside = inside.setdefault("statement", {})
        last = name.rsplit(".", 1)[-1]
        before = edited["before"]
        if before != "removed" and inside.get(last, "(absent)") != _literal(before):
            raise KeyError(f"{words}: {last} is {inside.get(last)}")
        if edited["after"] is None:
            inside.pop(last, None)
        else:
            inside[last] = _literal(edited["after"])

    return change


def _literal(text: str) -> Any:
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return text
