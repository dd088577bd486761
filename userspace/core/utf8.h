/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing beyond U+10FFFF. Pure. */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length (2 to 4) of the multibyte character at p, of which n > 0 bytes are there; 0: there is
 * none. */
size_t utf8_length(const char *p, size_t n);
/* Whether every byte above 0x7f is part of such a character. */
bool utf8_valid(const char *p, size_t n);
/* Whether there is a byte above 0x7f. */
bool utf8_needed(const char *p, size_t n);

#endif
