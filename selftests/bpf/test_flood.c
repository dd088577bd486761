// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sources that the XDP program remembers as being dropped: never a drop that the lists don't want.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>
#include <time.h>

#include "bpf/classify.h"
#include "lists.h"

static uint32_t syn_from(const char *from)
{
	const struct frame_spec s = {.from = from, .to = VIP4, .to_port = 25, .flags = TCP_SYN};
	struct frame f;

	frame_build(&f, &s);
	return program_run(skel, f.b, f.len);
}

static struct gg_entry entry_of(const char *prefix)
{
	const struct prefix p = room_prefix(prefix);
	struct gg_entry e = {};

	if (fastpath_get(fp, &p, &e))
		fail_msg("no entry for %s", prefix);
	return e;
}

static void forget(const char *prefix)
{
	const struct prefix p = room_prefix(prefix);

	assert_int_equal(fastpath_del(fp, &p), 0);
}

static uint64_t dropped(void)
{
	uint64_t stats[GG_STAT_MAX];

	assert_int_equal(fastpath_stats(fp, stats), 0);
	return stats[GG_STAT_drop_new];
}

/* The programs run on the CPU of the test, and each CPU remembers for itself. */
static int set_up(void **state)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	return sched_setaffinity(0, sizeof(one), &one) ? -1 : lists_set_up(state);
}

static void flood_from(const char *from)
{
	int i;

	for (i = 0; i < 3 * GG_ASKED_DROPS; i++)
		assert_int_equal(syn_from(from), XDP_DROP);
}

static void a_flood_is_remembered(void **state)
{
	uint64_t before, hits;
	int i;

	(void)state;
	lists_renew();
	flood_from("198.51.100.1");
	before = dropped();
	hits = entry_of("198.51.100.1").hits;
	for (i = 0; i < 1000; i++)
		assert_int_equal(syn_from("198.51.100.1"), XDP_DROP);
	assert_int_equal(dropped() - before, 1000);
	/* All but the one at the turn of a second or two went past the entry. */
	assert_in_range(entry_of("198.51.100.1").hits, hits, hits + 999);
}

static void its_hits_catch_up(void **state)
{
	(void)state;
	lists_renew();
	flood_from("198.51.100.1");
	flood_from("203.0.113.44");
	room_put(fp, "192.0.2.200", GG_ALLOW, GG_NO_ACTION, 0); /* some change of the lists */
	syn_from("198.51.100.1");
	syn_from("203.0.113.44");
	assert_int_equal(entry_of("198.51.100.1").hits, 3 * GG_ASKED_DROPS + 1);
	assert_int_equal(entry_of("203.0.113.0/24").hits, 3 * GG_ASKED_DROPS + 1);
	forget("192.0.2.200");
}

static void any_change_of_the_lists_counts_at_once(void **state)
{
	(void)state;
	lists_renew();
	flood_from("198.51.100.1");
	room_put(fp, "198.51.100.1", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(syn_from("198.51.100.1"), XDP_PASS);
	room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, 0);
	flood_from("198.51.100.1");
	forget("198.51.100.1");
	assert_int_equal(syn_from("198.51.100.1"), XDP_PASS);
	/* Under a prefix: a host entry, a longer prefix, the end of the prefix. */
	flood_from("203.0.113.44");
	room_put(fp, "203.0.113.44", GG_ALLOW, GG_NO_ACTION, 0);
	assert_int_equal(syn_from("203.0.113.44"), XDP_PASS);
	forget("203.0.113.44");
	flood_from("203.0.113.44");
	room_put(fp, "203.0.113.32/27", GG_DENY, GG_REJECT, 0);
	assert_int_equal(syn_from("203.0.113.44"), XDP_PASS);
	forget("203.0.113.32/27");
	flood_from("203.0.113.44");
	forget("203.0.113.0/24");
	assert_int_equal(syn_from("203.0.113.44"), XDP_PASS);
}

