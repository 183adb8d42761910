"""What becomes of values that JavaScript would change or refuse: the choices of one codec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = ["Arrays", "Default", "Ints", "Keys", "NaN", "Naive", "Policies", "Surrogates"]

Ints = Literal["error", "string", "float", "allow"]
Keys = Literal["error", "string"]
Naive = Literal["error", "utc", "local", "string"]
Surrogates = Literal["error", "replace"]
NaN = Literal["allow", "null", "error"]
Arrays = Literal["bytes", "list"]
Default = Callable[[Any], Any]

_CHOICES = {
    "ints": Ints,
    "keys": Keys,
    "naive": Naive,
    "surrogates": Surrogates,
    "nan": NaN,
    "arrays": Arrays,
}


@dataclass(frozen=True)
class Policies:
    """The choices; :class:`procwire.MsgpackCodec` says what each means.

    Raises:
        ValueError: a choice is none of those that there are.
        TypeError: ``default`` is no function.
    """

    ints: Ints = "error"
    keys: Keys = "error"
    naive: Naive = "error"
    surrogates: Surrogates = "error"
    nan: NaN = "allow"
    arrays: Arrays = "bytes"
    default: Default | None = None

    def __post_init__(self) -> None:
        for name, literal in _CHOICES.items():
            *others, last = map(repr, get_args(literal))
            chosen = getattr(self, name)
            if chosen not in get_args(literal):
                raise ValueError(f"{name} is {', '.join(others)} or {last}, got {chosen!r}")
        if self.default is not None and not callable(self.default):
            raise TypeError(f"default is a function of a value, got {self.default!r}")
