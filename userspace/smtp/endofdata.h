/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end-of-data scanner: where a message ends (RFC 5321 4.1.1.4, 4.5.2), and whether every byte
 * of it may be there. Only CRLF "." CRLF ends it; a CR without LF, an LF without CR and a NUL are
 * illegal, whatever stands around them, because two servers that read them differently can be made
 * to see two messages where there is one.
 *
 * The answer doesn't depend on where the input is cut: a CR at the very end is left for the next
 * call, which the caller makes with the same CR in front.
 */
#ifndef SMTP_ENDOFDATA_H
#define SMTP_ENDOFDATA_H

#include <stddef.h>
#include <stdint.h>

/* Where in a line the next byte stands. A message starts in EOD_LINE. */
enum eod_state {
	EOD_LINE, /* first byte of a line */
	EOD_DOT,  /* after a dot that is the first byte of a line */
	EOD_TEXT, /* elsewhere */
	EOD_RAW,  /* in a chunk (RFC 3030): a dot is like any other byte, nothing ends it */
};

enum eod_verdict {
	EOD_MORE, /* nothing but text in the run; the rest, a CR at most, needs more bytes */
	EOD_END,  /* the run ends with the message */
	EOD_BAD,  /* the byte after the run is illegal */
};

struct eod_run {
	size_t len;     /* bytes of the input that the run takes */
	size_t content; /* of these, message bytes as RFC 1870 counts them */
};

enum eod_verdict eod_scan(uint8_t *state, const char *buf, size_t len, struct eod_run *ret);
/* The same without what only some machines of a kind have. */
enum eod_verdict eod_scan_portable(uint8_t *state, const char *buf, size_t len,
				   struct eod_run *ret);

#endif
