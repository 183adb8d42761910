#include "drive.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fail.h"
#include "procwire_header.h"

/* A read buffer that stays in a core's L2 cache measured faster than a larger one. */
#define READ_SIZE (256u * 1024u)
/* Frames up to this size lie whole in the ring; larger ones are sent from the
 * repeated body, so that the generator reads from its cache and not from memory. */
#define RING_FRAME_MAX (64u * 1024u)
#define RING_SIZE (512u * 1024u)
#define LARGE_WRITE_PARTS 16
/* How long to listen for a second answer after the last one. */
#define SURPLUS_WAIT_MS 20

typedef struct {
    uint32_t request_id;
    uint32_t next_chunk;
    uint64_t sent_ns;
    bool active;
} slot;

typedef enum { PHASE_WARMUP, PHASE_SETTLE, PHASE_WINDOW, PHASE_DRAIN } phase;

typedef struct {
    const drive_options *o;
    worker *w;
    drive_result *result;
    int fd;
    bool streaming;
    payload_spec spec;

    /* Requests under way, found by the low bits of the id. */
    slot *slots;
    uint32_t slot_mask;
    uint32_t last_id;
    uint32_t in_flight;
    bool round_open; /* in lockstep: whether requests may be sent until all are under way */

    /* Outgoing: a ring of prepared frames (small), or one frame in parts (large). */
    uint8_t *ring;
    uint32_t frame_size;
    uint64_t ring_frames, frames_queued, ring_bytes_written;
    bool large, large_pending;
    uint8_t large_front[PROCWIRE_HEADER_SIZE + PAYLOAD_HEAD_MAX];
    uint32_t large_front_length, large_offset;
    bool want_write;

    /* Incoming: where in which frame the next byte belongs. */
    uint8_t header_bytes[PROCWIRE_HEADER_SIZE];
    uint32_t header_have;
    procwire_header header;
    slot *current;
    payload_head expected;
    uint32_t offset;
    char error_text[256];
    bool is_error;

    /* The course of the run. */
    phase phase;
    uint64_t phase_started, window_started;
    uint64_t sent_in_window;
    uint64_t answers, items, bytes;
    uint64_t answers_at_window, items_at_window, bytes_at_window;
    uint64_t progress_ns;
    uint64_t slow_started, slow_taken;
    uint64_t latency_room;
} run;

/* ---- outgoing ---------------------------------------------------------- */

static uint32_t claim_id(run *r, uint64_t now) {
    slot *s;
    do {
        if (++r->last_id == 0)
            r->last_id = 1; /* 0 is no request id */
        s = &r->slots[r->last_id & r->slot_mask];
    } while (s->active);
    *s = (slot){.request_id = r->last_id, .sent_ns = now, .active = true};
    if (++r->in_flight == r->o->in_flight)
        r->round_open = false;
    if (r->phase == PHASE_WINDOW)
        r->sent_in_window++;
    return r->last_id;
}

static bool may_send(const run *r) {
    if (r->in_flight >= r->o->in_flight || (r->o->lockstep && !r->round_open))
        return false;
    if (r->phase == PHASE_WARMUP)
        return true;
    return r->phase == PHASE_WINDOW &&
           (r->o->requests == 0 || r->sent_in_window < r->o->requests);
}

static uint32_t build_front(run *r, uint8_t *at, uint32_t id) {
    procwire_header header = {.method_id = r->w->init.method_id, .request_id = id};
    payload_head head;
    if (r->streaming) {
        const uint32_t *size = r->spec.kind == PAYLOAD_RAW_CHUNK ? &r->spec.size : NULL;
        head.length = payload_stream_request(head.bytes, r->o->chunks, size);
        head.payload_length = head.length;
    } else {
        payload_head_for(&r->spec, id, &head);
    }
    header.payload_length = head.payload_length;
    procwire_header_pack(at, &header);
    memcpy(at + PROCWIRE_HEADER_SIZE, head.bytes, head.length);
    return PROCWIRE_HEADER_SIZE + head.length;
}

