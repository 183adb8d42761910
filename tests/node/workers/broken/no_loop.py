"""Asks for an event loop that does not exist."""

from procwire import Client

client = Client().handle("echo", lambda data: data)

if __name__ == "__main__":
    client.run(loop="trio")  # type: ignore[arg-type]
