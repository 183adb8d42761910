"""The control plane, and every way in which a worker starts and ends."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..processes import is_running
from .parent import RESULT, WORKERS, Parent, ends, lose_connection, wait_until


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("life.py", loop_name) as parent:
        yield parent


# ---- control messages ----------------------------------------------------------------------------


def test_ping(parent: Parent) -> None:
    for _ in range(3):
        parent.control_message("$ping")
        assert parent.line() == b'{"jsonrpc":"2.0","method":"$pong"}\n'


def test_lines_that_mean_nothing(parent: Parent) -> None:
    parent.control(
        b"\n\r\n\0\0\xff\xfe\n[1,2]\nping\n{\n{}\n{]\n"
        b'{"method":5}\n{"method":["$ping"]}\n{"jsonrpc":"2.0","method":"$unknown"}\n'
        + b"[" * 10000
        + b"\n{"
        + b'"a":{' * 20000
        + b"\n"
        + b"x" * 1_000_000
        + b'{"jsonrpc":"2.0","method":"$shutdown"}\n'
    )
    parent.control_message("$ping")
    assert parent.line() == b'{"jsonrpc":"2.0","method":"$pong"}\n'
    assert parent.call("echo", 1) == 1


def test_a_message_in_pieces_and_several_in_one(parent: Parent) -> None:
    for byte in b'{"jsonrpc":"2.0","method":"$ping"}\r\n':
        parent.control(bytes([byte]))
    assert b"$pong" in parent.line()
    parent.control(b'{"method":"$ping"}\n' * 1000 + b'{"method":"$shutdown"}\n')
    assert b"$pong" in parent.line()
    assert parent.wait() == 0


def test_nothing_that_is_printed_reaches_the_parent(parent: Parent) -> None:
    parent.call("chatter")
    parent.control_message("$ping")
    assert parent.line() == b'{"jsonrpc":"2.0","method":"$pong"}\n'
    parent.control_message("$shutdown")
    assert parent.wait() == 0
    assert parent.line() == b""
    assert "printed on import" in parent.stderr_at_end()
    assert parent.stderr().count('"$init"') == 4


@pytest.mark.skipif(sys.platform == "win32", reason="the shell closes a descriptor")
def test_a_parent_without_a_standard_error(loop_name: str) -> None:
    """What is printed is lost, and reaches the control plane no more than ever."""
    worker = [sys.executable, str(WORKERS / "life.py"), loop_name]
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *worker]
    with Parent("life.py", command=command) as parent:
        parent.call("chatter")
        assert parent.call("read_stdin") == ""
        parent.control_message("$ping")
        assert parent.line() == b'{"jsonrpc":"2.0","method":"$pong"}\n'
        parent.control_message("$shutdown")
        assert parent.wait() == 0
        assert parent.line() == b""


def test_standard_input_is_empty(parent: Parent) -> None:
    assert parent.call("read_stdin") == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a process has open")
def test_children_inherit_nothing(parent: Parent) -> None:
    listed = parent.call("child_descriptors")
    # The three standard ones, and what lists the directory.
    numbers = [line.split()[0] for line in listed.splitlines()]
    assert numbers[:3] == ["0", "1", "2"], listed
    assert "socket:" not in listed
    assert len(numbers) <= 4, listed


def test_what_the_parent_says_in_the_environment(parent: Parent) -> None:
    assert parent.call("module_name") == "test"
    # A child process that imports the package is no worker.
    assert parent.call("environment", "PROCWIRE_MODULE_NAME") is None


# ---- the end -------------------------------------------------------------------------------------

every_end = ends("$shutdown", "end of input", "lost connection", "SIGTERM", "SIGINT", "SIGHUP")
in_a_directory = pytest.mark.skipif(sys.platform == "win32", reason="a pipe is in no directory")


@every_end
def test_an_idle_worker_ends_at_once(parent: Parent, end: Callable[[Parent], None]) -> None:
    assert parent.call("echo", 1) == 1
    began = time.monotonic()
    end(parent)
    assert parent.wait() == 0
    # Far under the five seconds after which a parent kills, however busy this machine is.
    assert time.monotonic() - began < 3
    assert parent.socket is None or parent.at_end()
    assert "Traceback" not in parent.stderr_at_end()


@every_end
@pytest.mark.parametrize("method", ["sleep", "stream"])
def test_handlers_clean_up(
    parent: Parent, end: Callable[[Parent], None], method: str, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    parent.request(method, 1, str(marks))
    # The handler is under way when the next request has been answered.
    parent.request("echo", 2, 2)
    while parent.receive_value()[1] != 2:
        pass
    end(parent)
    if parent.socket is not None and method == "stream":
        parent.socket.close()
    assert parent.wait() == 0
    assert marks.read_text() == "cleaned up\n"
    assert "Traceback" not in parent.stderr_at_end()


@every_end
def test_before_anybody_has_connected(loop_name: str, end: Callable[[Parent], None]) -> None:
    with Parent("life.py", loop_name, connect=False) as parent:
        parent.wait_init()
        if end is lose_connection:
            parent.connect()
        end(parent)
        assert parent.wait() == 0
        assert not os.path.exists(parent.init["pipe"])


@pytest.mark.skipif(
    sys.platform == "win32", reason="nobody can have a process begin that ignores Ctrl-Break"
)
def test_a_signal_that_is_ignored_stays_ignored(loop_name: str) -> None:
    command = ["/bin/sh", "-c", "trap '' HUP INT; exec \"$@\"", "sh", sys.executable]
    with Parent("", command=[*command, str(WORKERS / "life.py"), loop_name]) as parent:
        for number in (signal.SIGHUP, signal.SIGINT):
            parent.kill(number)
            assert parent.call("echo", 1) == 1
        parent.kill(signal.SIGTERM)
        assert parent.wait() == 0


@pytest.mark.parametrize(
    "name", ["SIGBREAK", "SIGINT"] if sys.platform == "win32" else ["SIGTERM", "SIGINT", "SIGHUP"]
)
def test_a_signal_that_it_sends_itself(parent: Parent, name: str) -> None:
    parent.request("raise_signal", 1, name)
    assert parent.wait() == 0
    assert parent.at_end()
    assert "Traceback" not in parent.stderr_at_end()


@ends("SIGTERM")
def test_twice(parent: Parent, end: Callable[[Parent], None]) -> None:
    parent.control_message("$shutdown")
    end(parent)
    # A signal that comes when Python has ended is the system's; so is Ctrl-Break.
    assert parent.wait() in (0, -signal.SIGTERM, 0xC000013A)


@pytest.mark.parametrize("method", ["block_thread", "block_loop", "block_other_thread", "immortal"])
def test_a_stuck_handler_is_not_waited_for(parent: Parent, method: str) -> None:
    assert parent.call("echo", 1) == 1
    parent.request(method, 2, 3600)
    parent.control_message("$shutdown")
    assert parent.wait() == 0
    assert "did not end in time" in parent.stderr_at_end()


def test_the_parent_dies(tmp_path: Path, loop_name: str) -> None:
    # A parent of its own process, to be killed with no chance to say anything.
    script = (
        "import subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE,"
        " stdout=subprocess.PIPE)\n"
        "worker.stdout.readline()\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(3600)\n"
    )
    between = subprocess.Popen(
        [sys.executable, "-c", script, str(WORKERS / "life.py"), loop_name],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PROCWIRE_MODULE_NAME": "test"},
    )
    assert between.stdout is not None
    worker = int(between.stdout.readline())
    assert is_running(worker)
    between.kill()
    between.wait()
    between.stdout.close()

    wait_until(lambda: not is_running(worker), "the worker is gone")


# ---- the start -----------------------------------------------------------------------------------


def start_error(parent: Parent) -> str:
    message = parent.message()
    assert message["method"] == "$error", message
    text: str = message["params"]["message"]
    assert sys.executable in text
    return text


def run_module(tmp_path: Path, source: str, target: str) -> Parent:
    (tmp_path / "workermodule.py").write_text(source)
    command = [sys.executable, "-m", "procwire", "run", target]
    return Parent("", command=command, cwd=tmp_path, connect=False)


GOOD = """
from procwire import Client
print("printed on import", end="")
client = Client()
class space:
    other = client
