/* The bare worker: what the protocol costs when nothing is built on it.
 *
 * One thread, one poll loop. A request is complete before it is answered, as it
 * is for every handler, but nothing is decoded or copied: the header's flags are
 * changed where the frame was received and the same bytes go back.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "procwire_header.h"

#define LEAST_BUFFER (256u * 1024u)
#define STREAM_TEXT 1000

enum { ECHO_RAW = 1, ECHO_MSGPACK, STREAM_MSGPACK, STREAM_RAW };

#define RESULT_FLAGS (PROCWIRE_FLAG_TO_PARENT | PROCWIRE_FLAG_RESPONSE)
#define CHUNK_FLAGS (RESULT_FLAGS | PROCWIRE_FLAG_STREAM)
#define END_FLAGS (CHUNK_FLAGS | PROCWIRE_FLAG_STREAM_END)

static void stop(int code, const char *why) {
    if (why)
        fprintf(stderr, "echo_worker: %s\n", why);
    exit(code);
}

/* ---- control plane ------------------------------------------------------- */

static void read_control(void) {
    static char line[4096];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, line + used, sizeof line - used);
    if (got < 0 && errno == EINTR)
        return;
    if (got <= 0)
        stop(0, NULL); /* the parent is gone */
    used += (size_t)got;
    char *start = line, *newline;
    while ((newline = memchr(start, '\n', used - (size_t)(start - line))) != NULL) {
        *newline = '\0';
        if (strstr(start, "\"$shutdown\""))
            stop(0, NULL);
        if (strstr(start, "\"$ping\"")) {
            puts("{\"jsonrpc\":\"2.0\",\"method\":\"$pong\"}");
            fflush(stdout);
        }
        start = newline + 1;
    }
    used -= (size_t)(start - line);
    memmove(line, start, used);
    if (used == sizeof line)
        used = 0;
}

static int listen_and_announce(char path[108]) {
    const char *directory = getenv("XDG_RUNTIME_DIR");
    if (directory == NULL || *directory == '\0')
        directory = getenv("TMPDIR");
    if (directory == NULL || *directory == '\0')
        directory = "/tmp";
    uint64_t secret[2];
    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        stop(1, "no random bytes");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path,
                          "%s/procwire-%d-%016" PRIx64 "%016" PRIx64 ".sock", directory,
                          (int)getpid(), secret[0], secret[1]);
    if (length < 0 || (size_t)length >= sizeof address.sun_path)
        stop(1, "the socket directory's name is too long");
    memcpy(path, address.sun_path, sizeof address.sun_path);
    umask(077);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 1) != 0)
        stop(1, "cannot listen");
    printf("{\"jsonrpc\":\"2.0\",\"method\":\"$init\",\"params\":{\"pipe\":\"%s\",\"schema\":"
           "{\"methods\":{\"echo_raw\":{\"id\":%d,\"response\":\"result\"},"
           "\"echo_msgpack\":{\"id\":%d,\"response\":\"result\"},"
           "\"stream_msgpack\":{\"id\":%d,\"response\":\"stream\"},"
           "\"stream_raw\":{\"id\":%d,\"response\":\"stream\"}},\"events\":{}},"
           "\"version\":\"1.0.0\"}}\n",
           path, ECHO_RAW, ECHO_MSGPACK, STREAM_MSGPACK, STREAM_RAW);
    fflush(stdout);
    return fd;
}

/* ---- data plane ---------------------------------------------------------- */

/* Nothing is read while an answer waits for room: that is the backpressure. */
static void send_all(int fd, const uint8_t *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes += sent;
            length -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            stop(0, NULL);
        struct pollfd wait[2] = {{.fd = fd, .events = POLLOUT},
                                 {.fd = STDIN_FILENO, .events = POLLIN}};
        poll(wait, 2, -1);
        if (wait[1].revents)
            read_control();
    }
}

/* The value of a key in a map of small positive integers; the benchmark sends
 * nothing else to a stream method. */
static uint32_t map_value(const uint8_t *payload, uint32_t length, const char *key) {
    size_t key_length = strlen(key);
    for (uint32_t at = 1; at + 1 + key_length < length; at++) {
        if (payload[at] != (0xa0 | key_length) || memcmp(payload + at + 1, key, key_length) != 0)
            continue;
        const uint8_t *value = payload + at + 1 + key_length, *end = payload + length;
        int width = *value < 0x80 ? 0 : *value == 0xcc ? 1 : *value == 0xcd ? 2 : 4;
        uint32_t number = width ? 0 : *value;
        for (value++; width > 0 && value < end; width--)
            number = number << 8 | *value++;
        return number;
    }
    return 0;
}

