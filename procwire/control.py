"""The control plane: JSON lines with the parent over what were standard input and output."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import Any

from procwire.stdio import Descriptors

__all__ = ["MAX_LINE_SIZE", "ControlChannel"]

MAX_LINE_SIZE = 64 * 1024
"""A longer line is thrown away up to its end; the parent's messages have less than 100 bytes."""


class ControlChannel:
    """Reads the parent's messages in a thread, writes this worker's.

    A thread, because an event loop cannot wait for every kind of standard input on every
    platform.  The callback runs in that thread.

    Args:
        descriptors: Where to read and write.
        on_message: Called with the method of each message: ``"$ping"``, ``"$shutdown"``, and
            ``None`` when the parent is gone.
    """

    def __init__(
        self, descriptors: Descriptors, on_message: Callable[[str | None], object]
    ) -> None:
        self._descriptors = descriptors
        self._on_message = on_message
        self._write_lock = threading.Lock()
        self._ended = threading.Event()

    def start(self) -> None:
        """Start to listen to the parent."""
        # A daemon: it may wait in a read when the process ends.
        threading.Thread(target=self._read, name="procwire-control", daemon=True).start()

    def wait_ended(self, timeout: float) -> bool:
        """Wait until the parent is gone, for ``timeout`` seconds at most."""
        return self._ended.wait(timeout)

    def send_init(self, address: str, schema: dict[str, Any]) -> None:
        """Tell the parent where this worker listens and what it offers."""
        self._end_line()
        self._send("$init", {"pipe": address, "schema": schema, "version": "1.0.0"})

    def send_error(self, message: str) -> None:
        """Tell the parent why this worker cannot start."""
        self._end_line()
        self._send("$error", {"message": message})

    def send_pong(self) -> None:
        """Answer a ``$ping``."""
        self._send("$pong")

    def _end_line(self) -> None:
        """End a line that was begun before the descriptors were taken: it would swallow ours."""
        self._write(b"\n")

    def _send(self, method: str, params: dict[str, Any] | None = None) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        # ASCII only, and one write where the pipe takes it: nothing can come in between.
        self._write(json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n")

    def _write(self, line: bytes) -> None:
        data = memoryview(line)
        with self._write_lock:
            try:
                while data:
                    data = data[os.write(self._descriptors.output, data) :]
            except OSError:
                # The parent is gone: its end of the other direction says so, too.
                pass

    def _read(self) -> None:
        try:
            for line in _lines(self._descriptors.input):
                method = _method_of(line)
                if method is not None:
                    self._on_message(method)
        finally:
            self._ended.set()
            self._on_message(None)


def _lines(descriptor: int) -> Any:
    """The lines of a descriptor; what is longer than a line may be is left out."""
    pending = bytearray()
    overlong = False
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:
            return
        if not data:
            return
        head, *tails = data.split(b"\n")
        pending += head
        for tail in tails:
            if not overlong and len(pending) <= MAX_LINE_SIZE:
                yield bytes(pending)
            overlong = False
            pending[:] = tail
        if len(pending) > MAX_LINE_SIZE:
            overlong = True
            pending.clear()


def _method_of(line: bytes) -> str | None:
    """The method of a control message; ``None`` for anything that is none."""
    if not line.startswith(b"{"):
        return None
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    method = message.get("method")
    return method if isinstance(method, str) else None
