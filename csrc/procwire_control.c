#include "procwire_control.h"

#include <string.h>

/* Room for the names that are looked for; a longer text is none of them. */
#define NAME_SIZE 16

typedef struct {
    const unsigned char *at;
    const unsigned char *end;
} cursor;

/* Each skip_ and read_ function returns whether it has found what it is for, and is then behind
 * it. */
static int skip_value(cursor *in, int depth);

static void skip_space(cursor *in) {
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\t' || *in->at == '\r' || *in->at == '\n'))
        in->at++;
}

static int skip_byte(cursor *in, int byte) {
    if (in->at == in->end || *in->at != byte)
        return 0;
    in->at++;
    return 1;
}

/* A byte between other tokens. */
static int skip_mark(cursor *in, int byte) {
    skip_space(in);
    return skip_byte(in, byte);
}

static int skip_word(cursor *in, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(in->end - in->at) < size || memcmp(in->at, word, size) != 0)
        return 0;
    in->at += size;
    return 1;
}

static int skip_digits(cursor *in) {
    const unsigned char *start = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return in->at > start;
}

static int skip_number(cursor *in) {
    skip_byte(in, '-');
    if (!skip_byte(in, '0') && !skip_digits(in))
        return 0;
    if (skip_byte(in, '.') && !skip_digits(in))
        return 0;
    if (skip_byte(in, 'e') || skip_byte(in, 'E')) {
        if (!skip_byte(in, '+'))
            skip_byte(in, '-');
        return skip_digits(in);
    }
    return 1;
}

static int read_hex(cursor *in, unsigned *value) {
    *value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = in->at < in->end ? *in->at++ : 0;
        if (c >= '0' && c <= '9')
            c -= '0';
        else if (c >= 'a' && c <= 'f')
            c -= 'a' - 10;
        else if (c >= 'A' && c <= 'F')
            c -= 'A' - 10;
        else
            return 0;
        *value = *value << 4 | c;
    }
    return 1;
}

static int read_escape(cursor *in, unsigned *value) {
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (in->at == in->end)
        return 0;
    unsigned char letter = *in->at++;
    if (letter == 'u')
        return read_hex(in, value);
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (found == NULL)
        return 0;
    *value = (unsigned char)meanings[found - letters];
    return 1;
}

/* A string; `name` becomes its text, or empty when it is none that anybody looks for. */
static int read_string(cursor *in, char name[NAME_SIZE]) {
    size_t size = 0;
    int fits = 1;
    name[0] = '\0';
    if (!skip_byte(in, '"'))
        return 0;
    while (in->at < in->end) {
        unsigned c = *in->at++;
        if (c == '"') {
            if (!fits)
                size = 0;
            name[size] = '\0';
            return 1;
        }
        if (c < 0x20)
            return 0;
        if (c == '\\' && !read_escape(in, &c))
            return 0;
        if (c == 0 || c > 0x7e || size == NAME_SIZE - 1)
            fits = 0;
        if (fits)
            name[size++] = (char)c;
    }
    return 0;
}

static int skip_array(cursor *in, int depth) {
    if (!skip_byte(in, '['))
        return 0;
    if (skip_mark(in, ']'))
        return 1;
    do {
        if (!skip_value(in, depth))
            return 0;
    } while (skip_mark(in, ','));
    return skip_byte(in, ']');
}

/* An object; `method` becomes the text of the member of that name, or empty. */
static int read_object(cursor *in, int depth, char method[NAME_SIZE]) {
    char name[NAME_SIZE];
    method[0] = '\0';
    if (!skip_byte(in, '{'))
        return 0;
    if (skip_mark(in, '}'))
        return 1;
    do {
        skip_space(in);
        if (!read_string(in, name) || !skip_mark(in, ':'))
            return 0;
        if (strcmp(name, "method") != 0) {
            if (!skip_value(in, depth))
                return 0;
            continue;
        }
        method[0] = '\0';
        skip_space(in);
        if (in->at < in->end && *in->at == '"' ? !read_string(in, method)
                                               : !skip_value(in, depth))
            return 0;
    } while (skip_mark(in, ','));
    return skip_byte(in, '}');
}

static int skip_value(cursor *in, int depth) {
    char unused[NAME_SIZE];
    skip_space(in);
    if (in->at == in->end)
        return 0;
    switch (*in->at) {
    case '"':
        return read_string(in, unused);
    case '{':
        return depth < PROCWIRE_CONTROL_MAX_DEPTH && read_object(in, depth + 1, unused);
    case '[':
        return depth < PROCWIRE_CONTROL_MAX_DEPTH && skip_array(in, depth + 1);
    case 't':
        return skip_word(in, "true");
    case 'f':
        return skip_word(in, "false");
    case 'n':
        return skip_word(in, "null");
    default:
        return skip_number(in);
    }
}

procwire_control_message procwire_control_parse(const char *line, size_t size) {
    cursor in = {(const unsigned char *)line, (const unsigned char *)line + size};
    char method[NAME_SIZE];
    if (size > PROCWIRE_CONTROL_MAX_LINE_SIZE || !read_object(&in, 1, method))
        return PROCWIRE_CONTROL_OTHER;
    skip_space(&in);
    if (in.at != in.end)
        return PROCWIRE_CONTROL_OTHER;
    if (strcmp(method, "$ping") == 0)
        return PROCWIRE_CONTROL_PING;
    if (strcmp(method, "$shutdown") == 0)
        return PROCWIRE_CONTROL_SHUTDOWN;
    return PROCWIRE_CONTROL_OTHER;
}
