/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rest of the room needs to build replies beyond smtp_reply.
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "smtp.h"

#define REPLY_LINE 512 /* RFC 5321 4.5.3.1.5, CRLF included */

/* The text of a reply with its fields filled in, NUL-terminated. Returns its length. */
size_t reply_text(char buf[REPLY_LINE], const struct smtp_conf *c, enum smtp_reply r,
		  const struct smtp_reply_args *args);
/* Appends len bytes; the caller of the machine keeps the room for them. */
void reply_append(struct smtp_out *out, const char *text, size_t len);

#endif
