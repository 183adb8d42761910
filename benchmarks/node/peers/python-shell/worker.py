"""Reads a line of JSON, writes one, and flushes: the parent waits for it."""

import json
import sys

TEXT = "x" * 1000

for line in sys.stdin:
    message = json.loads(line)
    if "stream" in message:
        for i in range(message["stream"]):
            print(json.dumps({"i": i, "s": TEXT}))
        message = {"end": True}
    print(json.dumps(message), flush=True)
