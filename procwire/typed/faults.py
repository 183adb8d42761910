"""What pydantic has against a payload, and where in it.

pydantic's own paths have the names of a union's members in them, which are no part of the payload.
They are told apart by what a path leads to: pydantic says what it has looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from procwire.errors import ValidationError
from procwire.failures import printable
from procwire.typed.values import kind_of, shown

__all__ = ["explain_model", "take_none_away"]

_Step = str | int


def explain_model(error: Any, tree: Any) -> ValidationError:
    """The error to the caller.

    Args:
        error: pydantic's.
        tree: What pydantic was given.
    """
    first, *more = _faults(error)
    path = "$"
    for step in _path(first, tree):
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    message = printable(first["msg"])
    expected, got, reason = message, shown(first["input"]), None
    if first["type"] == "missing":
        expected, got = "a value", "nothing"
    elif message.startswith("Input should be "):
        expected = message.removeprefix("Input should be ")
        if first["type"].endswith("_type"):
            got = kind_of(first["input"])
    if more:
        reason = f"and {len(more)} more"
    return ValidationError(printable(path), expected, got, reason)


def take_none_away(error: Any, tree: Any) -> bool:
    """Remove the fields in which ``None`` was refused; whether there were any."""
    found = False
    paths = [_path(fault, tree) for fault in _faults(error) if fault["input"] is None]
    for *way, name in filter(None, paths):
        place = tree
        try:
            for step in way:
                place = place[step]
        except (KeyError, IndexError, TypeError):
            continue
        if isinstance(place, dict) and name in place and place[name] is None:
            del place[name]
            found = True
    return found


def _faults(error: Any) -> list[dict[str, Any]]:
    faults: list[dict[str, Any]] = error.errors(include_url=False, include_context=False)
    return faults


# ---- the path ----------------------------------------------------------------------------------


def _path(fault: dict[str, Any], tree: Any) -> Sequence[_Step]:
    """Where in the payload a fault is; what pydantic says if that cannot be found."""
    loc: tuple[_Step, ...] = fault["loc"]
    # What was looked at of a field that is missing is the object that lacks it.
    split = len(loc) - 1 if fault["type"] == "missing" else len(loc)
    steps, name = loc[:split], loc[split:]
    for prefers_keys in (True, False):
        way, place = _follow(steps, tree, prefers_keys)
        if place is fault["input"]:
            return (*way, *name)
        if name and way == steps:
            # The field is looked for further down.
            break
    return loc


def _follow(
    steps: tuple[_Step, ...], place: Any, prefers_keys: bool
) -> tuple[tuple[_Step, ...], Any]:
    """The steps that lead somewhere, and where to; the others are the names of members.

    Args:
        steps: All that pydantic has told.
        place: Where they begin.
        prefers_keys: Whether a step that may be a key or such a name is a key.
    """
    way: list[_Step] = []
    for step, following in zip(steps, (*steps[1:], None), strict=False):
        skips = not prefers_keys and _leads_on(place, following)
        if _leads_on(place, step) and not skips:
            place = place[step]
            way.append(step)
    return tuple(way), place


def _leads_on(place: Any, step: _Step | None) -> bool:
    if isinstance(place, dict):
        return step in place
    return isinstance(place, list) and isinstance(step, int) and step < len(place)
