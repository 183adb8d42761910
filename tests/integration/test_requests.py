"""Requests of every kind: what goes over the wire, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest

from .parent import (
    ACK,
    CHUNK,
    ERROR,
    EVENT,
    RESULT,
    STREAM_END,
    STREAM_ERROR,
    Parent,
    Workers,
)


@pytest.fixture
def parent(workers: Workers, loop_name: str) -> Iterator[Parent]:
    with workers.borrow("handlers.py", loop_name) as parent:
        yield parent


def test_the_schema(parent: Parent) -> None:
    schema = parent.init["schema"]
    assert parent.init["version"] == "1.0.0"
    numbers = [method["id"] for method in schema["methods"].values()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert schema["methods"]["echo"] == {"id": 1, "response": "result"}
    assert schema["methods"]["async_chunks"]["response"] == "stream"
    assert schema["methods"]["ack"]["response"] == "ack"
    assert schema["methods"]["fire"]["response"] == "none"
    assert sorted(schema["events"]) == ["happened", "happened_raw", "kept"]


@pytest.mark.parametrize("method", ["echo", "inline", "respond"])
def test_result(parent: Parent, method: str) -> None:
    for number, value in enumerate([None, 1, "text", {"a": [1, {"b": b"x"}]}, [], ""], 1):
        assert parent.call(method, value, number) == value


def test_request_ids_are_echoed(parent: Parent) -> None:
    for request_id in (1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1):
        assert parent.call("echo", request_id, request_id) == request_id


def test_one_byte_at_a_time(parent: Parent) -> None:
    data = parent.frame("echo", 1, msgpack.packb({"a": 1})) + parent.frame("raw", 2, b"bytes")
    for index in range(len(data)):
        parent.send(data[index : index + 1])
    assert parent.receive_value() == (RESULT, 1, {"a": 1})
    assert parent.receive()[1:] == (RESULT, 2, b"bytes")


def test_many_requests_in_one_write_and_in_any_pieces(parent: Parent) -> None:
    randomness = random.Random(2)
    payloads = {
        number: randomness.randbytes(randomness.randint(0, 900)) for number in range(1, 400)
    }
    payloads[400] = randomness.randbytes(300_000)
    data = b"".join(parent.frame("raw", *item) for item in payloads.items())
    parent.send(data)
    for request_id, payload in payloads.items():
        assert parent.receive()[1:] == (RESULT, request_id, payload)
    while data:
        size = randomness.randint(1, 5000)
        parent.send(data[:size])
        data = data[size:]
    for request_id, payload in payloads.items():
        assert parent.receive()[1:] == (RESULT, request_id, payload)


@pytest.mark.parametrize("method", ["raw", "raw_inline"])
@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 262144, 5_000_000])
def test_raw_payloads(parent: Parent, method: str, size: int) -> None:
    payload = random.Random(size).randbytes(size)
    parent.send_frame(method, 3, payload)
    frame = parent.receive()
    assert frame[:3] == (parent.method_id(method), RESULT, 3)
    assert frame.payload == payload


def test_separate_codecs(parent: Parent) -> None:
    parent.send_frame("raw_to_msgpack", 1, b"four")
    assert parent.receive_value() == (RESULT, 1, 4)
    parent.request("msgpack_to_raw", 2, 3)
    assert parent.receive()[1:] == (RESULT, 2, b"\0\0\0")


def test_threads(parent: Parent) -> None:
    assert parent.call("threaded", "x") == ["x", True]
    assert parent.call("threaded_coroutine", "y") == "y"
    assert parent.call("inline_task", 1) is True


def test_many_threaded_requests_at_once(parent: Parent) -> None:
    for number in range(1, 201):
        parent.request("threaded", number, number)
    answers = sorted(parent.receive_value() for _ in range(200))
    assert answers == [(RESULT, number, [number, True]) for number in range(1, 201)]


def test_answers_come_in_the_order_in_which_handlers_finish(parent: Parent) -> None:
    parent.request("gate", 1, "a")
    parent.request("gate", 2, "b")
    assert parent.call("echo", "through", 3) == "through"
    parent.request("open_gate", 4, "b")
    assert {parent.receive_value(), parent.receive_value()} == {(RESULT, 4, None), (RESULT, 2, "b")}
    parent.request("open_gate", 5, "a")
    assert {parent.receive_value(), parent.receive_value()} == {(RESULT, 5, None), (RESULT, 1, "a")}


STREAMS = [
    "async_chunks",
    "waiting_chunks",
    "thread_chunks",
    "inline_chunks",
    "context_chunks",
    "thread_context_chunks",
]


@pytest.mark.parametrize("method", STREAMS)
@pytest.mark.parametrize("count", [0, 1, 3, 1000])
def test_streams(parent: Parent, method: str, count: int) -> None:
    parent.request(method, 9, count)
    for index in range(count):
        assert parent.receive_value() == (CHUNK, 9, index)
    end = parent.receive()
    assert end == (parent.method_id(method), STREAM_END, 9, b"")
    assert parent.call("echo", "after", 10) == "after"


def test_streams_side_by_side(parent: Parent) -> None:
    for number, method in enumerate(STREAMS, 1):
        parent.request(method, number, 300)
    seen: dict[int, list[Any]] = {number: [] for number in range(1, len(STREAMS) + 1)}
    ended = 0
    while ended < len(STREAMS):
        flags, request_id, value = parent.receive_value()
        if flags == STREAM_END:
            ended += 1
        else:
            seen[request_id].append(value)
    assert all(values == list(range(300)) for values in seen.values())


@pytest.mark.parametrize("method", ["broken_chunks", "broken_thread_chunks"])
@pytest.mark.parametrize("count", [0, 3])
def test_an_error_ends_a_stream(parent: Parent, method: str, count: int) -> None:
    parent.request(method, 9, count)
    for index in range(count):
        assert parent.receive_value() == (CHUNK, 9, index)
    assert parent.receive_value() == (STREAM_ERROR, 9, {"message": "broken", "code": "E_BROKEN"})
    assert parent.call("echo", "after", 10) == "after"


def test_a_chunk_that_cannot_be_sent_ends_the_stream(parent: Parent) -> None:
    parent.request("unsendable_chunks", 9)
    assert parent.receive_value() == (CHUNK, 9, 1)
    flags, _, value = parent.receive_value()
    assert flags == STREAM_ERROR
    assert value == "$: object has no MessagePack form"
    assert parent.call("take_log") == []


def test_acks(parent: Parent) -> None:
    parent.send_frame("ack", 1, msgpack.packb(None))
    # An empty payload would make the parent's send() reject.
    assert parent.receive()[1:] == (ACK, 1, b"\xc0")
    parent.request("ack", 2, {"a": 1})
    assert parent.receive_value() == (ACK, 2, {"a": 1})
    parent.send_frame("raw_ack", 3, b"")
    assert parent.receive()[1:] == (ACK, 3, b"")
    parent.send_frame("raw_ack", 4, b"x")
    assert parent.receive()[1:] == (ACK, 4, b"x")
    parent.request("ack_then_event", 5, "data")
    assert parent.receive_value() == (ACK, 5, "data")
    assert parent.receive_value() == (EVENT, 0, "data")


def test_request_id_0_is_never_answered(parent: Parent) -> None:
    parent.request("fire", 0, "heard")
    assert parent.receive_value() == (EVENT, 0, "heard")
    for method in ("echo", "fire", "raise", "ack", "async_chunks", "fire_chunks", "threaded",
                   "respond", "unsendable", "ctx_error", "inline", "raise_inline"):  # fmt: skip
        parent.request(method, 0, "raise")
    parent.send_frame("echo", 0, b"\xc1")
    parent.send_frame(999, 0, b"")
    assert parent.call("echo", "the first answer", 7) == "the first answer"


def test_events(parent: Parent) -> None:
    parent.request("emit", 1, ["happened", {"percent": 50}])
    number = parent.init["schema"]["events"]["happened"]["id"]
    assert parent.receive() == (number, EVENT, 0, msgpack.packb({"percent": 50}))
    assert parent.receive_value() == (RESULT, 1, None)
    parent.request("emit", 2, ["happened_raw", b"\1\2"])
    number = parent.init["schema"]["events"]["happened_raw"]["id"]
    assert parent.receive() == (number, EVENT, 0, b"\1\2")
    assert parent.receive_value() == (RESULT, 2, None)
    parent.request("emit", 3, ["unheard", 1])
    assert parent.receive_value() == (ERROR, 3, "the event 'unheard' is not registered")
    parent.request("emit", 4, ["happened_raw", "text"])
    assert parent.receive_value()[0] == ERROR


def test_a_codec_of_ones_own(parent: Parent) -> None:
    parent.send(parent.frame("keeping", 1, b"a") + parent.frame("keeping", 2, b"b"))
    assert parent.receive()[1:] == (RESULT, 1, b"'a'")
    assert parent.receive()[1:] == (RESULT, 2, b"'b'")
    assert parent.call("take_log", None, 3) == []
    parent.request("emit", 4, ["kept", 5])
    assert parent.receive()[1:] == (EVENT, 0, b"5")
    assert parent.receive_value() == (RESULT, 4, None)


def test_a_coroutine_function_in_a_plain_wrapper(parent: Parent) -> None:
    parent.request("wrapped_ack", 1, "data")
    assert parent.receive_value() == (ACK, 1, "data")


TEXTS = {
    "plain": "plain text",
    "empty": "ValueError",
    "key": "KeyError: 'name'",
    "mute": "Mute (whose text cannot be made)",
    "surrogate": "bad \\udc80 text",
    "handler": {"message": "told", "code": "E42", "where": [1, 2]},
    "details": "told",
    "unfinished": "Unfinished",
    "released": "told",
    "message": {"message": "told", "message2": 1},
    "cancelled": "CancelledError",
    "exit": "3",
    "interrupt": "KeyboardInterrupt",
    "generator": "GeneratorExit",
    "group": "several (2 sub-exceptions)",
}


@pytest.mark.parametrize("method", ["raise", "raise_inline", "raise_thread", "raise_later"])
def test_every_exception_is_one_error(parent: Parent, method: str) -> None:
    for number, (name, text) in enumerate(TEXTS.items(), 1):
        parent.request(method, number, name)
        assert parent.receive_value() == (ERROR, number, text)
    assert parent.call("echo", "alive", 100) == "alive"


def test_stop_iteration_is_an_error_too(parent: Parent) -> None:
    parent.request("raise", 1, "stop")
    assert parent.receive_value() == (ERROR, 1, "coroutine raised StopIteration")
    parent.request("raise_inline", 2, "stop")
    assert parent.receive_value() == (ERROR, 2, "StopIteration")
    parent.request("raise_thread", 3, "stop")
    assert parent.receive_value() == (ERROR, 3, "StopIteration")


def test_errors_through_the_context(parent: Parent) -> None:
    for number, value in enumerate(["a text", {"message": "m", "code": 5}], 1):
        parent.request("ctx_error", number, value)
        assert parent.receive_value() == (ERROR, number, value)
    parent.request("ctx_error_exception", 3, "handler")
    assert parent.receive_value() == (ERROR, 3, TEXTS["handler"])
    parent.request("ctx_error", 4, 5)
    flags, _, value = parent.receive_value()
    assert (flags, value) == (ERROR, "an error is a text, an exception or a mapping, got int")


def test_an_answer_is_sent_once(parent: Parent) -> None:
    for number, method in enumerate(
        ["respond", "respond_and_return", "respond_twice", "respond_then_raise"], 1
    ):
        parent.request(method, number, number)
        assert parent.receive_value() == (RESULT, number, number)
    assert parent.call("echo", "nothing in between", 9) == "nothing in between"


def test_an_answer_that_cannot_be_encoded_leaves_a_second_try(parent: Parent) -> None:
    assert parent.call("respond_second_try") == "CodecError: $: object has no MessagePack form"


def test_answers_of_the_wrong_kind(parent: Parent) -> None:
    for number, verb in enumerate(["ack", "chunk", "end"], 1):
        assert parent.call("wrong_result", verb, number) == (
            f"ProtocolError: {verb}() cannot answer 'wrong_result', whose response is 'result'"
        )
    for number, verb in enumerate(["respond", "ack"], 1):
        parent.request("wrong_stream", number, verb)
        assert parent.receive_value() == (
            STREAM_ERROR,
            number,
            f"{verb}() cannot answer 'wrong_stream', whose response is 'stream'",
        )
    parent.request("return_from_stream", 5, [1])
    assert parent.receive_value() == (
        STREAM_ERROR,
        5,
        "a stream handler yields, but 'return_from_stream' returned list",
    )


def test_answers_that_cannot_be_encoded(parent: Parent) -> None:
    parent.request("unsendable", 1)
    assert parent.receive_value() == (ERROR, 1, "$.items[0].id: object has no MessagePack form")
    parent.send_frame("unsendable_raw", 2, b"")
    assert parent.receive_value() == (
        ERROR,
        2,
        "a raw payload is a bytes-like object, got NoneType",
    )
    parent.send_frame("unsendable_raw", 3, b"x")
    assert parent.receive_value()[2].endswith("got str: encode it first")
    parent.send_frame("unsendable_raw", 4, b"o")
    assert parent.receive_value()[2] == "a raw payload cannot be an array of Python objects"


def test_payloads_that_cannot_be_decoded(parent: Parent) -> None:
    parent.request("gate", 1, "open")
    for number, payload in enumerate([b"", b"\xc1", b"\x93\x01", b"\xdd\xff\xff\xff\xff"], 2):
        parent.send_frame("echo", number, payload)
        flags, request_id, text = parent.receive_value()
        assert (flags, request_id) == (ERROR, number)
        assert text.startswith("the payload for 'echo' is not msgpack: ")
        assert text.endswith("do both sides declare the same codec?")
    parent.request("open_gate", 9, "open")
    assert {parent.receive_value(), parent.receive_value()} == {
        (RESULT, 1, "open"),
        (RESULT, 9, None),
    }


def test_an_unknown_method(parent: Parent) -> None:
    parent.send_frame(999, 5, b"\xc0")
    assert parent.receive() == (999, ERROR, 5, msgpack.packb("Unknown method ID: 999"))


def test_facts_in_the_context(parent: Parent) -> None:
    assert parent.call("context_facts", 1, 77) == [
        77,
        "context_facts",
        False,
        "<procwire.Context 'context_facts' #77>",
    ]
    assert parent.call("thread_context_facts", 1, 78)[:3] == [78, "thread_context_facts", False]
