// SPDX-License-Identifier: GPL-2.0-or-later
#include "endofdata.h"

#include <stdbool.h>
#include <string.h>

#define BLOCK 128

/* As wide as the widest machine has it; others take it in parts. */
typedef int8_t vector __attribute__((vector_size(32)));
typedef size_t (*plain_fn)(const char *buf, size_t len, int8_t dot);

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

/*
 * How many bytes, in whole blocks, have nothing to decide in them: no LF without its CR, no CR
 * without its LF, no NUL, no dot at the start of a line. Every byte is looked at together with the
 * one before it, which must be there.
 */
static inline __attribute__((always_inline)) size_t plain_blocks(const char *buf, size_t len,
								 int8_t dot)
{
	size_t i = 0;

	for (; len - i >= BLOCK; i += BLOCK) {
		vector decided = {0};
		uint64_t any[sizeof(vector) / sizeof(uint64_t)];

		for (size_t at = 0; at < BLOCK; at += sizeof(vector)) {
			vector v, before;

			memcpy(&v, buf + i + at, sizeof(v));
			memcpy(&before, buf + i + at - 1, sizeof(before));
			decided |= ((v == '\n') ^ (before == '\r')) | (v == '\0') |
				   ((v == dot) & (before == '\n'));
		}
		memcpy(any, &decided, sizeof(any));
		if (any[0] | any[1] | any[2] | any[3])
			break;
	}
	return i;
}

static size_t plain_blocks_any(const char *buf, size_t len, int8_t dot)
{
	return plain_blocks(buf, len, dot);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static size_t plain_blocks_avx2(const char *buf, size_t len,
								int8_t dot)
{
	return plain_blocks(buf, len, dot);
}
#endif

static plain_fn plain_here(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		return plain_blocks_avx2;
#endif
	return plain_blocks_any;
}

/* Takes whole blocks as long as there is nothing to decide in them. */
static void skip_blocks(plain_fn plain, uint8_t *state, const char *buf, size_t len,
			struct eod_run *run)
{
	/* Where a dot means nothing, it is a NUL that is looked for: none may be there anyway. */
	const int8_t dot = *state == EOD_RAW ? '\0' : '.';
	size_t i = run->len;

	/* The first byte of a call has none before it. */
	if (!i || *state == EOD_DOT)
		return;
	i += plain(buf + i, len - i, dot);
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

static enum eod_verdict scan(plain_fn plain, uint8_t *state, const char *buf, size_t len,
			     struct eod_run *ret)
{
	enum eod_verdict verdict = EOD_MORE;
	size_t before;

	*ret = (struct eod_run){0};
	do {
		skip_blocks(plain, state, buf, len, ret);
		before = ret->len;
		verdict = scan_bytes(state, buf, len, len - before > BLOCK ? before + BLOCK : len,
				     ret);
	} while (verdict == EOD_MORE && ret->len < len && ret->len > before);
	return verdict;
}

enum eod_verdict eod_scan(uint8_t *state, const char *buf, size_t len, struct eod_run *ret)
{
	return scan(plain_here(), state, buf, len, ret);
}

enum eod_verdict eod_scan_portable(uint8_t *state, const char *buf, size_t len, struct eod_run *ret)
{
	return scan(plain_blocks_any, state, buf, len, ret);
}
