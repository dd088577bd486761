// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two gateways in one namespace, each with interfaces and pins of its own: what one does to the
 * policy rules is nothing to the other, and what nobody needs any more goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "parts.h"

#define SECOND_BPFFS "/sys/fs/bpf/second"

static struct fastpath_conf second(void)
{
	struct fastpath_conf conf = gateway();

	conf.bpffs = SECOND_BPFFS;
	conf.interfaces[0] = "gg2";
	conf.interfaces[1] = "gg3";
	return conf;
}

static struct fastpath_conf second_of_ipv4(void)
{
	struct fastpath_conf conf = second();

	conf.vip_count = 1;
	return conf;
}

static int count(const char *family, const char *what, const char *pattern)
{
	char command[160];

	snprintf(command, sizeof(command), "ip %s %s | grep -cE '%s'", family, what, pattern);
	return number(command);
}

/* Rules of the first and of the second, IPv4 and IPv6, and the routes for both. */
struct table {
	int first[2], second[2], routes[2];
};

static const struct table nothing, all = {{2, 2}, {2, 2}, {1, 1}},
				   first_alone = {{2, 2}, {0, 0}, {1, 1}},
				   second_alone = {{0, 0}, {2, 2}, {1, 1}};

static struct table there(void)
{
	struct table t;

	for (int i = 0; i < 2; i++) {
		const char *family = i ? "-6" : "-4";

		t.first[i] = count(family, "rule show", "iif gg[01] .*lookup 26489");
		t.second[i] = count(family, "rule show", "iif gg[23] .*lookup 26489");
		t.routes[i] = count(family, "route show table 26489 2>/dev/null",
				    "^local default dev lo");
	}
	return t;
}

static void expect(struct table want, int line)
{
	struct table got = there();

	if (memcmp(&got, &want, sizeof(got)) != 0)
		fail_msg("line %d: first %d+%d, second %d+%d, routes %d+%d", line, got.first[0],
			 got.first[1], got.second[0], got.second[1], got.routes[0], got.routes[1]);
}

#define EXPECT(want) expect(want, __LINE__)

static void detach_from(const char *bpffs)
{
	char err[400] = "";

	if (fastpath_detach(bpffs, NULL, NULL, err, sizeof(err)))
		fail_msg("fastpath_detach %s: %s", bpffs, err);
}

static int clean(void **state)
{
	(void)state;
	detach_from(SECOND_BPFFS);
	room_detach();
	nothing_is_left();
	EXPECT(nothing);
	return 0;
}

static void a_start_leaves_the_rules_of_another(void **state)
{
	const struct fastpath_conf a = gateway(), b = second();
	struct fastpath *first = room_open(&a), *other;

	(void)state;
	EXPECT(first_alone);
	other = room_open(&b);
	EXPECT(all);
	fastpath_close(&first);
	first = room_open(&a);
	EXPECT(all);
	fastpath_close(&other);
	other = room_open(&b);
	EXPECT(all);
	assert_false(fastpath_look(first));
	assert_false(fastpath_look(other));
	fastpath_close(&first);
	fastpath_close(&other);
}

static void a_start_in_another_mode_leaves_them_too(void **state)
{
	const struct fastpath_conf a = gateway();
	struct fastpath_conf b = second();
	struct fastpath *first = room_open(&a), *other;

	(void)state;
	b.mode = GG_MODE_RELAY;
	other = room_open(&b);
	EXPECT(first_alone);
	fastpath_close(&other);
	fastpath_close(&first);
}

static void a_failed_start_takes_back_its_own(void **state)
{
	const struct fastpath_conf a = gateway(), b = second();
	struct fastpath *first = room_open(&a);
	int fd = attach_foreign("gg3");

	(void)state;
	REFUSED(&b, -EBUSY, "gg3");
	EXPECT(first_alone);
	detach_foreign("gg3", fd);
	assert_false(fastpath_look(first));
	fastpath_close(&first);
	room_detach();
	fd = attach_foreign("gg3");
	REFUSED(&b, -EBUSY, "gg3");
	EXPECT(nothing);
	detach_foreign("gg3", fd);
}