static void prepare_outgoing(run *r) {
    uint8_t front[PROCWIRE_HEADER_SIZE + PAYLOAD_HEAD_MAX];
    uint32_t front_length = build_front(r, front, 1);
    procwire_header header;
    procwire_header_unpack(front, &header);
    r->frame_size = PROCWIRE_HEADER_SIZE + header.payload_length;
    r->large = r->frame_size > RING_FRAME_MAX;
    if (r->large)
        return;
    r->ring_frames = RING_SIZE / r->frame_size;
    if (r->ring_frames > r->o->in_flight)
        r->ring_frames = r->o->in_flight;
    r->ring = malloc(r->ring_frames * r->frame_size);
    if (r->ring == NULL)
        fail("out of memory");
    for (uint64_t i = 0; i < r->ring_frames; i++)
        for (uint32_t at = front_length; at < r->frame_size; at++)
            r->ring[i * r->frame_size + at] = *payload_body_at(&r->spec, at - front_length);
}

/* True when the socket took everything. */
static bool sent_all(run *r, ssize_t sent, size_t wanted, uint64_t now) {
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        fail("the worker closed the data connection while requests were sent: %s",
             strerror(errno));
    if (sent > 0)
        r->progress_ns = now;
    r->want_write = sent < (ssize_t)wanted;
    return !r->want_write;
}

static void pump_ring(run *r, uint64_t now) {
    uint64_t ring_size = r->ring_frames * r->frame_size;
    for (;;) {
        uint64_t frames_written = r->ring_bytes_written / r->frame_size;
        while (r->frames_queued - frames_written < r->ring_frames && may_send(r)) {
            uint8_t *frame = r->ring + r->frames_queued % r->ring_frames * r->frame_size;
            build_front(r, frame, claim_id(r, now));
            r->frames_queued++;
        }
        uint64_t left = r->frames_queued * r->frame_size - r->ring_bytes_written;
        if (left == 0)
            return;
        uint64_t start = r->ring_bytes_written % ring_size;
        uint64_t first = left < ring_size - start ? left : ring_size - start;
        struct iovec parts[2] = {{r->ring + start, first}, {r->ring, left - first}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = left > first ? 2 : 1};
        ssize_t sent = sendmsg(r->fd, &message, MSG_NOSIGNAL);
        if (sent > 0)
            r->ring_bytes_written += (uint64_t)sent;
        if (!sent_all(r, sent, left, now))
            return;
    }
}

static void pump_large(run *r, uint64_t now) {
    for (;;) {
        if (!r->large_pending) {
            if (!may_send(r))
                return;
            r->large_front_length = build_front(r, r->large_front, claim_id(r, now));
            r->large_offset = 0;
            r->large_pending = true;
        }
        struct iovec parts[LARGE_WRITE_PARTS];
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 0};
        uint32_t at = r->large_offset;
        while (at < r->frame_size && message.msg_iovlen < LARGE_WRITE_PARTS) {
            struct iovec *part = &parts[message.msg_iovlen++];
            uint32_t length;
            if (at < r->large_front_length) {
                part->iov_base = r->large_front + at;
                length = r->large_front_length - at;
            } else {
                part->iov_base =
                    (void *)(uintptr_t)payload_body_at(&r->spec, at - r->large_front_length);
                length = r->frame_size - at < PAYLOAD_PERIOD ? r->frame_size - at
                                                             : PAYLOAD_PERIOD;
            }
            part->iov_len = length;
            at += length;
        }
        ssize_t sent = sendmsg(r->fd, &message, MSG_NOSIGNAL);
        size_t wanted = at - r->large_offset;
        if (sent > 0)
            r->large_offset += (uint32_t)sent;
        if (r->large_offset == r->frame_size)
            r->large_pending = false;
        if (!sent_all(r, sent, wanted, now))
            return;
    }
}