@client.handle
async def echo(data):
    return data
"""


@pytest.mark.parametrize(
    "target", ["workermodule", "workermodule:client", "workermodule:space.other"]
)
def test_run_by_module_and_name(tmp_path: Path, target: str) -> None:
    with run_module(tmp_path, GOOD, target) as parent:
        parent.wait_init()
        parent.connect()
        assert parent.call("echo", 1) == 1
        parent.control_message("$shutdown")
        assert parent.wait() == 0


FAILURES = {
    "ModuleNotFoundError: No module named 'no_such_module'": (
        "import no_such_module",
        "workermodule:client",
    ),
    "SyntaxError": ("def broken(:", "workermodule:client"),
    "ZeroDivisionError: division by zero": ("1 / 0", "workermodule:client"),
    "SystemExit: 5": ("raise SystemExit(5)", "workermodule:client"),
    "TargetError: No module named 'missing', neither in ": (GOOD, "missing:client"),
    "TargetError: 'workermodule' has no 'nothing'": (GOOD, "workermodule:nothing"),
    "TargetError: 'workermodule:space' is a type, not a procwire.Client": (
        GOOD,
        "workermodule:space",
    ),
    "ValueError: no method has been registered": (
        "from procwire import Client\nclient = Client()",
        "workermodule:client",
    ),
}


@pytest.mark.parametrize(("text", "case"), FAILURES.items(), ids=FAILURES.keys())
def test_a_failed_start_is_told(tmp_path: Path, text: str, case: tuple[str, str]) -> None:
    with run_module(tmp_path, *case) as parent:
        assert start_error(parent).startswith(text)
        # It stays for a moment, since a parent loses what a process says that ends at once.
        assert parent.process.poll() is None
        parent.end_control()
        assert parent.wait() == 1
        assert text.split(":")[0] in parent.stderr_at_end()


def test_a_failed_start_ends_by_itself(tmp_path: Path) -> None:
    with run_module(tmp_path, "1 / 0", "workermodule") as parent:
        began = time.monotonic()
        start_error(parent)
        assert parent.wait() == 1
        assert time.monotonic() - began > 0.5


def test_a_script_that_fails_after_its_first_import(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import procwire\nraise RuntimeError('in the script')\n")
    with Parent("", command=[sys.executable, str(script)], connect=False) as parent:
        assert start_error(parent).startswith("RuntimeError: in the script")
        parent.end_control()
        assert parent.wait() == 1
        assert "in the script" in parent.stderr_at_end()


@in_a_directory
def test_no_place_for_the_socket(tmp_path: Path, loop_name: str) -> None:
    environment = {"XDG_RUNTIME_DIR": "/nonexistent", "TMPDIR": "/nonexistent"}
    script = tmp_path / "script.py"
    deep = tmp_path / ("d" * 100)
    deep.mkdir(mode=0o700)
    script.write_text(
        "import sys\n"
        "from procwire import Client, unix_listener\n"
        f"unix_listener.candidates = lambda: ['/nonexistent', {str(deep)!r}]\n"
        "Client().handle('a', lambda data: data).run(loop=sys.argv[1])\n"
    )
    command = [sys.executable, str(script), loop_name]
    with Parent("", command=command, connect=False, environment=environment) as parent:
        text = start_error(parent)
        assert "no directory for the socket: /nonexistent (No such file or directory)" in text
        assert "103 at most fit" in text


@pytest.mark.parametrize(
    "arguments", [["workermodule.py"], ["-m", "procwire", "run", "workermodule"]]
)
def test_started_by_hand(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "workermodule.py").write_text(
        "from procwire import Client\nclient = Client().handle('a', lambda data: data)\n"
        "if __name__ == '__main__': client.run()\n"
    )
    if sys.platform == "win32":
        # It is taken for a terminal there.
        primary = secondary = os.open(os.devnull, os.O_RDWR)
    else:
        primary, secondary = os.openpty()
    environment = {key: value for key, value in os.environ.items() if "PROCWIRE" not in key}
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        stdin=secondary,
        capture_output=True,
        env=environment,
        timeout=20,
        check=False,
    )
    for descriptor in {primary, secondary}:
        os.close(descriptor)
    assert run.returncode == 2
    assert run.stdout == b""
    (line,) = run.stderr.decode().splitlines()
    assert line.startswith("This is a Procwire worker (")
    assert str(arguments).replace("'", '"') in line
    assert "@procwire/core" in line


def test_the_package_leaves_other_programs_alone(tmp_path: Path) -> None:
    # Only a process that a parent has spawned has its output taken.
    environment = {key: value for key, value in os.environ.items() if "PROCWIRE" not in key}
    run = subprocess.run(
        [sys.executable, "-c", "import procwire; procwire.Client(); print('printed')"],
        # Away from the source tree, which would be imported from.
        cwd=tmp_path,
        capture_output=True,
        env=environment,
        check=True,
    )
    assert run.stdout.split() == [b"printed"]


# ---- the socket ----------------------------------------------------------------------------------


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="pw", dir="/tmp") as directory:
        yield Path(directory)


@in_a_directory
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o177])
def test_only_this_user_can_reach_the_socket(short_path: Path, umask: int) -> None:
    environment = {"TMPDIR": str(short_path), "XDG_RUNTIME_DIR": ""}
    short_path.chmod(0o755)
    command = [sys.executable, str(_umasked(short_path, umask)), "asyncio"]
    with Parent("", command=command, connect=False, environment=environment) as parent:
        parent.wait_init()
        path = Path(parent.init["pipe"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.parent.parent == short_path
        parent.connect()
        assert parent.call("echo", 1) == 1
        # Gone with the adoption, and nobody else can connect.
        assert not path.parent.exists()
        with pytest.raises(FileNotFoundError):
            parent.open_socket()


def _umasked(directory: Path, umask: int) -> Path:
    script = directory / "umasked.py"
    script.write_text(
        f"import os, runpy\nos.umask({umask})\n"
        f"runpy.run_path({str(WORKERS / 'handlers.py')!r}, run_name='__main__')\n"
    )
    return script


@in_a_directory
def test_a_private_runtime_directory_is_used_as_it_is(short_path: Path) -> None:
    environment = {"XDG_RUNTIME_DIR": str(short_path)}
    with Parent("life.py", "asyncio", connect=False, environment=environment) as parent:
        parent.wait_init()
        assert Path(parent.init["pipe"]).parent == short_path
        parent.control_message("$shutdown")
        assert parent.wait() == 0
    assert list(short_path.iterdir()) == []


@in_a_directory
def test_a_directory_that_is_too_deep_is_not_used(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir(mode=0o700)
    environment = {"XDG_RUNTIME_DIR": str(deep), "TMPDIR": str(deep)}
    with Parent("life.py", "asyncio", environment=environment) as parent:
        assert len(os.fsencode(parent.init["pipe"])) <= 103
        assert parent.call("echo", 1) == 1
    assert list(deep.iterdir()) == []


# ---- authentication ------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["argument", "environment"])
def test_the_token(loop_name: str, given: str) -> None:
    arguments = [loop_name] + ["secret"] * (given == "argument")
    environment = {"PROCWIRE_TOKEN": "other" if given == "argument" else "secret"}
    with Parent("life.py", *arguments, environment=environment, connect=False) as parent:
        parent.wait_init()
        silent = parent.open_socket()
        for payload in (b"wrong", b"", b"secre", b"secrets", b"\xff\xfe", b"other"):
            parent.socket = parent.open_socket()
            # In one packet: what follows a wrong token is not looked at.
            parent.send(parent.frame(0xFFFE, 0, payload) + parent.frame("echo", 1, b"\x01"))
            assert parent.at_end()
            parent.socket.close()
        parent.socket = parent.open_socket()
        parent.send_frame("echo", 1, b"\x01")
        assert parent.at_end()
        parent.socket.close()
        parent.reader = type(parent.reader)()
        parent.connect("secret")
        assert parent.call("echo", "in") == "in"
        assert silent.recv(1) == b""
        silent.close()
        # A second one changes nothing.
        parent.send_frame(0xFFFE, 0, b"secret")
        assert parent.call("environment", "PROCWIRE_TOKEN", 2) is None
        parent.request("echo", 3, 3)
        assert parent.receive_value() == (RESULT, 3, 3)
        assert "secret" not in parent.stderr()
