"""One answer for every request, whatever is raised and wherever."""

from __future__ import annotations

from typing import Any

import pytest

from .parent import CHUNK, ERROR, STREAM_ERROR, Parent

GROUP = "several (2 sub-exceptions)"
EXITS = {
    "exits_in_decoding": "the payload for 'exits_in_decoding' is not exiting: decoding; do both "
    "sides declare the same codec?",
    "exits_in_encoding": "encoding",
    "tells_what_exits": {"message": "told", "code": "E1"},
}


@pytest.mark.parametrize("middleware", [[], ["middleware"]], ids=["plain", "middleware"])
def test_base_exceptions_of_codecs_and_details(loop_name: str, middleware: list[str]) -> None:
    with Parent("wrapped.py", loop_name, *middleware) as parent:
        for number, (method, message) in enumerate(EXITS.items(), 1):
            parent.request(method, number)
            assert parent.receive_value() == (ERROR, number, message)
            assert parent.call("stats", None, 9)["methods"][method]["failed"] == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], lambda name, text: text),
        (["details"], lambda name, text: {"message": text, "name": name}),
    ],
    ids=["text", "details"],
)
def test_what_is_told(loop_name: str, options: list[str], told: Any) -> None:
    with Parent("wrapped.py", loop_name, *options) as parent:
        for number, method in enumerate(("fail", "tell"), 1):
            parent.request(method, number, "oops")
            assert parent.receive_value() == (ERROR, number, told("ValueError", "oops"))
        parent.request("fail_stream", 5)
        assert parent.receive_value() == (CHUNK, 5, 1)
        assert parent.receive_value() == (STREAM_ERROR, 5, told("ExceptionGroup", GROUP))


def test_tracebacks_in_debug_mode_only(loop_name: str) -> None:
    with Parent("wrapped.py", loop_name, "debug") as parent:
        parent.request("fail_stream", 1)
        parent.receive()
        _, _, error = parent.receive_value()
        assert set(error) == {"message", "name", "traceback"}
        assert error["traceback"].count("Traceback") == 1
        assert "ValueError: a" in error["traceback"]
        parent.request("refuse", 2)
        assert parent.receive_value()[2] == {"message": "refused", "code": "E1"}
