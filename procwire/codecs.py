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
        """The payload for a value, as a bytes-like object.

        What is read-only, as ``bytes`` are, must never change: it may be sent later than this
        returns. Anything else is copied, so that a codec may use a buffer again.
        """
        ...

    def decode(self, payload: bytes) -> Any:
        """The value of a payload."""
        ...


_BY_NAME: dict[str, Codec] = {codec.name: codec for codec in (MsgpackCodec(), RawCodec())}
_NAMES = sorted([*_BY_NAME, "arrow"])


def resolve(codec: Codec | str, msgpack: MsgpackCodec | None = None) -> Codec:
    """The codec of that name, or the object itself if it has a codec's methods.

    Args:
        codec: A codec or its name.
        msgpack: What ``"msgpack"`` means, if it is not to be the codec without any policies.

    Raises:
        ValueError: there is no codec of that name.
        TypeError: the object is no codec.
        ModuleNotFoundError: the library that the codec needs is not installed.
    """
    if isinstance(codec, str):
        if msgpack is not None and codec == msgpack.name:
            return msgpack
        if codec not in _NAMES:
            names = ", ".join(map(repr, _NAMES))
            raise ValueError(f"there is no codec {codec!r}; there are {names}")
        if codec not in _BY_NAME:
            # Loaded when it is asked for: pyarrow is large.
            from procwire.arrow import ArrowCodec

            _BY_NAME[codec] = ArrowCodec()
        return _BY_NAME[codec]
    if not isinstance(codec, Codec) or isinstance(codec, type):
        raise TypeError(f"a codec has name, encode() and decode(), {codec!r} does not")
    return codec
