"""Payloads that become what a handler's annotation says, through msgspec or pydantic.

For MessagePack; other codecs decide for themselves what they make of a payload. pydantic's models
go through pydantic, all else through msgspec, the extra ``typed``. Both are imported when the first
annotation asks for them.
"""

from __future__ import annotations

import importlib.util

from procwire._core import CheckedCodec, MsgpackCodec
from procwire.codecs import Codec
from procwire.decoders import Wanted
from procwire.decoders import decoder_for as any_decoder_for
from procwire.errors import CodecError, ValidationError
from procwire.typed.models import has_models, model_decoder
from procwire.typed.plain import is_plain, name_of

__all__ = ["checked", "decoder_for"]


def decoder_for(wanted: Wanted) -> Codec | None:
    """The decoder of an annotation; ``None`` where the codec itself will do.

    Raises:
        NameError: a type refers to one that is not defined (yet).
        TypeError: no payload can become that.
        ImportError: it takes msgspec, which is not installed.
    """
    if not isinstance(wanted.codec, MsgpackCodec):
        return None
    if has_models(wanted.type):
        return model_decoder(wanted.type, wanted.codec, wanted.nil_as_missing)
    if importlib.util.find_spec("msgspec") is None:
        if is_plain(wanted.type):
            return None
        raise ImportError(
            f"a payload becomes {name_of(wanted.type)} with the help of msgspec: "
            "pip install 'procwire[typed]'"
        )
    from procwire.typed.decoding import Decoding

    return Decoding(wanted.type, wanted.codec, wanted.nil_as_missing).codec()


def checked(wanted: Wanted) -> Codec:
    """The codec of answers that must be what a handler's annotation says.

    What is looked at is the payload: it must be one that could be read as that type.

    Raises:
        NameError: a type refers to one that is not defined (yet).
        TypeError: no payload can be that.
        ValueError: another codec than MessagePack encodes it.
        ImportError: a package is needed for it that is not installed.
    """
    if not isinstance(wanted.codec, MsgpackCodec):
        raise ValueError(f"validate_result is for MessagePack, not for {wanted.codec.name!r}")
    decoder = any_decoder_for(wanted)
    if decoder is wanted.codec:
        raise ImportError("validate_result takes msgspec: pip install 'procwire[typed]'")

    def check(payload: bytes) -> None:
        try:
            decoder.decode(payload)
        except ValidationError as error:
            # The worker's fault, and not the caller's.
            raise CodecError(f"the answer is not what the handler declares: {error}") from None

    return CheckedCodec(wanted.codec, check)
