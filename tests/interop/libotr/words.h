/*
 * Lines of the protocol: escapes, hex digits, and what is said on stdout.
 */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Undoes `\\` and `\n` in place. False where another character, or none, follows a `\`. */
bool unescape(char *text);

/* Reads exactly 8 hex digits. */
bool read_tag(const char *hex, unsigned int *tag);

/* Reads hex digits to the end, in place: the bytes are where the digits were. False if they are none or an odd number. */
bool read_hex(char *hex, size_t *length);

/* Puts the digits and a NUL into `hex`, which has room for both. */
void write_hex(char *hex, const unsigned char *bytes, size_t length);

/* Says a line: the words, then a space and the text with its escapes, unless it is NULL. */
void say(const char *words, const char *text);

/* Says a line that has no text of others in it. */
__attribute__((format(printf, 1, 2))) void sayf(const char *format, ...);

#endif
