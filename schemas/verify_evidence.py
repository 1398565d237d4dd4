#!/usr/bin/env python3
"""Check an EvidenceBundle and say exactly what it establishes (trace-v1.md, section "Evidence").

Exit status: 0 both signatures hold, and a fault or a difference is established: RESULT says which; 1 the bundle does
not hold; 2 unusable: no such file, no JSON, no key; 3 not decided: a key or the package `cryptography` is missing, or
nothing that is signed shows the mismatch. Keys are C2SP vkeys, or files of them."""
import argparse, base64, functools, hashlib, json, os, sys  # noqa: E401
try:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    Ed25519PublicKey = None
P, ROLES, VOLATILE = 2**251 + 17 * 2**192 + 1, ("tracer", "auditor"), {"timestamp", "duration_ns", "detail", "label"}
RAW = {"StepBlock": ("step", 64, (8, 8, 8)), "MemoryBlock": ("cell", 32, (8, 32))}
COMMAND = ("proofrail trace PROGRAM --inputs INPUTS --out DIR --layout {layout} --spans {spans} "
           "--bits {commitment[bits]} --block-items {commitment[block_items]}")
def need(holds, why):
    if not holds:
        raise ValueError(why)
def h(*parts):
    return hashlib.sha256(b"".join(parts)).digest()
def canonical(value):
    def ordered(v):
        return ([ordered(one) for one in v] if isinstance(v, list) else v if not isinstance(v, dict) else
                {name: ordered(v[name]) for name in sorted(v, key=lambda n: n.encode("utf-16-be"))})
    return json.dumps(ordered(value), separators=(",", ":"), ensure_ascii=False).encode()
def run_id(about):
    facts = {"artifact": about["program"]["artifact_sha256"], "program": about["program"]["method_id"]}
    facts |= {name: about[name] for name in ("layout", "spans", "inputs_sha256", "commitment")}
    return h(b"proofrail/run/v1\n", canonical(facts)).hex()[:32]
def differences(one, other):
    for name in sorted(n for n in one | other if canonical(one.get(n, [])) != canonical(other.get(n, []))):
        texts = [json.dumps(item[name]) if name in item else "nothing" for item in (one, other)]
        at = max(0, len(os.path.commonprefix(texts)) - 30)
        cut = [text if len(text) <= 100 else f"…{text[at:at + 80]}… ({len(text)} characters)" for text in texts]
        yield name, f"they differ in member {json.dumps(name)}: {cut[0]} against {cut[1]} (auditor)"
def read_keys(given, name):
    for text in " ".join(open(one).read() if os.path.exists(one) else one for one in given).split():
        label, digest, raw = (*text.split("+", 2)[:2], base64.b64decode(text.split("+", 2)[2], validate=True))
        need((label, digest) == (name, h(name.encode(), b"\n", raw)[:4].hex()), f"a key given is no key of {name}")
        yield label, bytes.fromhex(digest), raw[1:]
def verified(key, signature, text):
    try:
        return Ed25519PublicKey.from_public_bytes(key).verify(signature, text) is None
    except Exception:  # whatever it is, the signature was not verified
        return False
def head(note, accepted):
    """(origin, size, root, whether an accepted key signed it) of a checkpoint (C2SP tlog-checkpoint)."""
    text, gap, block = note.rpartition("\n\n")
    text, signed = text + "\n" if gap else note, False
    for line in block.removesuffix("\n").split("\n") if gap else ():
        (dash, name), data = line.split(" ")[:2], base64.b64decode(line.split(" ")[2], validate=True)
        for label, digest, key in accepted:
            if (dash, name, data[:4]) == ("—", label, digest):
                need(verified(key, data[4:], text.encode()), f"the signature of {name} under its checkpoint is wrong")
                signed = True
    origin, size, root = text.split("\n")[:3]
    return origin, int(size), base64.b64decode(root, validate=True), signed
def climb(leaf, index, size, proof):
    """Root of the tree of `size` leaves with leaf `index` (RFC 9162, 2.1.3.2), and the subtrees left of that leaf."""
    need(type(index) is int and 0 <= index < size, f"there is no leaf {index} in a tree of {size}")
    inner, node, left = (index ^ size - 1).bit_length(), leaf, []
    need(len(proof) == inner + (index >> inner).bit_count(), "a proof is not as long as its place demands")
    for level, sibling in enumerate(proof):
        if level >= inner or index >> level & 1:
            node, left = h(b"\1", sibling, node), [*left, sibling]
        else:
            node = h(b"\1", node, sibling)
    return node, left
