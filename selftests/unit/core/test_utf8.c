// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

/* The encoding of a code point as the bit patterns of RFC 3629 3 give it, legal or not. */
static size_t encode(uint32_t c, size_t len, char *to)
{
	static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = len; --i; c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(heads[len] | c);
	return len;
}

static bool legal(uint32_t c, size_t len)
{
	size_t shortest = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	return len == shortest && !(c >= 0xd800 && c <= 0xdfff) && c <= 0x10ffff;
}

static void every_code_point_in_every_length(void **state)
{
	static const uint32_t ends[] = {0, 0, 0x7ff, 0xffff, 0x1fffff};

	(void)state;
	for (size_t len = 2; len <= 4; len++) {
		for (uint32_t c = 0; c <= ends[len]; c++) {
			char text[4];

			encode(c, len, text);
			if (utf8_length(text, len) != (legal(c, len) ? len : 0))
				fail_msg("U+%X in %zu bytes", c, len);
		}
	}
}

/* No read beyond the end: the copy has exactly the bytes that are left. */
static void what_is_cut_off_is_none(void **state)
{
	static const char *const texts[] = {"\xc3\xa4", "\xe5\x85\xac", "\xf0\x9f\x90\xa6"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t n = 1; n <= strlen(texts[i]); n++) {
			char *exact = malloc(n);

			memcpy(exact, texts[i], n);
			assert_int_equal(utf8_length(exact, n), n == strlen(texts[i]) ? n : 0);
			assert_int_equal(utf8_valid(exact, n), n == strlen(texts[i]));
			free(exact);
		}
	}
}

static void texts_are_valid_or_not(void **state)
{
	(void)state;
	assert_true(utf8_valid("", 0) && utf8_valid("plain", 5));
	assert_true(utf8_valid("a\xc3\xa4z\xe5\x85\xac", 7));
	assert_false(utf8_valid("a\xa4z", 3));
	assert_false(utf8_valid("\xfe", 1) || utf8_valid("\xff", 1) || utf8_valid("\x80", 1));
	assert_false(utf8_needed("plain", 5) || utf8_needed("", 0));
	assert_true(utf8_needed("a\xff", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_in_every_length),
		cmocka_unit_test(what_is_cut_off_is_none),
		cmocka_unit_test(texts_are_valid_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