static void each_family_goes_by_itself(void **state)
{
	const struct fastpath_conf a = gateway(), b = second_of_ipv4();
	const struct table both = {{2, 2}, {2, 0}, {1, 1}}, ipv4 = {{0, 0}, {2, 0}, {1, 0}};
	struct fastpath *first = room_open(&a), *other = room_open(&b);

	(void)state;
	EXPECT(both);
	fastpath_close(&first);
	room_detach();
	EXPECT(ipv4);
	assert_false(fastpath_look(other));
	fastpath_close(&other);
}

static void a_detach_takes_its_own(void **state)
{
	const struct fastpath_conf a = gateway(), b = second();
	struct fastpath *first = room_open(&a), *other = room_open(&b);

	(void)state;
	fastpath_close(&first);
	room_detach();
	EXPECT(second_alone);
	assert_false(fastpath_look(other));
	first = room_open(&a);
	EXPECT(all);
	fastpath_close(&other);
	detach_from(SECOND_BPFFS);
	EXPECT(first_alone);
	assert_false(fastpath_look(first));
	fastpath_close(&first);
	room_detach();
	EXPECT(nothing);
}

/* One row: what is taken away, of whom. */
static const struct {
	const char *command;
	bool first, second;
} thefts[] = {
	{"ip rule del pref 10000 iif gg0", true, false},
	{"ip -6 rule del pref 10000 iif gg1", true, false},
	{"ip rule del pref 10000 iif gg3", false, true},
	{"ip -6 rule del pref 10000 iif gg2", false, true},
	{"ip route flush table 26489", true, true},
	{"ip -6 route flush table 26489", true, true},
	{"for i in 1 2 3 4; do ip rule del pref 10000; ip -6 rule del pref 10000; done", true,
	 true},
};

static void each_misses_its_own_alone(void **state)
{
	const struct fastpath_conf a = gateway(), b = second();
	struct fastpath *first = room_open(&a), *other = room_open(&b);

	(void)state;
	for (size_t i = 0; i < sizeof(thefts) / sizeof(thefts[0]); i++) {
		room_run(thefts[i].command);
		if (fastpath_look(first) != thefts[i].first || missing(first) != thefts[i].first ||
		    fastpath_look(other) != thefts[i].second || missing(other) != thefts[i].second)
			fail_msg("%s: first misses %d, second %d", thefts[i].command,
				 missing(first), missing(other));
		mend_all(first, &a);
		mend_all(other, &b);
		EXPECT(all);
		fastpath_look(first);
		fastpath_look(other);
		assert_int_equal(missing(first) + missing(other), 0);
	}
	fastpath_close(&first);
	fastpath_close(&other);
}

/* More rules than one start of its own could have made don't hide one's own. */
static void rules_that_nobody_needs_go(void **state)
{
	const struct fastpath_conf a = gateway(), b = second();
	struct fastpath *first = room_open(&a), *other;

	(void)state;
	room_run("for f in -4 -6; do for i in $(seq 70); do ip $f rule add fwmark 0x67726579 "
		 "iif gone$i lookup 26489 pref 25 protocol 67 || exit 1; done; done");
	assert_false(fastpath_look(first));
	room_run("ip rule del pref 10000 iif gg1");
	assert_true(fastpath_look(first));
	mend_all(first, &a);
	other = room_open(&b);
	EXPECT(all);
	assert_int_equal(count("-4", "rule show", "26489") + count("-6", "rule show", "26489"), 8);
	fastpath_close(&first);
	fastpath_close(&other);
}

