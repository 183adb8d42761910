"""How a payload becomes a table."""

from __future__ import annotations

import pyarrow as pa

from procwire.errors import CodecError
from procwire.failures import describe

__all__ = ["read_table"]

_CONTINUATION = b"\xff\xff\xff\xff"
"""How each message of a stream begins, since version 0.15 of the format."""

_FILE_MAGIC = b"ARROW1"


def read_table(payload: bytes, *, fully: bool) -> pa.Table:
    """The table of an IPC stream or file, on the payload's own memory.

    Args:
        payload: An empty one is the empty table.
        fully: Whether every value is checked, and not only the sizes.

    Raises:
        CodecError: it cannot be read, or is not valid: user code that reads it could read beyond
            the payload's memory.
    """
    if not payload:
        return pa.table({})
    try:
        # pyarrow raises much more than its own exceptions: OSError, KeyError, UnicodeDecodeError.
        table = _open(payload).read_all()
    except Exception as error:
        raise CodecError(f"{describe(error).rstrip('.')}; {_hint(payload)}") from error
    try:
        table.validate(full=fully)
    except Exception as error:
        raise CodecError(
            f"the table is not valid: {describe(error).rstrip('.')}; {_hint(payload)}"
        ) from error
    return table


def _open(payload: bytes) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
    buffer = pa.py_buffer(payload)
    if payload.startswith(_FILE_MAGIC):
        return pa.ipc.open_file(buffer)
    return pa.ipc.open_stream(buffer)


def _hint(payload: bytes) -> str:
    if payload.startswith((_CONTINUATION, _FILE_MAGIC)):
        return (
            "check that all columns are of one length, and that Node imports apache-arrow once, as "
            "ESM: two copies of it write streams that cannot be read"
        )
    return f"an Arrow stream begins with ff ff ff ff, this with {payload[:4].hex(' ')}"
