"""Puts a worker's standard error into the file that it is told: Windows has no shell that could."""

import os

if name := os.environ.get("WORKER_LOG"):
    log = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_BINARY)
    os.dup2(log, 2)
    os.close(log)
