"""Frames that are whole, and unusual: one rule for each."""

from __future__ import annotations

import json

import pytest

from procwire._core import pack_header

from .parent import ERROR, EVENT, RESULT, Parent


@pytest.mark.parametrize("flags", [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x3F])
def test_the_flags_of_a_request_mean_nothing(parent: Parent, flags: int) -> None:
    # A parent has no reason to set any; the Node worker takes such a frame for a request, too.
    parent.send(pack_header(parent.method_id("echo"), flags, 1, 1) + b"\x05")
    assert parent.receive_value() == (RESULT, 1, 5)


@pytest.mark.parametrize("method_id", [0xFFFD, 0x8000, 1000])
def test_method_ids_that_nobody_has(parent: Parent, method_id: int) -> None:
    parent.send_frame(method_id, 1, b"\xc0")
    assert parent.receive_value() == (ERROR, 1, f"Unknown method ID: {method_id}")
    assert parent.call("echo", 2, 2) == 2


@pytest.mark.parametrize("method_id", [0xFFFE, 0xFFFF])
def test_reserved_frames_with_a_payload(parent: Parent, method_id: int) -> None:
    for size in (0, 1, 100_000):
        parent.send_frame(method_id, 1, bytes(size))
    assert parent.call("echo", 2, 2) == 2


@pytest.mark.parametrize("request_id", [1, 0xFFFFFFFF])
def test_the_same_id_among_those_that_wait(loop_name: str, request_id: int) -> None:
    with Parent("limits.py", loop_name, json.dumps({"max_concurrency": 1})) as parent:
        parent.send_frame("hold", 7)
        assert parent.receive().flags == EVENT
        parent.send_frame("hold", request_id)
        parent.send_frame("hold", request_id)
        assert parent.at_end()
        assert parent.wait() == 0
        assert f"request id {request_id} is in flight already" in parent.stderr_at_end()


def test_an_id_is_free_with_its_answer(parent: Parent) -> None:
    for _ in range(1000):
        parent.send(parent.frame("echo", 1, b"\x05") + parent.frame("echo", 1, b"\x06"))
    for _ in range(1000):
        assert parent.receive_value() == (RESULT, 1, 5)
        assert parent.receive_value() == (RESULT, 1, 6)
