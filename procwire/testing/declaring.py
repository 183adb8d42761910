"""The module that fits a client: what the one offers, the other declares."""

from __future__ import annotations

from procwire.client import Client
from procwire.codecs import Codec
from procwire.parent import Module
from procwire.parent.schema import Init, parse_init

__all__ = ["declare", "offer"]


def declare(
    client: Client,
    name: str = "test",
    *,
    request_timeout: float = 10.0,
    codec: Codec | str | None = None,
) -> Module:
    """A module that declares all methods and events of a client.

    To test it as a process, say how it is started and give it to a manager::

        module = declare(client).executable(
            sys.executable, ["-m", "procwire", "run", "worker:client"]
        )
        async with ModuleManager(module):
            ...

    Args:
        client: The client.
        name: The module's name.
        request_timeout: Seconds for which an answer is waited for, unless the method has a
            ``timeout``.
        codec: What all payloads go through instead of what the client says: with ``"raw"`` they
            are seen as they are on the wire.
    """
    module = Module(
        name, max_payload_size=client._options.max_payload_size, request_timeout=request_timeout
    )
    for method, registered in client._methods.items():
        module.method(
            method,
            response=registered.shape.response,
            request_codec=codec or registered.request_codec,
            response_codec=codec or registered.response_codec,
        )
    for event, event_codec in client._events.items():
        module.event(event, codec=codec or event_codec)
    return module


def offer(client: Client) -> Init:
    """What the client would announce, if it had a parent in another process."""
    return parse_init({"pipe": "", "schema": client._schema()})
