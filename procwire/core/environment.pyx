# The process's environment as the operating system gave it.

from libc.stdlib cimport getenv
from libc.string cimport memset, strlen


def wipe_variable(bytes name not None):
    """Overwrite an environment variable's value in place.

    Removing a variable only forgets where it is: on Linux everybody of the same user can go on
    reading it in /proc/<pid>/environ.
    """
    cdef char *value = getenv(name)
    if value != NULL:
        memset(value, 0, strlen(value))
