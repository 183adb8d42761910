"""The Arrow codec by itself; what JavaScript makes of it is in tests/node/arrow.test.mjs."""

from __future__ import annotations

import platform
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import polars
import pytest

from procwire import Client, CodecError
from procwire.arrow import ArrowCodec
from procwire.codecs import resolve

if sys.platform == "win32" and platform.machine() == "ARM64":
    pytest.skip("pyarrow has no wheels for Windows on ARM64", allow_module_level=True)

import pyarrow as pa

TABLE = pa.table({"a": pa.array([1, 2, None], pa.int32()), "b": ["x", None, "zażółć"]})


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def broken_strings(*offsets: int) -> bytes:
    """A column of two strings whose offsets do not fit their characters."""
    payload = stream(pa.table({"s": ["abc", "def"]}))
    right = struct.pack("<3i", 0, 3, 6)
    assert payload.count(right) == 1
    return payload.replace(right, struct.pack("<3i", *offsets))


# ---- the codec by its name -----------------------------------------------------------------------


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_pyarrow_is_loaded_when_a_method_asks_for_it() -> None:
    assert run(
        "import sys, procwire\n"
        "client = procwire.Client()\n"
        "client.handle('a', lambda data: data)\n"
        "print('pyarrow' in sys.modules)\n"
        "client.handle('b', lambda data: data, codec='arrow')\n"
        "print('pyarrow' in sys.modules)"
    ) == "False\nTrue\n"  # fmt: skip


def test_without_pyarrow_the_method_cannot_be_registered() -> None:
    output = run(
        "import sys, procwire\n"
        "sys.modules['pyarrow'] = None\n"
        "procwire.Client().handle('a', lambda data: data, codec='arrow')"
    )
    error = "ModuleNotFoundError: the codec 'arrow' needs pyarrow: pip install 'procwire[arrow]'"
    assert output.splitlines()[-1] == error


def test_the_name_stands_for_one_codec() -> None:
    codec = resolve("arrow")
    assert isinstance(codec, ArrowCodec)
    assert resolve("arrow") is codec
    assert repr(codec) == "<procwire codec 'arrow'>"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("validation", "none"),
        ("compression", "gzip"),
        ("decimals", "int"),
        ("timestamps", "us"),
        ("integers", "string"),
    ],
)
def test_bad_options(option: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{option} is one of .*; got '{value}'"):
        ArrowCodec(**{option: value})  # type: ignore[arg-type]


# ---- in ------------------------------------------------------------------------------------------


def test_a_table_lives_on_the_payload() -> None:
    payload = stream(TABLE)
    start = np.frombuffer(payload, np.uint8).ctypes.data
    table = ArrowCodec().decode(payload)
    buffers = [
        buffer for column in table.columns for chunk in column.chunks for buffer in chunk.buffers()
    ]
    assert all(start <= buffer.address < start + len(payload) for buffer in buffers if buffer)
    assert not any(buffer.is_mutable for buffer in buffers if buffer)
    assert table == TABLE


def test_no_payload_is_an_empty_table() -> None:
    assert ArrowCodec().decode(b"") == pa.table({})


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_payloads_are_read(compression: str) -> None:
    assert ArrowCodec().decode(stream(TABLE, compression=compression)) == TABLE


def test_the_cheap_check_looks_at_sizes() -> None:
    with pytest.raises(CodecError, match=r"the table is not valid: .*offset"):
        ArrowCodec().decode(broken_strings(0, 3, 2**30))


def test_the_full_check_looks_at_every_value() -> None:
    payload = broken_strings(0, 2**30, 6)
    assert ArrowCodec().decode(payload).num_rows == 2
    with pytest.raises(CodecError, match=r"the table is not valid: .*offset"):
        ArrowCodec(validation="full").decode(payload)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\x82\xa1a\x01", "begins with ff ff ff ff, this with 82 a1 61 01"),
        (b"x", "this with 78"),
        (stream(TABLE)[:100], "check that all columns are of one length, and that Node imports"),
        (b"ARROW1\0\0" + bytes(50), "check that all columns are of one length, and that Node"),
    ],
)
def test_garbage(payload: bytes, text: str) -> None:
    with pytest.raises(CodecError) as caught:
        ArrowCodec().decode(payload)
    assert text in str(caught.value)


