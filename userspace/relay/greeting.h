/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the backend offers in its reply to EHLO, and what we say to it with XCLIENT.
 */
#ifndef RELAY_GREETING_H
#define RELAY_GREETING_H

#include "upstream.h"

#define GREETING_XCLIENT 512 /* longest XCLIENT command, CRLF included (Postfix XCLIENT_README) */

/* Reads the EHLO reply in u->reply into u->caps, u->xclient and u->size_limit. */
void greeting_learn(struct upstream *u);
/* The keyword of an extension (RFC 5321 4.1.1.1); NULL: it has none. */
const char *greeting_keyword(enum upstream_cap cap);
/* Writes the XCLIENT command with every attribute that the backend listed and we know. Returns its
 * length; 0: there is none. */
size_t greeting_xclient(const struct upstream *u, const struct upstream_client *c,
			char buf[GREETING_XCLIENT + 1]);

#endif
