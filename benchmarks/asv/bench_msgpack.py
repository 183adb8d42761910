"""MessagePack values as the parent sends and takes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from procwire.codecs import MsgpackCodec

from .worker import MAP

VALUES: dict[str, Any] = {
    "1 KB map": MAP,
    "Buffer of 1 KB": {"image": b"\x00\x01\x02\x03" * 256},
    "100 dates": [datetime(2026, 11, 23, 12, 0, second % 60, 5000, UTC) for second in range(100)],
    "1,000 nested items": {
        "items": [
            {"id": number, "name": f"item {number}", "tags": ["a", "b"], "price": number / 4}
            for number in range(1000)
        ]
    },
}


class Msgpack:
    params = (list(VALUES),)
    param_names = ("value",)

    def setup(self, name: str) -> None:
        self.codec = MsgpackCodec()
        self.value = VALUES[name]
        self.payload = self.codec.encode(self.value)
        assert self.codec.decode(self.payload) == self.value

    def time_encode(self, name: str) -> None:
        self.codec.encode(self.value)

    def time_decode(self, name: str) -> None:
        self.codec.decode(self.payload)


class Extensions:
    """What the parent packs in its own way: Buffer as extension 1."""

    def setup(self) -> None:
        self.codec = MsgpackCodec()
        item = b"\xd8\x01" + bytes(range(16))
        self.payload = b"\xdd" + (100).to_bytes(4, "big") + item * 100
        assert self.codec.decode(self.payload) == [bytes(range(16))] * 100

    def time_decode_100_buffers(self) -> None:
        self.codec.decode(self.payload)
