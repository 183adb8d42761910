"""Who connects and is not the parent: gets nothing, costs little, keeps nobody out."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from procwire._core import METHOD_ID_AUTH
from procwire.strangers import MAX_STRANGERS, PATIENCE

from ..processes import processor_seconds, resident_kib, resume, suspend
from .parent import RESULT, WORKERS, Parent, stands_still, wait_until

if sys.platform != "win32":
    import fcntl
    import resource
    import termios

TOKEN = "the-parents-token"
NOBODY = 65534


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("life.py", loop_name, TOKEN, connect=False) as parent:
        parent.wait_init()
        yield parent


def is_served(parent: Parent) -> None:
    parent.connect(TOKEN)
    assert parent.call("echo", "in") == "in"


def is_cut(stranger: socket.socket) -> bool:
    try:
        return stranger.recv(1) == b""
    except ConnectionResetError:
        return True


def test_many_strangers_do_not_keep_the_parent_out(parent: Parent) -> None:
    with ExitStack() as strangers:
        opened = [strangers.enter_context(parent.open_socket()) for _ in range(3 * MAX_STRANGERS)]
        # Those who came first have made room.
        assert all(is_cut(stranger) for stranger in opened[: 2 * MAX_STRANGERS])
        is_served(parent)
        assert all(is_cut(stranger) for stranger in opened)
    assert "Traceback" not in parent.stderr()


@pytest.mark.skipif(
    sys.platform == "win32", reason="nobody waits in a queue: the worker lets in one by one"
)
def test_a_token_that_is_there_is_read_before_newcomers_push_it_out(parent: Parent) -> None:
    suspend(parent.pid)
    with ExitStack() as strangers:
        for _ in range(MAX_STRANGERS - 5):
            strangers.enter_context(parent.open_socket())
        parent.connect(TOKEN)
        # More than may wait, all in the listener's queue before the worker sees any of them.
        for _ in range(MAX_STRANGERS + 4):
            strangers.enter_context(parent.open_socket())
        resume(parent.pid)
        assert parent.call("echo", "in") == "in"


def test_strangers_who_come_again_whenever_they_are_cut(parent: Parent) -> None:
    ended = threading.Event()
    cut: list[bool] = []

    def come_again() -> None:
        # The socket is gone when the parent has been adopted; a pipe is left, which lets nobody in.
        with suppress(FileNotFoundError, ConnectionRefusedError):
            while not ended.is_set():
                with suppress(TimeoutError), parent.open_socket(0.5) as stranger:
                    cut.append(is_cut(stranger))

    # Twice as many as may wait.
    crowd = [threading.Thread(target=come_again) for _ in range(2 * MAX_STRANGERS)]
    for thread in crowd:
        thread.start()
    try:
        wait_until(lambda: len(cut) >= MAX_STRANGERS, "no more may wait")
        is_served(parent)
    finally:
        ended.set()
        for thread in crowd:
            thread.join()


def silent(stranger: socket.socket) -> None:
    pass


def dribble(stranger: socket.socket) -> None:
    """One byte of a frame after the other, slower than the worker's patience allows."""
    with suppress(OSError):
        for byte in b"\xff\xfe\0\0\0\0\0\0\0\0\x80" + b"x" * 100:
            stranger.send(bytes([byte]))
            time.sleep(PATIENCE / 20)


@pytest.mark.parametrize("behaviour", [silent, dribble])
def test_a_stranger_has_two_seconds(parent: Parent, behaviour: object) -> None:
    with parent.open_socket() as stranger:
        began = time.monotonic()
        assert callable(behaviour)
        behaviour(stranger)
        assert is_cut(stranger)
        assert PATIENCE - 0.1 < time.monotonic() - began < PATIENCE + 3
    text = "it has not proved the token in 2 s"
    wait_until(lambda: text in parent.stderr(), "the log says why")
    is_served(parent)
    # The time that a stranger has is no limit for the parent.
    assert parent.socket is not None
    parent.socket.settimeout(PATIENCE + 0.5)
    with pytest.raises(TimeoutError):
        parent.socket.recv(1)
    assert parent.call("echo", "still in") == "still in"


