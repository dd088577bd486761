// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Limits of new connections: which edges are reported, and which are found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "limits.h"

static void edges_are_reported_once(void **state)
{
	const struct gg_key4 key = {{198, 51, 100, 99}};
	struct gg_rate r;

	(void)state;
	assert_int_equal(syn_from("198.51.100.99"), XDP_PASS);
	fill_late(MAP_RATE4, &key);
	assert_int_equal(passed_of("198.51.100.99", 200), 0);
	only_event(GG_EVENT_LIMIT_BEGIN, "198.51.100.99");
	make_older(MAP_RATE4, &key, 11 * NSEC, 0);
	assert_int_equal(passed_of("198.51.100.99", 200), 0);
	only_event(GG_EVENT_LIMIT_LASTING, "198.51.100.99");
	assert_int_equal(seen[0].dropped, 200);
	/* As if it had been quiet until the bucket was full. */
	r = rate_of(MAP_RATE4, &key);
	r.full = 0;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_RATE4], &key, &r, BPF_EXIST), 0);
	assert_int_equal(syn_from("198.51.100.99"), XDP_PASS);
	only_event(GG_EVENT_LIMIT_END, "198.51.100.99");
	assert_int_equal(seen[0].dropped, 400);
	assert_int_equal(rate_of(MAP_RATE4, &key).over, 0);
}

/* Whom the daemon does not make an entry of now, it may later. */
static void one_that_goes_on_is_reported_every_ten_seconds(void **state)
{
	const struct gg_half6 key = {{0x20, 0x01, 0x0d, 0xb8, 0, 9, 0, 0}};

	(void)state;
	assert_int_equal(syn_from("2001:db8:9::1"), XDP_PASS);
	fill_late(MAP_RATE6, &key);
	assert_int_equal(passed_of("2001:db8:9::1", 100), 0);
	only_event(GG_EVENT_LIMIT_BEGIN, "2001:db8:9::");
	for (int i = 1; i <= 3; i++) {
		make_older(MAP_RATE6, &key, 9 * NSEC, NSEC);
		assert_int_equal(passed_of("2001:db8:9::1", 50), 0);
		no_event();
		make_older(MAP_RATE6, &key, 2 * NSEC, NSEC);
		assert_int_equal(passed_of("2001:db8:9::1", 50), 0);
		only_event(GG_EVENT_LIMIT_LASTING, "2001:db8:9::");
		assert_int_equal(seen[0].dropped, 50 + 100 * i);
	}
}

/* A burst that its limit is too small for, and another one later: it has kept within it between. */
static void one_that_has_kept_within_it_does_not_last(void **state)
{
	const struct gg_key4 key = {{198, 51, 100, 99}};

	(void)state;
	assert_int_equal(syn_from("198.51.100.99"), XDP_PASS);
	fill_late(MAP_RATE4, &key);
	assert_int_equal(passed_of("198.51.100.99", 20), 0);
	only_event(GG_EVENT_LIMIT_BEGIN, "198.51.100.99");
	make_older(MAP_RATE4, &key, 11 * NSEC, 3 * NSEC);
	assert_int_equal(passed_of("198.51.100.99", 20), 0);
	no_event();
	make_older(MAP_RATE4, &key, 9 * NSEC, NSEC);
	assert_int_equal(passed_of("198.51.100.99", 20), 0);
	no_event();
	make_older(MAP_RATE4, &key, 2 * NSEC, NSEC);
	assert_int_equal(passed_of("198.51.100.99", 1), 0);
	only_event(GG_EVENT_LIMIT_LASTING, "198.51.100.99");
	assert_int_equal(seen[0].dropped, 60);
}

