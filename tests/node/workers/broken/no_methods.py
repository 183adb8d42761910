import os

from procwire import Client

client = Client().event("lonely")

if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