@pytest.mark.parametrize("declared", [257, 1024 * 1024 * 1024, 0xFFFFFFFF])
def test_a_stranger_that_declares_more_than_a_token(parent: Parent, declared: int) -> None:
    with parent.open_socket() as stranger:
        stranger.sendall(b"\xff\xfe\0\0\0\0\0" + declared.to_bytes(4, "big"))
        assert is_cut(stranger)
    text = f"declares a payload of {declared} bytes, the limit is 256"
    wait_until(lambda: text in parent.stderr(), "the log says why")
    is_served(parent)


def all_is_read(parent: Parent, connections: list[socket.socket]) -> bool:
    """Whether nothing of what has been sent is still in the kernel."""
    if sys.platform != "linux":
        # Others do not say; whoever has something to read goes on.
        return stands_still(parent)

    def unread(connection: socket.socket) -> int:
        answer = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(answer, sys.byteorder)

    return not any(map(unread, connections))


def test_what_strangers_cost(parent: Parent) -> None:
    def visit() -> int:
        with ExitStack() as strangers:
            for _ in range(MAX_STRANGERS):
                stranger = strangers.enter_context(parent.open_socket())
                # All that may be sent, but its last byte.
                stranger.sendall(b"\xff\xfe\0\0\0\0\0\0\0\1\0" + bytes(255))
                opened.append(stranger)
            wait_until(lambda: all_is_read(parent, opened), "all has been read")
            return resident_kib(parent.pid)

    opened: list[socket.socket] = []
    base = resident_kib(parent.pid)
    assert visit() - base < MAX_STRANGERS * 64
    is_served(parent)


def test_one_who_leaves_as_the_parent_comes(parent: Parent) -> None:
    """What becomes of one connection is heard while another one begins."""
    with parent.open_socket() as stranger:
        stranger.sendall(b"\xff")
        wait_until(lambda: stands_still(parent), "it is let in, and read")
    is_served(parent)


def test_a_flood_before_the_token_is_not_kept(parent: Parent) -> None:
    base = resident_kib(parent.pid)
    for _ in range(10):
        with parent.open_socket() as stranger, suppress(OSError):
            # A whole frame that proves nothing, and megabytes behind it.
            stranger.sendall(parent.frame(METHOD_ID_AUTH, 0, b"wrong") + bytes(4 * 1024 * 1024))
    assert resident_kib(parent.pid) - base < 1024
    is_served(parent)


def test_a_token_and_a_request_in_one_packet(parent: Parent) -> None:
    parent.socket = parent.open_socket()
    token = parent.frame(METHOD_ID_AUTH, 0, TOKEN.encode())
    parent.send(token + parent.frame("echo", 1, b"\x05") + parent.frame("echo", 2, b"\x06"))
    assert parent.receive_value() == (RESULT, 1, 5)
    assert parent.receive_value() == (RESULT, 2, 6)


def test_the_first_to_prove_the_token_is_adopted(parent: Parent) -> None:
    with parent.open_socket() as second, parent.open_socket() as third:
        parent.connect()
        proof = parent.frame(METHOD_ID_AUTH, 0, TOKEN.encode())
        suspend(parent.pid)
        parent.send(proof)
        second.sendall(proof)
        resume(parent.pid)
        # One of the two, whichever the loop read first; nobody else.
        assert is_cut(third)
        served = 0
        for connection in (parent.socket, second):
            assert connection is not None
            with suppress(OSError):
                connection.sendall(parent.frame("echo", 1, b"\x01"))
                served += connection.recv(1) != b""
        assert served == 1


def test_a_long_token(loop_name: str) -> None:
    token = "t" * 20_000
    environment = {"PROCWIRE_TOKEN": token}
    with Parent("life.py", loop_name, environment=environment, connect=False) as parent:
        parent.wait_init()
        with parent.open_socket() as stranger:
            stranger.sendall(parent.frame(METHOD_ID_AUTH, 0, bytes(20_000)))
            assert is_cut(stranger)
        parent.connect(token)
        assert parent.call("echo", 1) == 1


# ---- other users ---------------------------------------------------------------------------------


