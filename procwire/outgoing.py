"""Values on their way to JavaScript that MessagePack does not know, or JavaScript would change.

This is the slow side of the codec: :meth:`Outgoing.stand_in` is called for single values of other
types, :meth:`Outgoing.prepare` walks a value that cannot be packed as it is. It makes one that
can, as the policies say, or finds out what is wrong and where.
"""

from __future__ import annotations

import enum
import math
import re
from datetime import UTC, datetime
from typing import Any

from msgpack import ExtType, Timestamp

from procwire.conversions import aware, convert
from procwire.errors import CodecError
from procwire.policies import Policies

__all__ = ["MAX_DEPTH", "MAX_SAFE_INTEGER", "MAX_STRING_LENGTH", "Outgoing"]

MAX_SAFE_INTEGER = 2**53 - 1
"""JavaScript's ``Number.MAX_SAFE_INTEGER``: integers beyond it lose digits without an error."""

MAX_DEPTH = 500
"""How deeply lists and mappings may be nested."""

MAX_CONVERSIONS = 100
"""How often a value may be given a stand-in that needs one itself."""

MAX_STRING_LENGTH = 536_870_888
"""V8's longest string, in UTF-16 code units; the parent throws on a longer one."""

MAX_DATE = 8_640_000_000_000_000
"""Milliseconds from the epoch to JavaScript's last date; its first is as far away."""

MAX_PATH_LENGTH = 200
"""Characters of the path to a fault that are told."""

_DATE_EXTENSION = 2
_DATE_SIZE = 8
_PIECE = 1 << 20

# What the packer takes as it is; lists, tuples and mappings are looked into.
_PACKABLE = (
    type(None), bool, int, float, str, bytes, bytearray, memoryview, dict, list, tuple, Timestamp,
)  # fmt: skip


