// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selftests/unit/random.h"
#include "smtp/endofdata.h"

typedef enum eod_verdict (*scan_fn)(uint8_t *state, const char *buf, size_t len,
				    struct eod_run *ret);

static const scan_fn scanners[] = {eod_scan, eod_scan_portable};

#define SCANNERS (sizeof(scanners) / sizeof(scanners[0]))

/* What became of a message that arrived in pieces: how far it was text, and how that ended. */
struct outcome {
	enum eod_verdict verdict;
	size_t len, content;
};

/* Hands over text up to each of the cuts, the unconsumed rest in front, in a copy of exact length.
 */
static struct outcome scan_cut(scan_fn scan, const char *text, const size_t *cuts, size_t count)
{
	struct outcome o = {EOD_MORE, 0, 0};
	uint8_t state = EOD_LINE;

	for (size_t i = 0; i < count && o.verdict == EOD_MORE; i++) {
		size_t len = cuts[i] - o.len;
		char *exact = malloc(len ? len : 1);
		struct eod_run run;

		memcpy(exact, text + o.len, len);
		o.verdict = scan(&state, exact, len, &run);
		free(exact);
		assert_true(run.len <= len && run.content <= run.len);
		/* Only a CR whose LF isn't there yet may be left. */
		if (o.verdict == EOD_MORE && run.len != len)
			assert_true(run.len + 1 == len && text[cuts[i] - 1] == '\r');
		o.len += run.len;
		o.content += run.content;
	}
	return o;
}

/* The definition, byte by byte over the whole message, in the plainest words. */
static struct outcome reference(const char *text, size_t len)
{
	struct outcome o = {EOD_MORE, 0, 0};
	size_t line = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\0' || (text[i] == '\n' && (i == line || text[i - 1] != '\r'))) {
			o.verdict = EOD_BAD;
			break;
		}
		if (text[i] == '\r' && i + 1 == len)
			break;
		if (text[i] == '\r' && text[i + 1] != '\n') {
			o.verdict = EOD_BAD;
			break;
		}
		o.len++;
		o.content += !(i == line && text[i] == '.');
		if (text[i] == '\n') {
			if (i - line == 2 && text[line] == '.') {
				o.verdict = EOD_END;
				o.content -= 2;
				break;
			}
			line = i + 1;
		}
	}
	return o;
}

static void same(struct outcome a, struct outcome b, const char *text, size_t len)
{
	if (a.verdict == b.verdict && a.len == b.len && a.content == b.content)
		return;
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, text[i] >= ' ' && text[i] <= '~' ? "%c" : "\\x%02x", text[i]);
	fail_msg(": verdict %d %d, len %zu %zu, content %zu %zu", a.verdict, b.verdict, a.len,
		 b.len, a.content, b.content);
}

/* One answer for the whole, for every cut in two, and for single bytes, from every scanner. */
static struct outcome scan_every_way(const char *text, size_t len)
{
	struct outcome expected = reference(text, len);
	size_t *all = malloc((len + 1) * sizeof(*all));

	for (size_t i = 0; i <= len; i++)
		all[i] = i;
	for (size_t s = 0; s < SCANNERS; s++) {
		for (size_t cut = 0; cut <= len; cut++) {
			size_t two[] = {cut, len};

			same(scan_cut(scanners[s], text, two, 2), expected, text, len);
		}
		same(scan_cut(scanners[s], text, all, len + 1), expected, text, len);
	}
	free(all);
	return expected;
}

