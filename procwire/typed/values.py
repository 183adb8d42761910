"""Values that came, in words."""

from __future__ import annotations

from typing import Any

from procwire.failures import printable

__all__ = ["kind_of", "shown"]

MAX_SHOWN = 60
"""Characters of a value that an error shows."""


def kind_of(value: Any) -> str:
    """The type of what came, as an annotation names it."""
    return "None" if value is None else type(value).__name__


def shown(value: Any) -> str:
    """A scalar as Python writes it, cut short; of other values the type and the length."""
    if isinstance(value, str | bytes):
        text = repr(value[:MAX_SHOWN])
    elif isinstance(value, bool | int | float):
        text = repr(value)
    else:
        length = f" of length {len(value)}" if hasattr(value, "__len__") else ""
        return kind_of(value) + length
    return printable(text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "...")
