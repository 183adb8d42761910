"""Where the socket is put, what is left of it, and who has its descriptors."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from ..processes import is_running, kill
from .parent import Parent, wait_until

NOBODY = 65534
in_a_directory = pytest.mark.skipif(sys.platform == "win32", reason="a pipe is in no directory")
only_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can give something away"
)


@pytest.fixture
def base() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's."""
    place = None if sys.platform == "win32" else "/tmp"
    with tempfile.TemporaryDirectory(prefix="pw", dir=place) as directory:
        yield Path(directory)


def where(base: Path) -> Path:
    """The directory of the socket of a worker whose runtime directory is `base`."""
    environment = {"XDG_RUNTIME_DIR": str(base), "TMPDIR": "/tmp"}
    with Parent("life.py", "asyncio", environment=environment, connect=False) as parent:
        parent.wait_init()
        path = Path(parent.init["pipe"])
        assert path.is_socket()
        parent.connect()
        assert parent.call("echo", 1) == 1
        assert not path.exists()
        return path.parent


@in_a_directory
def test_a_runtime_directory_that_others_may_read(base: Path) -> None:
    base.chmod(0o755)
    # A directory of our own is made in it.
    assert where(base).parent == base
    assert list(base.iterdir()) == []


@in_a_directory
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720])
def test_a_runtime_directory_that_others_may_write_to(base: Path, mode: int) -> None:
    base.chmod(mode)
    assert where(base).parent == Path("/tmp")


@in_a_directory
def test_a_sticky_one(base: Path) -> None:
    base.chmod(0o1777)
    assert where(base).parent == base


@only_root
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
def test_a_runtime_directory_of_somebody_else(base: Path, mode: int) -> None:
    os.chown(base, NOBODY, NOBODY)
    base.chmod(mode)
    assert where(base).parent == Path("/tmp")


@in_a_directory
def test_a_runtime_directory_that_is_not_there(base: Path) -> None:
    assert where(base / "missing").parent == Path("/tmp")


@in_a_directory
def test_a_link_to_a_runtime_directory(base: Path) -> None:
    (base / "real").mkdir(mode=0o700)
    (base / "link").symlink_to(base / "real")
    assert where(base / "link").parent == base / "link"
    assert list((base / "real").iterdir()) == []


@only_root
def test_somebody_elses_link(base: Path) -> None:
    (base / "real").mkdir(mode=0o700)
    (base / "link").symlink_to(base / "real")
    os.chown(base / "link", NOBODY, NOBODY, follow_symlinks=False)
    assert where(base / "link").parent == Path("/tmp")


@in_a_directory
def test_what_is_not_ours_is_not_removed(base: Path, loop_name: str) -> None:
    base.chmod(0o700)
    environment = {"XDG_RUNTIME_DIR": str(base)}
    with Parent("life.py", loop_name, environment=environment, connect=False) as parent:
        parent.wait_init()
        path = Path(parent.init["pipe"])
        # Kept under another name, so that its inode cannot be given to the new one.
        path.rename(path.with_name("kept"))
        with socket.socket(socket.AF_UNIX) as another:
            another.bind(str(path))
            parent.control_message("$shutdown")
            assert parent.wait() == 0
        assert path.is_socket()


def test_a_child_process_does_not_keep_the_connection(loop_name: str) -> None:
    with Parent("life.py", loop_name) as parent:
        child = parent.call("start_child")
        try:
            parent.kill()
            assert parent.at_end()
            assert parent.line() == b""
            # The child is alive all the same; libuv has Windows end it with its parent.
            assert is_running(child) or loop_name == "winloop"
        finally:
            with suppress(psutil.NoSuchProcess):
                kill(child)


ENDS = {
    "an exception": ("raise KeyError", 1),
    "an exit": ("sys.exit(0)", 0),
    "a hard exit": ("os._exit(7)", 7),
}
if sys.platform == "win32":
    ENDS |= {
        "a fault": ("faulthandler._raise_exception(0xC0000005)", 0xC0000005),
        "a fault that is reported": ("faulthandler.enable(); os.abort()", 3),
        "a signal": ("os.kill(os.getpid(), signal.SIGTERM)", 15),
    }
else:
    ENDS |= {
        "a fault": ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV),
        "a fault that is reported": ("faulthandler.enable(); os.abort()", -signal.SIGABRT),
        "a signal": ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        "a signal in a thread": (
            (
                "threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start();"
                " await client.wait_closed()"
            ),
            -signal.SIGUSR1,
        ),
    }


@pytest.mark.parametrize("end", ENDS)
def test_a_loop_of_ones_own_that_is_left(base: Path, end: str) -> None:
    """Nobody closes the client, and no parent has connected."""
    leave, status = ENDS[end]
    script = (
        "import asyncio, faulthandler, os, signal, sys, threading\n"
        "from procwire import Client\n"
        "async def main():\n"
        "    client = Client().handle('echo', lambda data: data)\n"
        "    await client.start()\n"
        f"    {leave}\n"
        "asyncio.run(main())\n"
    )
    environment = {"XDG_RUNTIME_DIR": str(base), "TMPDIR": "/tmp"}
    command = [sys.executable, "-c", script]
    with Parent("", environment=environment, command=command, cwd=base, connect=False) as parent:
        assert parent.wait() == status
        reported = "Fatal Python error: Aborted" in parent.stderr_at_end()
        assert reported == (end == "a fault that is reported")
    assert list(base.iterdir()) == []


HARD_ENDS = ["os._exit(0)", "os.abort()", "os.kill(os.getpid(), signal.SIGTERM)"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork()")
@pytest.mark.parametrize("end", HARD_ENDS)
def test_a_child_does_not_remove_it(base: Path, end: str) -> None:
    script = (
        "import asyncio, os, signal\n"
        "from procwire import Client\n"
        "async def main():\n"
        "    client = Client().handle('echo', lambda data: data)\n"
        "    await client.start()\n"
        "    if (child := os.fork()) == 0:\n"
        f"        {end}\n"
        "    os.waitpid(child, 0)\n"
        "    print('the child has ended')\n"
        "    await client.wait_closed()\n"
        "asyncio.run(main())\n"
    )
    environment = {"XDG_RUNTIME_DIR": str(base), "TMPDIR": "/tmp"}
    command = [sys.executable, "-W", "ignore", "-c", script]
    with Parent("", environment=environment, command=command, cwd=base, connect=False) as parent:
        parent.wait_init()
        wait_until(lambda: "the child has ended" in parent.stderr(), "the child's end")
        assert Path(parent.init["pipe"]).is_socket()
        parent.connect()
        assert parent.call("echo", 1) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows which signals are caught")
def test_signals_are_given_back(base: Path) -> None:
    """When the parent has connected there is nothing left to remove."""
    script = (
        "import os, signal\n"
        "from procwire import Client\n"
        "before = os._exit\n"
        "client = Client()\n"
        "@client.handle\n"
        "async def look(data):\n"
        "    caught = open('/proc/self/status').read().split('SigCgt:')[1].split()[0]\n"
        "    ours = (signal.SIGSEGV, signal.SIGABRT, signal.SIGUSR1)\n"
        "    return [os._exit is before, [n for n in ours if int(caught, 16) >> (n - 1) & 1]]\n"
        "client.run()\n"
    )
    with Parent("", command=[sys.executable, "-c", script], cwd=base) as parent:
        assert parent.call("look") == [True, []]
