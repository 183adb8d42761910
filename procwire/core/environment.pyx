# The process's environment as the operating system gave it.

cdef extern from *:
    """
    /* What leads to a traceback is no hot path: it is compiled to be small. */
    #if defined(__GNUC__)
    static void __Pyx_AddTraceback(const char *funcname, int c_line, int py_line,
                                   const char *filename) __attribute__((cold));
    #endif
    """

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
