"""Parameters and results that are NumPy arrays."""

from __future__ import annotations

import os
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from procwire import Client
from procwire.arrays import Npy, Shape

client = Client()
calls = 0


def describe(array: NDArray[Any]) -> dict[str, Any]:
    global calls
    calls += 1
    return {
        "dtype": str(array.dtype),
        "shape": array.shape,
        "values": array.tolist(),
        # What the array's memory belongs to.
        "base": type(array.base).__name__,
        "writeable": array.flags.writeable,
    }


@client.handle(request_codec="raw", sync_to_thread=False)
def floats(data: NDArray[np.float32]) -> dict[str, Any]:
    return describe(data)


@client.handle(request_codec="raw")
def pixels(data: Annotated[NDArray[np.uint8], Shape(-1, 2, 4)]) -> dict[str, Any]:
    return describe(data)


@client.handle(request_codec="raw")
async def file(data: Annotated[np.ndarray, Npy()]) -> dict[str, Any]:
    return describe(data)


@client.handle
async def in_messagepack(data: Annotated[NDArray[np.float64], Shape(2, -1)]) -> dict[str, Any]:
    return describe(data)


@client.handle("calls")
async def count_calls(data: Any) -> int:
    return calls


@client.handle(codec="raw")
def brighter(image: Annotated[NDArray[np.uint8], Shape(-1, 4)]) -> NDArray[np.uint8]:
    return np.minimum(image, 155) + np.uint8(100)


@client.handle(response_codec="raw")
def filled(data: dict[str, Any]) -> NDArray[Any]:
    array = (np.arange(data["count"]) % 1000).astype(data["dtype"])
    return array.reshape(2, -1).T if data.get("transposed") else array.reshape(2, -1)


if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