def transition(now, then, cell):
    """Why step `then` cannot follow `now`, both (ap, fp, pc), or None (Cairo whitepaper, 4.5)."""
    (ap, fp, pc), word = now, cell(now[2])
    need(word < 1 << 63, "what such an instruction means is not defined here")
    dst_off, op0_off, op1_off = ((word >> bits & 0xFFFF) - 0x8000 for bits in (0, 16, 32))
    f = word >> 48
    source, logic, jump, move, opcode = f >> 2 & 7, f >> 5 & 3, f >> 7 & 7, f >> 10 & 3, f >> 12 & 7
    if (not {source, jump, opcode} <= {0, 1, 2, 4} or 3 in (logic, move) or source == 1 != op1_off
            or (jump == 4 and (logic or opcode == 4 or move == 1)) or (opcode == 1 and move)):
        return f"the word {word:#x} at pc is no instruction"
    size = 2 if source == 1 else 1
    dst, op0 = cell((fp if f & 1 else ap) + dst_off), cell((fp if f & 2 else ap) + op0_off)
    op1 = cell({0: op0, 1: pc, 2: fp, 4: ap}[source] + op1_off)
    res = None if jump == 4 else (op1, op0 + op1, op0 * op1)[logic] % P
    if opcode == 4 and res != dst:
        return f"the instruction {word:#x} asserts that {dst:#x} is {res:#x}"
    if opcode == 1 and (op0, dst) != (pc + size, fp):
        return f"the call {word:#x} keeps {op0:#x} and {dst:#x}, not the return address {pc + size:#x} and fp {fp:#x}"
    right = ((ap + 2 if opcode == 1 else ap + (0, res, 1)[move]) % P, {1: ap + 2, 2: dst}.get(opcode, fp),
             {0: pc + size, 1: res, 2: pc + (res or 0), 4: pc + (op1 if dst else size)}[jump] % P)
    return None if right == then else "the instruction {:#x} leads to ap {}, fp {}, pc {}".format(word, *right)
def fault_of(fault, steps, cells, run, start):
    if fault["kind"] == "identity":
        need(start["type"] == "TraceStart" and start["seq"] == 0 and len(bytes.fromhex(run)) == 16
             and start["program"]["backend"] == "cairo" and run_id(start) != run, "TraceStart is that of the run")
        return f"TraceStart, item 0, describes run {run_id(start)}, in the tree of run {run}"
    at = fault["at"]
    if fault["kind"] == "cells":
        (address, value), (after, other) = cells[at], cells[at + 1]
        need(max(value, other) >= P or after <= address, "the cells do not conflict")
        return f"cells {at} and {at + 1} conflict: [{address}] is {value:#x} and [{after}] is {other:#x}"
    said, values = "step {} (ap {}, fp {}, pc {}) → {} (ap {}, fp {}, pc {}) is not valid: {}", dict(cells.values())
    try:
        wrong = transition(steps[at], steps[at + 1], lambda address: values[address % P])
    except KeyError as gap:
        need(any(cells[i][0] < gap.args[0] < cells[i + 1][0] for i in cells if i + 1 in cells), "a cell is not shown")
        wrong = f"it reads address {gap.args[0]}, which the memory does not have"
    need(wrong and fault["kind"] == "transition", "the transition is valid")
    return said.format(at, *steps[at], at + 1, *steps[at + 1], wrong)
