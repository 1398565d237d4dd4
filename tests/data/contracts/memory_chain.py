"""Runs contracts in a Starknet state in memory: the one of cairo-lang 0.12.3 for tests, in an environment of its own.

    python3.11 -m venv FOLDER
    FOLDER/bin/pip install cairo-lang==0.12.3 "sympy<1.12" "marshmallow<4" "marshmallow-dataclass<8.7" "web3<7"
    sed -i 's/field(default=CpuInstanceDef())/field(default_factory=CpuInstanceDef)/' \
        FOLDER/lib/python3.11/site-packages/starkware/cairo/lang/instances.py

Reads a step a line from stdin and answers with a line each, both JSON:

    {"do": "deploy", "sierra": path, "calldata": [felt …]}  →  {"address": felt} or {"reverted": reason}
    {"do": "call", "to": felt, "function": name, "calldata": [felt …], "caller": felt}
        →  {"result": [felt …], "events": [[felt …] …]} or {"reverted": reason}
    {"do": "keep"}, {"do": "restore"}  →  {}: back to the state that was kept
"""

import asyncio
import hashlib
import json
import re
import sys

from starkware.starknet.core.os.contract_class import class_hash, compiled_class_hash


def _digest(felts):
    return int.from_bytes(hashlib.sha256(repr(list(felts)).encode()).digest(), "big") >> 6


# The real ones execute a Cairo program over the whole class, which takes a minute. Nothing here rests on them.
class_hash.compute_class_hash = lambda contract_class: _digest(contract_class.sierra_program)
compiled_class_hash.compute_compiled_class_hash = lambda compiled_class: _digest(compiled_class.bytecode)

from starkware.starknet.public.abi import get_selector_from_name  # noqa: E402
from starkware.starknet.testing.starknet import Starknet  # noqa: E402
from starkware.starkware_utils.error_handling import StarkException  # noqa: E402


async def main():
    chain = await Starknet.empty()
    classes = {}
    kept = None
    for line in sys.stdin:
        step = json.loads(line)
        try:
            if step["do"] == "keep":
                kept, answer = chain.state.copy(), {}
            elif step["do"] == "restore":
                chain.state, answer = kept.copy(), {}
            elif step["do"] == "deploy":
                answer = {"address": await deploy(chain, classes, step)}
            else:
                answer = await call(chain, step)
        except StarkException as error:
            answer = {"reverted": reason(str(error))}
        print(json.dumps(answer), flush=True)


async def deploy(chain, classes, step):
    if step["sierra"] not in classes:
        classes[step["sierra"]] = await chain.declare(abi=[], sierra_path=step["sierra"])
    address, _ = await chain.state.deploy(
        class_hash=classes[step["sierra"]],
        constructor_calldata=step["calldata"],
        sender_address=chain.default_account_address,
    )
    return address


async def call(chain, step):
    done = await chain.state.execute_entry_point_raw(
        contract_address=step["to"],
        selector=get_selector_from_name(step["function"]),
        calldata=step["calldata"],
        caller_address=step["caller"],
    )
    return {"result": list(done.retdata), "events": [[*event.keys, *event.data] for event in done.events]}


def reason(said):
    """The short strings that a contract panicked with, else all that is said."""
    felts = (
        re.findall(r"0x[0-9a-f]+", found.group(1)) if (found := re.search(r"reason: \[(.*?)\]", said)) else []
    )
    texts = [
        bytes.fromhex(f"{int(felt, 16):062x}").lstrip(b"\0").decode("ascii", "replace") for felt in felts
    ]
    return " ".join(texts) or said[-2000:]


asyncio.run(main())
