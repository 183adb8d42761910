"""How a table becomes a payload."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

__all__ = ["Compression", "write_table"]

Compression = Literal["lz4", "zstd"]


def write_table(table: pa.Table, compression: Compression | None) -> pa.Buffer:
    """The table as an IPC stream, in one piece."""
    options = pa.ipc.IpcWriteOptions(
        metadata_version=pa.ipc.MetadataVersion.V5, compression=compression
    )
    if compression is not None:
        # To know the size, all would have to be compressed twice.
        growing = pa.BufferOutputStream()
        _write(growing, table, options)
        return _read_only(growing.getvalue())
    # Counted without being written: each value is then copied once, into memory of the right size.
    counter = pa.MockOutputStream()
    _write(counter, table, options)
    buffer = pa.allocate_buffer(counter.size())
    with pa.FixedSizeBufferWriter(buffer) as sink:
        _write(sink, table, options)
    return _read_only(buffer)


def _read_only(buffer: pa.Buffer) -> pa.Buffer:
    # Whole slices are, and nobody has to copy them.
    return buffer.slice()


def _write(sink: pa.NativeFile, table: pa.Table, options: pa.ipc.IpcWriteOptions) -> None:
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
