# What the operating system has given to the process: its environment, its standard streams.

from libc.stdint cimport intptr_t
from libc.stdlib cimport getenv
from libc.string cimport memset, strlen


cdef extern from "procwire_standard_handle.h" nogil:
    void procwire_set_standard_handle(int descriptor, intptr_t handle)


def wipe_variable(bytes name not None):
    """Overwrite an environment variable's value in place.

    Removing a variable only forgets where it is: on Linux everybody of the same user can go on
    reading it in /proc/<pid>/environ.
    """
    cdef char *value = getenv(name)
    if value != NULL:
        memset(value, 0, strlen(value))


def set_standard_handle(int descriptor, intptr_t handle):
    """Have the standard handle that Windows gives to child processes follow its descriptor."""
    procwire_set_standard_handle(descriptor, handle)
