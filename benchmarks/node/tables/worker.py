"""A table, as it came; the argument names the event loop."""

from __future__ import annotations

import sys

import pyarrow as pa

from procwire import Client

client = Client()


@client.handle(codec="arrow")
async def echo(table: pa.Table) -> pa.Table:
    return table


if __name__ == "__main__":
    client.run(loop=sys.argv[1])
