"""A ROUTER on asyncio; the argument is the path of its socket."""

import asyncio
import sys

import msgpack
import zmq.asyncio

TEXT = "x" * 1000


async def main(path: str) -> None:
    router = zmq.asyncio.Context().socket(zmq.ROUTER)
    # Or it would drop what its reader is not ready for.
    router.router_mandatory = True
    router.bind(f"ipc://{path}")
    print("ready", flush=True)
    while True:
        sender, request, method, body = await router.recv_multipart()
        if method == b"stream":
            for i in range(msgpack.unpackb(body)):
                await router.send_multipart([sender, request, msgpack.packb({"i": i, "s": TEXT})])
            await router.send_multipart([sender, request, b"", b"end"])
            continue
        answer = msgpack.packb(msgpack.unpackb(body)) if method == b"map" else body
        # Its documentation: not copying pays for large messages only.
        await router.send_multipart([sender, request, answer], copy=len(answer) < 65536)


asyncio.run(main(sys.argv[1]))
