"""Starts a worker as Node does, says what it has announced, and waits to be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

process = subprocess.Popen(
    [sys.executable, *sys.argv[1:]],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    env={**os.environ, "PROCWIRE_MODULE_NAME": "test"},
)
assert process.stdout is not None
while not (line := process.stdout.readline()).strip():
    pass
print(process.pid, flush=True)
sys.stdout.buffer.write(line)
sys.stdout.flush()
time.sleep(600)
