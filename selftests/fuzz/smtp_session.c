// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The SMTP machine: any bytes give the same record whole, in pieces, and through the smallest
 * buffer; no reply lacks its CRLF, nothing gets stuck. The first two bytes choose limits and
 * pieces.
 */
#include "selftests/unit/smtp/host.h"

#define LONGEST 1800 /* keeps the record within its room */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void prepare(struct host *h, uint8_t choice)
{
	host_init(h);
	h->c.errors = choice & 1 ? 0 : 3;
	h->c.commands = choice & 2 ? 0 : 20;
	h->c.message = choice & 4 ? 0 : 100;
	h->c.strict_paths = choice & 32;
	h->c.offers =
		(choice & 8 ? SMTP_OFFER_8BITMIME | SMTP_OFFER_SMTPUTF8 | SMTP_OFFER_DSN : 0) |
		(choice & 16 ? SMTP_OFFER_CHUNKING : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct host whole, pieces;
	const char *text = (const char *)data + 2;
	size_t len = size - 2, piece;

	if (size < 2 || len > LONGEST)
		return 0;
	piece = 1 + data[1] % 80;
	prepare(&whole, data[0]);
	prepare(&pieces, data[0]);
	pieces.in_cap = pieces.c.line;
	host_feed(&whole, text, len);
	for (size_t at = 0; at < len; at += piece)
		host_feed(&pieces, text + at, len - at < piece ? len - at : piece);
	if (whole.record_len != pieces.record_len ||
	    memcmp(whole.record, pieces.record, whole.record_len) != 0 ||
	    memmem(whole.record, whole.record_len, "\n!: ", 4))
		abort();
	return 0;
}
