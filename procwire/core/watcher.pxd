# What is watched without Python's lock: what csrc/ says about it.

from libc.stdint cimport int64_t, intptr_t, uint32_t, uint64_t


cdef extern from "procwire_control.h" nogil:
    ctypedef enum procwire_control_message:
        PROCWIRE_CONTROL_OTHER
        PROCWIRE_CONTROL_PING
        PROCWIRE_CONTROL_SHUTDOWN

    const int PROCWIRE_CONTROL_MAX_LINE_SIZE
    const int PROCWIRE_CONTROL_MAX_DEPTH

    procwire_control_message procwire_control_parse(const char *line, size_t size)


cdef extern from "procwire_requests.h" nogil:
    ctypedef uint64_t procwire_request_key
    ctypedef struct procwire_request:
        procwire_request_key key

    procwire_request_key procwire_request_key_of(int method_id, uint32_t request_id)
    procwire_request_key procwire_running
    void procwire_set_running(procwire_request_key key)
    void procwire_requests_add(procwire_request *request)
    void procwire_requests_remove(procwire_request *request)
    int procwire_requests_set_names(const char **names, size_t count)


cdef extern from "procwire_watcher.h" nogil:
    const int PROCWIRE_NEWS_SHUTDOWN
    const int PROCWIRE_NEWS_ENDED

    int procwire_watcher_start(intptr_t input, intptr_t output)
    void procwire_watcher_set_listener(intptr_t socket)
    unsigned procwire_watcher_turn()
    void procwire_watcher_set_liveness(int of_process)
    int procwire_watcher_send(const char *line, size_t size)
    void procwire_watcher_report_stalls(int64_t after, int dump_signal, void (*dump)() noexcept)
    void procwire_watcher_own_process(int64_t exit_after)
    void procwire_watcher_begin_exit()
    void procwire_watcher_exit_on_signal(int number)
