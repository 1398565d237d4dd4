"""Recompiles the programs of this folder, or those named: `python compile.py CAIRO_COMPILE [SOURCE…]`.

Of the debug information only the source lines are kept, with paths that are the same on every machine.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PROGRAMS = sorted([*FOLDER.glob("*.cairo"), *(FOLDER / "builtins").glob("*.cairo")])


def portable(node: Any) -> Any:
    if isinstance(node, list):
        return [portable(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: portable(member) for name, member in node.items()}
    if "filename" in node:
        parts = Path(node["filename"]).parts
        node["filename"] = "/".join(parts[parts.index("starkware") :] if "starkware" in parts else parts[-1:])
    return node


def main(compiler: str, *named: str) -> None:
    for source in [Path(name).resolve() for name in named] or PROGRAMS:
        target = source.with_suffix(".json")
        command = [compiler, "--proof_mode", source.name, "--output", target]
        subprocess.run(command, cwd=source.parent, check=True)
        program = json.loads(target.read_bytes())
        lines = program["debug_info"]["instruction_locations"]
        for location in lines.values():
            location["flow_tracking_data"] = None
        program["debug_info"] = {"file_contents": {}, "instruction_locations": portable(lines)}
        target.write_bytes(json.dumps(program, sort_keys=True, separators=(",", ":")).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
