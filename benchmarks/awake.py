"""Keeps idle processors polling, which Linux does for who asks it.

Waking a processor that sleeps costs more than many a request, on a virtual machine several times
as much: of programs that wait for each other, that would be measured. A program that keeps the
processors busy, be it of the lowest priority, competes with what is measured.

Linux lets root ask (Documentation/power/pm_qos_interface.rst). As a program it prints a line when
it is so, and lets them sleep again when standard input ends.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

DRIVER = Path("/sys/devices/system/cpu/cpuidle/current_driver")


def keep_awake() -> None:
    """Ask for it, until this process ends.

    Raises:
        OSError: it cannot be had here.
    """
    if not DRIVER.exists() or DRIVER.read_text().strip() == "none":
        raise OSError("no driver for idle processors that could be asked")
    # Never closed: that would be the end of it.
    latency = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
    # Microseconds that waking may take.
    os.write(latency, struct.pack("=i", 0))


if __name__ == "__main__":
    try:
        keep_awake()
    except OSError as error:
        sys.exit(str(error))
    print("awake", flush=True)
    sys.stdin.buffer.read()
