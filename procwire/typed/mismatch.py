"""Why a payload is not what an annotation says: where, what was expected, what came.

msgspec says it in a text. Its path is exact but for keys of dictionaries, which are looked for;
what stands at the path is looked up in the type and in the payload, decoded without types.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect

from procwire.errors import ValidationError
from procwire.failures import describe as describe_error
from procwire.failures import printable
from procwire.typed.faults import explain_model
from procwire.typed.shapes import (
    ARRAYS,
    Shape,
    describe,
    fields_of,
    is_array,
    member_for,
    tag_of,
    unwrap,
)
from procwire.typed.values import kind_of, shown

__all__ = ["explain"]

_TEXT = re.compile(r"(?P<what>.*?)(?: - at (?P<key>`key` in )?`(?P<path>\$.*)`)?", re.DOTALL)
_STEP = re.compile(r"\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])|\.(?P<name>[^.\[]+)")
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_OTHER_TYPE = re.compile(r"Expected `[^`]*`, got `[^`]*`", re.DOTALL)

MAX_SEARCHED_KEYS = 1000
"""Entries of a dictionary among which the one at fault is looked for."""

_ANY_KEY = "[...]"

Convert = Callable[[Any], Any]


def explain(
    error: msgspec.ValidationError, tree: Any, shape: Shape, convert: Convert
) -> ValidationError:
    """The error to the caller.

    Args:
        error: What msgspec has said.
        tree: The payload, decoded without types.
        shape: What it should have become.
        convert: Makes one of the other; it has failed with ``error``.
    """
    found = _TEXT.fullmatch(str(error))
    assert found is not None
    what, path = found["what"], found["path"] or "$"
    steps = _find_keys(_steps(path), tree, str(error), convert)
    if found["key"]:
        steps = _find_keys([*steps, _ANY_KEY], tree, str(error), convert)
        return _of_key(what, steps, tree, shape)
    missing, unknown = _MISSING.fullmatch(what), _UNKNOWN.fullmatch(what)
    if missing is not None:
        steps.append(missing["name"])
        place, _ = _look_up(steps, tree, shape)
        return _error(steps, _or_any(place), "nothing")
    if unknown is not None:
        steps.append(unknown["name"])
        _, value = _look_up(steps, tree, shape)
        return _error(steps, "no field of this name", kind_of(value))
    place, value = _look_up(steps, tree, shape)
    if hasattr(error.__cause__, "errors"):
        return _inside(steps, explain_model(error.__cause__, value))
    if _OTHER_TYPE.fullmatch(what):
        return _error(steps, _or_any(place), kind_of(value))
    return _error(steps, _or_any(place), shown(value), _reason(error, what))


def _of_key(what: str, steps: list[str | int], tree: Any, shape: Shape) -> ValidationError:
    place, _ = _look_up(steps[:-1], tree, shape)
    key_type = place.key_type if isinstance(place, inspect.DictType) else None
    key = "another key" if steps[-1] == _ANY_KEY else f"the key {shown(steps[-1])}"
    return _error(steps[:-1], f"{_or_any(key_type)} keys", key, _with_reason(what))


def _inside(steps: list[str | int], error: ValidationError) -> ValidationError:
    """What a model has said, which knows nothing of where it is."""
    path = _path(steps) + error.path.removeprefix("$")
    return ValidationError(path, error.expected, error.got, error.reason)


def _error(
    steps: list[str | int], expected: str, got: str, reason: str | None = None
) -> ValidationError:
    return ValidationError(_path(steps), expected, printable(got), reason)


def _path(steps: list[str | int]) -> str:
    path = "$"
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else step if step == _ANY_KEY else f".{step}"
    return printable(path)


def _or_any(shape: Shape | None) -> str:
    return "a value" if shape is None else describe(shape)


def _reason(error: msgspec.ValidationError, what: str) -> str | None:
    """What the type's own code has said, or msgspec about a value of the right type."""
    if error.__cause__ is not None:
        return describe_error(error.__cause__)
    return _with_reason(what)


def _with_reason(what: str) -> str | None:
    # What is expected has been said already.
    said = what.startswith(("Expected", "Invalid enum value"))
    return None if said else printable(what.replace("`", ""))


# ---- the path ----------------------------------------------------------------------------------


def _steps(path: str) -> list[str | int]:
    """The names and indices of a path."""
    return [
        int(step["index"]) if step["index"] else step["name"] or _ANY_KEY
        for step in _STEP.finditer(path)
    ]


def _look_up(steps: list[str | int], tree: Any, shape: Shape) -> tuple[Shape | None, Any]:
    """The type and the value at a path; ``None`` where it leads out of what is known."""
    place: Shape | None = member_for(shape, tree)
    value = tree
    for number, step in enumerate(steps):
        part = None if place is None else _part(place, step)
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None
        # The last one is told as it is written, with all that it might have been.
        last = number == len(steps) - 1
        place = part if part is None or last else member_for(part, value)
    if not steps:
        place = unwrap(shape)
    return place, value


def _part(shape: Shape, step: str | int) -> Shape | None:
    if isinstance(shape, inspect.UnionType):
        # Which member it is depends on the tag; that is what is at fault.
        tags = [tag[1] for member in shape.types if (tag := tag_of(member)) and tag[0] == step]
        return inspect.LiteralType(tuple(tags)) if tags else None
    tag = tag_of(shape)
    if isinstance(shape, inspect.DictType):
        return unwrap(shape.value_type)
    if isinstance(shape, ARRAYS):
        return unwrap(shape.item_type)
    if isinstance(shape, inspect.TupleType):
        types = list(shape.item_types)
    elif is_array(shape):
        types = [field.type for field in fields_of(shape)]
        if tag is not None:
            types.insert(0, inspect.LiteralType((tag[1],)))
    else:
        if tag is not None and tag[0] == step:
            return inspect.LiteralType((tag[1],))
        named = [field.type for field in fields_of(shape) if field.encode_name == step]
        return unwrap(named[0]) if named else None
    return unwrap(types[step]) if isinstance(step, int) and step < len(types) else None


def _find_keys(steps: list[str | int], tree: Any, text: str, convert: Convert) -> list[str | int]:
    """The path with the keys of dictionaries that msgspec leaves out."""
    holder = [tree]
    for number, step in enumerate(steps):
        if step == _ANY_KEY:
            steps = [*steps[:number], _find_key(holder, steps[:number], text, convert),
                     *steps[number + 1 :]]  # fmt: skip
    return steps


def _find_key(holder: list[Any], steps: list[str | int], text: str, convert: Convert) -> Any:
    """The key of the first entry at fault: the last one of the shortest beginning that fails."""
    parent: Any = holder
    last: Any = 0
    for step in steps:
        parent, last = parent[last], step
    try:
        entries = parent[last]
    except (KeyError, IndexError, TypeError):
        return _ANY_KEY
    if not isinstance(entries, dict) or len(entries) > MAX_SEARCHED_KEYS:
        return _ANY_KEY
    keys = list(entries)

    def fails(count: int) -> bool:
        parent[last] = {key: entries[key] for key in keys[:count]}
        try:
            convert(holder[0])
        except msgspec.ValidationError as error:
            return str(error) == text
        return False

    try:
        low, high = 0, len(keys)
        while high - low > 1:
            middle = (low + high) // 2
            if fails(middle):
                high = middle
            else:
                low = middle
        return keys[high - 1] if keys and fails(high) else _ANY_KEY
    finally:
        parent[last] = entries
