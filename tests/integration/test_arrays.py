"""NumPy arrays on raw methods; values and types are in tests/node/arrays.test.mjs."""

from __future__ import annotations

from .parent import RESULT, Parent, stands_still, wait_until


def test_an_array_is_sent_without_a_copy(loop_name: str) -> None:
    """What is changed after the answer, and should not have been, is seen by a slow parent."""
    with Parent("arrays.py", loop_name) as parent:
        parent.send(
            parent.frame("send_array", 1, b"\xc0") + parent.frame("change_array", 2, b"\xc0")
        )
        wait_until(lambda: stands_still(parent), "all is written that the socket takes")
        frame = parent.receive()
        assert (frame.flags, len(frame.payload)) == (RESULT, 4 << 20)
        # The socket had taken the beginning.
        assert (frame.payload[0], frame.payload[-1]) == (0, 1)