def check(data, tracer, auditor):
    """(what is established, what is not, RESULT); raises where something does not hold."""
    b, said, lacks = json.loads(data, parse_float=int, parse_constant=int), [], []
    need(len(data) <= 16384 and canonical(b) == data, "it is no canonical JSON of at most 16,384 bytes")
    need((b["v"], b["type"]) == (1, "EvidenceBundle"), "it is no EvidenceBundle of version 1")
    pool, wrong, shows, result = dict(enumerate(b["hashes"])), b["first_mismatch"], b["shows"], None
    heads, sides, used, shown = {}, {}, set(), {"step": {}, "cell": {}}
    def proven(leaf, place, size, root, proof):
        used.update(proof)
        got, left = climb(leaf, place, size, [bytes.fromhex(pool[one]) for one in proof])
        need(got == root, f"leaf {place} is not in the tree")
        return left
    def item_of(role, item):
        leaf = h(b"\0", item["text"].encode()) if "text" in item else bytes.fromhex(item["leaf"])
        left = proven(leaf, item["index"], *heads[role], item["proof"])
        said.append(f"item {item['index']} in the {role}'s tree is {json.dumps(item.get('text', item.get('leaf')))}")
        return item["index"], leaf, json.loads(item.get("text", "{}")), left
    if "run" in b:
        need((run_id(b["run"]), COMMAND.format(**b["run"])) == (b["run_id"], b["re_execute"]), "it is of another run")
        said.append("run {run_id} is of program file {file}, in layout {layout}, on inputs {inputs_sha256}".format(
            **b["run"], run_id=b["run_id"], file=b["run"]["program"]["artifact_sha256"]))
    given = len(b.get("inputs", ())), h(*(canonical(one) + b"\n" for one in b.get("inputs", ()))).hex()
    need("inputs" not in b or given == (b["run"]["inputs_count"], b["run"]["inputs_sha256"]), "the inputs are others")
    seal, body = bytes.fromhex(b.get("signature", "")), canonical({name: b[name] for name in b if name != "signature"})
    by = seal.hex() == b.get("signature", "") and any(verified(key, seal, body) for *_, key in auditor)
    need(by or not (Ed25519PublicKey and auditor and seal), "the auditor's signature under the bundle is wrong")
    (said if by else lacks).append("the auditor signed this bundle")
    for role, side, accepted in (("tracer", "claimed", tracer), ("auditor", "expected", auditor)):
        if "checkpoint" in b[side]:
            origin, size, root, signed = head(b[side]["checkpoint"], accepted if Ed25519PublicKey else [])
            need(origin == "proofrail/" + b["run_id"], f"the {role}'s checkpoint is of another run")
            heads[role] = size, root
            (said if signed else lacks).append(f"the {role} signed a tree of {size} items with root {root.hex()}")
        if "item" in b[side]:
            sides[role] = item_of(role, b[side]["item"])
    for entry in b.get("raw", ()):
        block = item_of("tracer", entry["item"])[2]
        name, per_chunk, widths = RAW[block["type"]]
        for chunk in entry["chunks"]:
            at, rows = chunk["chunk"], [tuple(int(n, 16) for n in row.split(",")) for row in chunk["rows"].split(" ")]
            raw = b"".join(n.to_bytes(w, "little") for row in rows for n, w in zip(row, widths, strict=True))
            proven(h(b"\0", raw), at, -(-block[name + "s"] // per_chunk), bytes.fromhex(block["root"]), chunk["proof"])
            shown[name] |= enumerate(rows, block["first_" + name] + at * per_chunk)
    if shows in ("items", "length", "heads"):
        need(heads["tracer"] != heads["auditor"] and "run" in b, "tracer and auditor signed the same tree")
        result = f"tracer and auditor differ; to see who is right, execute again and compare roots: {b['re_execute']}"
    if shows == "items":
        (index, one, claimed, left), (other_index, other, expected, right) = sides["tracer"], sides["auditor"]
        found = dict(differences(claimed, expected) if claimed and expected else {wrong.get("member"): "they differ"})
        need(index == other_index == wrong["item"] and one != other, "the items shown do not differ")
        need(wrong["where"] != "event" or wrong["member"] in found, "the member named does not differ")
        said += [f"the items before item {index} are the same in both trees"] * (left == right) + list(found.values())
    elif shows == "length":
        ((role, (index, _, _, left)),) = sides.items()
        end = functools.reduce(lambda node, part: h(b"\1", part, node), left[1:], left[0]) if left else h()
        need((index, end) == min(heads.values()), "the shorter tree is not the beginning of the longer one")
        said.append(f"the trees are the same up to item {index}, where only the {role}'s goes on")
    elif shows == "published":
        index, text = wrong["item"], b["published"]["text"].encode()
        read = {name: value for name, value in json.loads(text).items() if name not in VOLATILE}
        place, leaf, expected, _ = sides["auditor"] if index < heads["tracer"][0] else (index, b"", {}, [])
        need(h(b"\0", canonical(read)) != leaf and (place, h(text).hex()) == (index, b["published"]["sha256"])
             and heads["tracer"] == heads["auditor"], "what was read is the item in the tree, or not whole")
        said += [f"what the auditor says it read as event {index} is not item {index} of that tree",
                 *(dict(differences(read, expected)).values() if expected else ())]
        result = "the auditor says it read an event that the tracer has not signed; no fault of the tracer is shown"
    if "fault" in b:
        said.append(fault_of(b["fault"], shown["step"], shown["cell"], b["run_id"], sides.get("tracer", [{}] * 3)[2]))
        result = "a fault of the tracer, shown without a VM and without trust in anyone"
    need(used == set(pool), "a hash belongs to no proof")
    return said, lacks, result
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    for role in ROLES:
        parser.add_argument(f"--{role}-key", nargs="+", default=[], metavar="VKEY")
    given = vars(parser.parse_args())
    try:
        data = open(given["bundle"], "rb").read()
        keys = [list(read_keys(given[f"{role}_key"], f"proofrail-{role}")) for role in ROLES]
        json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        return print(f"unusable: {error}") or 2
    try:
        said, lacks, result = check(data, *keys)
    except Exception as error:  # whatever it is, the bundle does not hold
        return print(f"RESULT: the bundle does not hold: {error!r:.300}") or 1
    lines = [("shown: " if lacks else "established: ") + one for one in said] + [f"NOT SHOWN: {one}" for one in lacks]
    lines.append("RESULT: " + "not decided: " * bool(lacks or not result) + (result or "nothing signed shows it"))
    print("\n".join("".join(c if c.isprintable() else "?" for c in line[:400]) for line in lines))
    return 3 if lacks or not result else 0
if __name__ == "__main__":
    sys.exit(main())
