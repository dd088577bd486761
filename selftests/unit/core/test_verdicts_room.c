// SPDX-License-Identifier: GPL-2.0-or-later
/* Who goes when a set of verdicts is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "core/verdicts.h"

#define NOW 1000000u

static const uint8_t key[16] = "secret of a test";

static struct prefix prefix(const char *text)
{
	struct prefix p = {0};

	if (prefix_parse(text, &p))
		fail_msg("%s", text);
	return p;
}

static void in_a_full_set_the_daemons_own_hosts_make_room(void **state)
{
	struct verdict_entry learned = {.verdict = GG_ALLOW, .origin = GG_BY_LEARNING}, was;
	struct verdict_entry word = {.verdict = GG_DENY, .origin = GG_BY_OPERATOR};
	struct prefix p = prefix("10.0.0.0"), net = prefix("192.0.2.0/24"), gone;
	struct verdicts *v = NULL;
	size_t learnt = 0, said = 0, went = 0;
	int rc = 0;

	(void)state;
	assert_int_equal(verdicts_new(50, key, &v), 0);
	assert_int_equal(verdicts_put(v, &net, &learned), 0);
	for (uint32_t i = 0; !rc; i++) {
		p.addr.b[15] = (uint8_t)i;
		learned.expires = NOW + 1000 + i;
		rc = verdicts_put_over(v, &p, &learned, &gone, &was);
		learnt += !rc;
	}
	/* The last one took a place already. */
	assert_int_equal(rc, 1);
	assert_false(verdicts_get(v, &gone, 0, NULL));
	assert_int_equal(was.origin, GG_BY_LEARNING);
	assert_in_range(was.expires, NOW + 1000, learned.expires - 1);
	p = prefix("2001:db8::");
	for (uint32_t i = 0; rc >= 0 && i < 1000; i++) {
		p.addr.b[14] = (uint8_t)(i >> 8);
		p.addr.b[15] = (uint8_t)i;
		rc = verdicts_put_over(v, &p, &word, &gone, &was);
		if (rc < 0)
			break;
		said++;
		assert_true(verdicts_get(v, &p, NOW, NULL));
		if (!rc)
			continue;
		went++;
		assert_int_equal(was.origin, GG_BY_LEARNING);
		assert_true(addr_is4(&gone.addr));
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(said + learnt - went + 1, verdicts_count(v));
	assert_true(went > learnt / 2);
	assert_true(verdicts_get(v, &net, 0, NULL));
	verdicts_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_full_set_the_daemons_own_hosts_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
