"""Tables of every type, from and to the real Arrow codec."""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import polars
import pyarrow as pa

from procwire import Client
from procwire.arrow import ArrowCodec

client = Client()

DAY = datetime.date(2024, 2, 29)
MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=datetime.UTC)

COLUMNS: dict[str, pa.Array] = {
    # What the reader knows.
    "bool": pa.array([True, None, False]),
    "int8": pa.array([-1, None, 127], pa.int8()),
    "uint32": pa.array([0, None, 2**32 - 1], pa.uint32()),
    "float16": pa.array(np.array([1.5, -2], np.float16)),
    "float32": pa.array([1.5, None], pa.float32()),
    "float64": pa.array([0.1, None, float("inf")]),
    "string": pa.array(["zażółć", None, "🚀", ""]),
    "large_string": pa.array(["a", None], pa.large_string()),
    "string_view": pa.array(["short", None, "longer than twelve bytes"], pa.string_view()),
    "binary": pa.array([b"\x00\xff", None]),
    "large_binary": pa.array([b"\x00\xff", None], pa.large_binary()),
    "binary_view": pa.array([b"\x00\xff", None], pa.binary_view()),
    "fixed_binary": pa.array([b"ab", b"cd"], pa.binary(2)),
    "null": pa.nulls(2),
    "list": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
    "large_list": pa.array([[1, 2], None, []], pa.large_list(pa.int32())),
    "fixed_list": pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)),
    "struct": pa.array([{"a": 1, "b": "x"}, None], pa.struct({"a": pa.int32(), "b": pa.string()})),
    "map": pa.array([[("a", 1), ("b", 2)]], pa.map_(pa.string(), pa.int32())),
    "dense_union": pa.UnionArray.from_dense(
        pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()),
        [pa.array([1, 2], pa.int32()), pa.array(["x"])],
    ),
    "sparse_union": pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 0], pa.int32()), pa.array(["", "x"])]
    ),
    "interval": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "date32": pa.array([DAY, None]),
    "date64": pa.array([DAY], pa.date64()),
    "time32": pa.array([datetime.time(1, 2, 3)], pa.time32("s")),
    "dictionary": pa.array(["a", "b", None, "a"]).dictionary_encode(),
    "small_dictionary": pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.uint8()), ["a", "b"]),
    # What it reads as something that needs to be known.
    "int64": pa.array([2**53 + 1, None, -5]),
    "small_int64": pa.array([1, None, -5]),
    "uint64": pa.array([2**64 - 1], pa.uint64()),
    "time64": pa.array([datetime.time(1, 2, 3)], pa.time64("us")),
    "duration": pa.array([1500], pa.duration("ms")),
    "timestamp_ms": pa.array([MOMENT], pa.timestamp("ms", "UTC")),
    "timestamp_us": pa.array([MOMENT], pa.timestamp("us", "UTC")),
    "timestamp_ns": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns")),
    "decimal32": pa.array([Decimal("1.23"), None]).cast(pa.decimal32(5, 2)),
    "decimal64": pa.array([Decimal("1.23"), None]).cast(pa.decimal64(12, 2)),
    "decimal128": pa.array([Decimal("1.23"), None, Decimal("-4.50")], pa.decimal128(10, 2)),
    "decimal256": pa.array([Decimal("1.23"), None], pa.decimal256(50, 2)),
    "uuid": pa.ExtensionArray.from_storage(
        pa.uuid(), pa.array([uuid.UUID(int=1).bytes], pa.binary(16))
    ),
    # What it cannot read.
    "list_view": pa.array([[1, 2], None, [3]], pa.list_view(pa.int32())),
    "large_list_view": pa.array([[1, 2], None, [3]], pa.large_list_view(pa.int32())),
    "run_ends": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), ["a", "b"]),
    "dictionary_int64": pa.DictionaryArray.from_arrays(pa.array([1, 0, None]), ["a", "b"]),
    "dictionary_uint64": pa.DictionaryArray.from_arrays(
        pa.array([1, 0, None], pa.uint64()), ["a", "b"]
    ),
}  # fmt: skip
COLUMNS["struct_of_list_views"] = pa.StructArray.from_arrays(
    [COLUMNS["list_view"], COLUMNS["run_ends"]], ["views", "runs"]
)
COLUMNS["list_of_dictionaries"] = pa.ListArray.from_arrays(
    pa.array([0, 2, None, 3], pa.int32()), COLUMNS["dictionary_int64"]
)
COLUMNS["map_of_run_ends"] = pa.MapArray.from_arrays(
    [0, 1, 3], ["k", "l", "m"], COLUMNS["run_ends"]
)
COLUMNS["slice_of_lists_of_dictionaries"] = COLUMNS["list_of_dictionaries"].slice(1)

