"""The life of one worker, from its first start to its last end, in one task.

All that happens to a worker happens in :meth:`Supervisor._live`, one thing after the other, so
that nothing that is late, the exit of a process that has been replaced for instance, can be taken
for something else.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

from procwire.errors import AlreadyStartedError
from procwire.parent.connecting import connect
from procwire.parent.errors import SchemaError, SpawnError, WorkerLostError
from procwire.parent.module import Module
from procwire.parent.patience import happens
from procwire.parent.policy import Heartbeat
from procwire.parent.process import WorkerProcess, describe_exit
from procwire.parent.schema import check, parse_init
from procwire.parent.states import Change

__all__ = ["Supervisor"]

CONNECT_TIMEOUT = 10.0
"""Seconds for connecting to the socket that a worker has announced."""
SHUTDOWN_PATIENCE = 5.0
"""Seconds that a worker has to end when it is asked to; then it is killed."""
FLUSH_PATIENCE = 1.0
"""Seconds of that for what has been sent to it and is not on its way yet."""
EXIT_PATIENCE = 0.25
"""Seconds to wait for the exit of a worker that has closed its connection: its exit status says
more than that. Then it is killed."""

_logger = logging.getLogger("procwire.parent")


class _Life:
    """From a start to the end that follows; whoever is told of that may start again at once.

    Attributes:
        ready: Done when the worker is, for whoever has started it last.
        over: Done when all is over.
        begun: It has had its first step.
        ending: It is to end, and its clean-up must not be cancelled by asking again.
        rest: Done when the wait for a restart is cut short; ``None`` while there is none.
        task: What it happens in; ``None`` during the first step of a task that is eager.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ready: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self.begun = False
        self.ending = False
        self.rest: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def rests(self) -> bool:
        """Whether a restart is waited for, which a start may come before."""
        return self.rest is not None and not self.rest.done() and not self.ending

    async def wait(self, seconds: float) -> None:
        """Wait before a restart, unless a start comes before it."""
        self.rest = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait([self.rest], timeout=seconds)
        finally:
            self.rest = None