class _FaultError(Exception):
    """What is wrong with a value, and the steps that lead there, the last one first."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.steps: list[str] = []
        # Of user code; `raise ... from` would have to be told on every step.
        self.cause: Exception | None = None

    def __str__(self) -> str:
        path = "$" + "".join(reversed(self.steps))
        if len(path) > MAX_PATH_LENGTH:
            path = f"{path[:MAX_PATH_LENGTH]}…"
        return f"{path}: {self.args[0]}"


class Outgoing:
    """Makes values packable, as the policies of one codec say."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def stand_in(self, value: Any) -> Any:
        """What the packer takes in place of a value; nothing in it has been looked at.

        Raises:
            CodecError: there is nothing; the text does not say where.
        """
        for _ in range(MAX_CONVERSIONS):
            if isinstance(value, _PACKABLE) and not isinstance(value, enum.Enum):
                return value
            value = convert(value, self._policies)
        raise CodecError(f"converted more than {MAX_CONVERSIONS} times in a row")

    def prepare(self, value: Any, depth: int = 0) -> Any:
        """What the packer takes in place of a value, and of all that is in it.

        Args:
            value: Any value.
            depth: How deeply it is nested itself.

        Raises:
            CodecError: the first fault, with its path: ``$.items[3].id: …``.
            MemoryError: there is not enough.
        """
        try:
            return self._walk(value, depth)
        except Exception as error:
            fault = _located(error)
            if isinstance(fault, _FaultError):
                raise CodecError(str(fault)) from fault.cause
            raise

    def _walk(self, value: Any, depth: int) -> Any:
        value = self.stand_in(value)
        if isinstance(value, dict):
            _check_depth(depth)
            fields: dict[Any, Any] = {}
            names: set[str] = set()
            # Copied: what stands in for a value is found by code that may change this, or wait.
            for key, item in list(value.items()):
                try:
                    name = self._key(key)
                    _check_new(_property_name(name), names)
                except Exception as error:
                    raise _located(error) from None
                try:
                    fields[name] = self._walk(item, depth + 1)
                except Exception as error:
                    raise _located(error, _step(key)) from None
            return fields
        if isinstance(value, list | tuple) and not isinstance(value, ExtType):
            _check_depth(depth)
            items: list[Any] = []
            for index, item in enumerate(list(value)):
                try:
                    items.append(self._walk(item, depth + 1))
                except Exception as error:
                    raise _located(error, f"[{index}]") from None
            return items
        return self._leaf(value)

    def _leaf(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else self._no_number(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self._integer(value)
        if isinstance(value, ExtType):
            if value.code == _DATE_EXTENSION and len(value.data) != _DATE_SIZE:
                raise _FaultError(f"extension 2 is a date of 8 bytes, got {len(value.data)}")
        elif isinstance(value, Timestamp):
            if abs(value.seconds * 1000 + value.nanoseconds / 1_000_000) > MAX_DATE:
                raise _FaultError(
                    f"{value} is beyond JavaScript's dates, which end {MAX_DATE} ms from 1970"
                )
        elif isinstance(value, memoryview):
            if not value.c_contiguous:
                raise _FaultError("the memoryview is not contiguous")
            if "O" in value.format:
                raise _FaultError("a memoryview of Python objects has no bytes to send")
        return value

    def _integer(self, value: int) -> int | float | str:
        if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            return value
        match self._policies.ints:
            case "string":
                return int.__repr__(value)
            case "float":
                return float(value)
            case "allow":
                if -(2**63) <= value < 2**64:
                    return value
                raise _FaultError(f"the integer {_shorten(value)} has more than 64 bits")
        raise _FaultError(
            f"the integer {_shorten(value)} is beyond ±(2**53 - 1), where JavaScript loses digits; "
            'send it as a string or a float, or choose a policy: ints="string"'
        )

    def _no_number(self, value: float) -> float | None:
        match self._policies.nan:
            case "null":
                return None
            case "error":
                raise _FaultError(f"{value} is not a finite number")
        return value

    def _text(self, value: str) -> str:
        length = _length_in_javascript(value)
        if length > MAX_STRING_LENGTH:
            raise _FaultError(
                f"a string of {length} characters is longer than JavaScript's longest "
                f"({MAX_STRING_LENGTH}); send bytes"
            )
        if str.isascii(value):
            return value
        try:
            str.encode(value)
        except UnicodeEncodeError as error:
            if self._policies.surrogates == "replace":
                # Pairs become the character that they are in JavaScript.
                return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            raise _FaultError(
                f"the string has a lone surrogate at index {error.start}, which UTF-8 cannot "
                "carry; encode file names with os.fsencode(), or choose a policy: "
                'surrogates="replace"'
            ) from None
        return value

    # ---- keys ------------------------------------------------------------------------------

    def _key(self, key: Any) -> str | int | float:
        """A key goes as the same value would, and has to be a string or a number then."""
        plain = key
        if self._policies.keys == "string" and isinstance(key, datetime | tuple):
            plain = self._spelled(key)
        try:
            plain = self.stand_in(plain)
        except CodecError as error:
            raise _FaultError(f"the key {_shorten(key)}: {error}") from None
        if isinstance(plain, int | float) and not isinstance(plain, bool):
            number: str | int | float = plain if isinstance(plain, float) else self._integer(plain)
            return number
        if not isinstance(plain, str):
            if self._policies.keys == "error" or not isinstance(plain, bool | bytes | None):
                raise _FaultError(
                    f"the parent refuses keys of type {type(key).__qualname__} "
                    f"({_shorten(key)}); JavaScript's keys are strings"
                )
            plain = self._spelled(plain)
        if plain == "__proto__":
            raise _FaultError("the parent refuses the key '__proto__'")
        return self._text(plain)

    def _spelled(self, key: Any) -> str:
        """What JavaScript makes of a key that is no string, so that ``object[key]`` finds it."""
        if isinstance(key, tuple):
            return ",".join("" if item is None else self._spelled(item) for item in key)
        if isinstance(key, datetime):
            # As its toISOString(): what it makes of a Date depends on where it runs.
            moment = aware(key, self._policies)
            if isinstance(moment, str):
                return moment
            return f"{moment.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"
        plain = self.stand_in(key)
        if plain is None:
            return "null"
        if isinstance(plain, bool):
            return "true" if plain else "false"
        if isinstance(plain, bytes):
            return plain.decode()
        return _property_name(self._key(plain))


def _located(error: Exception, *steps: str) -> Exception:
    """The error as a fault, some steps further away."""
    if isinstance(error, MemoryError):
        return error
    if not isinstance(error, _FaultError):
        if isinstance(error, CodecError):
            text = str(error)
        else:
            text = f"cannot be packed: {type(error).__name__}: {error}"
        fault = _FaultError(text)
        fault.cause = error
        error = fault
    error.steps += steps
    return error


def _check_depth(depth: int) -> None:
    if depth == MAX_DEPTH:
        raise _FaultError(f"nested more than {MAX_DEPTH} levels deep, or in a circle")


def _check_new(name: str, names: set[str]) -> None:
    if name in names:
        raise _FaultError(f"two keys are {_shorten(name)} in JavaScript, and one would be lost")
    names.add(name)


def _step(key: object) -> str:
    if isinstance(key, str) and re.fullmatch(r"\w{1,60}", key):
        return f".{key}"
    return f"[{_shorten(key)}]"


def _property_name(key: str | int | float) -> str:
    """What JavaScript's ``String()`` makes of a key."""
    if isinstance(key, str):
        return key
    if isinstance(key, int) and abs(key) <= MAX_SAFE_INTEGER:
        return int.__repr__(key)
    number = float(key)
    if not math.isfinite(number):
        return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    # Both languages take the fewest digits that say which number it is; they differ in the rest.
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


def _length_in_javascript(text: str) -> int:
    """How many UTF-16 code units a string has; as many as characters where it is short."""
    length = len(text)
    if length <= MAX_STRING_LENGTH // 2 or length > MAX_STRING_LENGTH or text.isascii():
        return length
    pieces = (text[start : start + _PIECE] for start in range(0, length, _PIECE))
    return sum(len(piece.encode("utf-16-le", "surrogatepass")) // 2 for piece in pieces)


def _shorten(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 128:
        return f"of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
