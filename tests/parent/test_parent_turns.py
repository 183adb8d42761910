"""Turns of the loop that calls do without, and those that others must have all the same."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import pytest

from procwire.parent import Module, ModuleManager

from ..loops import loop_factory
from ..processes import WINE
from .driving import DEADLINE, calls, events, run

# A loop in debug mode asks for the stack at each step, which takes wine a second in each of them.
ROUNDS = 5 if WINE else 20


def test_a_caller_who_never_waits_lets_others_have_their_turns(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python")
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with ModuleManager(module):
            counting = asyncio.create_task(count_turns())
            for number in range(900):
                assert await module.send("echo", number) == number
            # Eight answers at a time at most are taken without one.
            assert turns >= 100
            counting.cancel()
            await asyncio.wait([counting])

    run(loop_name, main)


def test_events_come_before_the_answer_that_is_stayed_for(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python")
        progress = events(module, "progress")
        async with ModuleManager(module):
            for number in range(100):
                await module.send("note", number)
                assert await module.send("echo", number) == number
            assert [progress.get_nowait() for _ in range(100)] == [
                {"noted": number} for number in range(100)
            ]

    run(loop_name, main)


def test_handlers_of_events_are_nobodys_task(loop_name: str) -> None:
    user = contextvars.ContextVar("user", default="nobody")

    async def main() -> None:
        module = calls("python").method("tell")
        seen: list[tuple[str, object]] = []
        told = asyncio.Queue[str]()
        tasks: set[asyncio.Task[Any] | None] = set()

        def handle(data: Any) -> None:
            seen.append((user.get(), data))
            tasks.add(asyncio.current_task())

        async def handle_later(_data: Any) -> None:
            told.put_nowait(user.get())

        async def call() -> None:
            user.set("alice")
            for number in range(100):
                assert await module.send("tell", number) == number
                assert user.get() == "alice"
                assert asyncio.current_task() is calling

        module.on_event("progress", handle)
        module.on_event("progress", handle_later)
        user.set("owner")
        async with ModuleManager(module):
            calling = asyncio.create_task(call())
            await calling
            assert seen == [("owner", number) for number in range(100)]
            assert tasks == {None}
            assert {await told.get() for _ in range(100)} == {"owner"}

    run(loop_name, main)


@pytest.mark.parametrize("debug", [False, True])
def test_callers_of_a_batch(loop_name: str, debug: bool) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(debug)
        ours: list[Callable[..., Any]] = []

        def another(callback: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
            return type(loop).call_soon(loop, callback, *arguments, **options)

        module = calls("python")
        async with ModuleManager(module):
            for _ in range(ROUNDS):
                tasks = [asyncio.create_task(module.send("echo", number)) for number in range(32)]
                victim = tasks[20]
                tasks[0].add_done_callback(lambda _, victim=victim: victim.cancel())
                answers = await asyncio.gather(*tasks, return_exceptions=True)
                # One that is cancelled when its answer is there already may have either.
                assert isinstance(answers[20], asyncio.CancelledError) or answers[20] == 20
                assert answers[:20] + answers[21:] == [*range(20), *range(21, 32)]
                # The loop is as it was, and keeps what somebody else has put there.
                assert [vars(loop)["call_soon"]] == ours if ours else "call_soon" not in vars(loop)
                ours = [another]
                vars(loop)["call_soon"] = another
            assert module.unanswered == []
            vars(loop).pop("call_soon")

    run(loop_name, main)


def test_a_caller_that_ends_the_program_is_alone_in_that(loop_name: str) -> None:
    async def call(module: Module, number: int) -> int:
        answer: int = await module.send("echo", number)
        if answer == 3:
            raise KeyboardInterrupt
        return answer

    with asyncio.Runner(loop_factory=loop_factory(loop_name)) as runner:
        loop = runner.get_loop()
        module = calls("python")
        manager = ModuleManager(module)
        loop.run_until_complete(manager.spawn())
        tasks = [loop.create_task(call(module, number)) for number in range(10)]
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(asyncio.wait(tasks))
        others = tasks[:3] + tasks[4:]
        answers = asyncio.wait_for(asyncio.gather(*others), DEADLINE)
        assert loop.run_until_complete(answers) == [0, 1, 2, *range(4, 10)]
        assert isinstance(tasks[3].exception(), KeyboardInterrupt)
        loop.run_until_complete(manager.shutdown())
