"""Load on a worker's connection, made by a process of its own so that it cannot slow the test.

Arguments: what to do, the socket's descriptor, and method ids by name as JSON.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from procwire._core import pack_header

if sys.platform == "win32":
    # Behind everything else: the package is not taken from the source tree because of this.
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from tests.integration.pipe import Pipe

MIB = 1024 * 1024


def frame(method_id: int, request_id: int, payload: bytes) -> bytes:
    return pack_header(method_id, 0, request_id, len(payload)) + payload


def main(kind: str, descriptor: str, methods: str) -> None:
    connection: Any
    if sys.platform == "win32":
        connection = Pipe(int(descriptor), None)
    else:
        connection = socket.socket(fileno=int(descriptor))
        # The test has left it with a time limit.
        connection.setblocking(True)
    ids = json.loads(methods)
    if kind in ("flood", "large payloads"):
        threading.Thread(target=drain, args=[connection], daemon=True).start()
    if kind == "large payloads":
        batch = frame(ids["size"], 1, bytes(100 * MIB))
    else:
        batch = b"".join(frame(ids["echo_raw"], number, bytes(1024)) for number in range(1, 65))
    os.write(1, b"loads\n")
    while True:
        connection.sendall(batch)


def drain(connection: Any) -> None:
    while connection.recv(MIB):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
