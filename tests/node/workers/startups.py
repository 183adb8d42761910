"""A worker whose start-up waits, loads or fails, as WHAT says; GATE is a file to wait for."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from procwire import Client

WHAT = os.environ["WHAT"]
GATE = Path(os.environ.get("GATE", "/nowhere"))


@asynccontextmanager
async def lifespan(client: Client) -> AsyncIterator[dict[str, Any]]:
    if "gate" in WHAT:
        print("waiting for the gate")
        # Nothing else tells a process that a file has come.
        while not await asyncio.to_thread(GATE.exists):
            await asyncio.sleep(0.005)
    if "fails" in WHAT:
        raise FileNotFoundError(2, "No such file or directory", "model.bin")
    yield {"model": "loaded"}
    print("model closed")


client = Client(lifespan=lifespan, announce="early" if "early" in WHAT else "ready")


@client.on_startup
def warm_up() -> None:
    client.state.warm = True


@client.on_shutdown
async def cool_down() -> None:
    print("cooled down")


@client.handle
async def state(data: Any) -> dict[str, Any]:
    return vars(client.state)


@client.handle
async def count(number: int) -> int:
    client.state.sum = getattr(client.state, "sum", 0) + number
    return client.state.sum


@client.handle
async def words(data: Any) -> AsyncIterator[str]:
    yield client.state.model


@client.handle_ack("accept")
async def accept(data: Any) -> Any:
    return data


if __name__ == "__main__":
    client.run(loop=os.environ["LOOP"])  # type: ignore[arg-type]
