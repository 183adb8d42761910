"""Tells what JavaScript's values are in Python, and sends Python's values."""

import array
import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import math
import os
import pathlib
import types
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from procwire import Client

try:
    import numpy as np
except ImportError:
    np = None  # type: ignore[assignment]
try:
    import attrs
    import msgspec
    import pydantic
except ImportError:
    attrs = None  # type: ignore[assignment]

client = Client()


@client.handle("describe")
async def describe(data: Any) -> list[str]:
    """The value's type and its text in ASCII, so that the text itself cannot be changed."""
    return [type(data).__name__, ascii(data)]


@client.handle("describe_items")
async def describe_items(data: list[Any]) -> list[list[str]]:
    return [await describe(item) for item in data]


@client.handle("depth")
async def depth(data: Any) -> int:
    levels = 0
    while isinstance(data, list | dict):
        levels += 1
        data = next(iter(data.values() if isinstance(data, dict) else data), None)
    return levels


@client.handle("echo")
async def echo(data: Any) -> Any:
    return data


# ---- Python's values -----------------------------------------------------------------------


class Color(enum.Enum):
    RED = "red"
    NESTED = ("a", 1)


class Wrapped(enum.Enum):
    """Members whose values have to be converted in turn."""

    ID = uuid.UUID(int=1)
    AT = dt.datetime(2023, 11, 14, tzinfo=dt.UTC)
    DAY = dt.date(2023, 11, 14)
    TAGS = frozenset(["a"])
    COLOR = Color.RED
    NOTHING = object()


class Level(enum.IntEnum):
    HIGH = 3


class Flavor(enum.StrEnum):
    SWEET = "sweet"


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Point:
    x: int
    y: float
    label: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    start: Point
    ends: list[Point]


class Pair(NamedTuple):
    first: int
    second: str


class Text(str):
    pass


class Whole(int):
    pass


class Real(float):
    pass


class Items(list[Any]):
    pass


class Table(dict[str, Any]):
    pass


class Scalar:
    """What a NumPy scalar looks like from outside."""

    dtype = "int64"
    shape = ()

    def item(self) -> int:
        return 42


def nested(levels: int, kind: type) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value] if kind is list else {"a": value}
    return value


def circle() -> Any:
    value: list[Any] = []
    value.append({"again": value})
    return value


UTC = dt.UTC
CEST = dt.timezone(dt.timedelta(hours=2))

VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "true": lambda: True,
    "false": lambda: False,
    "int": lambda: 1,
    "negative": lambda: -(2**31),
    "max_int": lambda: 2**53 - 1,
    "min_int": lambda: -(2**53 - 1),
    "int_subclass": lambda: Whole(7),
    "float": lambda: 1.5,
    "whole_float": lambda: 1.0,
    "big_float": lambda: 1e300,
    "float_beyond": lambda: 2.0**60,
    "float_subclass": lambda: Real(2.5),
    "negative_zero": lambda: -0.0,
    "nan": lambda: math.nan,
    "infinity": lambda: math.inf,
    "negative_infinity": lambda: -math.inf,
    "empty_text": lambda: "",
    "text": lambda: "zażółć 🚀 \x00 end",
    "text_subclass": lambda: Text("text"),
    "long_text": lambda: "ż" * 100_000,
    "bytes": lambda: b"\x00\xff",
    "empty_bytes": lambda: b"",
    "bytearray": lambda: bytearray(b"\x00\xff"),
    "memoryview": lambda: memoryview(b"\x00\xff"),
    "memoryview_part": lambda: memoryview(b"abcdef")[1:3],
    "memoryview_of_words": lambda: memoryview(array.array("H", [1, 2])),
    "memoryview_with_gaps": lambda: memoryview(b"abcdef")[::2],
    "array": lambda: array.array("d", [1.5, -2.0]),
    "array_of_bytes": lambda: array.array("B", [0, 255]),
    "list": lambda: [1, "a", None, [True]],
    "tuple": lambda: (1, ("a",)),
    "list_subclass": lambda: Items([1, 2]),
    "namedtuple": lambda: Pair(1, "b"),
    "ip": lambda: ipaddress.ip_address("127.0.0.1"),
    "network": lambda: ipaddress.ip_network("2001:db8::/32"),
    "deque": lambda: collections.deque([1, 2]),
    "range": lambda: range(3),
    "generator": lambda: (i for i in range(3)),
    "set": lambda: {1},
    "frozenset": lambda: frozenset(["a"]),
    "nested_set": lambda: {"tags": {"a"}},
    "dict": lambda: {"a": {"b": [1]}},
    "empty_dict": dict,
    "dict_subclass": lambda: Table(a=1),
    "ordered_dict": lambda: collections.OrderedDict(b=1, a=2),
    "default_dict": lambda: collections.defaultdict(list, a=[1]),
    "counter": lambda: collections.Counter("aab"),
    "mapping_proxy": lambda: types.MappingProxyType({"a": 1}),
    "chain_map": lambda: collections.ChainMap({"a": 1}, {"a": 2, "b": 3}),
    "dataclass": lambda: Point(1, 2.5),
    "nested_dataclass": lambda: Line(Point(0, 0.0), [Point(1, 1.5, "end")]),
    "enum": lambda: Color.RED,
    "enum_of_tuple": lambda: Color.NESTED,
    "enum_of_uuid": lambda: Wrapped.ID,
    "enum_of_datetime": lambda: Wrapped.AT,
    "enum_of_date": lambda: Wrapped.DAY,
    "enum_of_set": lambda: Wrapped.TAGS,
    "enum_of_enum": lambda: Wrapped.COLOR,
    "enum_of_object": lambda: {"e": Wrapped.NOTHING},
    "int_enum": lambda: Level.HIGH,
    "str_enum": lambda: Flavor.SWEET,
    "flag": lambda: Permission.READ | Permission.WRITE,
    "uuid": lambda: uuid.UUID(int=1),
    "decimal": lambda: decimal.Decimal("1.10"),
    "path": lambda: pathlib.PurePosixPath("/tmp/a"),
    "real_path": lambda: pathlib.Path("a") / "b",
    "scalar": Scalar,
    "date_epoch": lambda: dt.datetime(1970, 1, 1, tzinfo=UTC),
    "date_milliseconds": lambda: dt.datetime(2023, 11, 14, 22, 13, 20, 123000, UTC),
    "date_microseconds": lambda: dt.datetime(2023, 11, 14, 22, 13, 20, 123456, UTC),
    "date_zone": lambda: dt.datetime(2023, 11, 15, 0, 13, 20, tzinfo=CEST),
    "date_1969": lambda: dt.datetime(1969, 12, 31, 23, 59, 59, 999000, UTC),
    "date_first": lambda: dt.datetime(1, 1, 1, tzinfo=UTC),
    "date_last": lambda: dt.datetime(9999, 12, 31, 23, 59, 59, 999000, UTC),
    "date_naive": lambda: {"items": [{"at": dt.datetime(2023, 1, 1)}]},
    "dates": lambda: [{"at": dt.datetime(2023, 11, 14, tzinfo=UTC)}] * 3,
    "timestamp": lambda: msgpack.Timestamp(1_700_000_000, 123_000_000),
    "timestamp_far": lambda: msgpack.Timestamp(8_640_000_000_000),
    "timestamp_too_far": lambda: [msgpack.Timestamp(8_640_000_000_001)],
    "calendar_date": lambda: dt.date(2023, 11, 14),
    "time": lambda: dt.time(22, 13, 20, 123000),
    "timedelta": lambda: dt.timedelta(seconds=1),
    "ext": lambda: msgpack.ExtType(5, b"\x01\x02"),
    "ext_2_too_short": lambda: [msgpack.ExtType(2, b"\x01\x02")],
    "number_keys": lambda: {1: "a", -2: "b", 2.5: "c"},
    "mixed_keys": lambda: {"2": "text", 1: "number"},
    "keys_twice": lambda: {"a": {"1": "text", 1: "number"}},
    "proto_value": lambda: {"constructor": 1, "toString": "x", "hasOwnProperty": None},
    # What JavaScript would change, or cannot have.
    "int_beyond": lambda: {"items": [0, 0, 0, {"id": 2**53}]},
    "int_below": lambda: [-(2**53)],
    "int_huge": lambda: 2**64,
    "int_enormous": lambda: 10**1000,
    "int_subclass_beyond": lambda: [Whole(2**53)],
    "int_beyond_in_tuple": lambda: (1, (2, 2**60)),
    "int_beyond_in_dataclass": lambda: {"p": Point(2**53, 0.0)},
    "int_beyond_in_set": lambda: {"s": {2**60}},
    "key_beyond": lambda: {"a": {2**53: 1}},
    "key_none": lambda: {"a": [{None: 1}]},
    "key_bool": lambda: {True: 1},
    "key_bytes": lambda: {b"a": 1},
    "key_tuple": lambda: {(1, 2): 1},
    "key_proto": lambda: [{"__proto__": 1}],
    "key_enum": lambda: {Color.RED: 1},
    "key_uuid": lambda: {uuid.UUID(int=1): 1},
    "key_date": lambda: {dt.datetime(2023, 1, 1, tzinfo=UTC): 1},
    "surrogate": lambda: {"files": ["ok", "a\udcff"]},
    "surrogate_key": lambda: {"a\ud800": 1},
    "object": lambda: {"a": [object()]},
    "class": lambda: {"a": Point},
    "function": lambda: [nested],
    "module": lambda: math,
    "complex": lambda: {"z": 1 + 2j},
    "exception": lambda: {"error": ValueError("x")},
    "coroutine_function": lambda: {"f": echo},
    "circle": circle,
    "lists_500": lambda: nested(500, list),
    "dicts_500": lambda: nested(500, dict),
    "lists_501": lambda: nested(501, list),
    "dicts_5000": lambda: nested(5000, dict),
    "lists_1000000": lambda: nested(1_000_000, list),
}


