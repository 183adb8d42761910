"""What the system says of processes: whether they run, what they use, and their end."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import psutil

WINE = sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version")
"""Whether this Windows is wine's, which does not have all of it."""

KILLED = 15 if sys.platform == "win32" else -9
"""The exit status of a process that :func:`kill` has ended."""


def interpreter(pid: int) -> int:
    """The process that Python code runs in, which was started as ``sys.executable``.

    In a virtual environment on Windows that is a launcher, and the interpreter is its child.
    """
    if sys.platform == "win32" and sys.prefix != sys.base_prefix:
        (child,) = psutil.Process(pid).children()
        return int(child.pid)
    return pid


def is_running(pid: int) -> bool:
    """Whether it has not ended; what has, and waits for whoever reads its status, does not run."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill(pid: int) -> None:
    """End a process at once."""
    psutil.Process(pid).kill()


def suspend(pid: int) -> None:
    """Let a process do nothing."""
    psutil.Process(pid).suspend()


def resume(pid: int) -> None:
    """Let it go on."""
    psutil.Process(pid).resume()


def children(pid: int) -> set[int]:
    """The processes that it has started and that are there."""
    return {child.pid for child in psutil.Process(pid).children()}


def descriptors() -> int:
    """How many this process has open; on Windows, how many handles."""
    process = psutil.Process()
    return int(process.num_handles() if sys.platform == "win32" else process.num_fds())


def threads(pid: int) -> int:
    """How many it has, and none when it is gone."""
    try:
        return int(psutil.Process(pid).num_threads())
    except psutil.NoSuchProcess:
        return 0


def resident_kib(pid: int) -> int:
    """How much memory it has."""
    return int(psutil.Process(pid).memory_info().rss) // 1024


def peak_kib(pid: int) -> int:
    """The most that it has ever had; where no system says so, what it has."""
    if sys.platform == "win32":
        return int(psutil.Process(pid).memory_info().peak_wset) // 1024
    if sys.platform == "linux":
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])
    return resident_kib(pid)


def processor_seconds(pid: int) -> float:
    """The processor time that it has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
