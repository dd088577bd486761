// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the XDP program leaves behind: marks on entries, figures of endpoints, events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>

#include "lists.h"

static struct gg_entry entry_of(const char *address)
{
	const struct prefix p = room_prefix(address);
	struct gg_entry e = {};

	if (fastpath_get(fp, &p, &e))
		fail_msg("no entry for %s", address);
	return e;
}

static void run_case(const char *from, uint8_t flags, uint32_t action)
{
	const struct frame_spec s = {
		.from = from, .to = strchr(from, ':') ? VIP6 : VIP4, .to_port = 25, .flags = flags};
	struct frame f;

	frame_build(&f, &s);
	assert_int_equal(program_run(skel, f.b, f.len), action);
}

static void new_connections_leave_their_marks(void **state)
{
	static const struct {
		const char *from;
		uint32_t action;
	} rows[] = {
		{"198.51.100.1", XDP_DROP},  {"198.51.100.2", XDP_DROP},
		{"198.51.100.3", XDP_PASS},  {"198.51.100.6", XDP_PASS},
		{"2001:db8:1::1", XDP_DROP}, {"2001:db8:1::6", XDP_PASS},
	};
	static const char *const nets[] = {"203.0.113.0/24", "2001:db8:2::/48",
					   "2001:db8:2:1::/64"};
	struct gg_entry e;
	uint64_t before;
	size_t i;

	(void)state;
	lists_renew();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		e = entry_of(rows[i].from);
		assert_int_equal(e.hits, 0);
		assert_int_equal(e.last_seen, 0);
		before = entries_now();
		run_case(rows[i].from, TCP_SYN, rows[i].action);
		run_case(rows[i].from, TCP_SYN, rows[i].action);
		e = entry_of(rows[i].from);
		assert_int_equal(e.hits, 2);
		/* The coarse clock may lag by a tick. */
		assert_in_range(e.last_seen, before - 1, entries_now());
	}
	/* On a prefix entry too, where it outlives an exchange of lists. */
	before = entries_now();
	run_case("203.0.113.44", TCP_SYN, XDP_DROP);
	run_case("2001:db8:2:9::1", TCP_SYN, XDP_DROP);
	run_case("2001:db8:2:1::1", TCP_SYN, XDP_PASS);
	for (i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		e = entry_of(nets[i]);
		assert_int_equal(e.hits, 1);
		assert_in_range(e.last_seen, before - 1, entries_now());
	}
}

static void other_segments_leave_no_mark(void **state)
{
	(void)state;
	lists_renew();
	run_case("198.51.100.6", TCP_ACK, XDP_PASS);
	run_case("198.51.100.1", TCP_SYN | TCP_ACK, XDP_PASS);
	run_case("198.51.100.7", TCP_SYN, XDP_PASS);
	assert_int_equal(entry_of("198.51.100.6").hits, 0);
	assert_int_equal(entry_of("198.51.100.1").hits, 0);
	assert_int_equal(entry_of("198.51.100.7").hits, 0);
}

static void last_seen_moves_only_when_older_than_a_second(void **state)
{
	const struct gg_key4 key = {{198, 51, 100, 6}};
	struct gg_entry e = entry_of("198.51.100.6");
	uint64_t now = entries_now();

	(void)state;
	e.last_seen = now + 100;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST4], &key, &e, BPF_EXIST), 0);
	run_case("198.51.100.6", TCP_SYN, XDP_PASS);
	assert_int_equal(entry_of("198.51.100.6").last_seen, now + 100);
	e.last_seen = now - 100;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_HOST4], &key, &e, BPF_EXIST), 0);
	run_case("198.51.100.6", TCP_SYN, XDP_PASS);
	assert_in_range(entry_of("198.51.100.6").last_seen, now - 1, now + 50);
}

static void in_host_mode_what_passes_is_marked_elsewhere(void **state)
{
	(void)state;
	lists_renew();
	fp->switches.mode = GG_MODE_HOST;
	assert_int_equal(switches_write(fp), 0);
	run_case("198.51.100.6", TCP_SYN, XDP_PASS);
	run_case("198.51.100.1", TCP_SYN, XDP_DROP);
	fp->switches.mode = GG_MODE_RELAY;
	assert_int_equal(switches_write(fp), 0);
	assert_int_equal(entry_of("198.51.100.6").hits, 0);
	assert_int_equal(entry_of("198.51.100.1").hits, 1);
}

static struct gg_event seen[8];
static int seen_count;

static void see(const struct gg_event *e, void *arg)
{
	(void)arg;
	if (seen_count < 8)
		seen[seen_count] = *e;
	seen_count++;
}

static void the_first_drop_of_an_entry_is_reported_once(void **state)
{
	const struct prefix four = room_prefix("198.51.100.1"), six = room_prefix("2001:db8:1::2");

	(void)state;
	fastpath_events(fp, see, NULL);
	lists_renew();
	seen_count = 0;
	run_case("198.51.100.1", TCP_SYN, XDP_DROP);
	run_case("198.51.100.1", TCP_SYN, XDP_DROP);
	run_case("2001:db8:1::2", TCP_ACK, XDP_DROP);
	run_case("198.51.100.6", TCP_SYN, XDP_PASS);
	run_case("198.51.100.3", TCP_SYN, XDP_PASS);
	assert_int_equal(fastpath_events(fp, see, NULL), 2);
	assert_int_equal(seen_count, 2);
	assert_int_equal(seen[0].kind, GG_EVENT_FIRST_DROP);
	assert_int_equal(seen[0].action, GG_DROP_NEW);
	assert_memory_equal(seen[0].addr, four.addr.b, 16);
	assert_in_range(seen[0].time, entries_now() - 10, entries_now());
	assert_int_equal(seen[1].action, GG_DROP_ALL);
	assert_memory_equal(seen[1].addr, six.addr.b, 16);
}

static void a_full_ring_is_counted_and_drops_go_on(void **state)
{
	uint64_t before[GG_STAT_MAX], after[GG_STAT_MAX];
	int i;

	(void)state;
	/* A record has a header of eight bytes; the ring 256 KiB. */
	for (i = 0; i < (1 << 18) / (int)(sizeof(struct gg_event) + 8) + 100; i++) {
		const struct prefix p = room_prefix("198.51.100.1");

		fastpath_del(fp, &p);
		room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, 0);
		if (i == 0)
			assert_int_equal(fastpath_stats(fp, before), 0);
		run_case("198.51.100.1", TCP_SYN, XDP_DROP);
	}
	assert_int_equal(fastpath_stats(fp, after), 0);
	assert_in_range(after[GG_STAT_event_lost] - before[GG_STAT_event_lost], 1, i);
	seen_count = 0;
	fastpath_events(fp, see, NULL);
	assert_int_equal(seen_count + after[GG_STAT_event_lost] - before[GG_STAT_event_lost], i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_connections_leave_their_marks),
		cmocka_unit_test(other_segments_leave_no_mark),
		cmocka_unit_test(last_seen_moves_only_when_older_than_a_second),
		cmocka_unit_test(in_host_mode_what_passes_is_marked_elsewhere),
		cmocka_unit_test(the_first_drop_of_an_entry_is_reported_once),
		cmocka_unit_test(a_full_ring_is_counted_and_drops_go_on),
	};

	return cmocka_run_group_tests(tests, lists_set_up, lists_tear_down);
}
