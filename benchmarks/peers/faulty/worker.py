"""An echo worker that is wrong on purpose: the load generator has to notice.

Standard library only and without this package, so that no fault of the package
can hide a fault of the generator.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator

HEADER = struct.Struct(">HBII")
RESULT, ERROR, CHUNK, END = 0x03, 0x07, 0x0B, 0x1B
ECHO, STREAM = 1, 2
FAULTY_REQUEST = 100  # late enough for every path of the generator to be warm


def frame(method: int, flags: int, request_id: int, payload: bytes) -> bytes:
    return HEADER.pack(method, flags, request_id, len(payload)) + payload


def flipped(payload: bytes, position: int) -> bytes:
    return payload[:position] + bytes([payload[position] ^ 1]) + payload[position + 1 :]


def moved(payload: bytes) -> bytes:
    """The right bytes in the wrong order: two 64 KiB parts change places."""
    part = min(65536, len(payload) // 4)
    first, second = payload[part : 2 * part], payload[2 * part : 3 * part]
    return payload[:part] + second + first + payload[3 * part :]


EchoFault = Callable[[int, bytes], bytes]

ECHO_FAULTS: dict[str, EchoFault] = {
    "flip-first": lambda i, p: frame(ECHO, RESULT, i, flipped(p, 0)),
    "flip-middle": lambda i, p: frame(ECHO, RESULT, i, flipped(p, len(p) // 2)),
    "flip-last": lambda i, p: frame(ECHO, RESULT, i, flipped(p, len(p) - 1)),
    "move": lambda i, p: frame(ECHO, RESULT, i, moved(p)),
    "twice": lambda i, p: 2 * frame(ECHO, RESULT, i, p),
    "drop": lambda i, p: b"",
    "short": lambda i, p: frame(ECHO, RESULT, i, p[:-1]),
    "long": lambda i, p: frame(ECHO, RESULT, i, p + b"x"),
    "wrong-id": lambda i, p: frame(ECHO, RESULT, i + 1_000_000, p),
    "id-zero": lambda i, p: frame(ECHO, RESULT, 0, p),
    "wrong-method": lambda i, p: frame(ECHO + 1, RESULT, i, p),
    "ack-flags": lambda i, p: frame(ECHO, 0x23, i, p),
    "reserved-flags": lambda i, p: frame(ECHO, 0x43, i, p),
    "error": lambda i, p: frame(ECHO, ERROR, i, b"\xabon purpose."),
    "event": lambda i, p: frame(ECHO, 0x01, 0, p) + frame(ECHO, RESULT, i, p),
}

STREAM_FAULTS = ("missing-chunk", "repeated-chunk", "swapped-chunks", "after-end", "end-with-data")


def chunk(i: int) -> bytes:
    number = (
        bytes([i])
        if i < 0x80
        else b"\xcc" + bytes([i])
        if i < 0x100
        else b"\xcd" + i.to_bytes(2, "big")
        if i < 0x10000
        else b"\xce" + i.to_bytes(4, "big")
    )
    return b"\x82\xa1i" + number + b"\xa1s\xda\x03\xe8" + b"x" * 1000


def stream_frames(request_id: int, count: int, fault: str) -> Iterator[bytes]:
    order = list(range(count))
    if fault == "missing-chunk":
        del order[count // 2]
    elif fault == "repeated-chunk":
        order.insert(count // 2, count // 2)
    elif fault == "swapped-chunks":
        order[1], order[2] = order[2], order[1]
    for i in order:
        yield frame(STREAM, CHUNK, request_id, chunk(i))
    yield frame(STREAM, END, request_id, b"x" if fault == "end-with-data" else b"")
    if fault == "after-end":
        yield frame(STREAM, CHUNK, request_id, chunk(count))


def requests(connection: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    reader = connection.makefile("rb")
    while len(header := reader.read(HEADER.size)) == HEADER.size:
        method, _, request_id, length = HEADER.unpack(header)
        yield method, request_id, reader.read(length)


def serve(connection: socket.socket, fault: str) -> None:
    held: tuple[int, bytes] | None = None
    for number, (method, request_id, payload) in enumerate(requests(connection), start=1):
        if method == STREAM:
            # The only requests are {"count": n} with n below 128.
            for part in stream_frames(request_id, payload[-1], fault):
                connection.sendall(part)
        elif fault == "exchange" and number in (FAULTY_REQUEST, FAULTY_REQUEST + 1):
            # Two answers of the right size, each with the other's content.
            if held is None:
                held = request_id, payload
            else:
                connection.sendall(frame(ECHO, RESULT, held[0], payload))
                connection.sendall(frame(ECHO, RESULT, request_id, held[1]))
        elif fault == "die" and number == FAULTY_REQUEST:
            os._exit(3)
        elif fault == "cut" and number == FAULTY_REQUEST:
            connection.sendall(frame(ECHO, RESULT, request_id, payload)[:-10])
            return
        elif fault in ECHO_FAULTS and number == FAULTY_REQUEST:
            connection.sendall(ECHO_FAULTS[fault](request_id, payload))
        else:
            connection.sendall(frame(ECHO, RESULT, request_id, payload))
        if fault == "late-twice" and number == FAULTY_REQUEST:
            # The generator is told to stop here: nothing else is under way.
            connection.sendall(frame(ECHO, RESULT, request_id, payload))


def announce(fault: str, path: str) -> None:
    methods = {
        "echo_raw": {"id": ECHO, "response": "ack" if fault == "wrong-kind" else "result"},
        "stream_msgpack": {"id": STREAM, "response": "stream"},
    }
    if fault == "no-method":
        del methods["echo_raw"]
    message: dict[str, object] = {
        "jsonrpc": "2.0",
        "method": "$init",
        "params": {
            # A reader that only looks for names would trip over these.
            "note": 'a "method": "$error" {in} [text] \\ \u00e9 \ud83d\ude00',
            "version": "1.0.0",
            "schema": {"events": {"echo_raw": {"id": 7}}, "methods": methods},
            "pipe": path,
        },
    }
    if fault == "start-error":
        message = {"jsonrpc": "2.0", "method": "$error", "params": {"message": "no model"}}
    print("a library's banner")
    print(json.dumps(message, indent=None, separators=(" , ", " : ")), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", default="none")
    fault: str = parser.parse_args().fault
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, f"{secrets.token_hex(8)}.sock")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            if fault == "no-init":
                sys.stdin.read()
                return
            announce(fault, path)
            if fault == "start-error":
                return
            connection, _ = listener.accept()
    with connection:
        serve(connection, fault)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        main()  # the generator leaves as soon as it has seen enough
