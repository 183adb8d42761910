"""Handlers of streams that return everything at once, for codecs that know how to split it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import closing
from typing import Any, Protocol, runtime_checkable

__all__ = ["Splitting", "as_generator"]


@runtime_checkable
class Splitting(Protocol):
    """A codec whose values can be sent in parts."""

    def chunks(self, value: Any) -> Generator[Any, None, None]:
        """The parts of a value, each of which ``encode()`` takes.

        The generator is closed when nobody wants more of them.
        """
        ...


def as_generator(function: Callable[..., Any], form: str, codec: Splitting) -> Callable[..., Any]:
    """A generator function in place of a handler that returns a value to be split.

    Args:
        function: The handler, which takes the data alone.
        form: How the generator is driven; see :class:`procwire.handlers.HandlerShape`.
        codec: The codec of the answers.
    """

    async def generate_async(data: Any) -> AsyncIterator[Any]:
        with closing(codec.chunks(await function(data))) as chunks:
            for chunk in chunks:
                yield chunk

    def generate(data: Any) -> Iterator[Any]:
        yield from codec.chunks(function(data))

    return generate_async if form == "async generator" else generate
