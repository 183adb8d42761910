"""Methods and events with each codec, by name and by object, on one or both sides."""

import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any

from procwire import Client, MsgpackCodec, RawCodec

client = Client()


async def echo(data: Any) -> Any:
    return data


class Reversed:
    """A codec of one's own: text, written backwards."""

    name = "reversed"

    def encode(self, value: str) -> bytes:
        return value[::-1].encode()

    def decode(self, payload: bytes) -> str:
        return bytes(payload).decode()[::-1]


client.handle("default", echo)
client.handle("msgpack_name", echo, codec="msgpack")
client.handle("msgpack_object", echo, codec=MsgpackCodec())
client.handle("raw_name", echo, codec="raw")
client.handle("raw_object", echo, codec=RawCodec())
client.handle("own", echo, codec=Reversed())
client.handle("raw_thread", lambda data: data, codec="raw")
client.handle("raw_inline", lambda data: data, codec="raw", sync_to_thread=False)


@client.handle("raw_type", request_codec="raw")
async def raw_type(data: bytes) -> list[Any]:
    return [type(data).__name__, len(data)]


@client.handle("digest", request_codec=RawCodec(), response_codec="msgpack")
async def digest(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@client.handle("repeat", request_codec="msgpack", response_codec=RawCodec())
async def repeat(data: dict[str, Any]) -> bytes:
    return bytes(data["bytes"]) * int(data["times"])


@client.handle("pieces", request_codec="msgpack", response_codec="raw")
async def pieces(data: list[bytes]) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


@client.handle("raw_kinds", request_codec="msgpack", response_codec="raw")
async def raw_kinds(kind: str) -> Any:
    data = b"\x00\x01\xfe\xff"
    return {"bytes": data, "bytearray": bytearray(data), "memoryview": memoryview(data)}[kind]


@client.handle("reused_buffer", response="stream", codec="raw")
async def reused_buffer(data: bytes) -> AsyncIterator[bytearray]:
    """Yield one buffer again and again, changed in between."""
    buffer = bytearray(len(data))
    for value in range(5):
        buffer[:] = bytes([value]) * len(buffer)
        yield buffer


client.event("raw_event", codec=RawCodec()).event("msgpack_event")


@client.handle("emit_both")
async def emit_both(data: bytes) -> None:
    await client.emit("raw_event", data)
    await client.emit("msgpack_event", {"data": data})


if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
