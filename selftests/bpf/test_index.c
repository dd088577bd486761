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
	/* All but those at the turn of a window went past the entry. */
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

/* To the second, whatever is remembered: the time is taken before each SYN. */
static void an_expiry_is_kept(void **state)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	uint64_t expires, now;

	(void)state;
	lists_renew();
	room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, time(NULL) + 2);
	expires = entry_of("198.51.100.1").expires;
	do {
		now = entries_now();
		if (syn_from("198.51.100.1") == XDP_DROP)
			assert_true(now <= expires);
		nanosleep(&pause, NULL);
	} while (now <= expires + 1);
}

#define MANY 100000

static struct frame many_frame;

/* The i-th of twice as many addresses; the even ones are denied. */
static uint32_t syn_from_many(const struct xdp_bpf *program, uint32_t i)
{
	many_frame.b[26] = 100;
	many_frame.b[27] = 64 + (i >> 16);
	many_frame.b[28] = i >> 8;
	many_frame.b[29] = i;
	return program_run(program, many_frame.b, many_frame.len);
}

static void put_many(struct fastpath *many, uint32_t i, enum gg_verdict verdict)
{
	const struct verdict_entry e = {.verdict = verdict,
					.action = verdict == GG_DENY ? GG_DROP_NEW : GG_NO_ACTION};
	struct prefix p = room_prefix("100.64.0.0");

	p.addr.b[13] = 64 + (i >> 16);
	p.addr.b[14] = i >> 8;
	p.addr.b[15] = i;
	assert_int_equal(fastpath_put(many, &p, &e), 0);
}

/* Several to a bucket, others in between that nobody has denied, and some allowed later while
 * their neighbours go on. */
static void thousands_of_floods_hit_nobody_else(void **state)
{
	const struct endpoint vip = room_endpoint(VIP4 ":25");
	const struct frame_spec syn = {
		.from = "10.0.0.0", .to = VIP4, .to_port = 25, .flags = TCP_SYN};
	struct fastpath_conf conf = room_conf(GG_MODE_RELAY);
	struct xdp_bpf *program;
	struct fastpath *many;
	uint32_t i, round;

	(void)state;
	conf.bpffs = "/sys/fs/bpf/many";
	conf.hosts = MANY;
	conf.vips = &vip;
	conf.vip_count = 1;
	many = room_open(&conf);
	program = program_xdp(many);
	frame_build(&many_frame, &syn);
	for (i = 0; i < 2 * MANY; i += 2)
		put_many(many, i, GG_DENY);
	for (round = 0; round < GG_ASKED_DROPS + 4; round++)
		for (i = 0; i < 2 * MANY; i += round ? 2 : 1)
			assert_int_equal(syn_from_many(program, i), i & 1 ? XDP_PASS : XDP_DROP);
	for (i = 0; i < 2 * MANY; i += 64)
		put_many(many, i, GG_ALLOW);
	for (i = 0; i < 2 * MANY; i += 2)
		if (i % 64)
			assert_int_equal(syn_from_many(program, i), XDP_DROP);
	for (i = 0; i < 2 * MANY; i += 64)
		assert_int_equal(syn_from_many(program, i), XDP_PASS);
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
		cmocka_unit_test(an_expiry_is_kept),
		cmocka_unit_test(thousands_of_floods_hit_nobody_else),
	};

	return cmocka_run_group_tests(tests, set_up, lists_tear_down);
}
