"""A recording of what went over a connection: how it is written, and read.

A file begins with one line of JSON::

    {"format": "procwire recording", "version": 1, "began": "2026-11-23T21:00:00+00:00",
     "procwire": "1.2.3", "schema": {...}}

whose ``schema`` is the one that the worker has announced. Records follow: a byte that is 0 for a
frame to the worker and 1 for one to the parent, 8 bytes with the nanoseconds since the beginning,
and the frame as it was on the wire, a header of 11 bytes and the payload. Numbers are big-endian.
The last record may be cut short, when the worker was killed.

Frames that carry a token are not in it, and nothing that came before the parent had proved it.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from procwire.version import __version__

__all__ = ["RecordedFrame", "Recorder", "Recording", "RecordingError"]

FORMAT = "procwire recording"
VERSION = 1
MAX_HEAD_SIZE = 16 * 1024 * 1024
"""Bytes of the first line; the schema of all methods that there can be has fewer."""

# Direction and time, then the four fields of a frame's header.
_RECORD = struct.Struct(">BQHBII")

_logger = logging.getLogger("procwire")


class RecordingError(ValueError):
    """A file is no recording, or one of a later version."""


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """A frame that went over the wire.

    Attributes:
        to_parent: Whether the worker has sent it.
        time: Nanoseconds since the recording began.
        method_id: The method's id, or an event's; see the schema.
        flags: The header's flags.
        request_id: The request's id; 0 where no answer is expected, and for events.
        payload: The payload.
    """

    to_parent: bool
    time: int
    method_id: int
    flags: int
    request_id: int
    payload: bytes


class Recorder:
    """Writes all frames of a connection into a file, which only this user can read.

    Args:
        path: The file; one that is there is replaced.
        schema: What the worker announces.

    Raises:
        OSError: it cannot be written, or another worker is writing it.
    """

    def __init__(self, path: str | os.PathLike[str], schema: Mapping[str, Any]) -> None:
        # Each record is in the file when a frame goes on: whoever kills the worker loses nothing.
        self._file: IO[bytes] | None = open(_open_alone(path), "wb", buffering=0)  # noqa: SIM115
        self._process = os.getpid()
        self._began = time.monotonic_ns()
        head = {
            "format": FORMAT,
            "version": VERSION,
            "began": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "procwire": __version__,
            "schema": schema,
        }
        try:
            with _naming(path):
                _write_all(self._file, json.dumps(head).encode() + b"\n")
        except BaseException:
            self.close()
            raise

    def __call__(
        self,
        to_parent: bool,
        method_id: int,
        flags: int,
        request_id: int,
        payload: bytes | memoryview,
    ) -> None:
        """Write a frame down."""
        # A forked child has the file as well, and no frames of its own.
        if self._file is None or os.getpid() != self._process:
            return
        passed = time.monotonic_ns() - self._began
        head = _RECORD.pack(to_parent, passed, method_id, flags, request_id, len(payload))
        try:
            _write_all(self._file, head)
            _write_all(self._file, payload)
        except OSError as error:
            _logger.error("the recording ends here: %s", error)
            self.close()

    def close(self) -> None:
        """End the recording."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Recording:
    """A recording that is read; iterating over it gives its frames.

    Args:
        path: The file.

    Attributes:
        schema: What the worker had announced: methods and events with their ids.
        began: When.

    Raises:
        OSError: it cannot be read.
        RecordingError: it is no recording, or one of a later version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        with self._path.open("rb") as file:
            line = file.readline(MAX_HEAD_SIZE)
            self._first_record = file.tell()
        try:
            head = json.loads(line)
            if head["format"] != FORMAT:
                raise ValueError
            if head["version"] != VERSION:
                raise RecordingError(
                    f"{path} is a recording of version {head['version']}, not {VERSION}"
                )
            self.schema: dict[str, Any] = _checked_schema(head["schema"])
            self.began = datetime.fromisoformat(head["began"])
        except RecordingError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise RecordingError(f"{path} is no recording of procwire's") from None

    def __iter__(self) -> Iterator[RecordedFrame]:
        with self._path.open("rb") as file:
            file.seek(self._first_record)
            while len(head := file.read(_RECORD.size)) == _RECORD.size:
                to_parent, passed, method_id, flags, request_id, length = _RECORD.unpack(head)
                payload = file.read(length)
                if len(payload) < length:
                    return
                yield RecordedFrame(bool(to_parent), passed, method_id, flags, request_id, payload)


def _checked_schema(schema: Any) -> dict[str, Any]:
    """The schema, if it has what is looked up in there."""
    methods, events = schema["methods"].values(), schema["events"].values()
    if not all(isinstance(entry["id"], int) for entry in (*methods, *events)):
        raise ValueError
    if not all(isinstance(method["response"], str) for method in methods):
        raise ValueError
    return dict(schema)


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of a descriptor do not say which file it is of."""
    try:
        yield
    except OSError as error:
        error.filename = os.fspath(path)
        raise


def _open_alone(path: str | os.PathLike[str]) -> int:
    """The descriptor of an empty file that nobody else records into."""
    # As it is: Windows would make two bytes of some.
    flags = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
    try:
        if not _lock(descriptor):
            raise OSError(f"another worker is recording into {path}: put {{pid}} into the name")
        with _naming(path):
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 0x7FFFFFFE

    def _lock(descriptor: int) -> bool:
        """Whether the file is this worker's from now on, as long as it is open."""
        # A byte that is not there: one that is could not be read by others.
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        """Whether the file is this worker's from now on, as long as it is open."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _write_all(file: IO[bytes], data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
