"""``procwire inspect``: what a worker offers, without starting it."""

from __future__ import annotations

import functools
import inspect
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import Any

from procwire.cli.output import Output, shown_path
from procwire.cli.target import add_target, load
from procwire.cli.values import to_json
from procwire.client import Client
from procwire.registered import Registration

__all__ = ["add_arguments", "describe", "execute"]


def add_arguments(parser: ArgumentParser) -> None:
    """What ``inspect`` takes."""
    add_target(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def execute(options: Namespace) -> int:
    """Print it as a table or as JSON."""
    output = Output()
    found = describe(load(options.target))
    if options.json:
        output.line(to_json(found, indent=2))
        return 0
    rows = [
        (
            name,
            method["response"],
            _arrow(method["request_codec"], method["response_codec"]),
            _arrow(method["takes"] or "any", method["returns"] or "any"),
            "; ".join(_notes(method)),
            method["source"] or "",
        )
        for name, method in found["methods"].items()
    ]
    for line in _table(("method", "response", "codec", "types", "notes", "source"), rows):
        output.line(line)
    if found["events"]:
        output.line("")
        for line in _table(
            ("event", "codec"), [(name, event["codec"]) for name, event in found["events"].items()]
        ):
            output.line(line)
    return 0


def describe(client: Client) -> dict[str, Any]:
    """Methods and events of a client, as ``inspect --json`` prints them."""
    schema = client._schema()
    methods = {
        name: {**schema["methods"][name], "timeout": registered.timeout, **_method(registered)}
        for name, registered in client._methods.items()
    }
    events = {
        name: {**schema["events"][name], "codec": codec.name}
        for name, codec in client._events.items()
    }
    return {"methods": methods, "events": events}


def _method(registered: Registration) -> dict[str, Any]:
    takes, returns = _annotations(registered.function)
    limit = registered.time_limit
    executor = registered.executor
    return {
        "max_duration": None if limit is None or limit.from_arrival else limit.seconds,
        "request_codec": registered.request_codec.name,
        "response_codec": registered.response_codec.name,
        "takes": takes,
        "returns": returns,
        "form": registered.shape.form,
        "context": registered.shape.takes_context,
        "max_concurrency": registered.max_concurrency,
        "executor": executor if executor is None or isinstance(executor, str) else repr(executor),
        "batch": None
        if registered.batch is None
        else {"max_size": registered.batch.max_size, "max_wait": registered.batch.max_wait},
        "source": _source(registered.function),
    }


def _annotations(function: Callable[..., Any]) -> tuple[str | None, str | None]:
    """What a handler says that it takes and returns."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return None, None
    data = next(iter(signature.parameters.values()), None)
    taken = inspect.Parameter.empty if data is None else data.annotation
    return _spelled(taken), _spelled(signature.return_annotation)


def _spelled(annotation: object) -> str | None:
    if annotation is inspect.Signature.empty:
        return None
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _source(function: Callable[..., Any]) -> str | None:
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return None
    return f"{shown_path(code.co_filename)}:{code.co_firstlineno}"


def _arrow(first: str, second: str) -> str:
    return first if first == second else f"{first} -> {second}"


def _notes(method: dict[str, Any]) -> list[str]:
    notes = [method["form"]]
    for name, unit in (("timeout", " s"), ("max_duration", " s"), ("max_concurrency", "")):
        if method[name] is not None:
            notes.append(f"{name} {method[name]:g}{unit}")
    if method["executor"] is not None:
        notes.append(f"executor {method['executor']}")
    if method["batch"] is not None:
        notes.append(f"batches of {method['batch']['max_size']}")
    return notes


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
