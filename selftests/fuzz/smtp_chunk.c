// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A message in chunks: whatever the chunks and the reads, it is taken exactly when there is no bare
 * CR, bare LF or NUL in it, and comes out as it went in. The first byte is the length of a read,
 * the next sixteen are lengths of chunks, the rest is the message.
 */
#include "selftests/unit/smtp/host.h"

#define SIZES 16
#define LONGEST 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool clean(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!text[i] || (text[i] == '\n' && (!i || text[i - 1] != '\r')) ||
		    (text[i] == '\r' && (i + 1 == len || text[i + 1] != '\n')))
			return false;
	return true;
}

static void feed(struct host *h, const char *text, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece)
		host_feed(h, text + at, len - at < piece ? len - at : piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct host h;
	const char *text = (const char *)data + 1 + SIZES;
	size_t len = size - 1 - SIZES, at = 0;

	if (size < 1 + SIZES || len > LONGEST)
		return 0;
	host_init(&h);
	h.c.offers |= SMTP_OFFER_CHUNKING;
	h.c.message = h.c.errors = 0;
	host_line(&h, "EHLO c");
	host_line(&h, "MAIL FROM:<a@b.example>");
	host_line(&h, "RCPT TO:<x@y.example>");
	h.record_len = 0;
	for (int i = 0; i <= SIZES; i++) {
		size_t n = i < SIZES && data[1 + i] < len - at ? data[1 + i] : len - at;
		char line[40];

		n = i == SIZES ? len - at : n;
		snprintf(line, sizeof(line), "BDAT %zu%s", n, i == SIZES ? " LAST" : "");
		host_line(&h, line);
		feed(&h, text + at, n, 1 + data[0]);
		at += n;
	}
	h.record[h.record_len] = '\0';
	if (h.s.state != SMTP_READY || memmem(h.record, h.record_len, "\n!: ", 4))
		abort();
	/* The host refuses what it reads this word in. */
	if (memmem(text, len, "refuse", 6))
		return 0;
	if (clean(text, len) != !!strstr(h.record, "S: 250 2.0.0 queued"))
		abort();
	if (clean(text, len) && (h.body_len != len || memcmp(h.body, text, len) != 0))
		abort();
	return 0;
}
