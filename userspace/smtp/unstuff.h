/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The content of a message as it comes after DATA: without the dots in front of its lines (RFC 5321
 * 4.5.2). It comes in pieces cut anywhere that the machine let through, the final CRLF of CRLF "."
 * CRLF left out; a struct begins as zeros.
 */
#ifndef SMTP_UNSTUFF_H
#define SMTP_UNSTUFF_H

#include <stdbool.h>
#include <stddef.h>

struct unstuff {
	bool inside; /* of a line */
};

/* Takes the next run of content off the piece; false: there is none left. */
bool unstuff(struct unstuff *u, const char **piece, size_t *len, const char **ret_run,
	     size_t *ret_len);

#endif
