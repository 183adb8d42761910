"""Tables as payloads: the codec ``"arrow"``, the other side of ``@procwire/codecs/arrow``.

pyarrow is loaded with this module, and this with the first method or event whose codec it is.
"""

from __future__ import annotations

try:
    import pyarrow  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "pyarrow":
        raise
    raise ModuleNotFoundError(
        "the codec 'arrow' needs pyarrow: pip install 'procwire[arrow]'", name="pyarrow"
    ) from error

from procwire.arrow.codec import ArrowCodec

__all__ = ["ArrowCodec"]
