"""Fails while its handlers are being registered."""

import os

from procwire import Client

client = Client()


@client.handle("load")
async def load(data: str) -> str:
    return data


raise RuntimeError(f"no model for {os.path.basename(__file__)}: zażółć\nsecond line")
