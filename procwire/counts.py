"""Options that are whole numbers."""

from __future__ import annotations

import operator

__all__ = ["check_count"]


def check_count(name: str, value: object, *, least: int = 1, most: int | None = None) -> None:
    """Refuse what would fail only where it is used, in the event loop.

    Raises:
        TypeError: it is no integer, whatever its value is: ``8.0`` is none.
        ValueError: it is out of its range.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} is an integer, got {value!r}") from None
    if most is not None and not least <= number <= most:
        raise ValueError(f"{name} is from {least} to {most}, got {value}")
    if number < least:
        raise ValueError(f"{name} is {least} at least, got {value}")
