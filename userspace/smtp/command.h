/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines: where one ends, which verb it holds, what the parameters of MAIL and RCPT mean.
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include "smtp.h"

enum command_line {
	LINE_MORE,  /* no end of line yet */
	LINE_WHOLE, /* *ret_len bytes, CRLF included */
	LINE_LONG,  /* no line of at most `limit` bytes; *ret_len of it can go */
	LINE_BAD,   /* NUL, bare CR or bare LF is the last of *ret_len bytes */
};

/* Looks at the first `limit` bytes at most, so that the answer doesn't depend on the cut. */
enum command_line command_line(const char *buf, size_t len, size_t limit, size_t *ret_len);
/* Drops bytes up to and with the next CRLF. Returns how many; *ret_done: the CRLF was there. */
size_t command_skip(const char *buf, size_t len, bool *ret_done);

/* Whether these are the first bytes of a TLS handshake (a record of that type, RFC 8446 5.1). */
bool command_client_hello(const char *buf, size_t len);

struct command {
	enum smtp_verb verb;
	const char *arg; /* without white space around it */
	size_t arg_len;
};

/* A line without its CRLF. False: it holds 8-bit bytes. */
bool command_split(const char *line, size_t len, struct command *ret);
/* Whether the verb takes what stands after it: nothing, something, or either. */
bool command_arg_ok(const struct command *cmd);

struct command_params {
	uint64_t size;
	enum smtp_body body;
	char text[SMTP_PARAMS]; /* as they came, one space between */
};

/* The parameters after the path of MAIL (SMTP_REVERSE) or RCPT (SMTP_FORWARD). REPLY_OK, or the
 * reply that refuses them and *ret untouched. */
enum smtp_reply command_params(const struct smtp_conf *c, bool esmtp, enum smtp_path_kind kind,
			       const char *text, size_t len, struct command_params *ret);

#endif
