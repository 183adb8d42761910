"""Results: a value comes in, and what the handler returns goes back."""

from typing import Any

from procwire import Client, HandlerError

client = Client()


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle
async def types(data: dict[str, Any]) -> dict[str, str]:
    """What the values of a JavaScript object are in Python."""
    return {key: type(value).__name__ for key, value in data.items()}


@client.handle(codec="raw")
async def reverse(data: bytes) -> bytes:
    """The raw codec: bytes in, bytes out, nothing encoded in between."""
    return data[::-1]


@client.handle
async def divide(data: dict[str, float]) -> float:
    try:
        return data["a"] / data["b"]
    except ZeroDivisionError:
        # In Node: err.message is the text, err.data has it all.
        raise HandlerError("division by zero", code="E_DIVISION", dividend=data["a"]) from None


if __name__ == "__main__":
    client.run()
