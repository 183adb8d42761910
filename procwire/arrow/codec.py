"""The codec: Arrow's IPC stream in both directions."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal, get_args

import pyarrow as pa

from procwire.arrow.casting import Decimals, ForJavaScript, Integers, PlainValues, Timestamps
from procwire.arrow.reading import read_table
from procwire.arrow.sources import reader_of, table_of
from procwire.arrow.writing import Compression, write_table

__all__ = ["ArrowCodec"]

Validation = Literal["cheap", "full"]


class ArrowCodec:
    """Payloads as Arrow tables.

    A handler gets a :class:`pyarrow.Table` that lives on the received bytes: nothing is copied, and
    nothing can be changed in place.  What it returns is a table, a record batch, a reader of record
    batches, anything with Arrow's C stream or C array interface (DataFrames of pandas and Polars,
    relations of DuckDB), or a mapping of column names to arrays.  The handler of a stream yields
    those, or returns one, whose batches are the chunks then.

    The codec ``"arrow"`` is one of these without options.

    Args:
        validation: ``"cheap"`` checks each column's lengths and buffer sizes, in a time that does
            not grow with the rows.  ``"full"`` looks at every offset, index and string as well, so
            that bytes of any origin can be read without harm.
        decode_dictionaries: Whether dictionary-encoded columns arrive as plain ones.  Strings in
            ``tableFromArrays`` and ``vectorFromArray`` become dictionaries.
        compression: ``"lz4"`` or ``"zstd"``, for a parent that has registered that codec with
            apache-arrow: by itself it reads neither.  Compressed payloads are always read.
        old_reader: Whether views and large variants of strings, bytes and lists are sent as plain
            types, for releases of apache-arrow before 21.
        decimals: What is sent for decimals, whose digits JavaScript sees without their point:
            themselves (``"keep"``), ``"float"`` or ``"string"``.
        timestamps: ``"ms"`` cuts them to what a JavaScript ``Date`` holds.
        integers: ``"float"`` sends 64-bit integers as float64, so that JavaScript sees numbers and
            not BigInts; beyond ±2**53 they are an error.
        metadata: Whether the schema's and the fields' metadata are sent, extension types included,
            of which JavaScript sees the storage type in any case.

    Raises:
        ValueError: an option has a value that it does not have.
    """

    name = "arrow"

    def __init__(
        self,
        *,
        validation: Validation = "cheap",
        decode_dictionaries: bool = False,
        compression: Compression | None = None,
        old_reader: bool = False,
        decimals: Decimals = "keep",
        timestamps: Timestamps = "keep",
        integers: Integers = "keep",
        metadata: bool = True,
    ) -> None:
        _check("validation", validation, get_args(Validation))
        _check("compression", compression, (None, *get_args(Compression)))
        _check("decimals", decimals, get_args(Decimals))
        _check("timestamps", timestamps, get_args(Timestamps))
        _check("integers", integers, get_args(Integers))
        self._fully = validation == "full"
        self._incoming = PlainValues() if decode_dictionaries else None
        self._compression = compression
        self._outgoing = ForJavaScript(
            old_reader=old_reader,
            decimals=decimals,
            timestamps=timestamps,
            integers=integers,
            metadata=metadata,
        )

    def __repr__(self) -> str:
        return f"<procwire codec {self.name!r}>"

    def decode(self, payload: bytes) -> pa.Table:
        """The table of an IPC stream or file; of an empty payload the empty table.

        Raises:
            CodecError: the payload is neither, or its table is not valid.
        """
        table = read_table(payload, fully=self._fully)
        return table if self._incoming is None else self._incoming.table(table)

    def encode(self, value: Any) -> pa.Buffer:
        """An IPC stream, which JavaScript can read.

        A reader of record batches is read to its end.

        Raises:
            CodecError: the value is no table, or a column has no form that JavaScript reads.
        """
        return write_table(self._outgoing.table(table_of(value)), self._compression)

    def chunks(self, value: Any) -> Generator[pa.RecordBatch, None, None]:
        """The record batches of what a stream handler returns, one after the other.

        Raises:
            CodecError: the value is no table.
        """
        with reader_of(value) as batches:
            yield from batches


def _check(option: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        names = ", ".join(map(repr, allowed))
        raise ValueError(f"{option} is one of {names}; got {value!r}")
