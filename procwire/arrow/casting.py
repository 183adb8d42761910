"""Columns of types that JavaScript cannot read, or reads as something else, are sent as others.

What type a column gets is decided by its type alone, so that all tables of one schema are sent with
one schema.  A type may be inside of others at any depth: in a list, a struct, a map, a dictionary.
"""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from procwire.errors import CodecError
from procwire.failures import describe

__all__ = ["Decimals", "ForJavaScript", "Integers", "PlainValues", "Timestamps"]

Decimals = Literal["keep", "float", "string"]
Timestamps = Literal["keep", "ms"]
Integers = Literal["keep", "float"]


class _Casts:
    """Which type is replaced by which; this one replaces none."""

    def table(self, table: pa.Table) -> pa.Table:
        """The table with its columns cast; itself if none has to be.

        Raises:
            CodecError: a column cannot be cast; the text names it.
        """
        schema = self._schema(table.schema)
        if schema.equals(table.schema, check_metadata=True):
            return table
        columns = [
            _cast_column(column, field) for column, field in zip(table.columns, schema, strict=True)
        ]
        return pa.Table.from_arrays(columns, schema=schema)

    def _schema(self, schema: pa.Schema) -> pa.Schema:
        return pa.schema(list(map(self._field, schema)), schema.metadata)

    def _field(self, field: pa.Field) -> pa.Field:
        return field.with_type(self._type(field.type))

    def _type(self, kind: pa.DataType) -> pa.DataType:
        """The type that replaces another, which may be the same."""
        if types.is_struct(kind):
            return pa.struct([self._field(kind.field(i)) for i in range(kind.num_fields)])
        if types.is_list(kind):
            return pa.list_(self._field(kind.value_field))
        if types.is_large_list(kind):
            return pa.large_list(self._field(kind.value_field))
        if types.is_fixed_size_list(kind):
            return pa.list_(self._field(kind.value_field), kind.list_size)
        if types.is_map(kind):
            return pa.map_(
                self._field(kind.key_field), self._field(kind.item_field), kind.keys_sorted
            )
        return kind


class PlainValues(_Casts):
    """For Python: values instead of dictionary indices."""

    def _type(self, kind: pa.DataType) -> pa.DataType:
        if types.is_dictionary(kind):
            return self._type(kind.value_type)
        return super()._type(kind)


class ForJavaScript(_Casts):
    """For apache-arrow: what it can read; the options are those of the codec."""

    def __init__(
        self,
        *,
        old_reader: bool,
        decimals: Decimals,
        timestamps: Timestamps,
        integers: Integers,
        metadata: bool,
    ) -> None:
        self._old_reader = old_reader
        self._decimals = decimals
        self._timestamps = timestamps
        self._integers = integers
        self._metadata = metadata

    def _schema(self, schema: pa.Schema) -> pa.Schema:
        schema = super()._schema(schema)
        return schema if self._metadata else schema.remove_metadata()

    def _field(self, field: pa.Field) -> pa.Field:
        field = super()._field(field)
        return field if self._metadata else field.remove_metadata()

    def _type(self, kind: pa.DataType) -> pa.DataType:
        if isinstance(kind, pa.BaseExtensionType):
            storage = self._type(kind.storage_type)
            unchanged = storage == kind.storage_type and self._metadata
            return kind if unchanged else storage
        if types.is_run_end_encoded(kind):
            return self._type(kind.value_type)
        if types.is_dictionary(kind):
            # JavaScript has BigInts for 64-bit indices, and no BigInt is an index.
            index = pa.int32() if kind.index_type.bit_width == 64 else kind.index_type
            return pa.dictionary(index, self._type(kind.value_type), kind.ordered)
        if types.is_list_view(kind):
            return pa.list_(self._field(kind.value_field))
        if types.is_large_list_view(kind):
            return self._type(pa.large_list(kind.value_field))
        if self._old_reader:
            if types.is_large_list(kind):
                return pa.list_(self._field(kind.value_field))
            if types.is_large_string(kind) or types.is_string_view(kind):
                return pa.string()
            if types.is_large_binary(kind) or types.is_binary_view(kind):
                return pa.binary()
        if types.is_decimal(kind) and self._decimals != "keep":
            return pa.float64() if self._decimals == "float" else pa.string()
        if types.is_timestamp(kind) and self._timestamps == "ms" and kind.unit in ("us", "ns"):
            return pa.timestamp("ms", kind.tz)
        if self._integers == "float" and kind in (pa.int64(), pa.uint64()):
            return pa.float64()
        return super()._type(kind)


def _cast_column(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    try:
        chunks = [_cast(chunk, field.type) for chunk in column.chunks]
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise CodecError(
            f"$.{field.name}: {column.type} cannot be sent as {field.type}: {describe(error)}"
        ) from error
    return pa.chunked_array(chunks, type=field.type)


def _cast(array: pa.Array, target: pa.DataType) -> pa.Array:
    """The array as another type that :class:`_Casts` has chosen for its own.

    ``Array.cast()`` alone does not do: it knows neither run ends in a struct nor a dictionary with
    other indices.
    """
    kind = array.type
    if kind == target:
        return array
    if isinstance(array, pa.ExtensionArray):
        return _cast(array.storage, target)
    if types.is_run_end_encoded(kind):
        return _cast(pc.run_end_decode(array), target)
    if types.is_dictionary(kind):
        if not types.is_dictionary(target):
            return _cast(array.dictionary_decode(), target)
        return pa.DictionaryArray.from_arrays(
            array.indices.cast(target.index_type),
            _cast(array.dictionary, target.value_type),
            ordered=target.ordered,
        )
    if types.is_struct(kind):
        children = [_cast(array.field(i), target.field(i).type) for i in range(kind.num_fields)]
        # The entries of a map must have no mask: pyarrow before 26 aborts the process.
        mask = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays(children, fields=list(target), mask=mask)
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        return _list_of_views(array, target)
    if types.is_large_list(kind) and types.is_list(target):
        return _cast(array.cast(pa.list_(kind.value_field)), target)
    if types.is_nested(kind):
        return _with_child(array, target)
    if types.is_decimal(kind) and types.is_floating(target):
        # Arrow computes it in floats, and rounds more than once; what it reads is the nearest.
        array = array.cast(pa.large_string())
    # A timestamp loses digits: that is what the option is for.
    return array.cast(target, safe=not types.is_timestamp(kind))


def _list_of_views(array: pa.Array, target: pa.DataType) -> pa.Array:
    # Array.cast() makes too few offsets of it when there are nulls, in release 26.
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    offsets = pa.concat_arrays([pa.array([0], lengths.type), pc.cumulative_sum_checked(lengths)])
    made = pa.ListArray if types.is_list(target) else pa.LargeListArray
    return made.from_arrays(
        offsets.cast(pa.int32() if types.is_list(target) else pa.int64()),
        _cast(array.flatten(), target.value_type),
        type=target,
        mask=array.is_null(),
    )


def _with_child(array: pa.Array, target: pa.DataType) -> pa.Array:
    """A list or a map whose values are cast, with the offsets that it has."""
    # The child of a slice is that of the whole array: made its own, so that no more is cast.
    array = pa.concat_arrays([array])
    child = _cast(array.values, target.field(0).type)
    own_buffers = 1 if types.is_fixed_size_list(target) else 2
    return pa.Array.from_buffers(
        target, len(array), array.buffers()[:own_buffers], array.null_count, array.offset, [child]
    )