/* Its programs stay where it was killed, and its rules with them: it may come back. */
static void what_a_killed_one_leaves_goes_with_its_programs(void **state)
{
	const struct fastpath_conf a = gateway(), b = second();
	struct fastpath *other;

	(void)state;
	start_and_die(&a, NULL);
	EXPECT(first_alone);
	other = room_open(&b);
	EXPECT(all);
	/* Long dead, and its pins gone: a detach takes the programs of such, and not the second's,
	 * whose next heartbeat is a long way off. */
	forget_heartbeat();
	other->meta.heartbeat = entries_now() + 1000;
	assert_int_equal(switches_write_meta(other), 0);
	room_run("rm -r " ROOM_BPFFS);
	room_detach();
	EXPECT(second_alone);
	assert_false(fastpath_look(other));
	fastpath_close(&other);
}

/* With its pins gone, or another bpffs in the settings, it can't be told from one at work until its
 * heartbeat is old: that is no success. */
static void what_seems_to_be_at_work_is_named_by_a_detach(void **state)
{
	struct fastpath_conf a = gateway();
	struct gg_meta meta;
	uint32_t zero = 0;

	(void)state;
	for (int i = 0; i < 2; i++) {
		char err[400] = "";
		int fd;

		a.xdp = i ? FASTPATH_OFF : FASTPATH_AUTO;
		start_and_die(&a, NULL);
		assert_int_equal(fastpath_detach(SECOND_BPFFS, NULL, NULL, err, sizeof(err)),
				 -EADDRINUSE);
		assert_non_null(strstr(err, "bpffs " SECOND_BPFFS ": nothing of greygate is there, "
					    "and the programs on gg"));
		assert_true(strstr(err, " gg0, gg1 stay") || strstr(err, " gg1, gg0 stay"));
		assert_non_null(strstr(err, "detach again 10 s after its end, or with its bpffs"));
		meta = meta_pinned();
		fd = bpf_obj_get(V1 "/meta");
		room_run("rm -r " ROOM_BPFFS);
		assert_int_equal(fastpath_detach(ROOM_BPFFS, NULL, NULL, err, sizeof(err)),
				 -EADDRINUSE);
		EXPECT(first_alone);
		meta.heartbeat = 0;
		assert_int_equal(bpf_map_update_elem(fd, &zero, &meta, BPF_ANY), 0);
		close(fd);
		room_detach();
		EXPECT(nothing);
		nothing_is_left();
	}
}

/* Without programs rules are nobody's, dead or not. */
static void rules_without_programs_go_at_the_next_start(void **state)
{
	const struct fastpath_conf a = gateway(), b = second();
	struct fastpath *other;

	(void)state;
	start_and_die(&a, NULL);
	room_run("for i in gg0 gg1; do ip link set dev $i xdp off; tc qdisc del dev $i clsact; "
		 "done");
	EXPECT(first_alone);
	other = room_open(&b);
	EXPECT(second_alone);
	fastpath_close(&other);
}

/* Another's start may meet rules whose programs are only being attached. */
static void a_rule_lost_during_the_start_is_missed(void **state)
{
	const struct fastpath_conf a = gateway();
	struct fastpath *first = room_open(&a);

	(void)state;
	room_run("ip rule del pref 10000 iif gg0");
	parts_begin(first, &a);
	assert_int_equal(missing(first), 0);
	assert_true(fastpath_look(first));
	assert_int_equal(state_of(first, FASTPATH_POLICY, ""), FASTPATH_GONE);
	mend_all(first, &a);
	EXPECT(first_alone);
	fastpath_close(&first);
}

/* ---- both on the same interfaces ---- */

static struct fastpath_conf rival(const struct fastpath_conf *a)
{
	struct fastpath_conf conf = *a;

	conf.bpffs = SECOND_BPFFS;
	return conf;
}

static uint32_t filter_on_side(const char *interface, bool out)
{
	uint32_t id = 0;

	assert_int_equal(filter_id((int)if_nametoindex(interface), out, &id), 0);
	return id;
}

