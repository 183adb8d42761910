/* A reader for exactly this: find members of nested JSON objects by name.
 * Positions are pointers into the line; NULL means "not there or not JSON". */
#include "control.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at;
}

static const char *skip_string(const char *at, const char *end) {
    if (at >= end || *at != '"')
        return NULL;
    for (at++; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    }
    return NULL;
}

/* Brackets are counted, not paired: a line that mixes them up is not a worker
 * that anybody wants to measure, and every value taken out is checked. */
static const char *skip_value(const char *at, const char *end) {
    int depth = 0;
    do {
        at = skip_space(at, end);
        if (at >= end)
            return NULL;
        if (*at == '"') {
            at = skip_string(at, end);
            if (at == NULL)
                return NULL;
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']') {
            depth--;
            at++;
        } else if (depth > 0 && (*at == ',' || *at == ':')) {
            at++;
        } else {
            const char *start = at;
            while (at < end && !strchr(" \t\r\n,:]}[{\"", *at))
                at++;
            if (at == start)
                return NULL;
        }
    } while (depth > 0);
    return at;
}

static int hex_digits(const char *at, const char *end) {
    int value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef";
        char c = at[i];
        const char *found = strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);
        if (c == '\0' || found == NULL)
            return -1;
        value = value * 16 + (int)(found - digits);
    }
    return value;
}

static bool put(char *out, size_t size, size_t *used, int byte) {
    if (*used + 1 >= size)
        return false;
    out[(*used)++] = (char)byte;
    return true;
}

/* Decodes a string; one longer than `size` - 1 is refused, not cut. Surrogate
 * pairs come out as two three-byte sequences: enough for names and messages. */
static bool read_string(const char *at, const char *end, char *out, size_t size) {
    size_t used = 0;
    if (at == NULL || at >= end || *at != '"')
        return false;
    for (at++; at < end && *at != '"'; at++) {
        int c = (unsigned char)*at;
        if (c == '\\') {
            if (++at >= end)
                return false;
            const char *escapes = "nrtbf", *plain = "\n\r\t\b\f";
            const char *found = *at ? strchr(escapes, *at) : NULL;
            c = found ? plain[found - escapes] : *at;
            if (*at == 'u') {
                c = hex_digits(at + 1, end);
                if (c < 0)
                    return false;
                at += 4;
                if (c >= 0x800) {
                    if (!put(out, size, &used, 0xe0 | (c >> 12)) ||
                        !put(out, size, &used, 0x80 | ((c >> 6) & 0x3f)))
                        return false;
                    c = 0x80 | (c & 0x3f);
                } else if (c >= 0x80) {
                    if (!put(out, size, &used, 0xc0 | (c >> 6)))
                        return false;
                    c = 0x80 | (c & 0x3f);
                }
            }
        }
        if (!put(out, size, &used, c))
            return false;
    }
    out[used] = '\0';
    return at < end;
}

static const char *member(const char *object, const char *end, const char *name) {
    if (object == NULL)
        return NULL;
    const char *at = skip_space(object, end);
    if (at >= end || *at != '{')
        return NULL;
    at = skip_space(at + 1, end);
    while (at < end && *at == '"') {
        char key[256];
        bool readable = read_string(at, end, key, sizeof key);
        at = skip_string(at, end);
        if (at == NULL)
            return NULL;
        at = skip_space(at, end);
        if (at >= end || *at != ':')
            return NULL;
        at = skip_space(at + 1, end);
        if (readable && strcmp(key, name) == 0)
            return at;
        at = skip_value(at, end);
        if (at == NULL)
            return NULL;
        at = skip_space(at, end);
        if (at >= end || *at != ',')
            return NULL;
        at = skip_space(at + 1, end);
    }
    return NULL;
}

static bool read_id(const char *at, const char *end, uint16_t *id) {
    uint32_t value = 0;
    if (at == NULL || at >= end || *at < '0' || *at > '9')
        return false;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (uint32_t)(*at - '0');
        if (value > UINT16_MAX)
            return false;
    }
    *id = (uint16_t)value;
    return true;
}

control_kind control_parse(const char *line, size_t length, const char *method,
                           control_init *init, char *problem, size_t problem_size) {
    const char *end = line + length;
    char name[64];
    if (length == 0 || line[0] != '{' || skip_value(line, end) == NULL ||
        !read_string(member(line, end, "method"), end, name, sizeof name))
        return CONTROL_OTHER;
    const char *params = member(line, end, "params");
    if (strcmp(name, "$error") == 0) {
        if (!read_string(member(params, end, "message"), end, problem, problem_size))
            snprintf(problem, problem_size, "(an $error without a readable message)");
        return CONTROL_ERROR;
    }
    if (strcmp(name, "$init") != 0)
        return CONTROL_OTHER;
    if (!read_string(member(params, end, "pipe"), end, init->pipe, sizeof init->pipe)) {
        snprintf(problem, problem_size, "$init has no usable \"pipe\"");
        return CONTROL_MALFORMED;
    }
    const char *methods = member(member(params, end, "schema"), end, "methods");
    const char *entry = member(methods, end, method);
    if (entry == NULL) {
        snprintf(problem, problem_size, "the worker does not offer the method \"%s\"", method);
        return CONTROL_MALFORMED;
    }
    if (!read_id(member(entry, end, "id"), end, &init->method_id) || init->method_id == 0 ||
        init->method_id >= 0xFFFE) {
        snprintf(problem, problem_size, "the method \"%s\" has no valid id", method);
        return CONTROL_MALFORMED;
    }
    if (!read_string(member(entry, end, "response"), end, init->response,
                     sizeof init->response)) {
        snprintf(problem, problem_size, "the method \"%s\" has no valid response kind", method);
        return CONTROL_MALFORMED;
    }
    return CONTROL_INIT;
}
