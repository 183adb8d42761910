"""Runs a program with pipes that Windows has made.

    python piped.py PROGRAM [arguments]

Node asks a standard stream for what wine does not know of a pipe of Linux's, and ends.
"""

import os
import subprocess
import sys
import threading
from typing import BinaryIO


def copy(source: BinaryIO, target: BinaryIO) -> None:
    try:
        while data := source.read1(65536):
            target.write(data)
            target.flush()
    except OSError:
        pass  # the other side has gone
    if target not in (sys.stdout.buffer, sys.stderr.buffer):
        target.close()


def main() -> int:
    pipe = subprocess.PIPE
    process = subprocess.Popen(sys.argv[1:], stdin=pipe, stdout=pipe, stderr=pipe)
    threading.Thread(target=copy, args=(sys.stdin.buffer, process.stdin), daemon=True).start()
    outputs = [
        threading.Thread(target=copy, args=(process.stdout, sys.stdout.buffer)),
        threading.Thread(target=copy, args=(process.stderr, sys.stderr.buffer)),
    ]
    for thread in outputs:
        thread.start()
    status = process.wait()
    for thread in outputs:
        thread.join()
    return status


if __name__ == "__main__":
    status = main()
    # The thread that waits for input would be waited for.
    os._exit(status)
