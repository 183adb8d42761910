"""Who is at the other end of a Unix socket, as the operating system tells it."""

from __future__ import annotations

import os
import socket
import struct
import sys

__all__ = ["peer_uid", "refusal"]

# struct ucred of Linux: pid, uid, gid.
_UCRED = struct.Struct("iII")
# The beginning of struct xucred of macOS and FreeBSD: version, uid; 16 groups and more follow.
_XUCRED = struct.Struct("2I")
_XUCRED_SIZE = 128
_XUCRED_VERSION = 0
_SOL_LOCAL = 0
_LOCAL_PEERCRED = 1


def peer_uid(connection: socket.socket, platform: str = sys.platform) -> int | None:
    """The user that has connected; ``None`` on a platform that does not tell.

    Raises:
        OSError: the platform cannot tell for this connection.
    """
    if platform == "linux":
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        _, uid, _ = _UCRED.unpack(data)
        return int(uid)
    if platform == "darwin" or platform.startswith("freebsd"):
        data = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_SIZE)
        version, uid = _XUCRED.unpack_from(data)
        if version != _XUCRED_VERSION:
            raise OSError(f"peer credentials of an unknown version ({version})")
        return int(uid)
    return None


def refusal(connection: socket.socket) -> str | None:
    """Why a connection is not let in; ``None`` for this user's own, and for root's."""
    try:
        uid = peer_uid(connection)
    except OSError as error:
        return f"it is not known whose it is ({error})"
    if uid is None or uid in (0, os.geteuid()):
        return None
    return f"it is user {uid}'s"