static size_t put_index(uint8_t *at, uint32_t value) {
    uint8_t *start = at;
    int width = value < 0x80 ? 0 : value < 0x100 ? 1 : value < 0x10000 ? 2 : 4;
    *at++ = width == 0 ? (uint8_t)value : width == 1 ? 0xcc : width == 2 ? 0xcd : 0xce;
    while (width-- > 0)
        *at++ = (uint8_t)(value >> (8 * width));
    return (size_t)(at - start);
}

static void stream(int fd, procwire_header h, const uint8_t *request) {
    bool raw = h.method_id == STREAM_RAW;
    uint32_t count = map_value(request, h.payload_length, "count");
    uint32_t size = raw ? map_value(request, h.payload_length, "size") : STREAM_TEXT;
    size_t room = 2 * PROCWIRE_HEADER_SIZE + 32 + (size_t)size, used = 0;
    room = room < LEAST_BUFFER ? LEAST_BUFFER : room;
    uint8_t *buffer = malloc(room);
    if (buffer == NULL)
        stop(1, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        if (room - used < 2 * PROCWIRE_HEADER_SIZE + 32 + (size_t)size) {
            send_all(fd, buffer, used);
            used = 0;
        }
        uint8_t *payload = buffer + used + PROCWIRE_HEADER_SIZE, *at = payload;
        uint32_t text = size;
        if (raw) {
            for (int width = 4; width-- > 0 && text > 0; text--)
                *at++ = (uint8_t)(i >> (8 * width));
        } else {
            memcpy(at, "\x82\xa1i", 3);
            at += 3;
            at += put_index(at, i);
            memcpy(at, "\xa1s\xda\x03\xe8", 5); /* STREAM_TEXT */
            at += 5;
        }
        memset(at, 'x', text);
        at += text;
        h.flags = CHUNK_FLAGS;
        h.payload_length = (uint32_t)(at - payload);
        procwire_header_pack(buffer + used, &h);
        used += PROCWIRE_HEADER_SIZE + h.payload_length;
    }
    h.flags = END_FLAGS;
    h.payload_length = 0;
    procwire_header_pack(buffer + used, &h);
    send_all(fd, buffer, used + PROCWIRE_HEADER_SIZE);
    free(buffer);
}

static void serve(int fd) {
    size_t room = LEAST_BUFFER, used = 0;
    uint8_t *buffer = malloc(room);
    for (;;) {
        struct pollfd wait[2] = {{.fd = fd, .events = POLLIN},
                                 {.fd = STDIN_FILENO, .events = POLLIN}};
        if (poll(wait, 2, -1) < 0)
            continue;
        if (wait[1].revents)
            read_control();
        if (!wait[0].revents)
            continue;
        ssize_t got = recv(fd, buffer + used, room - used, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0)
            return;
        used += (size_t)got;

        size_t answered = 0, at = 0, wanted = 0;
        while (used - at >= PROCWIRE_HEADER_SIZE) {
            procwire_header h;
            procwire_header_unpack(buffer + at, &h);
            if (procwire_header_check(&h, PROCWIRE_DEFAULT_MAX_PAYLOAD_SIZE) != 0)
                return;
            wanted = PROCWIRE_HEADER_SIZE + (size_t)h.payload_length;
            if (used - at < wanted)
                break;
            wanted = 0;
            if (h.method_id == ECHO_RAW || h.method_id == ECHO_MSGPACK) {
                buffer[at + 2] = RESULT_FLAGS;
                at += PROCWIRE_HEADER_SIZE + (size_t)h.payload_length;
                continue;
            }
            send_all(fd, buffer + answered, at - answered);
            if (h.method_id == STREAM_MSGPACK || h.method_id == STREAM_RAW)
                stream(fd, h, buffer + at + PROCWIRE_HEADER_SIZE);
            at += PROCWIRE_HEADER_SIZE + (size_t)h.payload_length;
            answered = at;
        }
        send_all(fd, buffer + answered, at - answered);
        used -= at;
        memmove(buffer, buffer + at, used);
        /* The buffer fits the largest frame exactly: of equally large frames
         * nothing is read past the end, so nothing large has to be moved. */
        if (wanted > room) {
            room = wanted;
            buffer = realloc(buffer, room);
        }
        if (buffer == NULL)
            stop(1, "out of memory");
    }
}

int main(void) {
    char path[108];
    int listener = listen_and_announce(path);
    struct pollfd wait[2] = {{.fd = listener, .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
    while (!(wait[0].revents & POLLIN)) {
        poll(wait, 2, -1);
        if (wait[1].revents)
            read_control();
    }
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    close(listener);
    unlink(path);
    if (fd < 0)
        stop(1, "cannot accept");
    serve(fd);
    return 0;
}
