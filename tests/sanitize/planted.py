"""Tests that must fail, each with a report of its own: ``tests/sanitize/run`` begins with them."""

from __future__ import annotations

import planted


def test_overread() -> None:
    planted.overread(b"a bytes object")


def test_overflow() -> None:
    planted.overflow(2**31 - 1)


def test_leak() -> None:
    planted.leak(1000)