class Supervisor:
    """Whoever starts a worker, watches it, starts it again, and ends it.

    Args:
        module: What is declared about the worker.
        tell: Called with each thing that happens to it.
    """

    def __init__(self, module: Module, tell: Callable[[Change], None]) -> None:
        self._module = module
        self._tell = tell
        self._life: _Life | None = None
        self._process: WorkerProcess | None = None
        # When the last restarts were, on the loop's clock.
        self._restarts: deque[float] = deque()

    @property
    def pid(self) -> int | None:
        """The process id of the worker, if there is one."""
        return None if self._process is None else self._process.pid

    def check_startable(self) -> None:
        """Whether the worker may be started.

        Raises:
            AlreadyStartedError: it is there, or about to be; another manager may have started it.
        """
        module = self._module
        if self._life is not None and self._life.rests:
            return
        if module.state not in ("created", "closed"):
            raise AlreadyStartedError(f"the worker {module.name!r} is there already: {module!r}")

    def start(self) -> asyncio.Future[None]:
        """Start the worker, which must be startable; the future is done when it is ready.

        Its exception is a :class:`SpawnError` when the worker could not be started, or
        was shut down before it was ready.
        """
        loop = asyncio.get_running_loop()
        life = self._life
        if life is not None and life.rests:
            assert life.rest is not None
            life.rest.set_result(None)
            life.ready = loop.create_future()
            self._module.set_state("initializing")
            return life.ready
        life = self._life = _Life(loop)
        # At once: whoever else wants to start it must see that.
        self._module.set_state("initializing")
        life.task = loop.create_task(self._live(life), name=f"procwire-module-{self._module.name}")
        life.task.add_done_callback(lambda _: self._ended(life))
        if life.ending:
            life.task.cancel()
        return life.ready

    async def shutdown(self) -> None:
        """Ask the worker to end, and wait until it has; it is killed after 5 seconds."""
        life = self._life
        # One that is over may belong to a loop that is closed, and its module to another manager.
        if life is None or life.over.done():
            return
        if not life.ending:
            life.ending = True
            if life.task is not None:
                life.task.cancel()
        await asyncio.wait([life.over])

    def _ended(self, life: _Life) -> None:
        """The life is over. One that was shut down before its first step has not said so."""
        if not life.begun:
            self._module.set_state("closed")
        self._fail(life.ready, None)
        life.over.set_result(None)

    async def _live(self, life: _Life) -> None:
        life.begun = True
        failure: BaseException | None = None
        try:
            while True:
                await self._spawn()
                if not life.ready.done():
                    life.ready.set_result(None)
                failure = await self._watch()
                await self._lose(failure)
                await life.wait(self._restart_delay(failure))
        except asyncio.CancelledError:
            failure = None
        except Exception as error:
            failure = error
        finally:
            unwell = None
            try:
                unwell = await self._end()
            finally:
                self._module.set_state("closed")
                if not self._fail(life.ready, failure) and failure is not None:
                    _logger.error("the worker %r stays closed: %s", self._module.name, failure)
                self._tell(Change("closed", self._module.name, failure or unwell))

    def _fail(self, ready: asyncio.Future[None], failure: BaseException | None) -> bool:
        """Tell whoever waits for the start that there is none; whether anybody did."""
        if ready.done():
            return False
        name = self._module.name
        ready.set_exception(
            failure or SpawnError(f"the worker {name!r} was shut down while it started")
        )
        return True

    # ---- the start -------------------------------------------------------------------------

    async def _spawn(self) -> None:
        policy = self._module.policy
        attempts = 0
        while True:
            try:
                await self._try_spawn()
            except Exception as error:
                attempts += 1
                await self._kill()
                self._tell(Change("spawn failed", self._module.name, error))
                # Another try would find the same worker, or not begin either.
                hopeless = isinstance(error, SchemaError | TypeError | ValueError)
                if hopeless or attempts > policy.max_retries:
                    raise SpawnError(
                        f"the worker {self._module.name!r} could not be started, "
                        f"tried {attempts} times: {error}",
                        attempts,
                    ) from error
                delay = policy.backoff.seconds(attempts)
                self._tell(Change("retrying", self._module.name, error, delay))
                await asyncio.sleep(delay)
            else:
                self._module.link.adopt()
                self._module.set_state("ready")
                self._tell(Change("ready", self._module.name))
                return

    async def _try_spawn(self) -> None:
        module = self._module
        command = module.command
        if command is None:
            raise SpawnError(f"the module {module.name!r} has no executable")
        module.set_state("initializing")
        # A new one each time: what has leaked from a dead worker opens nothing.
        token = secrets.token_hex(32) if module.policy.auth else None
        try:
            self._process = await WorkerProcess.start(module.name, command, token)
        except OSError as error:
            raise SpawnError(f"{command.words[0]!r} cannot be started: {error}") from error
        patience = module.policy.init_timeout
        if not await happens(self._process.announced, patience):
            raise SpawnError(f"the worker was not ready within {patience:g} s")
        offered = parse_init(self._process.announced.result())
        check(module.declared, offered)
        module.set_state("connecting")
        connection = module.link.make(offered, None if token is None else token.encode())
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await connect(offered.path, connection)
        except (OSError, TimeoutError) as error:
            raise SpawnError(f"the worker cannot be connected to: {error!r}") from error

    # ---- while it is there -----------------------------------------------------------------

    async def _watch(self) -> WorkerLostError:
        """Wait until the worker is lost; returns why."""
        process, ended = self._process, self._module.link.ended
        assert process is not None
        assert ended is not None
        heartbeat = self._module.policy.heartbeat
        beating = asyncio.ensure_future(_beat(process, heartbeat))
        ends: list[asyncio.Future[Any]] = [process.exited, ended, beating]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not beating.done() and not process.exited.done():
                await asyncio.wait([process.exited], timeout=EXIT_PATIENCE)
        finally:
            beating.cancel()
        if process.exited.done():
            status = process.exited.result()
            return WorkerLostError(f"the worker {describe_exit(status)}", status)
        if not ended.done():
            assert heartbeat is not None
            return WorkerLostError(
                f"the worker has not answered a ping within {heartbeat.timeout:g} s"
            )
        lost = WorkerLostError("the worker has closed its connection")
        lost.__cause__ = ended.result()
        return lost

    async def _lose(self, failure: WorkerLostError) -> None:
        self._module.link.drop()
        self._module.set_state("disconnected")
        _logger.warning("%r is lost: %s", self._module.name, failure)
        self._tell(Change("lost", self._module.name, failure))
        await self._kill()

    def _restart_delay(self, failure: WorkerLostError) -> float:
        """How long to wait before the next start; raises `failure` when there is none."""
        policy = self._module.policy
        now = asyncio.get_running_loop().time()
        while self._restarts and now - self._restarts[0] >= policy.restart_window:
            self._restarts.popleft()
        if not policy.restart_on_crash or len(self._restarts) >= policy.max_restarts:
            raise failure
        self._restarts.append(now)
        delay = policy.restart_backoff.seconds(len(self._restarts))
        self._tell(Change("restarting", self._module.name, failure, delay))
        return delay

    # ---- the end ---------------------------------------------------------------------------

    async def _kill(self) -> None:
        self._module.link.drop()
        process, self._process = self._process, None
        if process is not None:
            await process.end(0)

    async def _end(self) -> WorkerLostError | None:
        """Have the worker end, if it is there; returns how it did when that was not well."""
        process, self._process = self._process, None
        if process is None:
            self._module.link.drop()
            return None
        try:
            # Before the good-bye, behind which a worker reads no more requests.
            await self._module.link.close(FLUSH_PATIENCE)
            process.say_good_bye()
        finally:
            # One that has not said that it is ready has nothing to finish, and may not hear yet.
            asked = process.announced.done()
            status = await process.end(SHUTDOWN_PATIENCE if asked else 0)
        if not asked or not status:
            return None
        unwell = WorkerLostError(
            f"the worker {describe_exit(status)} when it was shut down", status
        )
        _logger.warning("%r: %s", self._module.name, unwell)
        return unwell


async def _beat(process: WorkerProcess, heartbeat: Heartbeat | None) -> None:
    """Ask the worker whether it lives; returns when it does not."""
    if heartbeat is None:
        await asyncio.get_running_loop().create_future()
        return
    alive = True
    while alive:
        alive = await process.ping(heartbeat.timeout)
        await asyncio.sleep(heartbeat.interval if alive else 0)