CODECS = {
    "column": ArrowCodec(),
    "column_old": ArrowCodec(old_reader=True),
    "column_plain": ArrowCodec(
        decimals="string", timestamps="ms", integers="float", metadata=False
    ),
    "column_float": ArrowCodec(decimals="float"),
    "column_bytes": ArrowCodec(),
    "column_lz4": ArrowCodec(compression="lz4"),
    "column_zstd": ArrowCodec(compression="zstd"),
}


def column(name: str) -> pa.Table:
    """A table with one column, in a first batch and again in a second one."""
    array = COLUMNS[name]
    field = pa.field("c", array.type, metadata={"unit": "none"})
    batch = pa.record_batch([array], schema=pa.schema([field], {"made by": "test"}))
    return pa.Table.from_batches([batch, batch])


for method, codec in CODECS.items():
    client.handle(method, column, response_codec=codec, sync_to_thread=False)


# ---- from JavaScript -----------------------------------------------------------------------------


def describe(table: pa.Table) -> dict[str, Any]:
    """What has arrived."""
    return {
        "rows": table.num_rows,
        "types": {field.name: str(field.type) for field in table.schema},
        "values": table.to_pydict(),
    }


client.handle("describe", describe, request_codec="arrow")
client.handle("describe_bytes", describe, request_codec="arrow")
client.handle("describe_fully", describe, request_codec=ArrowCodec(validation="full"))
client.handle("describe_plain", describe, request_codec=ArrowCodec(decode_dictionaries=True))


@client.handle(codec="arrow")
async def echo(table: pa.Table) -> pa.Table:
    return table


@client.handle(response_codec="raw")
def ipc(data: dict[str, Any]) -> pa.Buffer:
    """A payload as another program would write it."""
    options = pa.ipc.IpcWriteOptions(**data.get("options", {}))
    if data.get("version") == "V4":
        options.metadata_version = pa.ipc.MetadataVersion.V4
    table = pa.table({"a": pa.array([1, 2, 3], pa.int32()), "b": ["x", "y", None]})
    sink = pa.BufferOutputStream()
    new = pa.ipc.new_file if data["format"] == "file" else pa.ipc.new_stream
    with new(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


# ---- to JavaScript -------------------------------------------------------------------------------


TABLE = pa.table({"a": pa.array([1, 2, 3], pa.int32()), "b": ["x", "y", "z"]})


def failing() -> Iterator[pa.RecordBatch]:
    yield TABLE.to_batches()[0]
    raise OSError("the disk is gone")


RESULTS = {
    "table": lambda: TABLE,
    "record batch": lambda: TABLE.to_batches()[0],
    "reader": lambda: TABLE.to_reader(max_chunksize=2),
    "mapping": lambda: {"a": np.array([1, 2, 3], np.int32), "b": ["x", "y", "z"]},
    "polars": lambda: polars.DataFrame(TABLE),
    "mapping of polars": lambda: dict(polars.DataFrame(TABLE).to_dict()),
    "struct array": lambda: TABLE.to_struct_array().combine_chunks(),
    "no columns": lambda: pa.table({}),
    "no rows": lambda: TABLE.slice(0, 0),
    "nothing": lambda: None,
    "a text": lambda: "abc",
    "columns of unequal length": lambda: {"a": [1], "b": [1, 2]},
    "a mixed column": lambda: {"a": [1], "b": [1, "x"]},
    "a text as a column": lambda: {"a": "abc"},
    "a number as a name": lambda: {1: [1]},
    "a reader that fails": lambda: pa.RecordBatchReader.from_batches(TABLE.schema, failing()),
}


@client.handle(response_codec="arrow")
def result(name: str) -> Any:
    return RESULTS[name]()


@client.handle(response_codec="arrow")
def yielded(data: Any) -> Iterator[pa.RecordBatch]:
    yield from TABLE.to_reader(max_chunksize=2)


@client.handle(response_codec="arrow", response="stream")
def returned(name: str) -> Any:
    return RESULTS[name]()


@client.handle(response_codec="arrow", response="stream", sync_to_thread=False)
def returned_inline(name: str) -> Any:
    return RESULTS[name]()


@client.handle(response_codec="arrow", response="stream")
async def returned_async(name: str) -> Any:
    return RESULTS[name]()


@client.handle(response_codec="arrow")
async def yielded_async(data: Any) -> AsyncIterator[Any]:
    for batch in TABLE.to_batches(max_chunksize=1):
        yield batch


closed = 0


def endless() -> Iterator[pa.RecordBatch]:
    global closed
    try:
        while True:
            yield TABLE.to_batches()[0]
    finally:
        closed += 1


RESULTS["endless"] = lambda: pa.RecordBatchReader.from_batches(TABLE.schema, endless())


@client.handle
async def closed_readers(data: Any) -> int:
    return closed


@client.handle(codec="arrow", response="ack")
async def ack(table: pa.Table, ctx: Any) -> None:
    await ctx.ack(table if table.num_rows else None)


client.event("table", codec="arrow")


@client.handle(request_codec="arrow")
async def emit(table: pa.Table) -> None:
    await client.emit("table", table)


if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
