"""A bare ASGI application: no framework's cost is counted.

Arguments: its socket's path, the event loop.
"""

import json
import sys

import uvicorn

TEXT = "x" * 1000


async def read(receive) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        return message["body"]
    parts = [message["body"]]
    while message.get("more_body"):
        message = await receive()
        parts.append(message["body"])
    return b"".join(parts)


async def application(scope, receive, send) -> None:
    body = await read(receive)
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for i in range(int(body)):
            line = json.dumps({"i": i, "s": TEXT}).encode() + b"\n"
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body"})
        return
    if scope["path"] == "/map":
        body = json.dumps(json.loads(body)).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


uvicorn.run(
    application,
    uds=sys.argv[1],
    loop=sys.argv[2],
    lifespan="off",
    ws="none",
    log_level="warning",
    access_log=False,
)
