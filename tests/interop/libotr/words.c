#include "words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '\\') {
            *out++ = *in;
            continue;
        }
        in++;
        if (*in != '\\' && *in != 'n')
            return false;
        *out++ = *in == 'n' ? '\n' : '\\';
    }
    *out = '\0';
    return true;
}

/* The value of a hex digit; negative if it is none. */
static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool read_tag(const char *hex, unsigned int *tag)
{
    *tag = 0;
    for (int i = 0; i < 8; i++) {
        int value = digit(hex[i]);
        if (value < 0)
            return false;
        *tag = *tag << 4 | (unsigned int)value;
    }
    return hex[8] == '\0';
}

bool read_hex(char *hex, size_t *length)
{
    char *out = hex;
    for (const char *in = hex; *in; in += 2) {
        int high = digit(in[0]);
        int low = high < 0 ? -1 : digit(in[1]);
        if (low < 0)
            return false;
        *out++ = (char)(high << 4 | low);
    }
    *length = (size_t)(out - hex);
    return true;
}

void write_hex(char *hex, const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hex += sprintf(hex, "%02x", bytes[i]);
    *hex = '\0';
}

void say(const char *words, const char *text)
{
    fputs(words, stdout);
    if (text)
        putchar(' ');
    for (; text && *text; text++) {
        if (*text == '\n')
            fputs("\\n", stdout);
        else if (*text == '\\')
            fputs("\\\\", stdout);
        else
            putchar(*text);
    }
    putchar('\n');
}

void sayf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}
