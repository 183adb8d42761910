"""The frame reader: any split of a stream gives the same frames and the same errors."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procwire import ProtocolError
from procwire._core import DEFAULT_MAX_PAYLOAD_SIZE, MAX_PAYLOAD_SIZE, Frame, FrameReader
from procwire._core import pack_header as pack

KIB = 1024


def encode(*frames: Frame) -> bytes:
    return b"".join(
        pack(frame.method_id, frame.flags, frame.request_id, len(frame.payload)) + frame.payload
        for frame in frames
    )


def pattern(size: int, seed: int = 0) -> bytes:
    return (
        bytes((seed + index * 7) & 0xFF for index in range(min(size, 251))) * (size // 251 + 1)
        if size
        else b""
    )


def payload(size: int, seed: int = 0) -> bytes:
    return pattern(size, seed)[:size]


SMALL = [
    Frame(1, 0x00, 1, b""),
    Frame(2, 0x03, 0xFFFFFFFF, b"x"),
    Frame(0xFFFF, 0x00, 7, b""),
    Frame(3, 0x1B, 8, payload(40)),
]
# Around the sizes at which the reader changes its ways: 64 KiB, 256 KiB and 1 MiB.
SIZES = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB - 11, 256 * KIB, 1025 * KIB]
LARGE = [Frame(4, 0, index + 1, payload(size, index)) for index, size in enumerate(SIZES)]


def feed_in_pieces(reader: FrameReader, data: bytes, size: int) -> list[Frame]:
    frames = []
    for start in range(0, len(data), size):
        frames += reader.feed(data[start : start + size])
    return frames


@pytest.mark.parametrize("cut", range(len(encode(*SMALL)) + 1))
def test_every_single_cut(cut: int) -> None:
    data = encode(*SMALL)
    reader = FrameReader()
    assert reader.feed(data[:cut]) + reader.feed(data[cut:]) == SMALL
    assert reader.at_boundary


def test_one_byte_at_a_time() -> None:
    frames = [*SMALL, Frame(9, 0, 9, payload(64 * KIB + 5)), *SMALL]
    assert feed_in_pieces(FrameReader(), encode(*frames), 1) == frames


@pytest.mark.parametrize("size", [10, 11, 4093, 64 * KIB, 208 * KIB, 256 * KIB, 10_000_000])
def test_large_frames_in_pieces(size: int) -> None:
    frames = [*LARGE, *SMALL, *LARGE]
    data = encode(*frames)
    assert feed_in_pieces(FrameReader(), data, size) == frames


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(SIZES[:6]), max_size=6),
    st.lists(st.integers(1, 300 * KIB), max_size=12),
)
def test_random_cuts(sizes: list[int], cuts: list[int]) -> None:
    frames = [Frame(5, 0, index, payload(size, index)) for index, size in enumerate(sizes)]
    data = encode(*frames)
    reader = FrameReader()
    got = []
    for cut in cuts:
        got += reader.feed(data[:cut])
        data = data[cut:]
    assert got + reader.feed(data) == frames


def test_a_payload_owns_its_memory() -> None:
    reader = FrameReader()
    (first,) = reader.feed(encode(Frame(1, 0, 1, b"first")))
    reader.feed(encode(*[Frame(1, 0, 2, b"\xff" * 1000)] * 300))
    assert first.payload == b"first"


BAD = {
    "method id 0": pack(0, 0, 1, 0),
    "reserved flag bits": pack(1, 0x40, 1, 0),
    "reserved flag bits (flags 0x80)": pack(1, 0x80, 1, 0),
    "limit is 1073741824": pack(1, 0, 1, DEFAULT_MAX_PAYLOAD_SIZE + 1),
    "declares a payload of 2147483648": pack(1, 0, 1, 2**31),
    "declares a payload of 4294967295": pack(1, 0, 1, 2**32 - 1),
}


@pytest.mark.parametrize(("text", "header"), BAD.items())
def test_a_bad_header_is_refused_at_its_last_byte(text: str, header: bytes) -> None:
    good = encode(*SMALL)
    reader = FrameReader()
    assert reader.feed(good + header[:10]) == SMALL
    with pytest.raises(ProtocolError) as caught:
        reader.feed(header[10:])
    assert text in str(caught.value)
    # It stays in error: what follows is neither parsed nor kept.
    assert reader.feed(good) == []
    assert reader.feed(b"\0" * 1000) == []


@pytest.mark.parametrize("size", [1, 5, 11, 1000])
def test_an_error_comes_at_the_same_byte_in_any_split(size: int) -> None:
    data = encode(*SMALL) + pack(0, 0, 1, 0)
    reader = FrameReader()
    got: list[Frame] = []
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    # The last header is the bad one.
    for piece in pieces[:-1]:
        got += reader.feed(piece)
    with pytest.raises(ProtocolError):
        reader.feed(pieces[-1])
    # feed() raises instead of returning the frames of its own last piece.
    assert got == SMALL[: len(got)]


def test_the_limit_itself_is_accepted() -> None:
    reader = FrameReader(max_payload_size=1000)
    assert reader.feed(encode(Frame(1, 0, 1, bytes(1000)))) == [Frame(1, 0, 1, bytes(1000))]
    with pytest.raises(ProtocolError, match="1001 bytes, the limit is 1000"):
        reader.feed(pack(1, 0, 1, 1001))


def test_a_limit_beyond_the_protocols_is_refused() -> None:
    FrameReader(MAX_PAYLOAD_SIZE)
    with pytest.raises(ValueError, match="2147483647 at most"):
        FrameReader(MAX_PAYLOAD_SIZE + 1)


def peak_of(reader: FrameReader, *pieces: bytes) -> int:
    tracemalloc.start()
    try:
        base = tracemalloc.get_traced_memory()[0]
        for piece in pieces:
            try:
                reader.feed(piece)
            except ProtocolError:
                break
        return tracemalloc.get_traced_memory()[1] - base
    finally:
        tracemalloc.stop()


def test_a_refused_length_allocates_nothing() -> None:
    assert peak_of(FrameReader(), pack(1, 0, 1, 2**32 - 1)) < 64 * KIB


def test_memory_is_reserved_as_bytes_arrive() -> None:
    header = pack(1, 0, 1, DEFAULT_MAX_PAYLOAD_SIZE)
    assert peak_of(FrameReader(), header, bytes(1000)) < 1200 * KIB
    # 8 MiB have arrived: four times as much may be reserved, a gigabyte may not.
    assert peak_of(FrameReader(), header, *[bytes(64 * KIB)] * 128) < 40 * 1024 * KIB


def test_at_boundary() -> None:
    reader = FrameReader()
    assert reader.at_boundary
    reader.feed(b"\0")
    assert not reader.at_boundary
    large: Any = encode(Frame(1, 0, 1, bytes(100 * KIB)))
    reader = FrameReader()
    reader.feed(large[:-1])
    assert not reader.at_boundary
    reader.feed(large[-1:])
    assert reader.at_boundary
