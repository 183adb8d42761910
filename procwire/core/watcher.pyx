# The watcher, for Python.  There is one per process, and so these are functions; seconds and
# strings go in, and what csrc/procwire_watcher.h says happens.

from libc.stdlib cimport calloc, free

import faulthandler
import os

CONTROL_MAX_LINE_SIZE = PROCWIRE_CONTROL_MAX_LINE_SIZE
CONTROL_MAX_DEPTH = PROCWIRE_CONTROL_MAX_DEPTH
NEWS_SHUTDOWN = PROCWIRE_NEWS_SHUTDOWN
NEWS_ENDED = PROCWIRE_NEWS_ENDED

cdef dict CONTROL_METHODS = {
    PROCWIRE_CONTROL_PING: "$ping",
    PROCWIRE_CONTROL_SHUTDOWN: "$shutdown",
}


cdef int check_errno(int error) except -1:
    if error:
        raise OSError(error, os.strerror(error))
    return 0


cdef int64_t nanoseconds(double seconds) noexcept:
    return <int64_t>(seconds * 1e9)


def control_message(bytes line not None):
    """Which of the parent's messages a line is; None for anything else."""
    return CONTROL_METHODS.get(procwire_control_parse(line, len(line)))


def running_request():
    """The ids of the method and the request that the loop's thread is at; None for no request."""
    cdef procwire_request_key key = procwire_running
    return (key >> 32, key & 0xFFFFFFFF) if key else None


def watcher_start(intptr_t input, intptr_t output):
    check_errno(procwire_watcher_start(input, output))


def watcher_set_listener(intptr_t socket):
    procwire_watcher_set_listener(socket)


def watcher_turn():
    return procwire_watcher_turn()


def watcher_set_liveness(bint of_process):
    procwire_watcher_set_liveness(of_process)


def watcher_send(bytes line not None):
    check_errno(procwire_watcher_send(line, len(line)))


cdef void dump_stacks() noexcept with gil:
    """All Python stacks, as soon as the lock is to be had: nobody's can change meanwhile."""
    try:
        faulthandler.dump_traceback(2)
    except Exception:
        # Standard error is closed, or no file.
        pass


def watcher_report_stalls(double seconds, int dump_signal):
    procwire_watcher_report_stalls(nanoseconds(seconds), dump_signal, dump_stacks)


def watcher_own_process(double exit_after):
    procwire_watcher_own_process(nanoseconds(exit_after))


def watcher_begin_exit():
    procwire_watcher_begin_exit()


def watcher_exit_on_signal(int number):
    procwire_watcher_exit_on_signal(number)


def watcher_set_names(names):
    """What methods are called in reports; the first has the id 1."""
    encoded = [(<str?>name).encode(errors="replace") for name in names]
    cdef const char **pointers = <const char **>calloc(len(encoded) + 1, sizeof(char *))
    if pointers == NULL:
        raise MemoryError
    try:
        for index, name in enumerate(encoded):
            pointers[index] = <bytes>name
        if procwire_requests_set_names(pointers, len(encoded)) != 0:
            raise MemoryError
    finally:
        free(pointers)
