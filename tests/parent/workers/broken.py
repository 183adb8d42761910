"""A worker that is not as it should be; the first argument says how."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from procwire import Client

client = Client()
how = sys.argv[1]


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle("pid", sync_to_thread=False)
def pid(_data: Any) -> int:
    return os.getpid()


@client.handle("block", sync_to_thread=False)
def block(_data: Any) -> None:
    time.sleep(3600)


@client.handle("leave", sync_to_thread=False)
def leave(status: int) -> None:
    os._exit(status)


@client.on_shutdown
async def take_down() -> None:
    if how == "takes down badly":
        raise RuntimeError("the file is not there")


if how == "exits":
    sys.exit(3)
if how == "raises":
    raise RuntimeError("no model")
if how == "silent":
    time.sleep(3600)
if how == "first time":
    # The argument is a file that remembers the attempts.
    attempts = Path(sys.argv[2])
    attempts.write_text(attempts.read_text() + "x" if attempts.exists() else "x")
    if attempts.read_text() != "xxx":
        sys.exit(4)
client.run()
