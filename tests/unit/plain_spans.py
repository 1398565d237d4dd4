"""The trace events of a Cairo run a second time: standard library only, nothing shared with services/.

It follows the text of schemas/trace-v1.md section 4 (Cairo spans, Loops, Failed runs): first a tree of all calls,
then the tree of spans, then the events. Everything is kept in memory and nothing is done twice at once. Volatile
members are left out. A failed run's events need to be told the error.
"""

import hashlib
import json
import re
import struct

CALL, RET = 1, 2
P = 2**251 + 17 * 2**192 + 1


class Call:
    """A call, whether or not it is recorded."""

    def __init__(self, site, entry, fp, first):
        self.site, self.entry, self.fp, self.first = site, entry, fp, first
        self.last = None  # the step of its ret; None if it never returned
        self.ap = None  # ap at its ret
        self.inside = []


class Span:
    def __init__(self, name, function, call, iteration=None):
        self.name, self.function, self.call, self.iteration = name, function, call, iteration
        self.children = []
        self.tile = False
        self.first = call.first
        self.last = call.last
        self.output_at = call.ap


class Program:
    def __init__(self, compiled):
        program = json.loads(compiled)
        self.identifiers = program["identifiers"]
        self.words = [int(word, 16) for word in program["data"]]
        self.functions = {}
        for name in sorted(self.identifiers, reverse=True):
            if self.identifiers[name]["type"] == "function":
                self.functions[self.identifiers[name]["pc"] + 1] = name  # of several, the first by name

    def size(self, cairo_type):
        cairo_type = cairo_type.replace(" ", "")
        if cairo_type == "felt" or cairo_type.endswith("*"):
            return 1
        if cairo_type.startswith("("):
            depth, parts = 0, [""]
            for character in cairo_type[1:-1]:
                depth += (character == "(") - (character == ")")
                if character == "," and depth == 0:
                    parts.append("")
                else:
                    parts[-1] += character
            return sum(self.size(re.sub(r"^\w+:", "", part)) for part in parts if part)
        identifier = self.identifiers[cairo_type]
        return identifier["size"] if "size" in identifier else self.size(identifier["cairo_type"])

    def arguments(self, name):
        return self.size(name + ".Args") if name + ".Args" in self.identifiers else 0

    def returns(self, name):
        return self.size(name + ".Return") if name + ".Return" in self.identifiers else 0

    def instruction(self, pc):
        """The word at a pc; 0, which does nothing to the stack, where it can be no instruction."""
        word = self.words[pc - 1] if 0 < pc <= len(self.words) else 0
        return word if word < 2**66 else 0

    def self_call_sites(self, entry):
        """Where the function calls its own entry with `ret` next, found instruction by instruction."""
        ends = [other for other in self.functions if other > entry]
        pc, sites = entry, set()
        while pc < min([*ends, len(self.words) + 1]):
            word = self.instruction(pc)
            immediate, relative = word >> 50 & 1, word >> 56 & 1
            if opcode(word) == CALL and immediate and relative and pc < len(self.words):
                target = (pc + self.words[pc]) % P
                if target == entry and opcode(self.instruction(pc + 2)) == RET:
                    sites.add(pc)
            pc += 1 + immediate
        return sites


def message(compiled, code, pc):
    """`error.message` for a failure at a pc within the program."""
    program = Program(compiled)
    entries = [entry for entry in program.functions if entry <= pc <= len(program.words)]
    text = code + (f" in {program.functions[max(entries)]}" if entries else "")
    debug_info = json.loads(compiled)["debug_info"] or {"instruction_locations": {}}
    location = debug_info["instruction_locations"].get(str(pc - 1))
    if location is None:
        return f"{text} at pc {pc}"
    place = location["inst"]
    while "parent_location" in place:
        place = place["parent_location"][0]
    return f"{text} at {place['input_file']['filename']}:{place['start_line']}"


def opcode(word):
    return word >> 60 & 7


def offset(word, place):
    return (word >> place & 0xFFFF) - 2**15


def called(word, step, cells):
    """Where a call goes, from its operand."""
    ap, fp, pc = step
    if word >> 50 & 1:
        operand = cells[pc + 1]
    elif word >> 51 & 1:
        operand = cells[fp + offset(word, 32)]
    elif word >> 52 & 1:
        operand = cells[ap + offset(word, 32)]
    else:
        operand = cells[cells[(fp if word >> 49 & 1 else ap) + offset(word, 16)] + offset(word, 32)]
    return operand if word >> 55 & 1 else (pc + operand) % P


