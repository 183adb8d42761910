"""What is read off a handler when it is registered."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from procwire.handlers import HandlerShape, inspect_handler


async def coroutine(data: Any) -> Any:
    return data


async def coroutine_with_context(data: Any, ctx: Any) -> None: ...


async def async_generator(data: Any) -> AsyncIterator[Any]:
    yield data


def function(data: Any) -> Any:
    return data


def generator(data: Any) -> Iterator[Any]:
    yield data


class Service:
    async def method(self, data: Any) -> Any:
        return data

    def generate(self, data: Any, ctx: Any) -> Iterator[Any]:
        yield data

    async def __call__(self, data: Any) -> Any:
        return data


def defaults(data: Any, scale: int = 2) -> Any:
    return data * scale


def named(data: Any, ctx: Any = None) -> Any:
    return data


def anything(*args: Any) -> Any:
    return args


SHAPES = [
    (coroutine, None, True, HandlerShape("coroutine", "result", False)),
    (coroutine, "ack", True, HandlerShape("coroutine", "ack", False)),
    (coroutine, "none", True, HandlerShape("coroutine", "none", False)),
    (coroutine_with_context, "stream", True, HandlerShape("coroutine", "stream", True)),
    (async_generator, None, True, HandlerShape("async generator", "stream", False)),
    (function, None, True, HandlerShape("thread", "result", False)),
    (function, None, False, HandlerShape("inline", "result", False)),
    (generator, None, True, HandlerShape("thread generator", "stream", False)),
    (generator, "stream", False, HandlerShape("inline generator", "stream", False)),
    (Service().method, None, True, HandlerShape("coroutine", "result", False)),
    (Service().generate, None, True, HandlerShape("thread generator", "stream", True)),
    (Service(), None, True, HandlerShape("coroutine", "result", False)),
    (functools.partial(coroutine), None, True, HandlerShape("coroutine", "result", False)),
    (functools.partial(function), None, False, HandlerShape("inline", "result", False)),
    (defaults, None, True, HandlerShape("thread", "result", False)),
    (named, None, True, HandlerShape("thread", "result", True)),
    (anything, None, True, HandlerShape("thread", "result", False)),
    (len, None, False, HandlerShape("inline", "result", False)),
    (max, None, False, HandlerShape("inline", "result", False)),
    (lambda data: data, None, False, HandlerShape("inline", "result", False)),
]


@pytest.mark.parametrize(("handler", "response", "to_thread", "shape"), SHAPES)
def test_shapes(handler: Any, response: Any, to_thread: bool, shape: HandlerShape) -> None:
    assert inspect_handler(handler, response, to_thread) == shape


def none() -> None: ...


def three(data: Any, ctx: Any, more: Any) -> None: ...


def keyword(data: Any, *, extra: Any) -> None: ...


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (none, "a handler takes the data, or the data and the context; this one takes ()"),
        (three, "this one takes (data: 'Any', ctx: 'Any', more: 'Any')"),
        (keyword, "not with 'extra'"),
        (5, "a handler is a function, got int"),
    ],
)
def test_what_cannot_be_called(handler: Any, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        inspect_handler(handler, None, True)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("handler", "response", "text"),
    [
        (generator, "result", "a generator streams"),
        (async_generator, "ack", "a generator streams"),
        (coroutine, "stream", "yields its chunks, or takes the context"),
        (coroutine, "reply", "response is one of result, stream, ack, none; got 'reply'"),
    ],
)
def test_what_cannot_answer(handler: Any, response: Any, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        inspect_handler(handler, response, True)
    assert text in str(caught.value)
