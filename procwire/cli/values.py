"""Values as JSON, with a spelling for what JSON has not.

Bytes are ``{"$bytes": "base64"}``, points in time ``{"$date": "ISO 8601"}``, in both directions.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from procwire.cli.errors import CommandError
from procwire.codecs import Codec

__all__ = ["add_data", "fit", "from_json", "read_data", "to_json"]


def add_data(parser: ArgumentParser) -> None:
    """The arguments that say what is sent."""
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help='what is sent, as JSON, bytes as {"$bytes": "base64"} (default: null)',
    )
    parser.add_argument("--file", metavar="PATH", help="read that from a file, - is standard input")


def read_data(options: Namespace, *, raw: bool = False) -> Any:
    """What is to be sent: a value, or with ``raw`` bytes.

    Raises:
        CommandError: the file cannot be read, or it is no JSON.
    """
    if options.file is not None and options.data is not None:
        raise CommandError("give either DATA or --file", status=2)
    if options.file == "-":
        if sys.stdin is None:
            raise CommandError("standard input is closed")
        source = sys.stdin.buffer.read()
    elif options.file is not None:
        try:
            source = Path(options.file).read_bytes()
        except OSError as error:
            raise CommandError(f"{options.file} cannot be read: {error.strerror}") from None
    elif options.data is None:
        return b"" if raw else None
    else:
        source = options.data.encode(errors="surrogateescape")
    if raw:
        return source
    try:
        return from_json(source)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"DATA is no JSON ({error}): {_shortened(source)}", status=2) from None


def fit(data: Any, codec: Codec) -> Any:
    """The data as the codec takes it: JSON has no bytes, and the raw codec takes nothing else.

    Raises:
        CommandError: a text has no bytes.
    """
    if not isinstance(data, str) or codec.name != "raw":
        return data
    try:
        return data.encode()
    except UnicodeEncodeError as error:
        raise CommandError(
            f"DATA has a lone surrogate at index {error.start}, which UTF-8 does not have", status=2
        ) from None


def from_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none.
    """
    return json.loads(text, object_hook=_object)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON; what has no spelling there is given as its text."""
    return json.dumps(value, default=_special, ensure_ascii=False, indent=indent)


def _object(value: dict[str, Any]) -> Any:
    match value:
        case {"$bytes": str(text), **others} if not others:
            return base64.b64decode(text, validate=True)
        case {"$date": str(text), **others} if not others:
            return datetime.fromisoformat(text)
    return value


def _special(value: object) -> object:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        return {"$date": value.isoformat()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    return str(value)


def _shortened(source: bytes, length: int = 60) -> str:
    text = source.decode(errors="replace")
    return text if len(text) <= length else f"{text[:length]}..."