# Another user's process that connects and sends.  It ends with the errno that it meets, or with 0
# at an end of file; a line says that the connection stands.  That user may not even read Python.
NOBODYS_PROGRAM = """
import os, socket, sys
address, data, user = sys.argv[1], bytes.fromhex(sys.argv[2]), int(sys.argv[3])
os.setgroups([])
os.setgid(user)
os.setuid(user)
with socket.socket(socket.AF_UNIX) as stranger:
    stranger.settimeout(20)
    try:
        stranger.connect(address)
        stranger.sendall(data)
        print("connected", flush=True)
        status = 0 if stranger.recv(1) == b"" else 254
    except OSError as error:
        status = error.errno or 255
os._exit(status)
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("token", [None, TOKEN])
def test_another_users_connection_is_closed_unread(loop_name: str, token: str | None) -> None:
    arguments = [loop_name] + ([token] if token else [])
    with Parent("life.py", *arguments, connect=False) as parent:
        parent.wait_init()
        path = Path(parent.init["pipe"])
        # As if the directory protected nothing.
        os.chmod(path.parent, 0o755)
        os.chmod(path, 0o777)
        data = parent.frame("echo", 1, b"\x01")
        if token:
            data = parent.frame(METHOD_ID_AUTH, 0, token.encode()) + data
        # So that the other user's bytes are there before the worker looks.
        suspend(parent.pid)
        words = [sys.executable, "-c", NOBODYS_PROGRAM, str(path), data.hex(), str(NOBODY)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as stranger:
            assert stranger.stdout is not None
            assert stranger.stdout.readline() == b"connected\n"
            resume(parent.pid)
        # The kernel says so when what was sent has not been read; it would be 0 otherwise.
        assert stranger.returncode == errno.ECONNRESET
        wait_until(lambda: f"it is user {NOBODY}'s" in parent.stderr(), "the log says why")
        parent.connect(token)
        assert parent.call("echo", "in") == "in"


# ---- no descriptors left -------------------------------------------------------------------------


@pytest.mark.skipif(
    sys.platform == "win32", reason="a process has as many handles as there is memory for"
)
def test_no_descriptor_is_left_for_strangers(tmp_path: Path, loop_name: str) -> None:
    script = tmp_path / "few_descriptors.py"
    script.write_text(
        "import os, resource, runpy, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))\n"
        f"runpy.run_path({str(WORKERS / 'life.py')!r}, run_name='__main__')\n"
    )
    command = [sys.executable, str(script), loop_name, TOKEN]
    with Parent("", command=command, connect=False) as parent, ExitStack() as strangers:
        parent.wait_init()
        for _ in range(40):
            strangers.enter_context(parent.open_socket())
        wait_until(lambda: "no connection can be accepted" in parent.stderr(), "none is left")
        # In the queue the parent is behind all of them.
        began = time.monotonic()
        is_served(parent)
        # Sooner than each of them would have had its two seconds.
        assert time.monotonic() - began < 8
        parent.control_message("$shutdown")
        assert parent.wait() == 0
        assert "Traceback" not in parent.stderr_at_end()
        assert parent.stderr().count("no connection can be accepted") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
def test_no_descriptor_is_left_for_anybody(parent: Parent) -> None:
    limits = resource.prlimit(parent.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(parent.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    parent.connect(TOKEN)
    wait_until(lambda: "no connection can be accepted" in parent.stderr(), "none is left")
    used = processor_seconds(parent.pid)
    time.sleep(1)
    # It does not go round in circles meanwhile, and tries again until it can.
    assert processor_seconds(parent.pid) - used < 0.3
    resource.prlimit(parent.process.pid, resource.RLIMIT_NOFILE, limits)
    assert parent.call("echo", "in") == "in"


# ---- the secret ----------------------------------------------------------------------------------


def test_the_token_is_nowhere(loop_name: str) -> None:
    environment = {"PROCWIRE_TOKEN": TOKEN}
    with Parent("life.py", loop_name, environment=environment, connect=False) as parent:
        parent.wait_init()
        with parent.open_socket() as stranger:
            stranger.sendall(parent.frame(METHOD_ID_AUTH, 0, TOKEN.encode()[:-1]))
            assert is_cut(stranger)
        is_served(parent)
        assert parent.call("environment", "PROCWIRE_TOKEN", 2) is None
        assert TOKEN not in parent.call("child_environment", None, 3)
        assert TOKEN not in parent.call("everything", None, 4)
        if sys.platform == "linux":
            environment_block = Path(f"/proc/{parent.process.pid}/environ").read_bytes()
            assert b"PROCWIRE_TOKEN=" in environment_block
            assert TOKEN.encode() not in environment_block
        parent.request("fail", 5, None)
        assert TOKEN not in str(parent.receive_value())
        parent.control_message("$shutdown")
        assert parent.wait() == 0
        assert "ZeroDivisionError" in parent.stderr_at_end()
        assert TOKEN not in parent.stderr()