/* ---- incoming ---------------------------------------------------------- */

static void record_latency(run *r, uint64_t ns) {
    drive_result *result = r->result;
    if (result->latency_count == r->latency_room) {
        r->latency_room = r->latency_room ? r->latency_room * 2 : 1u << 20;
        result->latencies = realloc(result->latencies, r->latency_room * sizeof(uint64_t));
        if (result->latencies == NULL)
            fail("out of memory");
    }
    result->latencies[result->latency_count++] = ns;
}

static void begin_frame(run *r) {
    procwire_header *h = &r->header;
    procwire_header_unpack(r->header_bytes, h);
    if (procwire_header_check(h, PROCWIRE_MAX_PAYLOAD_SIZE) != 0)
        fail("invalid header: method %u, flags 0x%02x, request %u, %u bytes", h->method_id,
             h->flags, h->request_id, h->payload_length);
    slot *s = &r->slots[h->request_id & r->slot_mask];
    if (!s->active || s->request_id != h->request_id)
        fail("an answer to request %u (flags 0x%02x), which was answered before or never sent",
             h->request_id, h->flags);
    if (h->method_id != r->w->init.method_id)
        fail("request %u answered for method %u instead of %u", h->request_id, h->method_id,
             r->w->init.method_id);
    r->current = s;
    r->offset = 0;
    r->is_error = (h->flags & PROCWIRE_FLAG_ERROR) != 0;
    if (r->is_error)
        return; /* its text is part of the message */

    const uint8_t result_flags = PROCWIRE_FLAG_TO_PARENT | PROCWIRE_FLAG_RESPONSE;
    const uint8_t chunk_flags = result_flags | PROCWIRE_FLAG_STREAM;
    const uint8_t end_flags = chunk_flags | PROCWIRE_FLAG_STREAM_END;
    if (r->streaming && h->flags == end_flags) {
        if (h->payload_length != 0)
            fail("request %u: the end of a stream carries %u bytes", h->request_id,
                 h->payload_length);
        if (s->next_chunk != r->o->chunks)
            fail("request %u: the stream ended after %u of %u chunks", h->request_id,
                 s->next_chunk, r->o->chunks);
        return;
    }
    uint8_t wanted = r->streaming ? chunk_flags : result_flags;
    if (h->flags != wanted)
        fail("request %u answered with flags 0x%02x instead of 0x%02x", h->request_id,
             h->flags, wanted);
    if (r->streaming && s->next_chunk == r->o->chunks)
        fail("request %u: more than %u chunks", h->request_id, r->o->chunks);
    payload_head_for(&r->spec, r->streaming ? s->next_chunk : h->request_id, &r->expected);
    if (h->payload_length != r->expected.payload_length)
        fail("request %u: %u payload bytes instead of %u", h->request_id, h->payload_length,
             r->expected.payload_length);
}

static void end_frame(run *r) {
    procwire_header *h = &r->header;
    r->header_have = 0;
    if (r->is_error)
        fail("request %u answered with an error: %s", h->request_id, r->error_text);
    r->bytes += h->payload_length;
    if (r->streaming && !(h->flags & PROCWIRE_FLAG_STREAM_END)) {
        r->current->next_chunk++;
        r->items++;
        return;
    }
    if (r->o->mode == MODE_LATENCY && r->phase == PHASE_WINDOW)
        record_latency(r, now_ns() - r->current->sent_ns);
    r->current->active = false;
    r->in_flight--;
    r->answers++;
}

static void keep_error_text(run *r, const uint8_t *bytes, size_t length) {
    size_t have = strlen(r->error_text);
    for (size_t i = 0; i < length && have + 1 < sizeof r->error_text; i++)
        if (bytes[i] >= ' ' && bytes[i] < 0x7f)
            r->error_text[have++] = (char)bytes[i];
}

