"""Keeps idle processors polling until standard input ends, which Linux does for who asks it.

Waking a processor that sleeps costs more than many a request, on a virtual machine several times
as much: of programs that wait for each other, that would be measured. A program that keeps the
processors busy, be it of the lowest priority, competes with what is measured.

Prints a line when it is so. Linux lets root ask (Documentation/power/pm_qos_interface.rst).
"""

import os
import struct
import sys
from pathlib import Path

driver = Path("/sys/devices/system/cpu/cpuidle/current_driver")
if not driver.exists() or driver.read_text().strip() == "none":
    sys.exit("no driver for idle processors that could be asked")
try:
    # The request ends when the file is closed.
    latency = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
except OSError as error:
    sys.exit(str(error))
# Microseconds that waking may take.
os.write(latency, struct.pack("=i", 0))
print("awake", flush=True)
sys.stdin.buffer.read()
