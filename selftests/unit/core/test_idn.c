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
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
