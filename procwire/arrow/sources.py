"""What a handler may return for a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from procwire.errors import CodecError
from procwire.failures import describe

__all__ = ["reader_of", "table_of"]


def reader_of(value: Any) -> pa.RecordBatchReader:
    """The batches of a value, which its source may make as they are asked for.

    Raises:
        CodecError: it is no table.
    """
    if isinstance(value, pa.RecordBatchReader):
        return value
    if hasattr(value, "__arrow_c_stream__") and not isinstance(value, pa.Table | pa.RecordBatch):
        try:
            return pa.RecordBatchReader.from_stream(value)
        except Exception as error:
            raise _no_table(value, error) from error
    return table_of(value).to_reader()


def table_of(value: Any) -> pa.Table:
    """The value as a table; values of in-memory libraries are not copied.

    Raises:
        CodecError: it is no table.
    """
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, Mapping):
        return _of_columns(value)
    try:
        if isinstance(value, pa.RecordBatch):
            return pa.Table.from_batches([value])
        if hasattr(value, "__arrow_c_stream__"):
            with reader_of(value) as reader:
                return reader.read_all()
        if hasattr(value, "__arrow_c_array__"):
            return pa.Table.from_batches([pa.record_batch(value)])
    except CodecError:
        raise
    except Exception as error:
        # Readers run code of the user's, and of their library's.
        raise _no_table(value, error) from error
    raise CodecError(
        f"{type(value).__qualname__} is no table; return a table, a record batch or a reader of "
        "pyarrow, a DataFrame, or a mapping of column names to arrays"
    )


def _no_table(value: object, error: Exception) -> CodecError:
    return CodecError(f"{type(value).__qualname__} gives no table: {describe(error)}")


def _of_columns(columns: Mapping[Any, Any]) -> pa.Table:
    arrays = {}
    for name, values in columns.items():
        if not isinstance(name, str):
            raise CodecError(f"a column's name is a text, got {name!r}")
        try:
            arrays[name] = _array_of(values)
        except Exception as error:
            raise CodecError(f"$.{name}: no array can be made of it: {describe(error)}") from error
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise CodecError(f"the columns differ in length: {lengths}")
    return pa.table(arrays)


def _array_of(values: Any) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, str | bytes | Mapping):
        # pyarrow would take their characters, or keys, for the values.
        raise TypeError(f"{type(values).__qualname__} is no array")
    if hasattr(values, "__arrow_c_stream__"):
        return pa.chunked_array(values)
    return pa.array(values)
