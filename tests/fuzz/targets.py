"""What is fuzzed: each function takes any bytes, and fails when the library breaks its rule.

The same functions run under the fuzzing engine (``make fuzz``) and, with the stored corpus, in
``make test``.  The first bytes of an input say how to use the rest, so that the engine reaches
those choices, too; short inputs stay valid.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import itertools
import struct
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

from msgpack import ExtType, Timestamp

from procwire import CodecError, MsgpackCodec, ProtocolError, ValidationError
from procwire._core import FrameReader, replace_extensions
from procwire.decoders import Wanted, decoder_for

_HEADER = struct.Struct(">HBII")
_codec = MsgpackCodec()
# Of a prime period: no two places that a reader could mix up look the same.
_FILLER = bytes(range(251)) * 8400


# ---- the frame reader ----------------------------------------------------------------------------


def reader(data: bytes) -> None:
    """Any bytes in any cuts are frames or a protocol error: those that a simple parser finds."""
    limit, cuts, stream = reader_input(data)
    expected, refused = _parse(stream, limit)
    frame_reader = FrameReader(limit)
    frames: list[Any] = []
    try:
        for piece in _pieces(stream, cuts):
            frames += frame_reader.feed(piece)
    except ProtocolError:
        assert refused, "refused what is in order"
        # feed() raises instead of returning the frames of its own last piece.
        assert frames == expected[: len(frames)]
        assert frame_reader.feed(stream) == [], "went on after an error"
    else:
        assert not refused, "took what is to be refused"
        assert frames == expected
        size = sum(_HEADER.size + len(frame[3]) for frame in expected)
        assert frame_reader.at_boundary == (size == len(stream))


def reader_input(data: bytes) -> tuple[int, bytes, bytes]:
    """The payload limit, the sizes of the cuts, and the stream."""
    limit_bits, filler, cuts_size = (*data[:3], 0, 0, 0)[:3]
    limit = (1 << limit_bits % 32) - 1
    cuts = data[3 : 3 + cuts_size % 16]
    # The filler makes large payloads whole without large inputs; few are very large, for speed.
    filler_size = filler * 256 if filler < 0xF0 else (filler - 0xEF) * 128 * 1024
    return limit, cuts, data[3 + len(cuts) :] + _FILLER[:filler_size]


def _pieces(stream: bytes, cuts: bytes) -> list[bytes]:
    pieces = []
    at = 0
    # Sizes up to 65 KB, the small ones among them exactly.
    for cut in itertools.islice(itertools.cycle(cuts), 256 if cuts else 0):
        size = cut if cut < 128 else (cut - 127) * 512
        pieces.append(stream[at : at + size])
        at += size
    return [*pieces, stream[at:]]


def _parse(stream: bytes, limit: int) -> tuple[list[tuple[int, int, int, bytes]], bool]:
    """The frames of a stream, and whether what follows them is refused."""
    frames = []
    at = 0
    while len(stream) - at >= _HEADER.size:
        method_id, flags, request_id, length = _HEADER.unpack_from(stream, at)
        if method_id == 0 or flags & 0xC0 or length > limit:
            return frames, True
        end = at + _HEADER.size + length
        if end > len(stream):
            break
        frames.append((method_id, flags, request_id, stream[at + _HEADER.size : end]))
        at = end
    return frames, False


# ---- MessagePack ---------------------------------------------------------------------------------


def decode(data: bytes) -> None:
    """Any bytes are a value or a codec error; a value that can be sent comes back the same."""
    try:
        value = _codec.decode(data)
    except CodecError:
        return
    try:
        encoded = _codec.encode(value)
    except CodecError:
        # JavaScript sends values that it would not take back unchanged, such as large integers.
        return
    again = _codec.decode(encoded)
    assert same(again, value), f"{value!r} came back as {again!r}"


def encode(data: bytes) -> None:
    """Any value is encoded or a codec error; what is encoded can be decoded and sent again."""
    try:
        encoded = _codec.encode(_value(iter(data), 0))
    except CodecError:
        return
    seen = _codec.decode(encoded)
    again = _codec.decode(_codec.encode(seen))
    assert same(again, seen), f"{seen!r} came back as {again!r}"


def same(one: Any, other: Any) -> bool:
    """Whether two decoded values are equal in type, sign and order, NaN included."""
    # Not recursive: values may be nested as deeply as the codec allows.
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, list | dict):
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
            if isinstance(one, dict):
                pairs += zip(one.values(), other.values(), strict=True)
        elif not _same_leaf(one, other):
            return False
    return True


def _same_leaf(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        return struct.pack(">d", one) == struct.pack(">d", other) or (one != one and other != other)
    if isinstance(one, datetime.datetime):
        # A float of milliseconds is exact to 1/32 ms at the end of Python's calendar.
        return bool(abs(one - other) <= datetime.timedelta(microseconds=32))
    return bool(one == other)


class _Colour(enum.Enum):
    RED = "red"


def _value(source: Any, depth: int) -> Any:
    """A value made from bytes: one byte says what it is, the next ones what is in it."""
    kind = next(source, 0)
    make = _SCALARS.get(kind & 0x1F)
    if make is not None:
        return make(source)
    count = 0 if depth > 20 else kind >> 5
    if kind & 0x1F == 0x1F:
        # Around the limit on nesting, which inputs of a sensible size do not reach.
        value = _value(source, depth + 1)
        for _ in range(480 + next(source, 0) % 32):
            value = [value]
        return value
    items = [_value(source, depth + 1) for _ in range(count)]
    if kind & 0x1F == 0x1E:
        return tuple(items)
    if kind & 0x1F >= 0x18:
        keys = [_value(source, 21) for _ in items]
        return {key: item for key, item in zip(keys, items, strict=True) if _hashable(key)}
    if kind & 0x1F == 0x17:
        return frozenset(item for item in items if _hashable(item))
    return items


def _take(source: Any) -> bytes:
    """Up to 255 bytes, behind one that counts them."""
    return bytes(itertools.islice(source, next(source, 0)))


def _text(source: Any) -> str:
    return _take(source).decode("utf-8", "surrogateescape")


def _integer(source: Any) -> int:
    return int.from_bytes(_take(source)[:12], "big", signed=True)


def _float(source: Any) -> float:
    (number,) = struct.unpack(">d", bytes(itertools.islice(source, 8)).ljust(8, b"\0"))
    return float(number)


def _date(source: Any) -> Any:
    try:
        return datetime.datetime.fromtimestamp(_integer(source) / 1000, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _timestamp(source: Any) -> Any:
    try:
        return Timestamp(_integer(source), _integer(source))
    except ValueError:
        return None


def _extension(source: Any) -> ExtType:
    # Below 3 are those that Procwire gives a meaning of its own.
    return ExtType(3 + next(source, 0) % 125, _take(source))


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


_SCALARS: dict[int, Callable[[Any], Any]] = {
    0x00: lambda source: None,
    0x01: lambda source: True,
    0x02: _integer,
    0x03: _float,
    0x04: _text,
    0x05: _take,
    0x06: lambda source: bytearray(_take(source)),
    0x07: lambda source: memoryview(_take(source))[:: 1 + next(source, 0) % 2],
    0x08: _date,
    0x09: _timestamp,
    0x0A: _extension,
    0x0B: lambda source: _Colour.RED,
    0x0C: lambda source: Decimal(_integer(source)),
    0x0D: lambda source: "__proto__",
    0x0E: lambda source: object(),
    0x0F: lambda source: datetime.datetime(2000, 1, 1),
}


# ---- typed payloads ------------------------------------------------------------------------------


def extensions(data: bytes) -> None:
    """Any bytes have the same value without the extensions as with them, or none at all."""
    replaced = replace_extensions(data)
    # A date of 10 bytes becomes one of 15 at most.
    assert len(replaced) <= len(data) * 3 // 2
    assert replace_extensions(replaced) == replaced
    try:
        value = _codec.decode(data)
    except CodecError:
        assert not _is_value(replaced), "made a value of what is none"
        return
    assert same(_codec.decode(replaced), value)


def _is_value(payload: bytes) -> bool:
    try:
        _codec.decode(payload)
    except CodecError:
        return False
    return True


@dataclasses.dataclass
class _Leaf:
    id: int
    blob: bytes = b""
    at: datetime.datetime | None = None


@dataclasses.dataclass
class _Tree:
    a: list[_Leaf] = dataclasses.field(default_factory=list)
    b: dict[int, float] = dataclasses.field(default_factory=dict)
    c: dict[str, _Leaf] = dataclasses.field(default_factory=dict)
    d: Any = None
    e: _Tree | None = None


_TYPES = (list[_Leaf], _Tree, dict[str, int], Any, _Leaf, tuple[int, str, bytes], set[str])


def typed(data: bytes) -> None:
    """Any bytes become the type, or one of two errors."""
    with suppress(ValidationError, CodecError):
        _typed_codec(data[0] % len(_TYPES) if data else 0).decode(data[1:])


@functools.cache
def _typed_codec(index: int) -> Any:
    return decoder_for(Wanted(_TYPES[index], _codec, nil_as_missing=True))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "reader": reader,
    "decode": decode,
    "encode": encode,
    "extensions": extensions,
    "typed": typed,
}
