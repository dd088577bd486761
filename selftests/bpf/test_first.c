// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A first start, killed before each of the calls by which it changes what others can see, and after
 * the last one: what waits for its end leaves nothing of it. What an earlier start has left it
 * leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/prctl.h>

#include "killed.h"
#include "rollback.h"
#include "start.h"

static void become_first(const struct fastpath_conf *settings)
{
	struct fastpath_conf conf = *settings;
	struct rollback r = {.fd = -1};
	struct fastpath *fp;
	char err[400];

	if (rollback_begin(&r, conf.bpffs, err, sizeof(err)))
		_exit(1);
	conf.first = rollback_arm;
	conf.first_arg = &r;
	dies_here();
	_exit(fastpath_open(&conf, &fp, err, sizeof(err)) ? 2 : 0);
}

/* False: it got through, and ended before anybody said that all is well. */
static bool start_and_die_at(int n, const struct fastpath_conf *conf)
{
	pid_t pid = fork();
	bool killed;

	if (!pid)
		become_first(conf);
	killed = die_at(pid, n);
	/* The one that undoes it is a child of nobody else any more. */
	assert_true(waitpid(-1, NULL, 0) > 0);
	return killed;
}

/* A directory alone is nothing in force: it is made before it is known whose start this is. */
static int traces(void)
{
	return number("{ ls " ROOM_BPFFS " 2>/dev/null; ip rule show; ip -6 rule show; "
		      "ip route show table 26489 2>/dev/null; "
		      "ip -6 route show table 26489 2>/dev/null; tc qdisc show; } | "
		      "grep -cE '^v|26489|^local default dev lo|clsact'");
}

/* A start with dispatchers makes many more changes, most of them libxdp's. */
#define FEWER 40

static void killed_anywhere(const struct fastpath_conf *conf, int every)
{
	struct fastpath *fp = room_open(conf);
	bool killed = true;
	int n;

	if (conf->xdp != FASTPATH_OFF && is_dispatcher(program_on(conf->interfaces[0])))
		every *= FEWER;
	fastpath_close(&fp);
	room_detach();
	for (n = 0; killed; n += every) {
		killed = start_and_die_at(n, conf);
		if (program_on("gg0") || program_on("gg1") || lookup_attached() || traces())
			fail_msg("change %d: something is left", n);
	}
	assert_true(n > every);
}

static void gateway_mode(void **state)
{
	struct fastpath_conf conf = gateway();

	(void)state;
	conf.observe = true;
	killed_anywhere(&conf, 9);
	conf.xdp = FASTPATH_OFF; /* what takes longest */
	killed_anywhere(&conf, 1);
}

static void host_mode(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST);

	(void)state;
	killed_anywhere(&conf, 9);
}

/* Neither of this bpffs nor of another one, whose daemon may be about to come back. */
static void what_was_there_stays(void **state)
{
	struct fastpath_conf conf = on("gg0", GG_MODE_HOST), other = on("gg1", GG_MODE_RELAY);
	struct fastpath *fp = room_open(&conf);

	(void)state;
	fastpath_close(&fp);
	assert_true(start_and_die_at(3, &conf));
	assert_int_not_equal(program_on("gg0"), 0);
	assert_int_not_equal(map_pinned(V1 "/meta"), 0);
	assert_true(lookup_attached());
	other.bpffs = ROOM_BPFFS "-other";
	assert_false(start_and_die_at(10000, &other));
	assert_int_equal(program_on("gg1"), 0);
	assert_false(exists(other.bpffs));
	assert_int_not_equal(program_on("gg0"), 0);
	assert_true(lookup_attached());
}

#define TEST(name) cmocka_unit_test_teardown(name, start_end_clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gateway_mode),
		TEST(host_mode),
		TEST(what_was_there_stays),
	};

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests(tests, start_routing_room, NULL);
}
