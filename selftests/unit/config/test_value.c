// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/value.h"

struct reading {
	const char *text;
	int rc;
	uint64_t value;
};

static void check(int (*read)(const char *, uint64_t *), const struct reading *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 4711;

		if (read(r[i].text, &value) != r[i].rc || value != (r[i].rc ? 4711 : r[i].value))
			fail_msg("\"%s\" read as %d, %llu", r[i].text, read(r[i].text, &value),
				 (unsigned long long)value);
	}
}

static void durations(void **state)
{
	static const struct reading r[] = {
		{"0", 0, 0},
		{"0s", 0, 0},
		{"500ms", 0, 500},
		{"10s", 0, 10000},
		{"5m", 0, 300000},
		{"24h", 0, 86400000},
		{"36d", 0, 3110400000},
		{"18446744073709551615ms", 0, UINT64_MAX},
		{"18446744073709551616ms", -EINVAL, 0},
		{"18446744073709552s", -EINVAL, 0},
		{"10", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"+1s", -EINVAL, 0},
		{" 1s", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1.5s", -EINVAL, 0},
		{"1m30s", -EINVAL, 0},
		{"0x10s", -EINVAL, 0},
		{"1w", -EINVAL, 0},
	};

	(void)state;
	check(config_duration, r, sizeof(r) / sizeof(r[0]));
}

static void sizes(void **state)
{
	static const struct reading r[] = {
		{"0", 0, 0},
		{"1", 0, 1},
		{"64k", 0, 65536},
		{"10m", 0, 10485760},
		{"2g", 0, 2147483648},
		{"17179869183g", 0, 17179869183ull << 30},
		{"17179869184g", -EINVAL, 0},
		{"1kb", -EINVAL, 0},
		{"1K", -EINVAL, 0},
		{"k", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"-5", -EINVAL, 0},
	};

	(void)state;
	check(config_size, r, sizeof(r) / sizeof(r[0]));
}

static void numbers(void **state)
{
	static const struct reading r[] = {
		{"0", 0, 0},         {"42", 0, 42},
		{"20k", 0, 20000},   {"1m", 0, 1000000},
		{"1g", -EINVAL, 0},  {"", -EINVAL, 0},
		{"0x1", -EINVAL, 0}, {"99999999999999999999", -EINVAL, 0},
	};

	(void)state;
	check(value_number, r, sizeof(r) / sizeof(r[0]));
}

/* What is printed reads back as the same value, in the shortest spelling. */
static void texts(void **state)
{
	static const struct {
		uint64_t value;
		const char *duration, *size, *number;
	} t[] = {
		{0, "0", "0", "0"},
		{1, "1ms", "1", "1"},
		{1024, "1024ms", "1k", "1024"},
		{5000, "5s", "5000", "5k"},
		{86400000, "1d", "84375k", "86400k"},
		{1ull << 30, "1073741824ms", "1g", "1073741824"},
	};
	uint64_t x = 88172645463325252ull, back;
	char buf[VALUE_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_string_equal(value_duration_text(t[i].value, buf), t[i].duration);
		assert_string_equal(value_size_text(t[i].value, buf), t[i].size);
		assert_string_equal(value_number_text(t[i].value, buf), t[i].number);
	}
	for (int i = 0; i < 20000; i++) {
		uint64_t value;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		value = x >> (x % 60);
		value *= i % 3 ? 1 : 1000;
		assert_int_equal(config_duration(value_duration_text(value, buf), &back), 0);
		assert_true(back == value);
		assert_int_equal(config_size(value_size_text(value, buf), &back), 0);
		assert_true(back == value);
		assert_int_equal(value_number(value_number_text(value, buf), &back), 0);
		assert_true(back == value);
	}
}

static void actions(void **state)
{
	(void)state;
	for (int a = GG_REJECT; a <= GG_DROP_ALL; a++)
		assert_int_equal(config_action(config_action_text((enum gg_action)a)), a);
	assert_int_equal(config_action("drop"), GG_NO_ACTION);
	assert_int_equal(config_action(""), GG_NO_ACTION);
	assert_string_equal(config_action_text(GG_NO_ACTION), "none");
	assert_string_equal(config_action_text(GG_DROP_NEW), "drop_new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations), cmocka_unit_test(sizes),   cmocka_unit_test(numbers),
		cmocka_unit_test(texts),     cmocka_unit_test(actions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
