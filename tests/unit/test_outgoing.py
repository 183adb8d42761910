"""What Python's values become on their way out, and what the policies of a codec make of them.

docs/values.md has a row for most types; here is what a table has no room for.
"""

from __future__ import annotations

import ctypes
import enum
import gc
import math
import re
import struct
import sys
import weakref
from array import array
from collections import Counter, OrderedDict, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal

import attrs
import msgpack
import msgspec
import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from procwire import CodecError, MsgpackCodec, outgoing

plain = MsgpackCodec()
SAFE = 2**53 - 1


def seen(value: Any, **policies: Any) -> Any:
    return plain.decode(MsgpackCodec(**policies).encode(value))


def refusal(value: Any, **policies: Any) -> str:
    with pytest.raises(CodecError) as caught:
        MsgpackCodec(**policies).encode(value)
    return str(caught.value)


# ---- values with fields --------------------------------------------------------------------------


@attrs.define
class Slot:
    x: int
    _hidden: int = 2
    nested: Any = None


class Struct(msgspec.Struct, rename="camel"):
    user_id: int
    tags: list[str] = msgspec.field(default_factory=list)
    when: Any = None


class Tagged(Struct, tag="user", tag_field="kind"):
    pass


class Sparse(msgspec.Struct, omit_defaults=True):
    a: int
    b: int = 1
    c: list[int] = []
    d: dict[str, int] = msgspec.field(default_factory=dict)
    e: int | msgspec.UnsetType = msgspec.UNSET


class Partial(msgspec.Struct):
    a: int | msgspec.UnsetType = msgspec.UNSET
    b: list[int] = msgspec.field(default_factory=list)


class Required(msgspec.Struct, kw_only=True, omit_defaults=True):
    a: int = 1
    b: int


class Row(msgspec.Struct, array_like=True):
    a: int
    b: str = "x"


class TaggedRow(Row, array_like=True, tag=7):
    pass


STRUCTS = [
    Struct(1),
    Struct(1, ["a"], Struct(2)),
    Tagged(3),
    Sparse(1),
    Sparse(1, 2, [3], {"k": 4}, 5),
    Sparse(1, 1, [], {}),
    Partial(),
    Required(b=2),
    Required(a=5, b=2),
    Row(1),
    TaggedRow(1, "y"),
    [Row(1), {"s": Sparse(0)}],
]


@pytest.mark.parametrize("value", STRUCTS, ids=repr)
def test_structs_look_as_to_msgspec_itself(value: Any) -> None:
    assert seen(value) == msgspec.to_builtins(value)


