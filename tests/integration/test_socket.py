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

import pytest

from .parent import Parent

NOBODY = 65534


@pytest.fixture
def base() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="pw", dir="/tmp") as directory:
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


def test_a_runtime_directory_that_others_may_read(base: Path) -> None:
    base.chmod(0o755)
    # A directory of our own is made in it.
    assert where(base).parent == base
    assert list(base.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720])
def test_a_runtime_directory_that_others_may_write_to(base: Path, mode: int) -> None:
    base.chmod(mode)
    assert where(base).parent == Path("/tmp")


def test_a_sticky_one(base: Path) -> None:
    base.chmod(0o1777)
    assert where(base).parent == base


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
def test_a_runtime_directory_of_somebody_else(base: Path, mode: int) -> None:
    os.chown(base, NOBODY, NOBODY)
    base.chmod(mode)
    assert where(base).parent == Path("/tmp")


def test_a_runtime_directory_that_is_not_there(base: Path) -> None:
    assert where(base / "missing").parent == Path("/tmp")


def test_a_link_to_a_runtime_directory(base: Path) -> None:
    (base / "real").mkdir(mode=0o700)
    (base / "link").symlink_to(base / "real")
    assert where(base / "link").parent == base / "link"
    assert list((base / "real").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link away")
def test_somebody_elses_link(base: Path) -> None:
    (base / "real").mkdir(mode=0o700)
    (base / "link").symlink_to(base / "real")
    os.chown(base / "link", NOBODY, NOBODY, follow_symlinks=False)
    assert where(base / "link").parent == Path("/tmp")


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
            # The child is alive all the same.
            os.kill(child, 0)
        finally:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("end", ["an exception", "an exit"])
def test_a_loop_of_ones_own_that_is_left(base: Path, end: str) -> None:
    """Nobody closes the client, and no parent has connected."""
    leave = {"an exception": "raise KeyError", "an exit": "sys.exit(0)"}[end]
    script = (
        "import asyncio, sys\n"
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
        parent.wait_init()
        parent.wait()
    assert list(base.iterdir()) == []
