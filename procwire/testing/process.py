"""A worker under test as a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from procwire.cli.target import load
from procwire.parent import Change, ModuleManager, SpawnPolicy
from procwire.testing.caller import REQUEST_TIMEOUT, Caller
from procwire.testing.declaring import declare

__all__ = ["TestProcess"]


_HERE = str(Path(__file__).parents[2])
"""Where this very package is: a test's own path may lead to another one first."""


class TestProcess(Caller):
    """Starts a worker as its parent would, and calls it::

        async with TestProcess("worker:client") as parent:
            assert await parent.send("echo", 1) == 1

    What :class:`TestParent` does not have is there: standard streams, start-up from nothing, an
    end. Breakpoints and monkeypatches of the test do not reach it, nor is it seen which tasks its
    handlers leave behind.

    Args:
        target: The client, as for ``python -m procwire run``. It is imported in this process
            as well, for what it declares; the worker is started in the same directory, and
            finds what this process can import.
        request_timeout: Seconds for which an answer is waited for, unless the method has a
            ``timeout`` of its own.
        loop: The worker's event loop, as for ``python -m procwire run --loop``.
        policy: How it is started and watched; once, without a heartbeat, when ``None``.

    Attributes:
        module: The :class:`procwire.parent.Module` that the calls go through.

    Raises:
        SpawnError: at the beginning, when the worker cannot be started.
        LeftBehindError: at the end, when a request has no answer that nobody has taken back, or
            the worker has ended with another status than 0, which is what failed shutdown hooks
            make it do. Not when the test itself has failed.
        Exception: whatever the import of the client raises.
    """

    # Not a class of tests, whatever its name says to pytest.
    __test__ = False

    def __init__(
        self,
        target: str,
        *,
        request_timeout: float = REQUEST_TIMEOUT,
        loop: str = "asyncio",
        policy: SpawnPolicy | None = None,
    ) -> None:
        module = declare(load(target), request_timeout=request_timeout)
        module.executable(
            sys.executable,
            # -P: what this process imports, and nothing from where it happens to be.
            ["-P", "-m", "procwire", "run", "--loop", loop, target],
            env={"PYTHONPATH": os.pathsep.join([_HERE, *filter(None, sys.path)])},
        )
        module.spawn_policy(SpawnPolicy(max_retries=0) if policy is None else policy)
        super().__init__(module)
        self._manager = ModuleManager(module)

    async def _begin(self) -> None:
        await self._manager.spawn()

    async def _end(self) -> list[str]:
        self._manager.on_change(self._closed)
        await self._manager.shutdown()
        return []

    def _closed(self, change: Change) -> None:
        if change.kind == "closed" and change.error is not None:
            self._failures = [change.error]