class Line(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(alias_generator=to_camel)

    product_name: str
    unit_price: Decimal
    at: datetime | None = None
    secret: str = pydantic.Field("x", exclude=True)

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> Decimal:
        return 2 * self.unit_price


class Lines(pydantic.RootModel[list[Line]]):
    pass


def line(**fields: Any) -> Line:
    return Line.model_validate({"productName": "p", "unitPrice": "1.10", **fields})


def test_pydantic_models_say_themselves_what_is_in_them() -> None:
    expected = {"productName": "p", "unitPrice": "1.10", "at": None, "twice": "2.20"}
    assert seen({"line": line()}) == {"line": expected}
    assert seen(Lines([line(), line()])) == [expected, expected]
    # Not the text that its own JSON would have.
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert seen(line(at=at))["at"] == at
    assert refusal([line(at=datetime(2026, 1, 2))]).startswith("$[0].at: a naive datetime")


def test_attrs_classes_are_their_fields() -> None:
    assert seen(Slot(1, nested=[Slot(3)])) == {
        "x": 1,
        "_hidden": 2,
        "nested": [{"x": 3, "_hidden": 2, "nested": None}],
    }
    assert refusal([Slot(2**60)]).startswith("$[0].x: the integer")


@dataclass
class Node:
    child: Any = None
    late: Any = field(init=False, repr=False)


def test_a_field_that_is_not_there() -> None:
    assert refusal([Node()]) == (
        "$[0]: cannot be packed: AttributeError: 'Node' object has no attribute 'late'"
    )


@dataclass
class Chain:
    child: Any = None


def chain(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = Chain(value)
    return value


def test_nesting_counts_values_with_fields() -> None:
    value = seen(chain(500))
    for _ in range(500):
        value = value["child"]
    assert value is None
    for levels in (501, 1100, 100_000):
        assert "nested more than 500 levels deep" in refusal(chain(levels))
    lists = [[[Chain([[[1]]])]]]
    for _ in range(493):
        lists = [lists]
    assert seen(lists)
    assert "nested more than 500 levels deep" in refusal([lists])
    # What is beside it has as much room as it would have alone.
    assert seen([lists[0], Chain(chain(498))])
    endless = Chain()
    endless.child = endless
    text = refusal(endless)
    assert "nested more than 500 levels deep, or in a circle" in text
    assert len(text) < 300


class Odd(enum.Enum):
    """Members that are texts themselves, of another value."""

    def __new__(cls, value: int) -> Odd:
        member = object.__new__(cls)
        member._value_ = value
        return member

    FIRST = 1


class OddText(str, enum.Enum):  # noqa: UP042 - its text is not its value
    def __new__(cls, value: int) -> OddText:
        member = str.__new__(cls, f"text {value}")
        member._value_ = value
        return member

    FIRST = 1


def test_an_enum_is_its_value() -> None:
    assert seen([Odd.FIRST, OddText.FIRST, {OddText.FIRST: 2}]) == [1, 1, {1: 2}]


# ---- dates and times -----------------------------------------------------------------------------

DURATIONS = [
    timedelta(),
    timedelta(seconds=1),
    timedelta(microseconds=-1),
    timedelta(days=-1, microseconds=1),
    timedelta(days=3),
    timedelta(days=3, seconds=4, microseconds=500_000),
    timedelta.max,
    timedelta.min + timedelta(microseconds=1),
]


@pytest.mark.parametrize("value", DURATIONS, ids=str)
def test_durations_are_what_msgspec_has_and_reads(value: timedelta) -> None:
    assert seen(value) == msgspec.to_builtins(value)
    assert msgspec.convert(seen(value), timedelta) == value


class NotATime(datetime):
    """As pandas.NaT: a datetime by its class, and unequal to itself."""

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = datetime.__hash__


def test_pandas_nat_is_none() -> None:
    assert seen([NotATime(1, 1, 1)]) == [None]


def test_naive_dates_have_a_policy() -> None:
    naive = datetime(2026, 7, 8, 9, 10, 11, 120000)
    assert seen([naive], naive="utc") == [naive.replace(tzinfo=UTC)]
    assert seen(naive, naive="local") == naive.astimezone(UTC)
    assert seen(naive, naive="string") == "2026-07-08T09:10:11.120000"
    # An aware one is what it is.
    aware = naive.replace(tzinfo=timezone(timedelta(hours=2)))
    for policy in ("utc", "local", "string"):
        assert seen(aware, naive=policy) == aware
    assert refusal({"a": naive}).startswith("$.a: a naive datetime")


def test_timestamps_beyond_javascripts_dates_are_refused() -> None:
    last = 8_640_000_000_000
    for good in (msgpack.Timestamp(last, 0), msgpack.Timestamp(-last, 0)):
        assert seen([good]) == [good]
    for bad in (msgpack.Timestamp(last, 1_000_000), msgpack.Timestamp(-last - 1, 0)):
        assert refusal([bad]).startswith("$[0]: Timestamp")
    assert "extension 2 is a date of 8 bytes, got 3" in refusal([msgpack.ExtType(2, b"abc")])


# ---- NumPy and buffers ---------------------------------------------------------------------------

NUMPY_SCALARS = [
    (np.int8(-1), -1),
    (np.uint64(5), 5),
    (np.float16(0.5), 0.5),
    (np.longdouble(0.5), 0.5),
    (np.bool_(False), False),
    (np.str_("ż"), "ż"),
    (np.bytes_(b"b"), b"b"),
    (np.array(7), 7),
    (np.array(0.5, np.longdouble), 0.5),
    (np.datetime64("NaT", "s"), None),
    (np.timedelta64(90, "s"), "PT90S"),
    (np.timedelta64(1_500_000_000, "ns"), "PT1.5S"),
    (np.datetime64("2026-01-02"), "2026-01-02"),
]


@pytest.mark.parametrize(("value", "expected"), NUMPY_SCALARS, ids=repr)
def test_numpy_scalars(value: Any, expected: Any) -> None:
    assert repr(seen([value])) == repr([expected])


def test_numpy_dates_are_naive_whatever_their_unit() -> None:
    for unit in ("s", "ms", "us", "ns"):
        moment = np.datetime64("2026-01-02T03:04:05", unit)
        assert refusal([moment]).startswith("$[0]: a naive datetime")
        expected = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert seen(moment, naive="utc") == expected
        array_of_it = np.array([[moment]])
        assert seen(array_of_it, naive="utc", arrays="list") == [[expected]]
    assert "beyond Python's dates and times" in refusal([np.datetime64("20000-01-01T00:00")])


def test_arrays_are_little_endian_in_c_order() -> None:
    numbers = np.array([[1, 2], [3, 4]], dtype=">u2")
    assert seen(numbers) == struct.pack("<4H", 1, 2, 3, 4)
    assert seen(np.asfortranarray(numbers)) == struct.pack("<4H", 1, 2, 3, 4)
    assert seen(numbers.T) == struct.pack("<4H", 1, 3, 2, 4)
    assert seen(np.array([], dtype=np.float64)) == b""


@pytest.mark.parametrize(
    "value",
    [np.array(["a"]), np.array([object()]), np.array(["2026"], "M8[s]")],
    ids=["strings", "objects", "dates"],
)
def test_arrays_without_bytes_for_javascript(value: Any) -> None:
    assert re.match(r"\$\.a: an array of .* has no bytes to send", refusal({"a": value}))


def test_arrays_as_lists() -> None:
    assert seen(np.array([[1, 2], [3, 4]]), arrays="list") == [[1, 2], [3, 4]]
    assert seen(np.array([1.5], np.longdouble), arrays="list") == [1.5]
    assert seen(np.array(["a", None], object), arrays="list") == ["a", None]
    assert seen(array("d", [0.5]), arrays="list") == [0.5]
    # These are bytes by their nature.
    for value in (b"\1", bytearray(b"\1"), memoryview(b"\1")):
        assert seen([value], arrays="list") == [b"\1"]
    assert refusal({"a": np.array([0, 2**60])}, arrays="list").startswith("$.a[1]: the integer")


def test_addresses_are_never_sent() -> None:
    objects = np.array([object()])
    pointers = (ctypes.py_object * 1)(object())
    for value in (objects, memoryview(objects), [memoryview(objects)], pointers):
        assert "of Python objects" in refusal(value)


def test_a_released_memoryview() -> None:
    view = memoryview(b"abc")
    view.release()
    assert refusal([view]).startswith("$[0]: cannot be packed: ValueError: operation forbidden")


# ---- integers, floats, strings -------------------------------------------------------------------


class Level(enum.IntEnum):
    HUGE = 2**60


def test_integers_have_a_policy() -> None:
    beyond = [2**53, -(2**53), 2**60 + 1, Level.HUGE, SAFE, -SAFE, np.int64(2**60)]
    text = [str(int(value)) for value in beyond]
    assert seen(beyond, ints="string") == [*text[:4], SAFE, -SAFE, str(2**60)]
    assert seen(beyond, ints="float") == [
        2.0**53, -(2.0**53), 2.0**60, 2.0**60, SAFE, -SAFE, 2.0**60,
    ]  # fmt: skip
    assert seen(beyond, ints="allow") == [int(value) for value in beyond]
    assert seen([2**64 - 1, -(2**63)], ints="allow") == [2**64 - 1, -(2**63)]
    assert "$[0]: the integer 18446744073709551616 has more than 64 bits" in refusal(
        [2**64], ints="allow"
    )
    assert refusal({"a": 10**400}, ints="float").startswith("$.a: cannot be packed: OverflowError")
    assert seen(10**400, ints="string") == str(10**400)
    assert seen({2**60: 1}, ints="string") == {str(2**60): 1}
    assert seen({2**60: 1}, ints="allow") == {2**60: 1}


def test_an_integer_too_long_to_be_written() -> None:
    limit = sys.get_int_max_str_digits()
    assert refusal([10**limit], ints="string").startswith("$[0]: cannot be packed: ValueError")


def test_floats_that_are_not_finite_have_a_policy() -> None:
    values = [1.5, math.nan, {"a": (math.inf, -math.inf)}, np.float32("nan"), Chain(math.nan)]
    assert repr(seen(values)) == (
        "[1.5, nan, {'a': [inf, -inf]}, nan, {'child': nan}]"
    )  # fmt: skip
    assert seen(values, nan="null") == [1.5, None, {"a": [None, None]}, None, {"child": None}]
    assert refusal(values, nan="error") == "$[1]: nan is not a finite number"
    # A key is a string in any case.
    assert list(seen({math.inf: 1}, nan="null")) == [math.inf]


def test_lone_surrogates_have_a_policy() -> None:
    assert seen(["ok", "a\udcffb", {"\ud800": "\udc00\ud800"}], surrogates="replace") == [
        "ok",
        "a\ufffdb",
        {"\ufffd": "\ufffd\ufffd"},
    ]
    # In JavaScript two halves are a whole.
    assert seen("\ud83d\ude80", surrogates="replace") == "🚀"
    assert seen(Chain("\udcff"), surrogates="replace") == {"child": "\ufffd"}
    assert refusal({"\ud800": 1}).startswith("$: the string has a lone surrogate at index 0")


def test_the_length_of_a_string_is_javascripts(monkeypatch: pytest.MonkeyPatch) -> None:
    # The fast look lets nothing through that may be longer; this is the slow one.
    monkeypatch.setattr(outgoing, "MAX_STRING_LENGTH", 10)
    with_policy = MsgpackCodec(nan="null")
    assert with_policy.encode("x" * 10)
    assert with_policy.encode("🚀" * 5)
    for value in ("x" * 11, "🚀" * 5 + "x", {"🚀" * 6: 1}):
        with pytest.raises(CodecError, match="longer than JavaScript's longest"):
            with_policy.encode(value)


# ---- keys ----------------------------------------------------------------------------------------


def test_a_key_goes_as_the_value_would() -> None:
    keys = {np.int64(1): 1, np.float32(0.5): 2, Decimal("1.10"): 3, OddText.FIRST: 4}
    assert seen(dict(list(keys.items())[:3])) == {1: 1, 0.5: 2, "1.10": 3}
    assert "two keys are '1'" in refusal(keys)
    assert refusal({"a": {Level.HUGE: 0}}).startswith("$.a: the integer 1152921504606846976")
    assert "keys of type bool" in refusal({np.True_: 1})
    assert "keys of type datetime" in refusal({datetime(2026, 1, 2, tzinfo=UTC): 1})


def test_keys_have_a_policy() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone(timedelta(hours=1)))
    keys = {None: 0, True: 1, (1, None, "a", (2.5, False)): 2, b"k": 3, moment: 4, (): 5, 1.5: 6}
    assert seen(keys, keys="string") == {
        "null": 0,
        "true": 1,
        "1,,a,2.5,false": 2,
        "k": 3,
        "2026-01-02T02:04:05.678Z": 4,
        "": 5,
        1.5: 6,
    }
    assert seen({datetime(2026, 1, 2): 1}, keys="string", naive="string") == {
        "2026-01-02T00:00:00": 1
    }
    for bad in (frozenset([1]), object(), b"\xff", (1, {2}.__class__), "__proto__", b"__proto__"):
        assert refusal([{bad: 1}], keys="string").startswith("$[0]: ")
    assert "refuses keys of type frozenset" in refusal({frozenset([1]): 1}, keys="string")
    assert "a naive datetime" in refusal({datetime(2026, 1, 2): 1}, keys="string")


def test_two_keys_that_are_one_in_javascript() -> None:
    for twins in ({1: 0, "1": 1}, {"0.5": 0, 0.5: 1}, {Decimal("1.0"): 0, "1.0": 1}):
        assert "in JavaScript, and one would be lost" in refusal({"t": twins}), twins
    assert seen({1: "a", "2": "b", 2.5: "c"}) == {1: "a", "2": "b", 2.5: "c"}
    assert "two keys are 'null'" in refusal({None: 1, "null": 2}, keys="string")


def test_dicts_whose_own_methods_say_something_else() -> None:
    class Sly(dict[Any, Any]):
        def items(self) -> Any:
            return {None: 1}.items()

    assert "keys of type NoneType" in refusal([Sly(a=1)])
    assert seen([OrderedDict(a=1), defaultdict(list, a=[2]), Counter("a")]) == [
        {"a": 1}, {"a": [2]}, {"a": 1},
    ]  # fmt: skip
    for honest in (OrderedDict(a=2**60), defaultdict(list, a=2**60), Counter(a=2**60)):
        assert refusal([honest]).startswith("$[0].a: the integer")


def test_paths_can_be_read() -> None:
    value = {"a b": [{"ok": {7: {"x" * 1000: {"\ud800": [2**60]}}}}]}
    assert refusal(value["a b"], surrogates="replace").startswith("$[0].ok[7]['xxxx")
    assert refusal({"a b": [{"née": 2**60}]}).startswith("$['a b'][0].née: the integer")
    # The text can itself be sent.
    refusal({"a\ud800": [2**60]}, surrogates="replace").encode()
    assert len(refusal(value, surrogates="replace")) < 600


# ---- default -------------------------------------------------------------------------------------


class Money:
    def __init__(self, amount: Any) -> None:
        self.amount = amount


def spell(value: Any) -> Any:
    if isinstance(value, Money):
        return {"amount": value.amount}
    if value is Ellipsis:
        return Money(1)
    raise TypeError(f"what is a {type(value).__name__}?")


def test_default_is_asked_for_what_has_no_form() -> None:
    value = [Money(Decimal("1.5")), {"m": Money([Money(2)])}, ...]
    assert seen(value, default=spell) == [
        {"amount": "1.5"},
        {"m": {"amount": [{"amount": 2}]}},
        {"amount": 1},
    ]


def test_what_default_returns_is_looked_at() -> None:
    assert refusal({"a": [Money(2**60)]}, default=spell).startswith("$.a[0].amount: the integer")
    assert seen([Money(2**60)], default=spell, ints="string") == [{"amount": str(2**60)}]
    assert seen(Money("\udcff"), default=spell, surrogates="replace") == {"amount": "\ufffd"}
    assert "naive" in refusal(Money(datetime(2026, 1, 2)), default=spell)


def test_what_default_raises_has_its_place() -> None:
    with pytest.raises(CodecError) as caught:
        MsgpackCodec(default=spell).encode({"a": [1j]})
    assert str(caught.value) == "$.a[0]: cannot be packed: TypeError: what is a complex?"
    assert isinstance(caught.value.__cause__, TypeError)

    def refuse(value: Any) -> Any:
        raise CodecError("not this one")

    assert refusal([1j], default=refuse) == "$[0]: not this one"
    assert refusal([1j], default=lambda value: value).startswith("$[0]: converted more than 100")
    # Packed at once, and walked.
    for value in ([1j], [2**60, 1j]):
        with pytest.raises(MemoryError):
            MsgpackCodec(default=lambda _: bytes(sys.maxsize - 100), ints="float").encode(value)


def test_default_is_not_asked_for_what_has_a_form() -> None:
    asked = []

    def remember(value: Any) -> Any:
        asked.append(value)

    seen([1, "a", Decimal(1), {1}, Chain(), np.arange(3), Slot(1), array("b")], default=remember)
    assert asked == []


def test_default_may_use_the_codec() -> None:
    def pack(value: Any) -> bytes:
        return codec.encode([1, str(value)])

    codec = MsgpackCodec(default=pack)
    assert plain.decode(codec.encode([1j, 2j])) == [
        plain.encode([1, "1j"]),
        plain.encode([1, "2j"]),
    ]


# ---- the choices ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "error", "text"),
    [
        ({"ints": "str"}, ValueError, "ints is 'error', 'string', 'float' or 'allow', got 'str'"),
        ({"keys": None}, ValueError, "keys is 'error' or 'string', got None"),
        ({"naive": "UTC"}, ValueError, "naive is 'error', 'utc', 'local' or 'string', got 'UTC'"),
        ({"surrogates": []}, ValueError, "surrogates is 'error' or 'replace', got []"),
        ({"nan": "none"}, ValueError, "nan is 'allow', 'null' or 'error', got 'none'"),
        ({"arrays": "tuple"}, ValueError, "arrays is 'bytes' or 'list', got 'tuple'"),
        ({"default": "str"}, TypeError, "default is a function of a value, got 'str'"),
        ({"integers": "allow"}, TypeError, "unexpected keyword argument 'integers'"),
    ],
)
def test_bad_choices(policies: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        MsgpackCodec(**policies)


POLICIES = st.fixed_dictionaries(
    {
        "ints": st.sampled_from(["error", "string", "float", "allow"]),
        "keys": st.sampled_from(["error", "string"]),
        "naive": st.sampled_from(["error", "utc", "local", "string"]),
        "surrogates": st.sampled_from(["error", "replace"]),
        "nan": st.sampled_from(["allow", "null", "error"]),
        "arrays": st.sampled_from(["bytes", "list"]),
        "default": st.sampled_from([None, repr, lambda value: [value.real, value.imag]]),
    }
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.binary(max_size=8)
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.complex_numbers()
    | st.sampled_from(list(Level))
    | st.integers(-128, 127).map(np.int8)
    | st.lists(st.floats(width=32), max_size=3).map(np.array)
)
KEYS = LEAVES.filter(lambda key: not isinstance(key, np.ndarray)) | st.tuples(LEAVES, st.text())
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS.filter(lambda key: _is_hashable(key)), inner, max_size=4)
        | inner.map(Chain)
        | inner.map(Money)
    ),
    max_leaves=10,
)


