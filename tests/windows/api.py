"""What Windows says of a pipe, and of this process, beside what the package asks it."""

from __future__ import annotations

import ctypes
from ctypes import wintypes

PIPE_TYPE_MESSAGE = 4

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_sockets = ctypes.WinDLL("ws2_32")
_security = ctypes.WinDLL("advapi32", use_last_error=True)
for _function in (_kernel.CreateFileW, _kernel.GetCurrentProcess):
    _function.restype = wintypes.HANDLE
_INVALID_HANDLE = wintypes.HANDLE(-1).value
_GENERIC_READ_AND_WRITE = 0xC0000000
_OPEN_EXISTING = 3
_SE_KERNEL_OBJECT = 6
_DACL_SECURITY_INFORMATION = 4


def handles() -> int:
    """How many handles this process has open."""
    count = wintypes.DWORD()
    process = wintypes.HANDLE(_kernel.GetCurrentProcess())
    assert _kernel.GetProcessHandleCount(process, ctypes.byref(count))
    return count.value


def open_plainly(name: str) -> int:
    """A handle of a pipe, as a program opens it that waits for each read and write."""
    handle: int | None = _kernel.CreateFileW(
        name, _GENERIC_READ_AND_WRITE, 0, None, _OPEN_EXISTING, 0, None
    )
    if handle == _INVALID_HANDLE or handle is None:
        raise ctypes.WinError(ctypes.get_last_error())
    return handle


def write_plainly(handle: int, data: bytes) -> None:
    """Write in one call, if it is nothing."""
    written = wintypes.DWORD()
    done = _kernel.WriteFile(wintypes.HANDLE(handle), data, len(data), ctypes.byref(written), None)
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())


def close(handle: int) -> None:
    """Close a handle."""
    _kernel.CloseHandle(wintypes.HANDLE(handle))


def pipe_flags(handle: int) -> int:
    """The flags of a pipe, of which one says whether it keeps messages apart."""
    flags = wintypes.DWORD()
    done = _kernel.GetNamedPipeInfo(wintypes.HANDLE(handle), ctypes.byref(flags), None, None, None)
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())
    return flags.value


def readers_of(handle: int) -> list[str]:
    """The identifiers of all to whom the access list of a pipe gives something."""
    acl = ctypes.c_void_p()
    descriptor = ctypes.c_void_p()
    error = _security.GetSecurityInfo(
        wintypes.HANDLE(handle),
        _SE_KERNEL_OBJECT,
        _DACL_SECURITY_INFORMATION,
        None,
        None,
        ctypes.byref(acl),
        None,
        ctypes.byref(descriptor),
    )
    if error:
        raise ctypes.WinError(error)
    assert acl.value, "there is no list: everybody may do everything"
    count = ctypes.cast(acl, ctypes.POINTER(ctypes.c_ushort))[2]
    found = []
    for index in range(count):
        entry = ctypes.c_void_p()
        assert _security.GetAce(acl, index, ctypes.byref(entry))
        text = wintypes.LPWSTR()
        # Behind the kind, the flags, the size and the rights.
        sid = ctypes.c_void_p((entry.value or 0) + 8)
        assert _security.ConvertSidToStringSidW(sid, ctypes.byref(text))
        found.append(str(text.value))
    return found


def own_identifier() -> str:
    """That of the user whose process this is."""
    token = wintypes.HANDLE()
    process = wintypes.HANDLE(_kernel.GetCurrentProcess())
    assert _security.OpenProcessToken(process, 8, ctypes.byref(token))
    room = ctypes.create_string_buffer(256)
    size = wintypes.DWORD()
    assert _security.GetTokenInformation(token, 1, room, len(room), ctypes.byref(size))
    close(token.value or 0)
    text = wintypes.LPWSTR()
    sid = ctypes.cast(room, ctypes.POINTER(ctypes.c_void_p))[0]
    assert _security.ConvertSidToStringSidW(ctypes.c_void_p(sid), ctypes.byref(text))
    return str(text.value)


def open_plainly_when_free(name: str) -> int:
    """The same, when somebody waits at the other end, whose event loop must not be this one's."""
    while True:
        assert _kernel.WaitNamedPipeW(name, 20_000), ctypes.WinError(ctypes.get_last_error())
        try:
            return open_plainly(name)
        except OSError as error:
            if error.winerror != 231:
                raise


def ring(bell: int, times: int) -> int:
    """Ring a bell as a pipe does; how many times it has been taken."""
    return sum(_sockets.send(ctypes.c_size_t(bell), b"\0", 1, 0) for _ in range(times))


def read_plainly(handle: int, size: int) -> bytes:
    """Read so many bytes; waits for them."""
    data = b""
    while len(data) < size:
        room = ctypes.create_string_buffer(size - len(data))
        count = wintypes.DWORD()
        done = _kernel.ReadFile(wintypes.HANDLE(handle), room, len(room), ctypes.byref(count), None)
        if not done:
            raise ctypes.WinError(ctypes.get_last_error())
        data += room.raw[: count.value]
    return data