static void the_filters_of_another_stay_while_it_lives(void **state)
{
	struct fastpath_conf a = gateway(), b;
	struct fastpath *first;
	uint32_t in, out;

	(void)state;
	a.xdp = FASTPATH_OFF;
	a.observe = true;
	b = rival(&a);
	first = room_open(&a);
	in = filter_on_side("gg0", false);
	out = filter_on_side("gg1", true);
	for (int i = 0; i < 2; i++) {
		REFUSED(&b, -EADDRINUSE,
			i ? "interface gg1: another greygated" : "interface gg0: another greygated",
			"stop that one, or take gg");
		assert_int_equal(filter_on_side("gg0", false), in);
		assert_int_equal(filter_on_side("gg1", true), out);
		assert_false(fastpath_look(first));
		EXPECT(first_alone);
		/* The interface that both want is the last one. */
		b.interfaces[0] = "gg2";
	}
	assert_int_equal(filter_on_side("gg2", false), 0);
	/* Its own it replaces as ever, beside the old process and after it. */
	b = a;
	b.held_lock = dup(fastpath_lock_fd(first));
	fastpath_leave(&first);
	first = room_open(&b);
	assert_int_not_equal(filter_on_side("gg0", false), in);
	assert_int_not_equal(filter_on_side("gg1", true), out);
	fastpath_close(&first);
}

static void the_filters_of_a_dead_one_are_taken_over(void **state)
{
	struct fastpath_conf a = gateway(), b;
	struct fastpath *first, *other;
	uint32_t in;

	(void)state;
	a.xdp = FASTPATH_OFF;
	a.observe = true;
	b = rival(&a);
	/* Ended in peace; then killed long ago. */
	first = room_open(&a);
	in = filter_on_side("gg0", false);
	fastpath_close(&first);
	other = room_open(&b);
	assert_int_not_equal(filter_on_side("gg0", false), in);
	assert_null(fastpath_observe_why(other));
	fastpath_close(&other);
	start_and_die(&a, NULL);
	REFUSED(&b, -EADDRINUSE, "another greygated");
	forget_heartbeat();
	other = room_open(&b);
	assert_int_equal(missing(other), 0);
	fastpath_close(&other);
}

/* One whose filter went has another's in its place: neither takes it from the other. */
static void a_mender_leaves_what_another_has_put_there(void **state)
{
	struct fastpath_conf a = gateway(), b;
	struct fastpath *first, *other;
	struct fastpath_part p;
	uint32_t in;

	(void)state;
	a.xdp = FASTPATH_OFF;
	b = rival(&a);
	first = room_open(&a);
	room_run("for i in gg0 gg1; do tc filter del dev $i ingress; done");
	other = room_open(&b);
	in = filter_on_side("gg0", false);
	assert_true(fastpath_look(first));
	for (int i = 0; i < 2; i++) {
		mend(first, &a);
		p = part(first, FASTPATH_TC, "gg0");
		assert_int_equal(p.state, FASTPATH_OTHER);
		assert_true(p.rival);
		assert_non_null(strstr(p.why, "another greygated"));
		assert_int_equal(filter_on_side("gg0", false), in);
		assert_false(fastpath_look(other));
	}
	fastpath_close(&other);
	detach_from(SECOND_BPFFS);
	assert_true(fastpath_look(first));
	assert_false(part(first, FASTPATH_TC, "gg0").rival);
	mend_all(first, &a);
	fastpath_close(&first);
}

#define TEST(name) cmocka_unit_test_teardown(name, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_start_leaves_the_rules_of_another),
		TEST(a_start_in_another_mode_leaves_them_too),
		TEST(a_failed_start_takes_back_its_own),
		TEST(each_family_goes_by_itself),
		TEST(a_detach_takes_its_own),
		TEST(each_misses_its_own_alone),
		TEST(rules_that_nobody_needs_go),
		TEST(what_a_killed_one_leaves_goes_with_its_programs),
		TEST(what_seems_to_be_at_work_is_named_by_a_detach),
		TEST(rules_without_programs_go_at_the_next_start),
		TEST(a_rule_lost_during_the_start_is_missed),
		TEST(the_filters_of_another_stay_while_it_lives),
		TEST(the_filters_of_a_dead_one_are_taken_over),
		TEST(a_mender_leaves_what_another_has_put_there),
	};

	return cmocka_run_group_tests(tests, start_routing_room, NULL);
}