FUZZED = pa.table(
    {
        "a": pa.array([1, None, 3], pa.int64()),
        "b": ["x", None, "zażółć"],
        "c": pa.array(["a", "b", "a"]).dictionary_encode(),
        "d": pa.array([[1], None, [2, 3]]),
        "e": pa.array([{"x": 1.5}, None, {"x": None}]),
        "f": pa.array(["view", None, "longer than twelve bytes"], pa.string_view()),
    }
)


@pytest.mark.parametrize("options", [{}, {"compression": "lz4"}, {"compression": "zstd"}], ids=str)
def test_changed_bytes_are_a_table_or_an_error(options: dict[str, Any]) -> None:
    """Whatever passes the full check can be read to the last value."""
    good = stream(FUZZED, **options)
    codec = ArrowCodec(validation="full", decode_dictionaries=True)
    source = random.Random(5)
    errors = 0
    for _ in range(1500):
        payload = bytearray(good)
        for _ in range(source.choice((1, 1, 2, 8))):
            payload[source.randrange(len(payload))] = source.choice((0, 1, 0x7F, 0x80, 0xFF))
        cut = source.choice((len(payload), source.randrange(len(payload))))
        try:
            codec.decode(bytes(payload[:cut])).to_pydict()
        except CodecError:
            errors += 1
        except (ValueError, OverflowError, MemoryError):
            # Text that is no UTF-8, of a view; numbers for which Python has no type.
            pass
    assert 100 < errors < 1500


# ---- out -----------------------------------------------------------------------------------------


def test_what_is_written() -> None:
    payload = ArrowCodec().encode(TABLE)
    assert isinstance(payload, pa.Buffer)
    reader = pa.ipc.MessageReader.open_stream(payload)
    schema, batch = reader
    assert schema.metadata_version == batch.metadata_version == pa.ipc.MetadataVersion.V5
    assert payload.to_pybytes() == stream(TABLE)


def test_compression_when_asked() -> None:
    table = pa.table({"a": np.zeros(100_000)})
    plain = ArrowCodec().encode(table)
    assert plain.size > 800_000
    for compression in ("lz4", "zstd"):
        payload = ArrowCodec(compression=compression).encode(table)  # type: ignore[arg-type]
        assert payload.size < plain.size / 10
        assert ArrowCodec().decode(payload.to_pybytes()) == table


def test_a_column_that_cannot_be_cast_is_named() -> None:
    codec = ArrowCodec(integers="float")
    assert codec.decode(codec.encode({"n": [2**53, None]}).to_pybytes())["n"].to_pylist() == [
        2.0**53, None,
    ]  # fmt: skip
    with pytest.raises(CodecError, match=r"^\$\.n: int64 cannot be sent as double: Integer value"):
        codec.encode({"m": [1], "n": [2**53 + 1]})
    nested = pa.array([{"deep": [2**60]}])
    with pytest.raises(CodecError, match=r"^\$\.s: struct<.*> cannot be sent as struct<.*double"):
        codec.encode({"s": nested})


@pytest.mark.parametrize(
    "kind",
    [
        pa.decimal32(9, 2),
        pa.decimal64(18, 2),
        pa.decimal128(38, 2),
        pa.decimal128(38, 28),
        pa.decimal256(76, 40),
    ],
    ids=str,
)
def test_decimals_as_floats_are_the_nearest(kind: pa.DataType) -> None:
    digits = [481, -2920, 0, *(7**power % 10**7 for power in range(200))]
    decimals = [*(Decimal(number).scaleb(-2) for number in digits), None]
    floats = [*(float(number) for number in decimals if number is not None), None]
    column = pa.array(decimals, kind)
    table = pa.table(
        {
            "plain": column,
            "coded": pa.DictionaryArray.from_arrays(list(range(len(column))), column),
            "lists": pa.array([[number] for number in decimals], pa.list_(kind)),
        }
    )
    codec = ArrowCodec(decimals="float")
    got = codec.decode(codec.encode(table.slice(1)).to_pybytes())
    assert got["plain"].type == pa.float64()
    assert got.to_pydict() == {
        "plain": floats[1:],
        "coded": floats[1:],
        "lists": [[number] for number in floats[1:]],
    }