static void consume(run *r, const uint8_t *bytes, size_t length) {
    while (length > 0) {
        if (r->header_have < PROCWIRE_HEADER_SIZE) {
            size_t part = PROCWIRE_HEADER_SIZE - r->header_have;
            if (part > length)
                part = length;
            memcpy(r->header_bytes + r->header_have, bytes, part);
            r->header_have += (uint32_t)part;
            bytes += part;
            length -= part;
            if (r->header_have < PROCWIRE_HEADER_SIZE)
                return;
            begin_frame(r);
        }
        size_t part = r->header.payload_length - r->offset;
        if (part > length)
            part = length;
        if (r->is_error)
            keep_error_text(r, bytes, part);
        else if (part > 0 && !payload_matches(&r->spec, &r->expected, r->offset, bytes, part))
            fail("request %u: wrong payload between its bytes %u and %zu",
                 r->header.request_id, r->offset, r->offset + part);
        r->offset += (uint32_t)part;
        bytes += part;
        length -= part;
        if (r->offset == r->header.payload_length)
            end_frame(r);
    }
}

static void receive(run *r, uint8_t *buffer, size_t room) {
    ssize_t got = recv(r->fd, buffer, room, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        fail("the worker closed the data connection with %u requests unanswered",
             r->in_flight);
    r->progress_ns = now_ns();
    r->slow_taken += (uint64_t)got;
    consume(r, buffer, (size_t)got);
}

/* ---- the course of a run ------------------------------------------------ */

static void open_window(run *r, uint64_t now) {
    r->phase = PHASE_WINDOW;
    r->answers_at_window = r->answers;
    r->items_at_window = r->items;
    r->bytes_at_window = r->bytes;
    r->slow_taken = 0;
    r->slow_started = r->window_started = now;
    r->result->cpu_start = worker_cpu_now(r->w);
}

static void close_window(run *r) {
    uint64_t now = now_ns();
    r->phase = PHASE_DRAIN;
    r->result->cpu_end = worker_cpu_now(r->w);
    r->result->seconds = (double)(now - r->window_started) / 1e9;
    r->result->requests = r->answers - r->answers_at_window;
    r->result->items = r->items - r->items_at_window;
    r->result->bytes = r->bytes - r->bytes_at_window;
}

static void advance(run *r, uint64_t now) {
    const drive_options *o = r->o;
    if (r->phase == PHASE_WARMUP && now - r->phase_started >= (uint64_t)(o->warmup_seconds * 1e9)) {
        /* A counted run must not count answers to requests from before it. */
        if (o->requests == 0)
            open_window(r, now);
        else
            r->phase = PHASE_SETTLE;
    }
    if (r->phase == PHASE_SETTLE && r->in_flight == 0)
        open_window(r, now);
    if (r->phase == PHASE_WINDOW) {
        bool over = o->requests ? r->sent_in_window == o->requests && r->in_flight == 0
                                : now - r->window_started >= (uint64_t)(o->seconds * 1e9);
        if (over)
            close_window(r);
    }
}

/* How many bytes the slow parent may take now; 0 sends it to sleep for a while. */
static size_t slow_allowance(const run *r, uint64_t now) {
    double allowed = (double)(now - r->slow_started) / 1e9 * r->o->read_rate;
    double left = allowed - (double)r->slow_taken;
    double step = r->o->read_rate / 500;
    if (left < (step < READ_SIZE ? step : READ_SIZE))
        return 0;
    return left < READ_SIZE ? (size_t)left : READ_SIZE;
}

/* Looks for a short while before it sleeps. A busy parent is awake, and on a
 * virtual machine waking a sleeping processor costs more than many a request:
 * measured asleep, the fastest workers are measured as the hypervisor. It yields
 * meanwhile, since a worker of several threads may need this processor. */
static int await(struct pollfd wait[2], int timeout_ms, uint64_t spin_until) {
    int ready = poll(wait, 2, 0);
    while (ready == 0 && now_ns() < spin_until) {
        sched_yield();
        ready = poll(wait, 2, 0);
    }
    return ready ? ready : poll(wait, 2, timeout_ms);
}

static void discard_stdout(worker *w) {
    char scrap[4096];
    ssize_t got = read(w->stdout_fd, scrap, sizeof scrap);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        close(w->stdout_fd);
        w->stdout_fd = -1; /* poll passes over it from now on */
    }
}

