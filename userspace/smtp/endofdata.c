// SPDX-License-Identifier: GPL-2.0-or-later
#include "endofdata.h"

#include <stdbool.h>

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
/* Where a byte and the one before it decide something: an LF without its CR, a CR without its LF, a
 * NUL, a dot at the start of a line. */
static inline __m128i decide16(const char *p, __m128i dot)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i before = _mm_loadu_si128((const __m128i *)(const void *)(p - 1));
	__m128i lf = _mm_set1_epi8('\n');
	__m128i unpaired =
		_mm_xor_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(before, _mm_set1_epi8('\r')));
	__m128i first = _mm_and_si128(_mm_cmpeq_epi8(v, dot), _mm_cmpeq_epi8(before, lf));

	return _mm_or_si128(_mm_or_si128(unpaired, first), _mm_cmpeq_epi8(v, _mm_setzero_si128()));
}

static inline bool plain_block(const char *p, __m128i dot)
{
	__m128i left = _mm_or_si128(decide16(p, dot), decide16(p + 16, dot));
	__m128i right = _mm_or_si128(decide16(p + 32, dot), decide16(p + 48, dot));

	return !_mm_movemask_epi8(_mm_or_si128(left, right));
}

/*
 * Takes whole blocks as long as there is nothing to decide in them. Every byte is looked at
 * together with the one before it, so the first of a call is left to scan_bytes.
 */
static void skip_blocks(uint8_t *state, const char *buf, size_t len, struct eod_run *run)
{
	/* Where a dot means nothing, it is a NUL that is looked for: none may be there anyway. */
	const __m128i dot = _mm_set1_epi8(*state == EOD_RAW ? '\0' : '.');
	size_t i = run->len;

	if (!i || *state == EOD_DOT)
		return;
	while (len - i >= BLOCK && plain_block(buf + i, dot))
		i += BLOCK;
	if (i == run->len)
		return;
	if (*state != EOD_RAW)
		*state = buf[i - 1] == '\n' ? EOD_LINE : EOD_TEXT;
	/* A CR that ends the last block waits for its LF. The state in front of it may be taken for
	 * EOD_TEXT even at the start of a line: before a CR the two are alike. */
	i -= buf[i - 1] == '\r';
	run->content += i - run->len;
	run->len = i;
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