static void a_later_connection_is_all_that_is_dropped(void **state)
{
	const struct frame_spec ack = {
		.from = "198.51.100.1", .to = VIP4, .to_port = 25, .flags = TCP_ACK};
	const struct frame_spec elsewhere = {
		.from = "198.51.100.1", .to = VIP4, .to_port = 26, .flags = TCP_SYN};
	struct frame f;

	(void)state;
	lists_renew();
	flood_from("198.51.100.1");
	frame_build(&f, &ack);
	assert_int_equal(program_run(skel, f.b, f.len), XDP_PASS);
	frame_build(&f, &elsewhere);
	assert_int_equal(program_run(skel, f.b, f.len), XDP_PASS);
}

/* Sends until it passes; how long that may take is what the test is about, so the limit is wide. */
static bool passes_in_the_end(const char *from)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	uint64_t end = entries_now() + 20;

	while (entries_now() < end) {
		if (syn_from(from) == XDP_PASS)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void an_entry_removed_by_hand_is_noticed(void **state)
{
	const struct gg_key4 key = {{198, 51, 100, 1}};

	(void)state;
	lists_renew();
	flood_from("198.51.100.1");
	assert_int_equal(bpf_map_delete_elem(fp->maps[MAP_HOST4], &key), 0);
	assert_true(passes_in_the_end("198.51.100.1"));
}

static void an_expiry_is_noticed(void **state)
{
	(void)state;
	lists_renew();
	room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, time(NULL) + 2);
	flood_from("198.51.100.1");
	assert_true(passes_in_the_end("198.51.100.1"));
}

/* More of them than there are places, with others in between that nobody has denied. */
static void thousands_of_floods_hit_nobody_else(void **state)
{
	const struct verdict_entry deny = {.verdict = GG_DENY, .action = GG_DROP_NEW};
	const struct frame_spec syn = {
		.from = "10.0.0.0", .to = VIP4, .to_port = 25, .flags = TCP_SYN};
	struct prefix p = room_prefix("100.64.0.0");
	struct fastpath_conf conf = room_conf(GG_MODE_RELAY);
	const struct endpoint vip = room_endpoint(VIP4 ":25");
	struct xdp_bpf *program;
	struct fastpath *many;
	struct frame f;
	uint32_t i, round, action;

	(void)state;
	conf.bpffs = "/sys/fs/bpf/many";
	conf.hosts = 100000;
	conf.vips = &vip;
	conf.vip_count = 1;
	many = room_open(&conf);
	program = program_xdp(many);
	frame_build(&f, &syn);
	for (i = 0; i < 100000; i++) {
		p.addr.b[13] = 64 + (i >> 15);
		p.addr.b[14] = i >> 7;
		p.addr.b[15] = i << 1;
		assert_int_equal(fastpath_put(many, &p, &deny), 0);
	}
	for (round = 0; round < GG_ASKED_DROPS + 4; round++) {
		for (i = 0; i < 200000; i += round < 2 ? 1 : 7) {
			f.b[26] = 100;
			f.b[27] = 64 + (i >> 16);
			f.b[28] = i >> 8;
			f.b[29] = i;
			action = program_run(program, f.b, f.len);
			if (action != (i & 1 ? XDP_PASS : XDP_DROP))
				fail_msg("100.%u.%u.%u: action %u", f.b[27], f.b[28], f.b[29],
					 action);
		}
	}
	xdp_bpf__destroy(program);
	fastpath_close(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_is_remembered),
		cmocka_unit_test(its_hits_catch_up),
		cmocka_unit_test(any_change_of_the_lists_counts_at_once),
		cmocka_unit_test(a_later_connection_is_all_that_is_dropped),
		cmocka_unit_test(an_entry_removed_by_hand_is_noticed),
		cmocka_unit_test(an_expiry_is_noticed),
		cmocka_unit_test(thousands_of_floods_hit_nobody_else),
	};

	return cmocka_run_group_tests(tests, set_up, lists_tear_down);
}
