"""The fields of pydantic's models, as they are in payloads.

A model may read a field under one name and write it under another; some are read only, and
computed ones are written only. pydantic is known by what its classes have, so that it is not
imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from procwire.annotations import UNKNOWN

__all__ = ["ModelField", "is_root", "received_fields", "sent_fields"]


class ModelField(NamedTuple):
    """A property of the object that a model is in a payload.

    Attributes:
        name: Its name there.
        annotation: Its type; ``UNKNOWN`` where that cannot be said.
        optional: Whether it may be left out.
    """

    name: str
    annotation: Any
    optional: bool


def is_root(model: Any) -> bool:
    """Whether the model is in a payload what its only field is, and no object around that."""
    return getattr(model, "__pydantic_root_model__", False)


def sent_fields(model: Any) -> Iterable[ModelField]:
    """What the parent sends, and the model reads."""
    fields: dict[str, ModelField] = {}
    for name, info in _infos(model).items():
        alias = info.validation_alias or name
        choices = getattr(alias, "choices", [alias])
        names = [choice for choice in choices if isinstance(choice, str)]
        optional = not info.is_required()
        if names:
            fields[names[0]] = ModelField(names[0], info.annotation, optional)
        else:
            # The value is somewhere in there, and other fields may be as well.
            holder = str(choices[0].path[0])
            fields.setdefault(holder, ModelField(holder, UNKNOWN, optional))
    return fields.values()


def received_fields(model: Any) -> Iterable[ModelField]:
    """What the model writes, and the parent receives."""
    for name, info in _infos(model).items():
        if not info.exclude:
            yield ModelField(info.serialization_alias or name, info.annotation, False)
    for name, decorator in model.__pydantic_decorators__.computed_fields.items():
        computed = decorator.info
        yield ModelField(computed.alias or name, computed.return_type, False)


def _infos(model: Any) -> dict[str, Any]:
    infos: dict[str, Any] = getattr(model, "model_fields", None) or getattr(
        model, "__pydantic_fields__", {}
    )
    return infos