/* Two CPUs in the same flood: one has dropped a moment after what the other takes for now. */
static void a_drop_of_another_cpu_is_no_lull(void **state)
{
	const struct gg_key4 key = {{198, 51, 100, 99}};
	struct gg_rate r;

	(void)state;
	assert_int_equal(syn_from("198.51.100.99"), XDP_PASS);
	fill_late(MAP_RATE4, &key);
	assert_int_equal(syn_from("198.51.100.99"), XDP_DROP);
	only_event(GG_EVENT_LIMIT_BEGIN, "198.51.100.99");
	r = rate_of(MAP_RATE4, &key);
	r.since += NSEC;
	r.last_drop += NSEC >> GG_SHORT_SHIFT;
	assert_int_equal(bpf_map_update_elem(fp->maps[MAP_RATE4], &key, &r, BPF_EXIST), 0);
	assert_int_equal(syn_from("198.51.100.99"), XDP_DROP);
	assert_int_equal(rate_of(MAP_RATE4, &key).since, r.since);
	no_event();
}

/* With first drops of others. */
static void fill_ring(void)
{
	const struct prefix p = room_prefix("198.51.100.1");
	const uint64_t lost = counted(GG_STAT_event_lost);

	while (counted(GG_STAT_event_lost) == lost) {
		fastpath_del(fp, &p);
		room_put(fp, "198.51.100.1", GG_DENY, GG_DROP_NEW, 0);
		assert_int_equal(syn_from("198.51.100.1"), XDP_DROP);
	}
}

/* The daemon denies who is reported: nobody may be forgotten because many came at once. */
static void an_offender_that_finds_no_room_is_reported_later(void **state)
{
	const struct gg_key4 key = {{198, 51, 100, 99}};
	uint64_t lost, since;

	(void)state;
	assert_int_equal(syn_from("198.51.100.99"), XDP_PASS);
	fill_late(MAP_RATE4, &key);
	assert_int_equal(syn_from("198.51.100.99"), XDP_DROP);
	fill_ring();
	lost = counted(GG_STAT_event_lost);
	for (int i = 0; i < 2; i++) {
		/* The second time a second and a bit after the first. */
		make_older(MAP_RATE4, &key, i ? NSEC + NSEC / 8 : 11 * NSEC, 0);
		since = rate_of(MAP_RATE4, &key).since;
		assert_int_equal(syn_from("198.51.100.99"), XDP_DROP);
		if (i)
			continue;
		assert_int_equal(counted(GG_STAT_event_lost), lost + 1);
		/* Not with each segment. */
		assert_true(rate_of(MAP_RATE4, &key).since > since);
		fastpath_events(fp, see, NULL);
	}
	only_event(GG_EVENT_LIMIT_LASTING, "198.51.100.99");
}

static struct gg_event ended[16];
static int ended_count;
static bool ended_is_told;

static bool see_ended(const struct gg_event *e, void *arg)
{
	(void)arg;
	assert_true(ended_count < 16);
	ended[ended_count++] = *e;
	return ended_is_told;
}

static int look_for_ends(bool told)
{
	ended_count = 0;
	ended_is_told = told;
	assert_int_equal(fastpath_limits_ended(fp, see_ended, NULL), 0);
	return ended_count;
}

static void fill_at(enum map_id id, const void *key, uint64_t full)
{
	struct gg_rate r = rate_of(id, key);

	r.full = full;
	assert_int_equal(bpf_map_update_elem(fp->maps[id], key, &r, BPF_EXIST), 0);
}

