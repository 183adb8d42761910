/* A thread reads, a thread writes, and a third one keeps the time: a handle that Node has given as
 * a standard stream can only be waited for by who reads or writes it. */
#ifdef _WIN32

#include "procwire_platform.h"
#include "procwire_watch.h"

#include <errno.h>
#include <stdlib.h>

static HANDLE input;
static HANDLE output;

/* Set by whoever has changed something: one for the time, one for the output. */
static HANDLE news;
static HANDLE output_news;

static DWORD milliseconds_until(int64_t time) {
    if (time == PROCWIRE_NEVER)
        return INFINITE;
    int64_t left = time - procwire_now();
    if (left <= 0)
        return 0;
    left = (left + PROCWIRE_MILLISECOND - 1) / PROCWIRE_MILLISECOND;
    return left < INFINITE ? (DWORD)left : INFINITE - 1;
}

/* ---- the three threads ---------------------------------------------------------------------- */

/* Read or write as if the handle were a plain one, whichever it is; returns whether it went well. */
static int transfer(HANDLE handle, int write, void *data, DWORD size, DWORD *count) {
    OVERLAPPED progress = {0};
    progress.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (progress.hEvent == NULL)
        return 0;
    BOOL done = write ? WriteFile(handle, data, size, NULL, &progress)
                      : ReadFile(handle, data, size, NULL, &progress);
    if (done || GetLastError() == ERROR_IO_PENDING)
        done = GetOverlappedResult(handle, &progress, count, TRUE);
    CloseHandle(progress.hEvent);
    return done;
}

static void read_input(void) {
    static char chunk[PROCWIRE_WATCH_CHUNK_SIZE];
    DWORD size;
    /* Whoever writes nothing into a pipe has one read nothing from it, which is no end. */
    int nothing_is_the_end = GetFileType(input) != FILE_TYPE_PIPE;
    while (transfer(input, 0, chunk, sizeof chunk, &size) && !(size == 0 && nothing_is_the_end)) {
        procwire_watch_input(chunk, size);
        procwire_watch_notify();
    }
    procwire_watch_input_ended();
    procwire_watch_notify();
}

static void write_output(void) {
    size_t size;
    DWORD written;
    for (;;) {
        const char *data = procwire_watch_output(&size);
        if (data == NULL)
            WaitForSingleObject(output_news, INFINITE);
        else if (transfer(output, 1, (void *)data, (DWORD)size, &written))
            procwire_watch_written(written);
        else
            procwire_watch_output_ended();
    }
}

static void watch(void) {
    for (;;) {
        int64_t look_again = procwire_watch_act();
        WaitForSingleObject(news, milliseconds_until(look_again));
        procwire_watch_woken(look_again);
    }
}

int procwire_watch_start(intptr_t from_parent, intptr_t to_parent) {
    if (news == NULL)
        news = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (output_news == NULL)
        output_news = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (news == NULL || output_news == NULL)
        return ENOMEM;
    input = (HANDLE)from_parent;
    output = (HANDLE)to_parent;
    int error = procwire_watch_aside(watch);
    if (error == 0)
        error = procwire_watch_aside(read_input);
    if (error == 0)
        error = procwire_watch_aside(write_output);
    return error;
}

void procwire_watch_notify(void) {
    SetEvent(news);
    SetEvent(output_news);
}

void procwire_watch_ring(intptr_t socket) {
    /* It is a non-blocking one. */
    send((SOCKET)socket, "", 1, 0);
}

void procwire_watch_hang_up(intptr_t socket) {
    closesocket((SOCKET)socket);
}

/* ---- threads, signals, the end ---------------------------------------------------------------- */

static DWORD WINAPI call(void *function) {
    void (*called)(void) = *(void (**)(void))function;
    free(function);
    called();
    return 0;
}

int procwire_watch_aside(void (*function)(void)) {
    void (**argument)(void) = malloc(sizeof *argument);
    if (argument == NULL)
        return ENOMEM;
    *argument = function;
    HANDLE thread = CreateThread(NULL, 0, call, argument, 0, NULL);
    if (thread == NULL) {
        free(argument);
        return EAGAIN;
    }
    CloseHandle(thread);
    return 0;
}

/* As long as it takes: those who cannot wait have it called in a thread. */
int procwire_watch_tell(const char *text, size_t size) {
    DWORD written;
    HANDLE error = GetStdHandle(STD_ERROR_HANDLE);
    while (size > 0 && transfer(error, 1, (void *)text, (DWORD)size, &written)) {
        text += written;
        size -= written;
    }
    return size == 0;
}

static void (*dump_stacks)(void);

void procwire_watch_set_dump(int number, void (*dump)(void)) {
    (void)number;
    dump_stacks = dump;
}

void procwire_watch_dump_stacks(void) {
    dump_stacks();
}

static volatile sig_atomic_t *signal_flag;
static volatile LONG interrupt_ends;
static volatile LONG break_ends;

/* Called before those of the C library, and so of Python, which get the event as well. */
static BOOL WINAPI on_event(DWORD event) {
    if (event == CTRL_C_EVENT ? interrupt_ends : break_ends) {
        *signal_flag = 1;
        procwire_watch_notify();
    }
    return FALSE;
}

void procwire_watch_signal(int number, volatile sig_atomic_t *flag) {
    int first = !interrupt_ends && !break_ends;
    signal_flag = flag;
    if (number == SIGINT)
        interrupt_ends = 1;
    else if (number == SIGBREAK)
        break_ends = 1;
    if (first)
        SetConsoleCtrlHandler(on_event, TRUE);
}

void procwire_watch_pause(int64_t time) {
    Sleep((DWORD)(time / PROCWIRE_MILLISECOND));
}

void procwire_watch_end_process(void) {
    /* Not ExitProcess(), which waits for a lock that any thread may have. */
    TerminateProcess(GetCurrentProcess(), 0);
}

#endif
