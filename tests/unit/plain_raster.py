"""The Raster tool's commitment a second time: one file, standard library only, nothing shared with services/.

Everything is kept in memory and computed from scratch for each item, in the words of the format's reference, so that it
can be read beside it. Bits are text of 0 and 1, least significant first.
"""

import base64
import hashlib

SEED = bytes.fromhex("6d97a6c02676a41a9636c6cd4e5d2d47d14d27a35d18e608115fd93cd42e6b3a")


def h(data):
    return hashlib.sha256(data).digest()


def varint(value):
    groups = []
    while True:
        groups.append(value % 128)
        value //= 128
        if value == 0:
            return bytes([group + 128 for group in groups[:-1]] + groups[-1:])


def postcard(item):
    def text(value):
        data = value.encode()
        return varint(len(data)) + data

    def option(value):
        return b"\x00" if value is None else b"\x01" + text(value)

    out = text(item["fn_name"]) + option(item["desc"]) + varint(len(item["inputs"]))
    for argument in item["inputs"]:
        out += text(argument["name"]) + text(argument["ty"])
    out += varint(len(item["input_data"])) + item["input_data"]
    out += option(item["output_type"])
    return out + varint(len(item["output_data"])) + item["output_data"]


def bincode(item):
    def size(value):
        return value.to_bytes(8, "little")

    def text(value):
        return size(len(value.encode())) + value.encode()

    def option(value):
        return b"\x00" if value is None else b"\x01" + text(value)

    out = text(item["fn_name"]) + option(item["desc"]) + size(len(item["inputs"]))
    for argument in item["inputs"]:
        out += text(argument["name"]) + text(argument["ty"])
    out += text(base64.b64encode(item["input_data"]).decode())
    out += option(item["output_type"])
    return out + text(base64.b64encode(item["output_data"]).decode())


def root(leaves):
    """All levels of the tree over these leaves, one after the other; on the right, what is missing is empty."""
    nodes, empty = list(leaves), SEED
    for level in range(32):
        if len(nodes) % 2:
            nodes.append(empty)
        pairs = zip(nodes[::2], nodes[1::2], strict=True)
        nodes = [h(bytes([level]) + left + right) for left, right in pairs]
        empty = h(bytes([level]) + empty + empty)
    return nodes[0]


def read_frontier(data):
    """(position, leaf, ommers) of a frontier as it is written, for positions below 128."""
    position, leaf, count = data[0], data[2:34], data[34]
    ommers = [data[36 + 33 * index : 68 + 33 * index] for index in range(count)]
    if data != bytes([position, 32]) + leaf + bytes([count]) + b"".join(b"\x20" + ommer for ommer in ommers):
        raise ValueError("not a frontier")
    return position, leaf, ommers


def root_after(frontier, leaves):
    """The root after more leaves, by the frontier alone: every whole subtree on the left is one known node."""
    position, leaf, ommers = frontier
    nodes = {}
    for level in range(32):
        if position >> level & 1:
            nodes[level, (position >> level) - 1] = ommers.pop(0)
    row = {position + index: leaf for index, leaf in enumerate([leaf, *leaves])}
    empty = SEED
    for level in range(32):
        row |= {place: node for (at, place), node in nodes.items() if at == level}
        parents = {place // 2 for place in row}
        tag = bytes([level])
        row = {p: h(tag + row.get(2 * p, empty) + row.get(2 * p + 1, empty)) for p in parents}
        empty = h(tag + empty + empty)
    return row[0]


def roots(items, encoding):
    """The root after each item."""
    leaves, found = [SEED], []
    for item in items:
        if encoding == "postcard":
            leaves.append(h(postcard(item)))
        else:
            leaves += [h(bincode(item))] * 2
        found.append(root(leaves))
    return found


def bits_of(data):
    return "".join(str(byte >> position & 1) for byte in data for position in range(8))


def file(items, encoding, bits):
    """The commitment file."""
    text = "".join(bits_of(digest)[:bits] for digest in roots(items, encoding))
    text += "0" * (-len(text) % 64)
    return bytes(int(text[start : start + 8][::-1], 2) for start in range(0, len(text), 8))


def first_difference(right, other, items, bits):
    """(index, reason) of the first difference between the file of so many items and another file; None if equal."""
    if right == other:
        return None
    ours, theirs = bits_of(right), bits_of(other)
    for index in range(items):
        place = slice(index * bits, (index + 1) * bits)
        if len(theirs[place]) < bits:
            return index, "length"
        if ours[place] != theirs[place]:
            return index, "value"
    if len(right) != len(other):
        return items, "length"
    return theirs.index("1", items * bits) // bits, "past-the-end"
