"""Event loops by the names that the tests have for them."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable

__all__ = ["loop_factory"]


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What :class:`asyncio.Runner` takes: ``None`` for asyncio's own."""
    if name == "asyncio":
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(name).new_event_loop
    return factory
