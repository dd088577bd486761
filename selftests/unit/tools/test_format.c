// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/format.c"

static void durations(void **state)
{
	static const struct {
		uint64_t s;
		const char *text, *brief;
	} t[] = {
		{0, "0 s", "0s"},
		{1, "1 s", "1s"},
		{59, "59 s", "59s"},
		{60, "1 min", "1m"},
		{61, "1 min 1 s", "1m"},
		{3599, "59 min 59 s", "59m"},
		{3600, "1 h", "1h"},
		{3601, "1 h", "1h"},
		{7500, "2 h 5 min", "2h"},
		{86399, "23 h 59 min", "23h"},
		{86400, "1 d", "1d"},
		{86400 + 59, "1 d", "1d"},
		{36 * 86400 + 7200, "36 d 2 h", "36d"},
		{UINT64_MAX, "213503982334601 d 7 h", "213503982334601d"},
	};
	char buf[FORMAT_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_string_equal(format_duration(t[i].s, buf), t[i].text);
		assert_string_equal(format_short(t[i].s, buf), t[i].brief);
	}
}

static void times(void **state)
{
	char buf[100];

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	assert_string_equal(format_when(0, 1000, buf), "never");
	assert_string_equal(format_when(1000, 1000, buf), "0s ago");
	assert_string_equal(format_when(1001, 1000, buf), "in 1s");
	assert_string_equal(format_when(940, 1000, buf), "1m ago");
	assert_string_equal(format_time(0, 5, buf, sizeof(buf)), "never");
	assert_string_equal(format_time(86400, 86400 + 7500, buf, sizeof(buf)),
			    "1970-01-02 00:00:00 (2 h 5 min ago)");
	assert_string_equal(format_time(4294967295, 4294967290, buf, sizeof(buf)),
			    "2106-02-07 06:28:15 (in 5 s)");
	assert_true(strlen(format_time(86400, 86400, buf, 10)) < 10);
}

static void sizes(void **state)
{
	char buf[FORMAT_TEXT];

	(void)state;
	assert_string_equal(format_size(0, buf), "0 bytes");
	assert_string_equal(format_size(1023, buf), "1023 bytes");
	assert_string_equal(format_size(1024, buf), "1.0 KB");
	assert_string_equal(format_size(1536 * 1024, buf), "1.5 MB");
	assert_string_equal(format_size(1ull << 40, buf), "1.0 TB");
	assert_string_equal(format_size(UINT64_MAX, buf), "16777216.0 TB");
}

/* What a stranger wrote never reaches the terminal as a command. */
static void safe(void **state)
{
	static const struct {
		const char *in;
		int max;
		const char *out;
	} t[] = {
		{"plain", 0, "plain"},
		{NULL, 0, ""},
		{"\033[31mred\007\r\n\t", 0, "?[31mred????"},
		{"del\177", 0, "del?"},
		{"c1 \302\233 csi", 0, "c1 ? csi"},
		{"b\303\274cher", 0, "b\303\274cher"},
		{"12345", 5, "12345"},
		{"123456", 5, "1234~"},
		{"\303\274\303\274\303\274", 3, "\303\274\303\274\303\274"},
		{"\303\274\303\274\303\274\303\274", 3, "\303\274\303\274~"},
		{"ab", 1, "~"},
	};
	char buf[64], tiny[4];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_string_equal(format_safe(t[i].in, t[i].max, buf, sizeof(buf)), t[i].out);
	assert_string_equal(format_safe("abcdef", 0, tiny, sizeof(tiny)), "abc");
	for (int c = 1; c < 256; c++) {
		char one[3] = {(char)c, 'x', 0};

		format_safe(one, 0, buf, sizeof(buf));
		assert_true((unsigned char)buf[0] >= ' ' && buf[0] != 0x7f);
	}
}

/* Not on a terminal: no escape sequences, no width. */
static void terminal(void **state)
{
	(void)state;
	if (isatty(STDOUT_FILENO)) {
		print_message("standard output is a terminal\n");
		skip();
	}
	assert_string_equal(format_colour('r'), "");
	assert_int_equal(format_width(), 0);
}

static void rows(void **state)
{
	json_t *row = json_pack("{s:s, s:i, s:i, s:n}", "text", "a", "n", 5, "less", -5, "null");

	(void)state;
	assert_string_equal(row_str(row, "text"), "a");
	assert_string_equal(row_str(row, "n"), "");
	assert_string_equal(row_str(row, "none"), "");
	assert_string_equal(row_str(NULL, "text"), "");
	assert_int_equal(row_num(row, "n"), 5);
	assert_int_equal(row_num(row, "less"), 0);
	assert_int_equal(row_num(row, "null"), 0);
	assert_int_equal(row_num(row, "text"), 0);
	assert_int_equal(row_num(NULL, "n"), 0);
	json_decref(row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations), cmocka_unit_test(times),    cmocka_unit_test(sizes),
		cmocka_unit_test(safe),      cmocka_unit_test(terminal), cmocka_unit_test(rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
