"""Parents that fork: the child keeps no worker."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from ..processes import is_running, kill
from .driving import DEADLINE, WORKERS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork()")

FORKING_PARENT = """\
import asyncio, os, signal, sys
from procwire.parent import Module, ModuleManager

async def main():
    module = Module("calls").executable(sys.executable, [sys.argv[2]]).method("echo")
    async with ModuleManager(module) as manager:
        child = os.fork()
        if not child:
            signal.pause()
        assert await module.send("echo", 1) == 1
        print(manager.pid("calls"), child, flush=True)
        await asyncio.Event().wait()

if sys.argv[1] == "asyncio":
    asyncio.run(main())
else:
    import uvloop
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
"""


def test_a_worker_ends_with_its_parent_although_a_child_is_left(loop_name: str) -> None:
    command = [sys.executable, "-P", "-W", "ignore", "-c", FORKING_PARENT, loop_name]
    with subprocess.Popen(
        [*command, str(WORKERS / "calls.py")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        worker, child = map(int, parent.stdout.readline().split())
        try:
            parent.send_signal(signal.SIGKILL)
            end = time.monotonic() + DEADLINE
            while is_running(worker):
                assert time.monotonic() < end
                time.sleep(0.01)
            assert is_running(child)
        finally:
            kill(child)