static void only_crlf_dot_crlf_ends_a_message(void **state)
{
	static const struct {
		const char *text;
		size_t len; /* of the message with its end */
		size_t content;
	} rows[] = {
		{".\r\n", 3, 0},          {"\r\n.\r\n", 5, 2},
		{"a\r\n.\r\n", 6, 3},     {"a\r\n.\r\nb\r\n.\r\n", 6, 3},
		{"..\r\n.\r\n", 7, 3},    {"...\r\n.\r\n", 8, 4},
		{".a\r\n.\r\n", 7, 3},    {"a.\r\n.\r\n", 7, 4},
		{"a\r\n\r\n.\r\n", 8, 5}, {". \r\n.\r\n", 7, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome o = scan_every_way(rows[i].text, strlen(rows[i].text));

		assert_int_equal(o.verdict, EOD_END);
		assert_int_equal(o.len, rows[i].len);
		assert_int_equal(o.content, rows[i].content);
	}
}

static void what_smuggles_is_bad_and_ends_nothing(void **state)
{
	static const struct {
		const char *text;
		size_t len, good; /* bytes; bytes before the illegal one */
	} rows[] = {
#define ROW(text, good) {text, sizeof(text) - 1, good}
		ROW("\n.\n", 0),       ROW("\n.\r\n", 0),     ROW("\r.\r", 0),
		ROW("\r.\r\n", 0),     ROW("\r.\n", 0),       ROW("a\n.\n", 1),
		ROW("a\n.\r\n", 1),    ROW("a\r.\r\n", 1),    ROW("a\r.\rb", 1),
		ROW("\r\n.\n", 3),     ROW("\r\n.\rb", 3),    ROW("\r\n.\r\r\n", 3),
		ROW("\r\r\n.\r\n", 0), ROW("\r\n\n.\r\n", 2), ROW("\r\n\r.\r\n", 2),
		ROW("\n\n.\r\n", 0),   ROW("\n\r\n.\r\n", 0), ROW("\0.\r\n", 0),
		ROW("\r\n\0.\r\n", 2), ROW("\r\n.\0\r\n", 3), ROW("\r\n.\r\0\n", 3),
		ROW("\r\0\n.\r\n", 0),
#undef ROW
	};
	char text[300];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* In front, and behind every number of bytes around two blocks of the scanner. */
		for (size_t before = 0; before < 140; before++) {
			struct outcome o;

			memset(text, 'x', before);
			memcpy(text + before, rows[i].text, rows[i].len);
			memcpy(text + before + rows[i].len, "rest", 4);
			o = scan_every_way(text, before + rows[i].len + 4);
			assert_int_equal(o.verdict, EOD_BAD);
			assert_int_equal(o.len, before + rows[i].good);
		}
	}
}

/* Every message of up to seven bytes over the bytes that matter. */
static void short_messages_exhaustively(void **state)
{
	static const char alphabet[] = {'\r', '\n', '.', '\0', 'x'};
	char text[7];

	(void)state;
	for (size_t len = 0; len <= sizeof(text); len++) {
		size_t count = 1;

		for (size_t i = 0; i < len; i++)
			count *= sizeof(alphabet);
		for (size_t n = 0; n < count; n++) {
			size_t rest = n;

			for (size_t i = 0; i < len; i++, rest /= sizeof(alphabet))
				text[i] = alphabet[rest % sizeof(alphabet)];
			scan_every_way(text, len);
		}
	}
}

static size_t append(char *to, const char *text)
{
	memcpy(to, text, strlen(text));
	return strlen(text);
}

