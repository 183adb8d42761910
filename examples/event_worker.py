"""Events: long jobs that report how far they are, and can be stopped."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any, TypedDict

from procwire import Client, Context, HandlerError

client = Client().event("progress").event("finished")


@client.handle(response="ack")
async def checksums(folder: str, ctx: Context) -> None:
    """Hash the files of a folder: the caller goes on at once, the results are events."""
    files = await asyncio.to_thread(files_in, folder)
    if not files:
        raise HandlerError("there are no files", code="E_EMPTY", folder=folder)
    await ctx.ack({"files": len(files)})

    digests = {}
    for done, path in enumerate(files, start=1):
        digests[path.name] = await asyncio.to_thread(sha256_of, path)
        await client.emit("progress", {"job": "checksums", "done": done, "of": len(files)})
    await client.emit("finished", {"job": "checksums", "digests": digests})


def files_in(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).iterdir() if path.is_file())


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Puzzle(TypedDict):
    text: str
    zeros: int


class Settings(TypedDict):
    nonces_per_step: int


settings: Settings = {"nonces_per_step": 50_000}


@client.handle(response="none")
async def configure(changes: Settings) -> None:
    """Fire and forget; the requests that are sent after it find it done."""
    settings.update(changes)


# timeout=0: by default the parent gives up after 30 seconds.
@client.handle(timeout=0)
async def find_nonce(puzzle: Puzzle) -> dict[str, Any]:
    """A number that makes the SHA-256 of text + number start with so many zeros."""
    tried = 0
    try:
        while True:
            step = range(tried, tried + settings["nonces_per_step"])
            # In a thread the work holds up neither other requests nor the abort.
            nonce = await asyncio.to_thread(search, puzzle, step)
            if nonce is not None:
                return {"nonce": nonce}
            tried = step.stop
            await client.emit("progress", {"job": "find_nonce", "tried": tried})
    except asyncio.CancelledError:
        # The parent has aborted: tidy up, and let the cancellation go on.
        await client.emit("finished", {"job": "find_nonce", "cancelled": True, "tried": tried})
        raise


def search(puzzle: Puzzle, nonces: range) -> int | None:
    prefix = "0" * puzzle["zeros"]
    for nonce in nonces:
        if hashlib.sha256(f"{puzzle['text']}{nonce}".encode()).hexdigest().startswith(prefix):
            return nonce
    return None


if __name__ == "__main__":
    client.run()
