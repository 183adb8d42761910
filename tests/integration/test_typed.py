"""Typed handlers over the wire: every form and kind, batches, processes, middleware."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from .parent import ACK, CHUNK, ERROR, RESULT, STREAM_END, STREAM_ERROR, Parent, Workers

NO_NUMBER = {
    "message": "$.count: expected int, got str",
    "code": "VALIDATION",
    "path": "$.count",
    "expected": "int",
    "got": "str",
}
BUFFER = msgpack.ExtType(1, b"ab")


@pytest.fixture
def parent(workers: Workers, loop_name: str) -> Iterator[Parent]:
    with workers.borrow("typed.py", loop_name) as parent:
        yield parent


def call(parent: Parent, method: str, value: Any) -> tuple[int, Any]:
    parent.request(method, 1, value)
    flags, _, answer = parent.receive_value()
    return flags, answer


@pytest.mark.parametrize("method", ["threaded", "inline", "elsewhere", "told"])
def test_a_handler_of_any_form_gets_the_type(parent: Parent, method: str) -> None:
    assert call(parent, method, {"count": 3, "blob": BUFFER}) == (
        RESULT,
        "Job(count=3, blob=b'ab')",
    )
    assert call(parent, method, {"count": "3"}) == (ERROR, NO_NUMBER)


def test_a_coroutine_gets_the_type_and_no_other_value(parent: Parent) -> None:
    assert call(parent, "coroutine", {"count": 3, "blob": BUFFER}) == (RESULT, ["Job", 3, b"ab"])
    assert call(parent, "coroutine", {"count": "3"}) == (ERROR, NO_NUMBER)
    assert call(parent, "take_log", None) == (RESULT, ["Job(count=3, blob=b'ab')"])


def test_a_stream(parent: Parent) -> None:
    parent.request("chunks", 1, {"count": 2})
    flags = [parent.receive().flags for _ in range(3)]
    assert flags == [CHUNK, CHUNK, STREAM_END]
    assert call(parent, "chunks", {"count": "2"}) == (STREAM_ERROR, NO_NUMBER)


def test_an_ack(parent: Parent) -> None:
    assert call(parent, "acked", {"count": 2}) == (ACK, 2)
    assert call(parent, "acked", {"count": "2"}) == (ERROR, NO_NUMBER)


def test_without_an_answer_it_is_logged(parent: Parent) -> None:
    parent.request("silent", 0, {"count": "7"})
    parent.request("silent", 0, {"count": 7})
    assert call(parent, "take_log", None) == (RESULT, ["Job(count=7, blob=b'')"])


def test_a_batch_has_no_room_for_a_bad_one(parent: Parent) -> None:
    values = [{"count": 1}, {"count": "2"}, {"count": 3}]
    parent.send(
        b"".join(
            parent.frame("gathered", number, msgpack.packb(value))
            for number, value in enumerate(values, 1)
        )
    )
    received = [parent.receive_value() for _ in values]
    assert {number: (flags, answer) for flags, number, answer in received} == {
        1: (RESULT, 1),
        2: (ERROR, NO_NUMBER),
        3: (RESULT, 3),
    }


def test_a_type_from_further_down(parent: Parent) -> None:
    assert call(parent, "later", {"day": "now"}) == (RESULT, "Late(day='now')")


def test_a_type_that_is_not_wanted(parent: Parent) -> None:
    assert call(parent, "untold", {"count": "3"}) == (RESULT, "{'count': '3'}")


def test_a_bad_payload_is_one_requests_error(parent: Parent) -> None:
    frames = [
        parent.frame("coroutine", number, msgpack.packb({"count": number if number % 2 else ""}))
        for number in range(1, 201)
    ]
    parent.send(b"".join(frames))
    answers = [parent.receive_value() for _ in frames]
    assert [number for flags, number, _ in answers if flags == RESULT] == [*range(1, 201, 2)]
    assert all(answer == NO_NUMBER for flags, _, answer in answers if flags == ERROR)
    parent.send_frame("coroutine", 1, b"\xc1")
    flags, _, text = parent.receive_value()
    assert flags == ERROR
    assert text.startswith("the payload for 'coroutine' is not msgpack")
    call(parent, "take_log", None)


def test_middleware_sees_the_type(workers: Workers, loop_name: str) -> None:
    with workers.borrow("typed.py", loop_name, "middleware") as parent:
        for method in ("threaded", "inline", "elsewhere"):
            assert call(parent, method, {"count": 3}) == (RESULT, "Job(count=103, blob=b'')")
        assert call(parent, "coroutine", {"count": "3"}) == (ERROR, NO_NUMBER)
        parent.request("chunks", 1, {"count": -99})
        assert [parent.receive().flags for _ in range(2)] == [CHUNK, STREAM_END]


def test_nil_as_missing(workers: Workers, loop_name: str) -> None:
    value = {"count": 3, "blob": None}
    with workers.borrow("typed.py", loop_name, "nil") as parent:
        assert call(parent, "threaded", value) == (RESULT, "Job(count=3, blob=b'')")
    with workers.borrow("typed.py", loop_name) as parent:
        flags, answer = call(parent, "threaded", value)
        assert (flags, answer["path"], answer["got"]) == (ERROR, "$.blob", "None")


# ---- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["struct", "dict"])
def test_an_answer_that_is_what_was_declared(parent: Parent, answer: str) -> None:
    assert call(parent, "answers", answer) == (RESULT, {"total": 1, "names": ["a"]})


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("fields of other types", "$.total: expected int, got str"),
        ("dict without a field", "$.names: expected list[str], got nothing"),
        ("nothing", "$: expected Answer, got None"),
    ],
)
def test_an_answer_that_is_not(parent: Parent, answer: str, fault: str) -> None:
    text = f"the answer is not what the handler declares: {fault}"
    # The worker's fault, and not the caller's: there is no code.
    assert call(parent, "answers", answer) == (ERROR, text)


def test_chunks_and_acks_are_looked_at(parent: Parent) -> None:
    parent.request("answer_chunks", 1, [1, "2"])
    fault = "the answer is not what the handler declares: $: expected int, got str"
    assert [parent.receive_value()[::2] for _ in range(2)] == [(CHUNK, 1), (STREAM_ERROR, fault)]
    assert call(parent, "answer_acks", 5) == (ACK, 5)
    assert call(parent, "answer_acks", "5") == (ERROR, fault)


# ---- annotations that lead nowhere ---------------------------------------------------------------


def test_a_name_that_is_never_defined(tmp_path: Path) -> None:
    worker = tmp_path / "unresolved.py"
    worker.write_text(
        textwrap.dedent(
            """
            from __future__ import annotations
            from typing import TYPE_CHECKING
            from procwire import Client
            if TYPE_CHECKING:
                from elsewhere import Query

            client = Client()

            @client.handle
            async def ask(data: Query) -> Answer:
                return None

            client.run()
            """
        )
    )
    with Parent(worker, connect=False) as parent:
        message = parent.message()
        assert message["method"] == "$error"
        assert (
            "an annotation of the handler of 'ask' cannot be resolved"
            in (message["params"]["message"])
        )
        assert "'Query' is not defined" in message["params"]["message"]


def test_msgspec_is_not_imported_for_nothing() -> None:
    program = """
from typing import Any
from procwire import Client
client = Client()
client.handle("a", lambda data: data)
@client.handle
async def b(data: Any) -> "Unknown": ...
@client.handle("c", codec="raw")
async def c(data: bytes) -> bytes: ...
import sys
assert not {"msgspec", "pydantic", "procwire.typed"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-P", "-c", program], check=True, timeout=60)
