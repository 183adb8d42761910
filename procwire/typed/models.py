"""Payloads that pydantic makes models of, by the models' own rules."""

from __future__ import annotations

import functools
import importlib
import typing
from typing import Any

from procwire._core import TypedCodec
from procwire.codecs import Codec
from procwire.errors import CodecError, ValidationError
from procwire.failures import describe
from procwire.typed.faults import explain_model, take_none_away
from procwire.typed.plain import name_of

__all__ = ["has_models", "is_model", "model_decoder", "model_from_tree"]


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
        tree = plain.decode(payload)
        try:
            return model_from_tree(annotation, tree, nil_as_missing)
        except ValueError as error:
            if hasattr(error, "errors"):
                raise explain_model(error, tree) from error
            raise

    def recover(_payload: bytes, failure: Exception) -> Any:
        if isinstance(failure, CodecError | ValidationError | MemoryError | RecursionError):
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
        if not nil_as_missing or not take_none_away(error, tree):
            raise
    return validate(tree)


@functools.cache
def _adapter(annotation: Any) -> Any:
    return importlib.import_module("pydantic").TypeAdapter(annotation)
