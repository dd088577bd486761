// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/idn.h"

static void one_spelling(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: it has none */
	} rows[] = {
		{"", ""},
		{"Example.ORG", "Example.ORG"},
		{"no domain at all", "no domain at all"}, /* ASCII is nobody's business here */
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.example", "xn--bcher-kva.example"},
		{"bu\u0308cher.example", "xn--bcher-kva.example"}, /* not composed */
		{"ｂücher。example", "xn--bcher-kva.example"},     /* wide forms */
		{"straße.example", "xn--strae-oqa.example"},
		{"公司.cn", "xn--55qx5d.cn"},
		{"mail.BÜCHER.example.", "mail.xn--bcher-kva.example."},
		{"*.bücher.example", "*.xn--bcher-kva.example"},
		{"☃.example", NULL},
		{"-ü.example", NULL},
		{"a＠b.example", NULL}, /* would be another mailbox's domain */
		{"a／b.ü", NULL},
		{"xn--a.ü", NULL},
		{"b\xfc"
		 "cher.example",
		 NULL}, /* not UTF-8 */
		{"\xc3", NULL},
		{"\xed\xa0\x80.example", NULL},
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(idn_ascii(rows[i].in, out, sizeof(out)), rows[i].out != NULL);
		if (rows[i].out)
			assert_string_equal(out, rows[i].out);
	}
}

static void labels_as_they_are_written(void **state)
{
	static const struct {
		const char *domain;
		bool good;
	} rows[] = {
		{"example.org", true},
		{"bücher.example", true},
		{"BÜCHER.Example", true},
		{"mail.公司.cn", true},
		{"straße.example", true},
		{"xn--bcher-kva.bücher", true},
		{"bu\u0308cher.example", false},
		{"b\u200bücher.example", false},
		{"b\u200b.example", false},
		{"b。ücher", false},
		{"bücher。example", false},
		{"bücher.．example", false},
		{"ｂ.example", false},
		{"ﬁ.example", false},
		{"xn--ä.example", false},
		{"ab--ä.example", false},
		{"☃.example", false},
		{"אa.example", false},
		{"％.example", false},
		{"\xc3", false},
	};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (idn_valid(rows[i].domain, strlen(rows[i].domain)) != rows[i].good)
			fail_msg("%s", rows[i].domain);
	/* The length rules, not what follows; a NUL is no end. */
	assert_true(idn_valid("bücher.example/x", strlen("bücher.example")));
	assert_false(idn_valid("bücher\0x", sizeof("bücher\0x") - 1));
	memset(longest, 'a', sizeof(longest));
	assert_false(idn_valid(longest, sizeof(longest)));
	memset(longest, 0xc3, 2);
	assert_false(idn_valid(longest, 255));
}

static void no_room(void **state)
{
	char out[64];

	(void)state;
	for (size_t size = 1; size < sizeof(out); size++) {
		memset(out, '!', sizeof(out));
		assert_int_equal(idn_ascii("bücher.example", out, size),
				 size > strlen("xn--bcher-kva.example"));
		assert_int_equal(out[size], '!');
		assert_int_equal(idn_ascii("example.org", out, size), size > strlen("example.org"));
		assert_int_equal(out[size], '!');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_spelling),
		cmocka_unit_test(labels_as_they_are_written),
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
