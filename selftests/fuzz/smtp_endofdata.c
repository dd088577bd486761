// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The end-of-data scanner: vector and portable code agree, whole and in pieces. The first byte is
 * the length of a piece, the second repeats the rest, so that blocks are crossed by short inputs.
 */
#include <stdlib.h>
#include <string.h>

#include "smtp/endofdata.h"

typedef enum eod_verdict (*scan_fn)(uint8_t *state, const char *buf, size_t len,
				    struct eod_run *ret);

struct outcome {
	size_t len, content;
	enum eod_verdict verdict;
	uint8_t state;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct outcome scan(scan_fn fn, const char *text, size_t len, size_t piece)
{
	struct outcome o = {.verdict = EOD_MORE, .state = EOD_LINE};

	for (size_t end = piece < len ? piece : len; o.verdict == EOD_MORE;
	     end = len - end < piece ? len : end + piece) {
		struct eod_run run;

		o.verdict = fn(&o.state, text + o.len, end - o.len, &run);
		o.len += run.len;
		o.content += run.content;
		if (end == len)
			break;
	}
	return o;
}

static void same(struct outcome a, struct outcome b)
{
	if (a.len != b.len || a.content != b.content || a.verdict != b.verdict)
		abort();
	/* In front of a CR that was left, TEXT and LINE are the same. */
	if ((a.state == EOD_DOT) != (b.state == EOD_DOT))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len, times;
	struct outcome whole;
	char *text;

	if (size < 2)
		return 0;
	times = 1 + data[1] % 40;
	len = (size - 2) * times;
	text = malloc(len ? len : 1);
	if (!text)
		return 0;
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * (size - 2), data + 2, size - 2);
	whole = scan(eod_scan_portable, text, len, len ? len : 1);
	same(whole, scan(eod_scan, text, len, len ? len : 1));
	same(whole, scan(eod_scan, text, len, 1 + data[0]));
	same(whole, scan(eod_scan_portable, text, len, 1 + data[0]));
	/* What was taken holds no illegal byte. */
	for (size_t i = 0; i < whole.len; i++) {
		if (!text[i] || (text[i] == '\n' && (!i || text[i - 1] != '\r')) ||
		    (text[i] == '\r' && text[i + 1] != '\n'))
			abort();
	}
	if (whole.verdict == EOD_END && whole.len != 3 &&
	    memcmp(text + whole.len - 5, "\r\n.\r\n", 5) != 0)
		abort();
	free(text);
	return 0;
}
