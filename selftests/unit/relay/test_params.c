// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "relay/upstream.h"

enum { BOTH = UPSTREAM_SIZE | UPSTREAM_8BITMIME, ALL = 0xffff };

static void parameters_are_those_the_backend_knows(void **state)
{
	static const struct {
		uint32_t caps;
		const char *in;
		const char *out;         /* NULL: -EOPNOTSUPP */
		enum upstream_cap lacks; /* then */
	} rows[] = {
		{BOTH, "SIZE=5 BODY=8BITMIME", "SIZE=5 BODY=8BITMIME", 0},
		{BOTH, "", "", 0},
		{BOTH, "size=5", "size=5", 0},
		{UPSTREAM_SIZE, "SIZE=5 BODY=7BIT", "SIZE=5", 0},
		{UPSTREAM_SIZE, "body=7bit size=5", "size=5", 0},
		{UPSTREAM_SIZE, "SIZE=5 BODY=8BITMIME", NULL, UPSTREAM_8BITMIME},
		{UPSTREAM_SIZE, "body=8bitmime", NULL, UPSTREAM_8BITMIME},
		{UPSTREAM_8BITMIME, "SIZE=5 BODY=8BITMIME", "BODY=8BITMIME", 0},
		{0, "SIZE=5 BODY=7BIT", "", 0},
		{0, "SIZE=5", "", 0},
		{0, "", "", 0},
		{ALL, "  SIZE=5   RET=HDRS  ", "SIZE=5 RET=HDRS", 0},
		{0, "SIZES=5", "SIZES=5", 0},
		{0, "BODY=7BITS", "BODY=7BITS", 0},
		{ALL, "SMTPUTF8 RET=FULL ENVID=x", "SMTPUTF8 RET=FULL ENVID=x", 0},
		{ALL & ~UPSTREAM_SMTPUTF8, "RET=FULL smtputf8", NULL, UPSTREAM_SMTPUTF8},
		{ALL & ~UPSTREAM_DSN, "SMTPUTF8 RET=FULL", NULL, UPSTREAM_DSN},
		{ALL & ~UPSTREAM_DSN, "envid=x", NULL, UPSTREAM_DSN},
		{ALL & ~UPSTREAM_DSN, "NOTIFY=NEVER", NULL, UPSTREAM_DSN},
		{ALL & ~UPSTREAM_DSN, "ORCPT=rfc822;a@b", NULL, UPSTREAM_DSN},
		{ALL, "NOTIFY=NEVER ORCPT=rfc822;a@b", "NOTIFY=NEVER ORCPT=rfc822;a@b", 0},
	};
	static struct upstream u;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum upstream_cap lacks = 0;
		char out[64] = "before";

		u.caps = rows[i].caps;
		assert_int_equal(upstream_params(&u, rows[i].in, out, sizeof(out), &lacks),
				 rows[i].out ? 0 : -EOPNOTSUPP);
		assert_string_equal(out, rows[i].out ? rows[i].out : "before");
		assert_int_equal(lacks, rows[i].lacks);
		if (!rows[i].out)
			continue;
		memcpy(out, "before", sizeof("before"));
		assert_int_equal(upstream_params(&u, rows[i].in, out, strlen(rows[i].out), &lacks),
				 -ENOSPC);
		assert_string_equal(out, "before");
		assert_int_equal(
			upstream_params(&u, rows[i].in, out, strlen(rows[i].out) + 1, &lacks), 0);
	}
}

static void a_size_beyond_the_backends_is_too_big(void **state)
{
	static const struct {
		const char *in;
		int rc;
	} rows[] = {
		{"SIZE=1000", 0},
		{"SIZE=0", 0},
		{"SIZE=1001", -EFBIG},
		{"size=00000000000000001001", -EFBIG},
		{"SIZE=99999999999999999999", -EFBIG},
		{"BODY=7BIT SIZE=1001", -EFBIG},
		{"ENVID=9999", 0},
	};
	static struct upstream u = {.caps = ALL, .size_limit = 1000};
	enum upstream_cap lacks;
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(upstream_params(&u, rows[i].in, out, sizeof(out), &lacks),
				 rows[i].rc);
	u.size_limit = 0;
	assert_int_equal(upstream_params(&u, "SIZE=1001", out, sizeof(out), &lacks), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_those_the_backend_knows),
		cmocka_unit_test(a_size_beyond_the_backends_is_too_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
