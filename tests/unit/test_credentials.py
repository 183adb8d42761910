"""Whose a connection is. macOS and FreeBSD answer here as their headers say that they do."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from procwire import credentials
from procwire.credentials import peer_uid, refusal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="users have no numbers there")


@pytest.fixture
def connected() -> Iterator[socket.socket]:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        yield one


class Answering:
    """A socket of a platform that is not this one."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: tuple[int, int] | None = None

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        self.asked = level, option
        assert size >= len(self.answer)
        return self.answer


def xucred(version: int, uid: int) -> bytes:
    """struct xucred: version, uid, number of groups, 16 groups."""
    return struct.pack("=IIh2x16I", version, uid, 1, *range(16))


def test_ones_own_connection(connected: socket.socket) -> None:
    if sys.platform == "linux" or sys.platform == "darwin":
        assert peer_uid(connected) == os.geteuid()
    assert refusal(connected) is None


@pytest.mark.parametrize("platform", ["darwin", "freebsd14"])
@pytest.mark.parametrize("uid", [0, 501, 4294967294])
def test_the_other_platforms(platform: str, uid: int) -> None:
    answering: Any = Answering(xucred(0, uid))
    assert peer_uid(answering, platform) == uid
    # SOL_LOCAL, LOCAL_PEERCRED
    assert answering.asked == (0, 1)


def test_an_unknown_version_of_the_structure() -> None:
    answering: Any = Answering(xucred(1, os.geteuid()))
    with pytest.raises(OSError, match="unknown version"):
        peer_uid(answering, "darwin")


def test_a_platform_that_does_not_tell() -> None:
    unused: Any = None
    assert peer_uid(unused, "sunos5") is None


@pytest.mark.parametrize(
    ("uid", "reason"),
    [(0, None), (1000, None), (None, None), (1001, "it is user 1001's"), (65534, "65534")],
)
def test_who_is_let_in(
    monkeypatch: pytest.MonkeyPatch, connected: socket.socket, uid: int | None, reason: str | None
) -> None:
    monkeypatch.setattr(credentials, "peer_uid", lambda _: uid)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    told = refusal(connected)
    assert told is None if reason is None else told is not None and reason in told


def test_who_cannot_be_known_is_not_let_in(
    monkeypatch: pytest.MonkeyPatch, connected: socket.socket
) -> None:
    def fail(_: socket.socket) -> int:
        raise OSError("no credentials")

    monkeypatch.setattr(credentials, "peer_uid", fail)
    assert refusal(connected) == "it is not known whose it is (no credentials)"
