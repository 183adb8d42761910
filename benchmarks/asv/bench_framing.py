"""Bytes to frames and frames to bytes."""

from __future__ import annotations

from asyncio import events

from procwire._core import FrameReader, pack_header, unpack_header
from procwire.codecs import RawCodec

from .worker import FedWorker

MIB = 1024 * 1024


def frame(payload: bytes) -> bytes:
    return pack_header(7, 0, 123456, len(payload)) + payload


class Header:
    def setup(self) -> None:
        self.header = bytes.fromhex("0007 00 0001e240 00000400")
        assert pack_header(7, 0, 123456, 1024) == self.header
        assert tuple(unpack_header(self.header)) == (7, 0, 123456, 1024)

    def time_pack(self) -> None:
        pack_header(7, 0, 123456, 1024)

    def time_unpack(self) -> None:
        unpack_header(self.header)


class Reader:
    """FrameReader.feed(), which makes a tuple per frame for its caller."""

    def setup(self) -> None:
        self.reader = FrameReader()
        self.small = frame(b"x" * 64) * 1000
        self.large = frame(b"x" * MIB)
        self.bytes = [bytes([byte]) for byte in frame(b"x" * 64)]
        frames = self.reader.feed(self.small)
        assert len(frames) == 1000
        assert frames[-1] == (7, 0, 123456, b"x" * 64)
        assert self.reader.feed(self.large) == [(7, 0, 123456, b"x" * MIB)]
        frames = [frame for byte in self.bytes for frame in self.reader.feed(byte)]
        assert frames == [(7, 0, 123456, b"x" * 64)]

    def time_1000_small_frames(self) -> None:
        self.reader.feed(self.small)

    def time_one_large_frame(self) -> None:
        self.reader.feed(self.large)

    def time_75_bytes_one_at_a_time(self) -> None:
        feed = self.reader.feed
        for byte in self.bytes:
            feed(byte)


class Writer:
    """Events of 1 KB and of 1 MiB up to the transport."""

    def setup(self) -> None:
        self.worker = FedWorker()
        self.connection = self.worker.connection
        # An event is sent where the loop runs; a turn of it would be a part of what is measured.
        events._set_running_loop(self.worker.loop)
        self.codec = RawCodec()
        self.small = b"x" * 1024
        self.large = b"x" * MIB
        transport = self.worker.transport
        transport.keep = True
        self.time_100_small_frames()
        self.time_one_large_frame()
        transport.keep = False
        frames = FrameReader().feed(transport.received)
        assert len(frames) == 101
        assert frames[0].payload == self.small
        assert frames[-1].payload == self.large
        transport.received.clear()

    def teardown(self) -> None:
        events._set_running_loop(None)
        self.worker.close()

    def time_100_small_frames(self) -> None:
        for _ in range(100):
            self.emit(self.small)
        self.connection.flush()

    def time_one_large_frame(self) -> None:
        self.emit(self.large)

    def emit(self, payload: bytes) -> None:
        sending = self.connection.emit(1, self.codec, payload)
        try:
            sending.send(None)
        except StopIteration:
            return
        raise AssertionError("emit() waits")
