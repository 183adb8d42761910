"""A large array that is sent while it is still there to be changed."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from procwire import Client

client = Client()
array = np.zeros(4 << 20, np.uint8)


@client.handle(response_codec="raw", sync_to_thread=False)
def send_array(data: Any) -> NDArray[np.uint8]:
    return array


@client.handle(sync_to_thread=False)
def change_array(data: Any) -> None:
    array[:] = 1


if __name__ == "__main__":
    client.run(loop=sys.argv[1])
