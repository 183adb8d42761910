"""Payloads that pydantic makes models of, by the models' own rules."""

from __future__ import annotations

import functools
import importlib
import typing
from typing import Any

from procwire._core import TypedCodec
from procwire.codecs import Codec
from procwire.errors import CodecError, ValidationError
from procwire.failures import describe, printable
from procwire.typed.plain import name_of
from procwire.typed.values import kind_of, shown

__all__ = ["explain_model", "has_models", "is_model", "model_decoder", "model_from_tree"]


def is_model(annotation: Any) -> bool:
    """Whether it is a class of pydantic's: a model, or one of its dataclasses."""
    return hasattr(annotation, "__pydantic_validator__")


def has_models(annotation: Any) -> bool:
    """Whether it is such a class, or a list, an optional and the like of such."""
    return is_model(annotation) or any(map(has_models, typing.get_args(annotation)))


def model_decoder(annotation: Any, plain: Codec, nil_as_missing: bool) -> TypedCodec:
    """The request codec that makes models.

    Raises:
        NameError: a model refers to a type that is not defined (yet).
    """
    # Made now, so that it fails now.
    _adapter(annotation)

    def decode(payload: bytes) -> Any:
        return model_from_tree(annotation, plain.decode(payload), nil_as_missing)

    def recover(_payload: bytes, failure: Exception) -> Any:
        if hasattr(failure, "errors"):
            raise explain_model(failure) from failure
        if isinstance(failure, CodecError | MemoryError | RecursionError):
            raise failure
        raise ValidationError(
            "$", name_of(annotation), "a value that it refuses", describe(failure)
        ) from failure

    return TypedCodec(plain.name, decode, recover, replaces_extensions=False, runs_user_code=True)


def model_from_tree(annotation: Any, tree: Any, nil_as_missing: bool) -> Any:
    """A value of a type of pydantic's, of a payload that was decoded without types.

    Raises:
        pydantic.ValidationError: it is none.
    """
    validate = _adapter(annotation).validate_python
    try:
        return validate(tree)
    except ValueError as error:
        # All that is wrong is told at once, so that this is done once.
        if not nil_as_missing or not _take_none_away(error, tree):
            raise
    return validate(tree)


@functools.cache
def _adapter(annotation: Any) -> Any:
    return importlib.import_module("pydantic").TypeAdapter(annotation)


def _take_none_away(error: Any, tree: Any) -> bool:
    """Remove the fields in which ``None`` was refused; whether there were any."""
    found = False
    for fault in _faults(error):
        *way, name = fault["loc"] or (None,)
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


def explain_model(error: Any) -> ValidationError:
    """The error to the caller, for one of pydantic's."""
    first, *more = _faults(error)
    path = "$"
    for step in first["loc"]:
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


def _faults(error: Any) -> list[dict[str, Any]]:
    faults: list[dict[str, Any]] = error.errors(include_url=False, include_context=False)
    return faults
