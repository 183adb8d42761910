"""Typed handlers of every form and every kind."""

import dataclasses
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from procwire import Batch, CallNext, Client, Context

client = Client(nil_as_missing="nil" in sys.argv[2:], max_processes=1)
seen: list[Any] = []


@dataclasses.dataclass
class Job:
    count: int
    blob: bytes = b""


@dataclasses.dataclass
class Answer:
    total: int
    names: list[str]


@client.handle
async def coroutine(job: Job) -> list[Any]:
    seen.append(job)
    return [type(job).__name__, job.count, job.blob]


@client.handle
def threaded(job: Job) -> str:
    return repr(job)


@client.handle(sync_to_thread=False)
def inline(job: Job) -> str:
    return repr(job)


@client.handle
async def chunks(job: Job) -> AsyncIterator[int]:
    for number in range(job.count):
        yield number


@client.handle(response="ack")
async def acked(job: Job, ctx: Context) -> None:
    await ctx.ack(job.count)


@client.handle(response="none")
async def silent(job: Job) -> None:
    seen.append(job)


@client.handle(executor="process")
def elsewhere(job: Job) -> str:
    return repr(job)


@client.handle(batch=Batch(max_size=4, max_wait=0))
async def gathered(jobs: list[Job]) -> list[int | Exception]:
    return [job.count for job in jobs]


@client.handle
async def later(job: "Late") -> str:
    return repr(job)


@client.handle(data=Job)
async def told(data: Any) -> str:
    return repr(data)


@client.handle(data=object)
async def untold(job: Job) -> str:
    return repr(job)


@client.handle
async def take_log(data: Any) -> list[str]:
    taken = [repr(job) for job in seen]
    seen.clear()
    return taken


# ---- answers that are looked at ------------------------------------------------------------------

ANSWERS: dict[str, Any] = {
    "struct": Answer(1, ["a"]),
    "dict": {"total": 1, "names": ("a",)},
    "fields of other types": Answer("1", ["a", 2]),  # type: ignore[arg-type,list-item]
    "dict without a field": {"total": 1},
    "nothing": None,
}


@client.handle(validate_result=True)
async def answers(data: Any) -> Answer:
    answer: Answer = ANSWERS[data]
    return answer


@client.handle(validate_result=True)
def answer_chunks(data: list[Any]) -> Iterator[int]:
    yield from data


@client.handle(validate_result=True, response="ack")
async def answer_acks(data: Any, ctx: Context) -> int:
    await ctx.ack(data)
    return 0


@dataclasses.dataclass
class Late:
    day: str


if "middleware" in sys.argv:

    @client.middleware
    async def see(data: Any, ctx: Context, call_next: CallNext) -> Any:
        if isinstance(data, Job):
            data.count += 100
        return await call_next(data)


if __name__ == "__main__":
    client.run(loop=sys.argv[1])  # type: ignore[arg-type]