def calls_of(steps, cells):
    """The calls made outside every other, each with those inside."""
    root = Call(None, None, None, 0)
    stack = [root]
    for number, (ap, fp, pc) in enumerate(steps):
        # Instructions are read where they ran, which need not be in the program.
        word = cells[pc]
        if opcode(word) == CALL:
            call = Call(pc, called(word, (ap, fp, pc), cells), ap + 2, number + 1)
            stack[-1].inside.append(call)
            stack.append(call)
        elif opcode(word) == RET:
            call = stack.pop()
            assert call.fp == fp
            call.last, call.ap = number, ap
    return root.inside


def spans_of(program, calls, mode):
    """The spans among these calls; what is in calls that are not recorded comes in their place."""
    spans = []
    for call in calls:
        name = program.functions.get(call.entry)
        if name is None or (mode == "own" and not name.startswith("__main__.")):
            spans += spans_of(program, call.inside, mode)
            continue
        shown = name.removeprefix("__main__.") if mode == "own" else name
        span = Span(shown, name, call)
        sites = program.self_call_sites(call.entry)
        if not sites:
            span.children = spans_of(program, call.inside, mode)
            span.tile = not span.children
        else:
            iteration = call
            while iteration is not None:
                child = Span(shown, name, iteration, len(span.children))
                following = [inner for inner in iteration.inside if inner.site in sites]
                others = [inner for inner in iteration.inside if inner.site not in sites]
                child.children = spans_of(program, others, mode)
                child.tile = not child.children
                iteration = following[0] if following else None
                if iteration is not None:
                    child.last, child.output_at = iteration.first - 1, None
                span.children.append(child)
        spans.append(span)
    return spans


def mth(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def chunk_root(data, size):
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return mth([hashlib.sha256(b"\x00" + piece).digest() for piece in pieces]).hex()


def expected_events(compiled, trace, memory, start, output, error=None, at_end=False):
    """All events without volatile members. `start` is TraceStart; `at_end` says that the error was found after
    the last instruction, when the outermost span alone was open."""
    program = Program(compiled)
    steps = list(struct.iter_unpack("<QQQ", trace))
    cells = {}
    for address, *value in struct.iter_unpack("<QQQQQ", memory):
        cells[address] = sum(word << 64 * place for place, word in enumerate(value))
    artifact = {"backend": "cairo", "method_id": start["program"]["method_id"]}
    events = []

    def add(kind, **members):
        members = {name: value for name, value in members.items() if value is not None}
        common = {"v": 1, "type": kind, "run_id": start["run_id"], "seq": len(events)}
        events.append({**common, **members})

    def felts(first, count):
        return "".join(f"{cells.get(address, 0):064x}" for address in range(first, first + count))

    def emit(span, parent, depth, above):
        step = span.name if span.iteration is None else f"[{span.iteration}]"
        path = None
        if depth <= 64:
            path = above + step if span.iteration is not None else (f"{above}/{step}" if above else step)
        kind, name = ("Tile", "tile_id") if span.tile else ("Sequence", "name")
        count = program.arguments(span.function)
        seq = len(events)
        identity = f"proofrail/span/v1\n{start['run_id']}:{seq}".encode()
        span_id = hashlib.sha256(identity).hexdigest()[:16]
        facts = {
            name: span.name,
            "span_id": span_id,
            "path": path,
            "depth": depth,
            "iteration": span.iteration,
            "artifact": artifact,
            "input_bytes": felts(span.call.fp - 2 - count, count),
        }
        add(f"{kind}Start", parent_span_id=parent, **facts)
        for child in span.children:
            emit(child, span_id, depth + 1, path)
        if span.last is None or (at_end and depth == 0):
            add(f"{kind}Failure", error=error, **facts)
            return
        size = program.returns(span.function)
        add(
            f"{kind}End",
            **{name: span.name},
            span_id=span_id,
            output_bytes=None if span.output_at is None else felts(span.output_at - size, size),
            cycles=span.last - span.first + 1,
        )

    events.append({name: value for name, value in start.items() if name not in ("timestamp", "label")})
    for span in spans_of(program, calls_of(steps, cells), start["spans"]):
        emit(span, None, 0, "")
    if error is None:
        for block in range((len(trace) + 98303) // 98304):
            data = trace[block * 98304 : (block + 1) * 98304]
            add(
                "StepBlock",
                block=block,
                first_step=block * 4096,
                steps=len(data) // 24,
                root=chunk_root(data, 64 * 24),
            )
        for block in range((len(memory) + 163839) // 163840):
            data = memory[block * 163840 : (block + 1) * 163840]
            add(
                "MemoryBlock",
                block=block,
                first_cell=block * 4096,
                cells=len(data) // 40,
                root=chunk_root(data, 32 * 40),
            )
    felts_of_output = json.dumps([hex(felt) for felt in output], separators=(",", ":"))
    add(
        "TraceEnd",
        outcome="completed" if error is None else "failed",
        n_steps=len(steps),
        output_count=len(output),
        output_sha256=hashlib.sha256(felts_of_output.encode()).hexdigest(),
    )
    return events
