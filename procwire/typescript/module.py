"""The TypeScript module that a client's parent imports."""

from __future__ import annotations

import json
import re
from typing import Any

from procwire._core import MsgpackCodec, RawCodec
from procwire.codecs import Codec
from procwire.registered import MethodTypes
from procwire.registrations import Registrations
from procwire.typescript.types import Direction, Types

__all__ = ["module_source"]

_HEAD = """\
// Written by `python -m procwire types {target}`. Do not edit: write it again.
"""

_TYPES = """\
/** What the worker offers. */
export type {name}Schema = ExtractSchema<ReturnType<typeof build>>;

type Methods = {name}Schema["methods"];
type Events = {name}Schema["events"];

/** The worker's module: it takes no calls but those that the worker understands. */
export interface {name} extends Module<{name}Schema> {{
  send<M extends MethodsWithoutResponseType<{name}Schema, "stream"> & string>(
    method: M,
    data: Methods[M]["reqIn"],
    options?: {{ signal?: AbortSignal }},
  ): Promise<SendReturn<Methods[M]["resOut"], Methods[M]["responseType"]>>;
  stream<M extends MethodsWithResponseType<{name}Schema, "stream"> & string>(
    method: M,
    data: Methods[M]["reqIn"],
    options?: {{ signal?: AbortSignal }},
  ): AsyncGenerator<Methods[M]["resOut"]>;
  onEvent<E extends string & keyof Events>(
    eventName: E,
    handler: (data: Events[E]["dataOut"]) => void,
  ): () => void;
}}

/** Makes the module; it still has to be told its executable. */
export function {function}(name = {default}): {name} {{
  return build(name);
}}
"""

_RESERVED = ("Array", "AsyncGenerator", "Buffer", "Date", "Events", "ExtractSchema", "Methods",
             "MethodsWithResponseType", "MethodsWithoutResponseType", "Module", "Promise",
             "SendReturn", "Uint8Array")  # fmt: skip
"""What types cannot be called that have the names of Python's classes."""

_CORE_IMPORTS = """\
import { Module } from "@procwire/core";
import type {
  ExtractSchema,
  MethodsWithResponseType,
  MethodsWithoutResponseType,
  SendReturn,
} from "@procwire/core";
"""


def module_source(client: Registrations, target: str) -> str:
    """The source of the module.

    Args:
        client: Whose methods and events it has.
        target: Where that is, as ``module:name``.

    Raises:
        TypeError: an annotation has names that are not defined.
        ValueError: a codec has no name that the parent's packages know.
    """
    name = _identifier(target)
    methods, events = client._types()
    types = Types(reserved={name, f"{name}Schema", *_RESERVED})
    codecs = _Codecs(types)
    for method in methods.values():
        types.note(method.data, "sent")
        types.note(method.answer, "received")
    for event in events.values():
        types.note(event.data, "received")
    lines = ["function build(name: string) {", "  return new Module(name)"]
    for method_name, method in methods.items():
        lines.append(f"    .method({json.dumps(method_name)}, {codecs.method(method)})")
    for event_name, event in events.items():
        codec = codecs.expression(event.codec, event.data, "received")
        lines.append(f"    .event({json.dumps(event_name)}, {{ codec: {codec} }})")
    lines[-1] += ";"
    lines.append("}")
    blocks = [
        _HEAD.format(target=target),
        codecs.imports() + _CORE_IMPORTS,
        *(f"{declaration}\n" for declaration in types.declarations()),
        "\n".join(lines) + "\n",
        _TYPES.format(
            name=name, function=name[0].lower() + name[1:], default=json.dumps(_module_name(target))
        ),
    ]
    return "\n".join(blocks)


class _Codecs:
    """The parent's codecs, and which packages they come from."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._used: set[str] = set()

    def method(self, method: MethodTypes) -> str:
        """What ``Module.method()`` takes."""
        request = self.expression(method.request_codec, method.data, "sent")
        response = self.expression(method.response_codec, method.answer, "received")
        fields = [f"requestCodec: {request}", f"responseCodec: {response}"]
        if method.response != "result":
            fields.append(f"response: {json.dumps(method.response)}")
        return f"{{ {', '.join(fields)} }}"

    def expression(self, codec: Codec, annotation: Any, direction: Direction) -> str:
        """The codec that has such values on the parent's side."""
        if isinstance(codec, RawCodec):
            self._used.add("rawCodec")
            return "rawCodec"
        if codec.name == "arrow":
            self._used.add("arrowCodec")
            return "arrowCodec"
        if isinstance(codec, MsgpackCodec) or codec.name == "msgpack":
            self._used.add("msgpack")
            return f"msgpack<{self._types.text(annotation, direction)}>()"
        raise ValueError(f"the parent's packages have no codec {codec.name!r}")

    def imports(self) -> str:
        """The lines that import them."""
        lines = []
        plain = sorted(self._used - {"arrowCodec"})
        if plain:
            lines.append(f'import {{ {", ".join(plain)} }} from "@procwire/codecs";\n')
        if "arrowCodec" in self._used:
            lines.append('import { arrowCodec } from "@procwire/codecs/arrow";\n')
        return "".join(lines)


def _module_name(target: str) -> str:
    return target.partition(":")[0].rpartition(".")[2]


def _identifier(target: str) -> str:
    """The class's name for the module that the client is in."""
    words = re.findall(r"[A-Za-z0-9]+", _module_name(target))
    name = "".join(word[0].upper() + word[1:] for word in words)
    return name if name and not name[0].isdigit() else f"Worker{name}"
