"""Who has the workers of a program: starts them, is told of their lives, and ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from procwire.parent.listeners import Listeners
from procwire.parent.module import Module
from procwire.parent.states import Change
from procwire.parent.supervisor import Supervisor

__all__ = ["ModuleManager"]

ChangeHandler = Callable[[Change], object]


class ModuleManager:
    """Starts workers, watches them and ends them::

        async with ModuleManager(module):
            ...

    starts them all at its beginning and ends them at its end.

    Args:
        *modules: As with :meth:`register`.
    """

    def __init__(self, *modules: Module) -> None:
        self._modules: dict[str, Module] = {}
        self._supervisors: dict[str, Supervisor] = {}
        self._listeners: Listeners[Change] = Listeners("changes")
        for module in modules:
            self.register(module)

    def register(self, module: Module) -> Self:
        """Take a module in; returns the manager.

        Raises:
            ValueError: there is one of that name, or it has no executable, or no methods.
        """
        if module.name in self._modules:
            raise ValueError(f"a module {module.name!r} is registered already")
        if module.command is None:
            raise ValueError(f"the module {module.name!r} has no executable")
        if not module.declared.methods:
            raise ValueError(f"the module {module.name!r} declares no methods")
        self._modules[module.name] = module
        self._supervisors[module.name] = Supervisor(module, self._listeners.tell)
        return self

    async def unregister(self, name: str) -> None:
        """End the worker of that name and forget its module.

        Raises:
            KeyError: there is no module of that name.
        """
        await self.shutdown(name)
        del self._modules[name]
        del self._supervisors[name]

    def __getitem__(self, name: str) -> Module:
        return self._modules[name]

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[str]:
        """The names, as of a mapping."""
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    async def spawn(self, name: str | None = None) -> None:
        """Start the worker of that name, or all; returns when they are ready.

        One that is lost, and waits for its restart, is started at once.
        When one of several cannot be started, those that could are ended.

        Raises:
            KeyError: there is no module of that name.
            AlreadyStartedError: a worker is there already, or about to be, whoever has started it.
            SpawnError: a worker cannot be started, and all its retries are spent.
        """
        supervisors = self._chosen(name)
        for supervisor in supervisors:
            supervisor.check_startable()
        try:
            await asyncio.gather(*[supervisor.start() for supervisor in supervisors])
        except BaseException:
            await asyncio.gather(*(supervisor.shutdown() for supervisor in supervisors))
            raise

    async def shutdown(self, name: str | None = None) -> None:
        """Ask the worker of that name to end, or all, and wait; they are killed after 5 seconds.

        Raises:
            KeyError: there is no module of that name.
        """
        await asyncio.gather(*(supervisor.shutdown() for supervisor in self._chosen(name)))

    def pid(self, name: str) -> int | None:
        """The process id of the worker of that name; ``None`` when there is none.

        Raises:
            KeyError: there is no module of that name.
        """
        return self._supervisors[name].pid

    def on_change(self, handler: ChangeHandler) -> Callable[[], None]:
        """Have a function called with all that happens to the workers.

        Returns:
            A function that ends it.
        """
        return self._listeners.add(handler)

    async def __aenter__(self) -> Self:
        await self.spawn()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.shutdown()

    def _chosen(self, name: str | None) -> list[Supervisor]:
        return list(self._supervisors.values()) if name is None else [self._supervisors[name]]