static int by_size(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

/* Long lines, short lines, dots and now and then a fault, cut anywhere: both scanners agree with
 * the definition. */
static void random_messages_agree_with_the_definition(void **state)
{
	static const char *const parts[] = {"\r\n", "\r\n",     "\r\n", "\r\n.", "\r\n..",
					    ".",    "\r\n\r\n", "abc",  "x",     "\r\n.\r\n"};
	static const char *const faults[] = {"\r", "\n", "\r\r\n", "\n\r", "\r\n.\r", "\r\n.\n"};
	uint64_t seed = 7;
	char text[4096 + 256];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t want = random_below(&seed, round % 16 ? 400 : 4096), len = 0, count = 0;
		uint32_t often = random_below(&seed, 3) ? 0 : 1 + random_below(&seed, 40);
		size_t cuts[8];
		struct outcome expected;

		while (len < want) {
			uint32_t dice = random_below(&seed, 100);

			if (dice < 40) {
				size_t run = random_below(&seed, 150);

				memset(text + len, 'a' + (char)(dice % 26), run);
				len += run;
			} else if (dice < 40 + often / 4) {
				const char *fault = faults[random_below(&seed, 6)];

				len += append(text + len, fault);
			} else if (often && dice == 99) {
				text[len++] = '\0';
			} else {
				/* The last part is the end: rare, so that messages get long. */
				uint32_t i = random_below(&seed, 200);

				len += append(text + len, parts[i == 199 ? 9 : i % 9]);
			}
		}
		expected = reference(text, len);
		while (count < 7)
			cuts[count++] = random_below(&seed, (uint32_t)len + 1);
		qsort(cuts, count, sizeof(cuts[0]), by_size);
		cuts[count++] = len;
		for (size_t s = 0; s < SCANNERS; s++) {
			size_t whole[] = {len};

			same(scan_cut(scanners[s], text, whole, 1), expected, text, len);
			same(scan_cut(scanners[s], text, cuts, count), expected, text, len);
		}
	}
}

/* With enough before and behind it for whole blocks. */
static void what_decides_is_found_at_every_place_in_a_block(void **state)
{
	static const struct {
		const char *text;
		size_t len, taken; /* of text: taken with what stands before it */
		enum eod_verdict verdict;
	} rows[] = {
		{"\r\n.\r\n", 5, 5, EOD_END}, {"a\nb", 3, 1, EOD_BAD},     {"a\rb", 3, 1, EOD_BAD},
		{"a\0b", 3, 1, EOD_BAD},      {"\r\n.\rb", 5, 3, EOD_BAD},
	};
	char text[700];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t before = 0; before < 400; before++) {
			memset(text, 'x', sizeof(text));
			memcpy(text + before, rows[i].text, rows[i].len);
			for (size_t s = 0; s < SCANNERS; s++) {
				size_t whole[] = {sizeof(text)};
				struct outcome o = scan_cut(scanners[s], text, whole, 1);

				assert_int_equal(o.verdict, rows[i].verdict);
				assert_int_equal(o.len, before + rows[i].taken);
			}
		}
	}
}

/* In a chunk dots mean nothing and nothing ends it; what is illegal is so all the same. */
static void in_a_chunk_dots_are_text(void **state)
{
	static const char *const words[] = {"\r\n.\r\n", ".", "\r\n", "..", "text ", "\r\n..\r\n"};
	uint64_t seed = 5;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		char text[700];
		size_t len = 0, bad;

		while (len < 600) {
			const char *word = words[random_below(&seed, 6)];

			memcpy(text + len, word, strlen(word));
			len += strlen(word);
		}
		bad = random_below(&seed, (uint32_t)len + 1);
		if (bad < len)
			text[bad] = '\0';
		for (int portable = 0; portable < 2; portable++) {
			uint8_t raw = EOD_RAW;
			struct eod_run run;
			enum eod_verdict v =
				(portable ? eod_scan_portable : eod_scan)(&raw, text, len, &run);

			assert_int_equal(raw, EOD_RAW);
			assert_int_equal(run.content, run.len);
			if (bad == len) {
				assert_int_equal(v, EOD_MORE);
				assert_int_equal(run.len, len);
			} else {
				assert_int_equal(v, EOD_BAD);
				assert_true(run.len == bad || run.len == bad - 1);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_crlf_dot_crlf_ends_a_message),
		cmocka_unit_test(what_smuggles_is_bad_and_ends_nothing),
		cmocka_unit_test(short_messages_exhaustively),
		cmocka_unit_test(random_messages_agree_with_the_definition),
		cmocka_unit_test(what_decides_is_found_at_every_place_in_a_block),
		cmocka_unit_test(in_a_chunk_dots_are_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
