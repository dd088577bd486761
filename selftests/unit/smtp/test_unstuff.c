// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "smtp/unstuff.h"

static const struct {
	const char *wire, *content;
} rows[] = {
	{"", ""},
	{"a", "a"},
	{".", ""},
	{"..", "."},
	{"...", ".."},
	{"\r\n", "\r\n"},
	{"a.b\r\n", "a.b\r\n"},
	{"a.\r\n", "a.\r\n"},
	{"..\r\n", ".\r\n"},
	{".a\r\n", "a\r\n"},
	{"x\r\n..y\r\n...\r\n", "x\r\n.y\r\n..\r\n"},
	{"x\r\n.", "x\r\n"},
	{"\r\n..\r\n..\r\nz..z\r\n.", "\r\n.\r\n.\r\nz..z\r\n"},
};

static void content_of(const char *wire, size_t first, size_t second, char *to)
{
	const size_t ends[] = {first, second, strlen(wire)};
	struct unstuff u = {0};
	size_t at = 0, filled = 0, n;

	for (int i = 0; i < 3; i++) {
		const char *piece = wire + at, *run;
		size_t len = ends[i] - at;

		while (unstuff(&u, &piece, &len, &run, &n)) {
			assert_true(n > 0);
			memcpy(to + filled, run, n);
			filled += n;
		}
		assert_int_equal(len, 0);
		at = ends[i];
	}
	to[filled] = '\0';
}

static void stuffed_dots_go_wherever_it_is_cut(void **state)
{
	char got[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t b = 0; b <= strlen(rows[i].wire); b++)
			for (size_t a = 0; a <= b; a++) {
				content_of(rows[i].wire, a, b, got);
				assert_string_equal(got, rows[i].content);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stuffed_dots_go_wherever_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
