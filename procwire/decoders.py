"""Who makes the value of a payload that a handler's annotation asks for.

The seam between annotations and decoders. A provider is a module with a function
``decoder_for(wanted)``, which returns the codec that decodes such payloads, or ``None`` when the
annotation is none of its own. It is imported when the first annotated handler is registered, and
must import what it builds on only when that is needed.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from procwire._core import RawCodec
from procwire.annotations import UNKNOWN
from procwire.codecs import Codec

__all__ = ["Wanted", "decoder_for"]

_PROVIDERS = ("procwire.arrays", "procwire.typed")
"""Modules, asked in this order."""


@dataclass(frozen=True)
class Wanted:
    """What a payload is to become.

    Attributes:
        type: The annotation, all names in it looked up.
        codec: The codec of the payload, as the method was registered.
        nil_as_missing: Whether ``None`` stands for a field's default where it is no value.
    """

    type: Any
    codec: Codec
    nil_as_missing: bool = False


def decoder_for(wanted: Wanted) -> Codec:
    """The codec that decodes such payloads: the method's own where nothing more is asked for.

    Raises:
        NameError: a type refers to one that is not defined (yet).
        TypeError: no payload can become that.
        ImportError: a package is needed for it that is not installed.
    """
    if wanted.type in (UNKNOWN, Any, object):
        return wanted.codec
    if wanted.type is bytes and isinstance(wanted.codec, RawCodec):
        # It gives nothing else.
        return wanted.codec
    for name in _PROVIDERS:
        codec: Codec | None = importlib.import_module(name).decoder_for(wanted)
        if codec is not None:
            return codec
    return wanted.codec
