/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One reply (RFC 5321 4.2), collected in u->reply: lines of three digits, "-" or a space (or
 * nothing) and text, the same code in each, the one without "-" last. Everything else is garbage.
 */
#ifndef RELAY_ANSWER_H
#define RELAY_ANSWER_H

#include "upstream.h"

enum answer {
	ANSWER_MORE,
	ANSWER_WHOLE,   /* u->code is set, u->reply NUL-terminated */
	ANSWER_GARBAGE, /* not a reply */
	ANSWER_LONG,    /* a line or the whole is too long */
};

void answer_begin(struct upstream *u);
/* Takes bytes of buf up to the end of the reply. Returns how many. */
size_t answer_take(struct upstream *u, const char *buf, size_t len, enum answer *ret);

/* The lines of a whole reply, without code and CRLF: starts with *at = 0, false after the last. */
bool answer_line(const struct upstream *u, size_t *at, const char **ret_text, size_t *ret_len);

#endif
