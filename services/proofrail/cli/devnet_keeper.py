"""Runs one starknet-devnet for a system: `python -m proofrail.cli.devnet_keeper HOME PROGRAM [ARGUMENT…]`.

It ends with whoever started it, or on SIGTERM, or when the system in HOME has ended; the program ends with it. So a
demo that leaves its system behind leaves a chain that goes with it.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Final

from proofrail.cli.home import Home
from proofrail.cli.leash import heed_leash
from proofrail.messaging._child import Child

_LOOK_S: Final = 0.5
_GRACE_S: Final = 5.0


def main() -> int:
    """Until the end of any of them."""
    heed_leash()
    home, command = Home(Path(sys.argv[1])), sys.argv[2:]
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    child = Child(command, output=sys.stdout.buffer)
    served = False
    while not ending.wait(_LOOK_S) and child.status is None:
        running = home.running() is not None
        if served and not running:
            break
        if running and not served:
            served = True
            print(f"serves the system in {home.root}", flush=True)
    child.terminate()
    if child.wait(_GRACE_S) is None:
        child.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
