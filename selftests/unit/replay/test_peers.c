// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "selftests/unit/replay/trace.h"

#define MINUTE 60u
#define HOUR (60 * MINUTE)

static bool passes(struct replay *r, enum replay_policy p, uint32_t time, const char *src,
		   const char *sender)
{
	return try(r, time, src, sender, "b@y", NULL, NULL).passed[p];
}

static struct replay *with_peers(void)
{
	struct replay_conf c = settings();

	c.compare = true;
	return engine(&c);
}

/* The third attempt of one address, 25 minutes after the first and within four hours. */
static void spamd(void **state)
{
	static const struct {
		const char *src;
		uint32_t time;
		bool pass;
	} rows[] = {
		{"192.0.2.1", 0, false},
		{"192.0.2.2", MINUTE, false}, /* another address */
		{"192.0.2.1", 25 * MINUTE - 1, false},
		{"192.0.2.1", 25 * MINUTE, false}, /* the address is white from here on */
		{"192.0.2.1", 25 * MINUTE + 1, true},
		{"192.0.2.1", 30 * DAY, true},
		{"192.0.2.1", 60 * DAY, true},
		{"192.0.2.1", 97 * DAY, false}, /* idle for longer than 36 days */
	};
	struct replay *r = with_peers();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(passes(r, REPLAY_SPAMD, rows[i].time, rows[i].src, "a@x"),
				 rows[i].pass);
	assert_false(passes(r, REPLAY_SPAMD, 97 * DAY + 30 * MINUTE, "192.0.2.2", "a@x"));
	/* over after four hours: the retry is a first attempt */
	assert_false(passes(r, REPLAY_SPAMD, 100 * DAY, "192.0.2.9", "a@x"));
	assert_false(passes(r, REPLAY_SPAMD, 100 * DAY + 4 * HOUR + 1, "192.0.2.9", "a@x"));
	assert_false(passes(r, REPLAY_SPAMD, 100 * DAY + 4 * HOUR + 2, "192.0.2.9", "a@x"));
	replay_free(&r);
}

static void postgrey(void **state)
{
	struct replay *r = with_peers();
	uint32_t at = 0;

	(void)state;
	assert_false(passes(r, REPLAY_POSTGREY, 0, "192.0.2.1", "a@x"));
	assert_false(passes(r, REPLAY_POSTGREY, 299, "192.0.2.1", "a@x"));
	assert_true(passes(r, REPLAY_POSTGREY, 300, "192.0.2.254", "a@x"));
	assert_true(passes(r, REPLAY_POSTGREY, 301, "192.0.2.1", "a@x"));
	assert_false(passes(r, REPLAY_POSTGREY, 301, "192.0.3.1", "a@x"));
	/* 48 hours */
	assert_false(passes(r, REPLAY_POSTGREY, 301 + 48 * HOUR + 1, "192.0.3.1", "a@x"));
	/* five passed triplets make the network white */
	at = 10 * DAY;
	for (char c = 'b'; c <= 'f'; c++) {
		const char sender[] = {c, '@', 'x', 0};

		assert_false(passes(r, REPLAY_POSTGREY, at, "198.51.100.1", sender));
		assert_true(passes(r, REPLAY_POSTGREY, at + 300, "198.51.100.1", sender));
		at += 1000;
	}
	assert_true(passes(r, REPLAY_POSTGREY, at, "198.51.100.77", "new@x"));
	assert_false(passes(r, REPLAY_POSTGREY, at + 36 * DAY, "198.51.100.77", "newer@x"));
	replay_free(&r);
}

/* IPv6 by its /64. */
static void networks_of_ipv6(void **state)
{
	struct replay *r = with_peers();

	(void)state;
	assert_false(passes(r, REPLAY_POSTGREY, 0, "2001:db8:1:2::1", "a@x"));
	assert_true(passes(r, REPLAY_POSTGREY, 300, "2001:db8:1:2:ffff::9", "a@x"));
	assert_false(passes(r, REPLAY_POSTGREY, 300, "2001:db8:1:3::1", "a@x"));
	replay_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spamd),
		cmocka_unit_test(postgrey),
		cmocka_unit_test(networks_of_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
