"""Keeps every processor awake until standard input ends, and gives way to whoever wants to run.

On a virtual machine, waking a processor that sleeps goes through the hypervisor and costs more than
many a request: of programs that wait for each other, that would be measured, and nothing else.
"""

import os
import sys
import threading


def spin() -> None:
    while True:
        pass


children = []
for processor in os.sched_getaffinity(0):
    child = os.fork()
    if child == 0:
        os.sched_setaffinity(0, [processor])
        # Its time is counted as that of "nice" programs, and so told from others.
        os.nice(19)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        # Whatever way the one that is waited for has ended.
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
        spin()
    children.append(child)
for child in children:
    os.waitpid(child, 0)