def _is_hashable(value: Any) -> bool:
    with suppress(TypeError):
        hash(value)
        return True
    return False


@settings(deadline=None, max_examples=200)
@given(VALUES, POLICIES)
def test_any_value_under_any_policy_is_a_payload_or_a_codec_error(
    value: Any, policies: dict[str, Any]
) -> None:
    try:
        packed = MsgpackCodec(**policies).encode(value)
    except CodecError:
        text = refusal(value, **policies)
        assert text.startswith("$")
        # It can itself be sent.
        assert text.encode()
        return
    check_sendable(msgpack.unpackb(packed, strict_map_key=False, timestamp=3), policies["ints"])


def check_sendable(value: Any, ints: Literal["allow"] | str) -> None:
    """Whether JavaScript has this value, and no other."""
    if isinstance(value, dict):
        names = set()
        for key, item in value.items():
            assert type(key) in (str, int, float)
            assert key != "__proto__"
            names.add(str(key))
            check_sendable(item, ints)
        assert len(names) == len(value) or float in map(type, value)
    elif isinstance(value, list):
        for item in value:
            check_sendable(item, ints)
    elif type(value) is int:
        assert ints == "allow" or abs(value) <= SAFE
    elif isinstance(value, msgpack.ExtType):
        assert (value.code, len(value.data)) == (2, 8)


def test_no_class_is_kept_for_ever() -> None:
    def passing() -> weakref.ref[type]:
        kind = dataclass(type("Passing", (), {}))
        assert plain.encode(kind()) == b"\x80"
        return weakref.ref(kind)

    classes = [passing() for _ in range(1000)]
    gc.collect()
    assert sum(kind() is not None for kind in classes) < 600