def random_value(source: random.Random, kind: pa.DataType) -> Any:
    """A value of a type, or None."""
    if source.random() < 0.25:
        return None
    if pa.types.is_struct(kind):
        return {field.name: random_value(source, field.type) for field in kind}
    if pa.types.is_map(kind):
        return [(f"k{i}", random_value(source, kind.item_type)) for i in range(source.randrange(3))]
    if pa.types.is_fixed_size_list(kind):
        return [random_value(source, kind.value_type) for _ in range(kind.list_size)]
    if hasattr(kind, "value_field"):
        return [random_value(source, kind.value_type) for _ in range(source.randrange(4))]
    return source.choice(("", "a", "zażółć"))


TEXT = pa.large_string()
NESTED = [
    pa.list_view(TEXT),
    pa.large_list_view(pa.list_view(TEXT)),
    pa.list_(pa.list_view(TEXT)),
    pa.large_list(TEXT),
    pa.list_(TEXT, 2),
    pa.struct({"a": TEXT, "b": pa.list_view(TEXT)}),
    pa.list_(pa.struct({"a": pa.large_list(TEXT)})),
    pa.map_(pa.string(), pa.list_view(TEXT)),
    pa.list_(pa.list_(TEXT, 2), 2),
]


@pytest.mark.parametrize("kind", NESTED, ids=str)
def test_casts_inside_of_others_change_no_value(kind: pa.DataType) -> None:
    source = random.Random(3)
    codec = ArrowCodec(old_reader=True)
    for count in (0, 1, 5, 40):
        array = pa.array([random_value(source, kind) for _ in range(count)], kind)
        for part in (array, array.slice(1), array.slice(2, 3), array.slice(count)):
            table = codec.decode(codec.encode({"c": part}).to_pybytes())
            table.validate(full=True)
            assert "large" not in str(table.schema)
            assert "view" not in str(table.schema)
            assert table["c"].to_pylist() == part.to_pylist()


def test_run_ends_and_dictionaries_in_slices() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 5, 6], pa.int32()), ["a", None, "b"])
    indices = pa.array([1, 0, None, 1, 1, 0], pa.int64())
    dictionary = pa.DictionaryArray.from_arrays(indices, runs.slice(0, 2))
    table = pa.table({"r": runs, "d": dictionary})
    codec = ArrowCodec()
    for part in (table, table.slice(1, 4), table.slice(3)):
        got = codec.decode(codec.encode(part).to_pybytes())
        got.validate(full=True)
        assert str(got.schema.field("d").type) == str(pa.dictionary(pa.int32(), pa.string()))
        assert got.to_pydict() == part.to_pydict()


# ---- sources -------------------------------------------------------------------------------------


class ArrowArray:
    """A batch of another library's that has the C array interface alone."""

    def __arrow_c_array__(self, requested_schema: object = None) -> Any:
        return TABLE.to_batches()[0].__arrow_c_array__(requested_schema)


@pytest.mark.parametrize(
    "value",
    [
        TABLE,
        TABLE.to_batches()[0],
        polars.DataFrame(TABLE),
        ArrowArray(),
        {"a": TABLE["a"], "b": polars.Series(TABLE["b"].to_pylist())},
        {"a": np.ma.array([1, 2, 0], np.int32, mask=[0, 0, 1]), "b": ["x", None, "zażółć"]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_tables_of_other_libraries(value: Any) -> None:
    codec = ArrowCodec(old_reader=True)
    assert codec.decode(codec.encode(value).to_pybytes()).to_pydict() == TABLE.to_pydict()
    assert pa.Table.from_batches(codec.chunks(value)).to_pydict() == TABLE.to_pydict()


def test_a_reader_is_read_batch_by_batch_and_closed() -> None:
    made: list[Any] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for number in range(5):
                made.append(number)
                yield pa.record_batch({"a": [number]})
        finally:
            made.append("closed")

    schema = pa.schema({"a": pa.int64()})
    chunks = ArrowCodec().chunks(pa.RecordBatchReader.from_batches(schema, batches()))
    assert next(chunks).to_pydict() == {"a": [0]}
    assert made == [0]
    chunks.close()
    assert made == [0, "closed"]


def test_a_stream_handler_may_return_a_table_on_arrow_methods_only() -> None:
    def handler(data: Any) -> Any: ...

    Client().handle_stream("a", handler, response_codec="arrow")
    with pytest.raises(ValueError, match="yields its chunks"):
        Client().handle_stream("a", handler)
    with pytest.raises(TypeError, match="cannot be fetched from another process"):
        Client().handle_stream("a", handler, codec="arrow", executor="process")
