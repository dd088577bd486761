// SPDX-License-Identifier: GPL-2.0-or-later
#include "endofdata.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK 64

/* Takes bytes one by one up to `stop`; looks at buf[stop] when a CR stands before it. */
static enum eod_verdict scan_bytes(uint8_t *state, const char *buf, size_t len, size_t stop,
				   struct eod_run *run)
{
	size_t i = run->len, dots = 0;
	enum eod_verdict verdict = EOD_MORE;
	size_t start = i;

	while (i < stop) {
		char ch = buf[i];

		if (ch == '\r') {
			if (i + 1 == len)
				break;
			if (buf[i + 1] != '\n') {
				verdict = EOD_BAD;
				break;
			}
			i += 2;
			if (*state == EOD_DOT) {
				verdict = EOD_END;
				dots += 2;
				break;
			}
			if (*state != EOD_RAW)
				*state = EOD_LINE;
		} else if (ch == '\n' || ch == '\0') {
			verdict = EOD_BAD;
			break;
		} else if (ch == '.' && *state == EOD_LINE) {
			/* Stuffed or final: a dot in front is never content. */
			*state = EOD_DOT;
			dots++;
			i++;
		} else {
			if (*state != EOD_RAW)
				*state = EOD_TEXT;
			i++;
		}
	}
	run->len = i;
	run->content += i - start - dots;
	return verdict;
}

#ifdef __SSE2__
struct marks {
	uint64_t cr, lf, nul, dot; /* one bit a byte, the first byte lowest */
};

static inline uint64_t equal16(__m128i v, __m128i what, int at)
{
	return (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, what)) << at;
}

static inline struct marks mark(const char *p)
{
	struct marks m = {0};

	for (int at = 0; at < BLOCK; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + at));

		m.cr |= equal16(v, _mm_set1_epi8('\r'), at);
		m.lf |= equal16(v, _mm_set1_epi8('\n'), at);
		m.nul |= equal16(v, _mm_setzero_si128(), at);
		m.dot |= equal16(v, _mm_set1_epi8('.'), at);
	}
	return m;
}

/*
 * Takes whole blocks as long as there is nothing to decide in them: every LF right after a CR,
 * every CR right before an LF, no NUL, no dot at the start of a line.
 */
static void skip_blocks(uint8_t *state, const char *buf, size_t len, struct eod_run *run)
{
	const uint64_t dots = *state == EOD_RAW ? 0 : UINT64_MAX;
	uint64_t after_cr = 0, at_line = *state == EOD_LINE;
	size_t i = run->len;

	if (*state == EOD_DOT)
		return;
	for (; len - i >= BLOCK; i += BLOCK) {
		struct marks m = mark(buf + i);

		if ((m.lf ^ (m.cr << 1 | after_cr)) | m.nul |
		    (m.dot & dots & (m.lf << 1 | at_line)))
			break;
		after_cr = m.cr >> (BLOCK - 1);
		at_line = m.lf >> (BLOCK - 1);
	}
	if (i == run->len)
		return;
	/* A CR that ends the last block waits for its LF. The state in front of it may be taken for
	 * EOD_TEXT even at the start of a line: before a CR the two are alike. */
	i -= after_cr;
	run->content += i - run->len;
	run->len = i;
	if (*state != EOD_RAW)
		*state = at_line ? EOD_LINE : EOD_TEXT;
}
#else
static void skip_blocks(uint8_t *state, const char *buf, size_t len, struct eod_run *run)
{
	(void)state, (void)buf, (void)len, (void)run;
}
#endif

enum eod_verdict eod_scan_portable(uint8_t *state, const char *buf, size_t len, struct eod_run *ret)
{
	*ret = (struct eod_run){0};
	return scan_bytes(state, buf, len, len, ret);
}

enum eod_verdict eod_scan(uint8_t *state, const char *buf, size_t len, struct eod_run *ret)
{
	enum eod_verdict verdict = EOD_MORE;
	size_t before;

	*ret = (struct eod_run){0};
	do {
		skip_blocks(state, buf, len, ret);
		before = ret->len;
		verdict = scan_bytes(state, buf, len, len - before > BLOCK ? before + BLOCK : len,
				     ret);
	} while (verdict == EOD_MORE && ret->len < len && ret->len > before);
	return verdict;
}
