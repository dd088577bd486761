/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines: where one ends, which verb it holds.
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
	bool wide; /* there are bytes above ASCII in the line */
};

/* A line without its CRLF. */
void command_split(const char *line, size_t len, struct command *ret);
/* Whether the bytes above ASCII are where RFC 6531 lets them be, and UTF-8. */
bool command_wide_ok(const struct command *cmd);
/* The argument of BDAT (RFC 3030 2): a size of at most 20 digits, and LAST or not. False: it is
 * something else, and *ret untouched. */
bool command_chunk(const struct command *cmd, uint64_t *ret_size, bool *ret_last);
/* The verbs that a client may use now, for HELP: "EHLO HELO MAIL". */
#define COMMAND_NAMES 80
void command_names(const struct smtp_conf *c, char ret[COMMAND_NAMES]);
/* Whether the verb takes what stands after it: nothing, something, or either. */
bool command_arg_ok(const struct command *cmd);

#endif
