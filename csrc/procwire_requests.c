#include "procwire_requests.h"

#include "procwire_platform.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Requests that are named; the rest are counted. */
#define MAX_NAMED 16
/* Bytes of a method's name that are shown. */
#define MAX_NAME_SIZE 64

procwire_request_key procwire_running;

static procwire_lock lock = PROCWIRE_LOCK_INITIALIZER;
/* The ends of the list are this one, so that no link is ever NULL. */
static procwire_request requests = {&requests, &requests, 0};
static char **names;
static size_t name_count;

void procwire_requests_add(procwire_request *request) {
    procwire_acquire(&lock);
    request->previous = requests.previous;
    request->next = &requests;
    request->previous->next = request;
    requests.previous = request;
    procwire_release(&lock);
}

void procwire_requests_remove(procwire_request *request) {
    if (request->next == NULL)
        return;
    procwire_acquire(&lock);
    request->previous->next = request->next;
    request->next->previous = request->previous;
    procwire_release(&lock);
    request->previous = request->next = NULL;
}

static void free_names(char **texts, size_t count) {
    while (count > 0)
        free(texts[--count]);
    free(texts);
}

int procwire_requests_set_names(const char *const *texts, size_t count) {
    char **copies = calloc(count, sizeof *copies);
    if (copies == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        size_t size = strnlen(texts[i], MAX_NAME_SIZE);
        copies[i] = calloc(size + 1, 1);
        if (copies[i] == NULL) {
            free_names(copies, i);
            return -1;
        }
        memcpy(copies[i], texts[i], size);
    }
    procwire_acquire(&lock);
    char **old = names;
    size_t old_count = name_count;
    names = copies;
    name_count = count;
    procwire_release(&lock);
    free_names(old, old_count);
    return 0;
}

typedef struct {
    char *at;
    size_t left;
} text;

static void append(text *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(out->at, out->left, format, arguments);
    va_end(arguments);
    if (size > 0) {
        size_t taken = (size_t)size < out->left ? (size_t)size : out->left - 1;
        out->at += taken;
        out->left -= taken;
    }
}

static void append_request(text *out, procwire_request_key key, int named) {
    size_t id = (size_t)(key >> 32);
    if (named && id >= 1 && id <= name_count)
        append(out, "%s", names[id - 1]);
    else
        append(out, "method %zu", id);
    append(out, " #%lu", (unsigned long)(uint32_t)key);
}

void procwire_requests_describe(char *out, size_t size) {
    text line = {out, size};
    procwire_request_key running = procwire_load(&procwire_running);
    /* Whoever is about to end the process must not wait for anybody. */
    int locked = procwire_try_acquire(&lock);
    append(&line, "running: ");
    if (running)
        append_request(&line, running, locked);
    else
        append(&line, "no handler");
    if (!locked)
        return;
    append(&line, "; in flight: ");
    size_t count = 0;
    for (procwire_request *request = requests.next; request != &requests; request = request->next) {
        if (count < MAX_NAMED) {
            append(&line, count ? ", " : "");
            append_request(&line, request->key, 1);
        }
        count++;
    }
    if (count == 0)
        append(&line, "none");
    else if (count > MAX_NAMED)
        append(&line, " and %zu more", count - MAX_NAMED);
    procwire_release(&lock);
}

void procwire_requests_forked(void) {
    static const procwire_lock nobodys = PROCWIRE_LOCK_INITIALIZER;
    lock = nobodys;
}
