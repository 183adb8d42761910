"""A parent in a process of its own, to be killed: it brings a worker into a situation and waits.

Arguments: the event loop, and what to do. Prints the worker's process id and socket.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

# Behind everything else: the package is not taken from the source tree because of this.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.integration.parent import Parent, wait_until


def main(loop_name: str, situation: str) -> None:
    parent = Parent("watched.py", loop_name, connect=False)
    parent.wait_init()
    if situation != "before it connects":
        parent.connect()
        assert parent.call("echo", 1) == 1
    if situation == "in mid-stream":
        parent.request("stream", 1, 1_000_000)
        parent.receive()
    elif situation == "under backpressure":
        # Nothing of it is read.
        for number in range(1, 20):
            parent.send_frame("echo_raw", number, bytes(256 * 1024))
        parent.request("stream", 1000, 1_000_000)
        parent.request("wait", 1001)
        wait_until(lambda: "waits" in parent.stderr(), "all has been read")
    elif situation in ("block_loop", "lock_loop", "lock_thread"):
        parent.request(situation, 1, 3600)
        wait_until(lambda: "stuck" in parent.stderr(), "the handler runs")
    print(parent.pid, parent.init["pipe"], flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    main(*sys.argv[1:])