static void refuse_surplus(run *r) {
    uint8_t byte;
    struct pollfd wait = {.fd = r->fd, .events = POLLIN};
    if (r->header_have != 0)
        fail("the worker sent a part of a frame after the last answer");
    if (poll(&wait, 1, SURPLUS_WAIT_MS) == 0)
        return;
    if (recv(r->fd, &byte, 1, 0) > 0)
        fail("the worker sent more after the last answer");
    fail("the worker closed the data connection by itself");
}

static void check_progress(const run *r, uint64_t now) {
    if (now - r->progress_ns < (uint64_t)(r->o->answer_timeout_s * 1e9))
        return;
    for (uint32_t i = 0; i <= r->slot_mask; i++)
        if (r->slots[i].active)
            fail("nothing moved for %.1f s: %u requests without an answer, among them %u",
                 r->o->answer_timeout_s, r->in_flight, r->slots[i].request_id);
    fail("the worker has not gone to sleep for %.1f s", r->o->answer_timeout_s);
}

static int compare_ns(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void drive(const drive_options *options, worker *w, int fd, drive_result *result) {
    static run state;
    run *r = &state;
    uint8_t *buffer = malloc(READ_SIZE);
    r->o = options;
    r->w = w;
    r->fd = fd;
    r->result = result;
    r->streaming = options->mode == MODE_STREAM || options->mode == MODE_SLOW_STREAM;
    r->last_id = options->first_request_id - 1;
    for (r->slot_mask = 1024; r->slot_mask < 8 * options->in_flight;)
        r->slot_mask *= 2;
    r->slots = calloc(r->slot_mask--, sizeof(slot));
    if (buffer == NULL || r->slots == NULL)
        fail("out of memory");
    if (!payload_init(&r->spec, options->payload, options->payload_size))
        fail("no MessagePack bin value fills exactly %u bytes", options->payload_size);
    prepare_outgoing(r);
    r->phase_started = r->progress_ns = r->slow_started = now_ns();

    for (;;) {
        uint64_t now = now_ns();
        advance(r, now);
        if (r->phase == PHASE_DRAIN && r->in_flight == 0)
            break;
        if (options->lockstep && r->in_flight == 0)
            r->round_open = worker_sleeps(w);
        if (r->large)
            pump_large(r, now);
        else
            pump_ring(r, now);

        size_t room = READ_SIZE;
        int timeout_ms = options->lockstep && r->in_flight == 0 ? 1 : 50;
        if (options->mode == MODE_SLOW_STREAM) {
            room = slow_allowance(r, now);
            if (room == 0)
                timeout_ms = 1;
        }
        struct pollfd wait[2] = {
            {.fd = fd, .events = (short)((room ? POLLIN : 0) | (r->want_write ? POLLOUT : 0))},
            {.fd = w->stdout_fd, .events = POLLIN},
        };
        if (await(wait, timeout_ms, now + options->spin_ns) == 0)
            check_progress(r, now_ns());
        if (room > 0 && (wait[0].revents & (POLLIN | POLLHUP | POLLERR)))
            receive(r, buffer, room);
        if (wait[1].revents)
            discard_stdout(w);
    }
    refuse_surplus(r);
    if (result->latency_count > 0)
        qsort(result->latencies, result->latency_count, sizeof(uint64_t), compare_ns);
    free(r->ring);
    free(r->slots);
    free(buffer);
}