if np is not None:
    VALUES |= {
        "np_int64": lambda: np.int64(-5),
        "np_uint8": lambda: np.uint8(255),
        "np_float32": lambda: np.float32(1.5),
        "np_float64": lambda: np.float64(0.1),
        "np_nan": lambda: np.float64("nan"),
        "np_bool": lambda: np.bool_(True),
        "np_text": lambda: np.str_("zażółć"),
        "np_bytes": lambda: np.bytes_(b"ab"),
        "np_zero_dimensional": lambda: np.array(7),
        "np_array": lambda: np.array([1, 2], dtype=np.uint16),
        "np_table": lambda: np.array([[1.5], [2.5]]),
        "np_date": lambda: np.datetime64("2023-11-14"),
        "np_int64_beyond": lambda: {"n": np.int64(2**53)},
        "np_array_with_gaps": lambda: np.arange(6, dtype=np.uint8)[::2],
        "np_objects": lambda: {"a": np.array([object()])},
    }


if attrs is not None:

    @attrs.define
    class Slot:
        x: int
        at: dt.datetime

    class Struct(msgspec.Struct, rename="camel", tag="user"):
        user_id: int
        slot: Any

    class Model(pydantic.BaseModel):
        user_id: int = pydantic.Field(serialization_alias="userId")
        id: uuid.UUID
        struct: Any

    VALUES |= {
        "model": lambda: Model(
            user_id=1,
            id=uuid.UUID(int=1),
            struct=Struct(2, [Slot(3, dt.datetime(2023, 11, 14, tzinfo=UTC))]),
        ),
        "slot_at_fault": lambda: [Slot(2**53, dt.datetime(2023, 11, 14, tzinfo=UTC))],
    }


@client.handle("has_models")
async def has_models(data: Any) -> bool:
    return attrs is not None


@client.handle("has_numpy")
async def has_numpy(data: Any) -> bool:
    return np is not None


@client.handle("produce")
async def produce(name: str) -> Any:
    return VALUES[name]()


@client.handle("produce_in_list")
async def produce_in_list(name: str) -> Any:
    await asyncio.sleep(0)
    return [{"value": VALUES[name]()}]


@client.handle("dates_between")
async def dates_between(milliseconds: list[int]) -> list[dt.datetime]:
    epoch = dt.datetime(1970, 1, 1, tzinfo=UTC)
    return [epoch + dt.timedelta(milliseconds=number) for number in milliseconds]


if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
