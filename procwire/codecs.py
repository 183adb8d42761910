"""Codecs by name, and what a codec of your own has to be."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from procwire._core import MsgpackCodec, RawCodec

__all__ = ["Codec", "MsgpackCodec", "RawCodec", "resolve"]


@runtime_checkable
class Codec(Protocol):
    """What turns values into payloads and back; any object of this shape will do.

    Attributes:
        name: What error messages call it. It does not travel: both sides have to agree.
    """

    @property
    def name(self) -> str:
        """What error messages call it."""
        ...

    def encode(self, value: Any) -> Any:
        """The payload for a value, as a bytes-like object."""
        ...

    def decode(self, payload: bytes) -> Any:
        """The value of a payload."""
        ...


_BY_NAME: dict[str, Codec] = {codec.name: codec for codec in (MsgpackCodec(), RawCodec())}


def resolve(codec: Codec | str, msgpack: MsgpackCodec | None = None) -> Codec:
    """The codec of that name, or the object itself if it has a codec's methods.

    Args:
        codec: A codec or its name.
        msgpack: What ``"msgpack"`` means, if it is not to be the codec without any policies.

    Raises:
        ValueError: there is no codec of that name.
        TypeError: the object is no codec.
    """
    if isinstance(codec, str):
        if msgpack is not None and codec == msgpack.name:
            return msgpack
        try:
            return _BY_NAME[codec]
        except KeyError:
            names = ", ".join(repr(name) for name in sorted(_BY_NAME))
            raise ValueError(f"there is no codec {codec!r}; there are {names}") from None
    if not isinstance(codec, Codec) or isinstance(codec, type):
        raise TypeError(f"a codec has name, encode() and decode(), {codec!r} does not")
    return codec
