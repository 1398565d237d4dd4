"""Cairo programs put together at random, word by word: calls of functions and labels, jumps, loops and recursion in
every mixture, far from what a compiler writes.

A function consists of blocks. Each takes a count n at fp - 3 and returns at once where n is 0, so that every run
ends: calls hand n - 1 on, and jumps only go to blocks that come later.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

P = 2**251 + 17 * 2**192 + 1
PUSH, PUSH_LESS = 0x480680017FFF8000, 0x482680017FFD8000  # [ap] = imm, ap++; [ap] = [fp - 3] + imm, ap++
CALL, JUMP, JUMP_IF = (
    0x1104800180018000,
    0x10780017FFF7FFF,
    0x20780017FFF7FFD,
)  # rel imm; the last if [fp - 3] != 0
RET = 0x208B7FFF7FFF7FFE

Block = list[tuple[str, int]]


@dataclass(frozen=True)
class Assembled:
    """Functions as lists of blocks; a step is `call` or `jump` with the number of a block, `push` with a value, or
    `ret`. `own` says which functions are of the program's own module."""

    functions: list[list[Block]]
    own: list[bool]
    count: int

    @property
    def compiled(self) -> bytes:
        """The compiled file."""
        main = [PUSH, self.count, CALL, ("block", 0), RET]
        words: list[Any] = [0x40780017FFF7FFF, 0, CALL, ("main", 0), JUMP, 0]
        places = {"main": len(words)}
        words += main
        entries: dict[int, int] = {}
        starts: list[int] = []
        for number, blocks in enumerate(self.functions):
            entries[number] = len(words)
            for block in blocks:
                starts.append(len(words))
                words += [JUMP_IF, 5, PUSH, 7, RET]
                for step, value in block:
                    words += {
                        "call": [PUSH_LESS, -1, CALL, ("block", value)],
                        "jump": [JUMP, ("block", value)],
                        "push": [PUSH, value],
                        "ret": [RET],
                    }[step]
                words += [RET]
        resolved = []
        for at, word in enumerate(words):
            if isinstance(word, tuple):
                kind, number = word
                word = (places["main"] if kind == "main" else starts[number]) - (at - 1)
            resolved.append(hex(word % P))
        names = {places["main"]: "__main__.main"} | {
            entry: f"{'__main__' if self.own[number] else 'lib'}.f{number}"
            for number, entry in entries.items()
        }
        return json.dumps(_compiled(resolved, names)).encode()


def _compiled(data: list[str], names: dict[int, str]) -> dict[str, Any]:
    identifiers: dict[str, Any] = {
        "__main__.__start__": {"pc": 0, "type": "label"},
        "__main__.__end__": {"pc": 4, "type": "label"},
    }
    for pc, name in names.items():
        size = 0 if name == "__main__.main" else 1
        members = {"n": {"cairo_type": "felt", "offset": 0}} if size else {}
        identifiers |= {
            name: {"decorators": [], "pc": pc, "type": "function"},
            f"{name}.Args": {"full_name": f"{name}.Args", "members": members, "size": size, "type": "struct"},
            f"{name}.Return": {"cairo_type": "(n: felt)" if size else "()", "type": "type_definition"},
        }
    return {
        "attributes": [],
        "builtins": [],
        "compiler_version": "0.14.0.1",
        "data": data,
        "debug_info": None,
        "hints": {},
        "identifiers": identifiers,
        "main_scope": "__main__",
        "prime": hex(P),
        "reference_manager": {"references": []},
    }


@st.composite
def assembled(draw: st.DrawFn) -> Assembled:
    """Up to four functions of up to three blocks of up to three steps."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    total = sum(sizes)
    entries = [sum(sizes[:number]) for number in range(len(sizes))]
    functions, number = [], 0
    for entry, size in zip(entries, sizes, strict=True):
        blocks = []
        for _ in range(size):
            # Calls of entries, the function's own above all, are what loops and recursion are made of.
            target = st.just(entry) | st.sampled_from(entries) | st.integers(0, total - 1)
            call = st.tuples(st.just("call"), target)
            steps = call | call | st.sampled_from([("push", 5), ("ret", 0)])
            if number + 1 < total:
                steps |= st.tuples(st.just("jump"), st.integers(number + 1, total - 1))
            blocks.append(draw(st.lists(steps, min_size=1, max_size=3)))
            number += 1
        functions.append(blocks)
    own = draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    return Assembled(functions, own, draw(st.sampled_from([3, 2, 1, 0])))