/* Who floods and does not come again. */
static void an_end_that_nobody_sees_is_found(void **state)
{
	const struct gg_key4 four = {{198, 51, 100, 99}}, within = {{198, 51, 100, 98}};
	const struct gg_half6 six = {{0x20, 0x01, 0x0d, 0xb8, 0, 9, 0, 0}};
	const struct prefix p4 = room_prefix("198.51.100.99"), p6 = room_prefix("2001:db8:9::");

	(void)state;
	assert_int_equal(syn_from("198.51.100.98"), XDP_PASS);
	assert_int_equal(syn_from("198.51.100.99"), XDP_PASS);
	assert_int_equal(syn_from("2001:db8:9::1"), XDP_PASS);
	fill_late(MAP_RATE4, &four);
	fill_late(MAP_RATE6, &six);
	assert_int_equal(passed_of("198.51.100.99", 20), 0);
	assert_int_equal(passed_of("2001:db8:9::1", 30), 0);
	assert_int_equal(look_for_ends(true), 0); /* it goes on */
	fill_at(MAP_RATE4, &within, 0);
	fill_at(MAP_RATE4, &four, 0);
	fill_at(MAP_RATE6, &six, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(look_for_ends(i), 2);
		assert_int_equal(ended[0].kind, GG_EVENT_LIMIT_END);
		assert_memory_equal(ended[0].addr, p4.addr.b, 16);
		assert_int_equal(ended[0].dropped, 20);
		assert_int_equal(ended[1].kind, GG_EVENT_LIMIT_END);
		assert_memory_equal(ended[1].addr, p6.addr.b, 16);
		assert_int_equal(ended[1].dropped, 30);
	}
	assert_int_equal(look_for_ends(true), 0);
	assert_true(has_rate(MAP_RATE4, &within));
	/* Nor does the program tell it again. */
	fastpath_events(fp, see, NULL);
	assert_int_equal(syn_from("198.51.100.99"), XDP_PASS);
	no_event();
}

static int counted_ends;

static bool count_end(const struct gg_event *e, void *arg)
{
	(void)arg;
	assert_int_equal(e->dropped, 7);
	counted_ends++;
	return true;
}

/* More than one batch, and more than are told at a time. */
static void many_ends_are_told_in_parts(void **state)
{
	const struct gg_rate r = {.full = 1, .over = 7};
	int n = 10000, before;

	(void)state;
	for (int i = 0; i < n; i++) {
		const struct gg_key4 key = {{10, 9, (uint8_t)(i >> 8), (uint8_t)i}};

		assert_int_equal(bpf_map_update_elem(fp->maps[MAP_RATE4], &key, &r, BPF_ANY), 0);
	}
	for (int i = 0; i < 4; i++) {
		before = counted_ends;
		assert_int_equal(fastpath_limits_ended(fp, count_end, NULL), 0);
		assert_in_range(counted_ends - before, 0, 4096);
	}
	assert_int_equal(counted_ends, n);
}

/* A flood in pulses: nothing is told of what happens between the first and the last. */
static void the_end_of_a_flood_over_the_budget_is_a_lull(void **state)
{
	struct gg_budget b;
	uint64_t dropped;

	(void)state;
	fastpath_set_limits(fp, 0, 50);
	for (int i = 0; i < 20; i++) {
		passed_of("198.51.100.99", 30);
		b = *budget_here();
		b.full -= NSEC;
		b.last_drop -= NSEC >> GG_SHORT_SHIFT;
		set_budget(&b);
	}
	only_cpu(GG_EVENT_BUDGET_BEGIN);
	dropped = budget_here()->over;
	assert_in_range(dropped, 20 * (30 - 7) - 100, 20 * (30 - 7));
	b.over = dropped;
	b.last_drop -= 2 * NSEC >> GG_SHORT_SHIFT;
	set_budget(&b);
	assert_int_equal(syn_from("198.51.100.99"), XDP_PASS);
	only_cpu(GG_EVENT_BUDGET_END);
	assert_int_equal(seen[0].dropped, dropped);
	assert_int_equal(budget_here()->over, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(edges_are_reported_once, fresh),
		cmocka_unit_test_setup(one_that_goes_on_is_reported_every_ten_seconds, fresh),
		cmocka_unit_test_setup(one_that_has_kept_within_it_does_not_last, fresh),
		cmocka_unit_test_setup(a_drop_of_another_cpu_is_no_lull, fresh),
		cmocka_unit_test_setup(an_offender_that_finds_no_room_is_reported_later, fresh),
		cmocka_unit_test_setup(an_end_that_nobody_sees_is_found, fresh),
		cmocka_unit_test_setup(many_ends_are_told_in_parts, fresh),
		cmocka_unit_test_setup(the_end_of_a_flood_over_the_budget_is_a_lull, fresh),
	};

	return cmocka_run_group_tests(tests, limits_set_up, lists_tear_down);
}
