// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Limits of new connections: whom they count, what they drop, which edges they report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>

#include "lists.h"

#define PER_SOURCE 3 /* a second: one token in 0.33 s */
#define BURST (2 * PER_SOURCE)
#define NSEC UINT64_C(1000000000)

static uint32_t segment(const char *from, const char *to, uint8_t flags)
{
	const struct frame_spec s = {.from = from, .to = to, .to_port = 25, .flags = flags};
	struct frame f;

	frame_build(&f, &s);
	return program_run(skel, f.b, f.len);
}

static uint32_t syn_from(const char *from)
{
	return segment(from, strchr(from, ':') ? VIP6 : VIP4, TCP_SYN);
}

static uint64_t counted(enum gg_stat which)
{
	uint64_t stats[GG_STAT_MAX];

	assert_int_equal(fastpath_stats(fp, stats), 0);
	return stats[which];
}

static struct gg_rate rate_of(enum map_id id, const void *key)
{
	struct gg_rate r;

	if (bpf_map_lookup_elem(fp->maps[id], key, &r))
		fail_msg("no bucket");
	return r;
}

static bool has_rate(enum map_id id, const void *key)
{
	struct gg_rate r;

	return !bpf_map_lookup_elem(fp->maps[id], key, &r);
}

/* Full again in an hour: however long the test stands still meanwhile, the source is over. */
static void fill_late(enum map_id id, const void *key)
{
	struct gg_rate r = rate_of(id, key);

	r.full += 3600000000000;
	assert_int_equal(bpf_map_update_elem(fp->maps[id], key, &r, BPF_EXIST), 0);
}

/* As if what has happened to it had been so much earlier: when it went over its limit, and its last
 * drop. */
static void make_older(enum map_id id, const void *key, uint64_t since, uint64_t last_drop)
{
	struct gg_rate r = rate_of(id, key);

	r.since -= since;
	r.last_drop -= last_drop >> GG_SHORT_SHIFT;
	assert_int_equal(bpf_map_update_elem(fp->maps[id], key, &r, BPF_EXIST), 0);
}

static struct gg_event seen[16];
static int seen_count;

static void see(const struct gg_event *e, void *arg)
{
	(void)arg;
	if (seen_count < 16)
		seen[seen_count] = *e;
	seen_count++;
}

static void no_event(void)
{
	seen_count = 0;
	fastpath_events(fp, see, NULL);
	assert_int_equal(seen_count, 0);
}

static void only_event(enum gg_event_kind kind, const char *address)
{
	const struct prefix p = room_prefix(address);

	seen_count = 0;
	fastpath_events(fp, see, NULL);
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0].kind, kind);
	assert_memory_equal(seen[0].addr, p.addr.b, 16);
}

static int fresh(void **state)
{
	struct gg_key4 four;
	struct gg_half6 six;

	(void)state;
	while (!bpf_map_get_next_key(fp->maps[MAP_RATE4], NULL, &four))
		bpf_map_delete_elem(fp->maps[MAP_RATE4], &four);
	while (!bpf_map_get_next_key(fp->maps[MAP_RATE6], NULL, &six))
		bpf_map_delete_elem(fp->maps[MAP_RATE6], &six);
	lists_renew();
	fastpath_set_limits(fp, PER_SOURCE, 0);
	fastpath_events(fp, see, NULL);
	return 0;
}

/* The bucket refills while the test runs, so that some more may pass; many can't. */
static int passed_of(const char *from, int n)
{
	int passed = 0;

	while (n--)
		passed += syn_from(from) == XDP_PASS;
	return passed;
}

static void a_source_passes_as_often_as_its_limit_allows(void **state)
{
	static const char *const sources[] = {"198.51.100.99", "2001:db8:9::1", "198.51.100.3",
					      "2001:db8:1::4"};
	uint64_t before;
	size_t i;
	int passed;

	(void)state;
	for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		before = counted(GG_STAT_flood_source);
		passed = passed_of(sources[i], 300);
		assert_in_range(passed, BURST, BURST + 40);
		assert_int_equal(counted(GG_STAT_flood_source) - before, 300 - passed);
	}
}

static void others_are_exempt(void **state)
{
	const struct gg_key4 allowed = {{198, 51, 100, 6}}, denied = {{198, 51, 100, 1}};
	int i;

	(void)state;
	assert_int_equal(passed_of("198.51.100.6", 100), 100);
	assert_int_equal(passed_of("2001:db8:1::6", 100), 100);
	assert_int_equal(passed_of("10.1.2.3", 100), 100); /* allowed by a prefix */
	assert_int_equal(passed_of(VIP4, 100), 100);       /* the host to itself */
	assert_int_equal(passed_of("198.51.100.1", 100), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(segment("198.51.100.99", VIP4, TCP_ACK), XDP_PASS);
	assert_false(has_rate(MAP_RATE4, &allowed));
	assert_false(has_rate(MAP_RATE4, &denied));
}

/* In host mode a load balancer's connections go to the daemon, and behind it come all clients. */
static void load_balancers_are_exempt(void **state)
{
	static const char *const balancers[][2] = {{"198.51.100.50", "198.51.100.50"},
						   {"2001:db8:1::50", "2001:db8:1::50"},
						   {"203.0.113.64/28", "203.0.113.70"},
						   {"2001:db8:2::/64", "2001:db8:2::70"}};
	struct prefix p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(balancers) / sizeof(balancers[0]); i++) {
		room_put(fp, balancers[i][0], GG_UNKNOWN, GG_NO_ACTION, 0);
		assert_int_equal(passed_of(balancers[i][1], 300), 300);
		p = room_prefix(balancers[i][0]);
		fastpath_del(fp, &p);
	}
}

static void put_asking(const char *prefix, enum gg_verdict verdict, enum gg_action action)
{
	const struct verdict_entry e = {
		.verdict = verdict, .action = action, .origin = GG_BY_OPERATOR};
	const struct prefix p = room_prefix(prefix);

	assert_int_equal(fastpath_put_asking(fp, &p, &e), 0);
}

/* That something within it has no room in the kernel makes nobody a load balancer. */
static void whom_a_prefix_denies_that_is_left_to_the_daemon_is_not(void **state)
{
	static const char *const prefixes[][2] = {{"203.0.113.64/28", "203.0.113.70"},
						  {"2001:db8:2::/64", "2001:db8:2::70"}};
	static const enum gg_action actions[] = {GG_DROP_NEW, GG_DROP_ALL, GG_TARPIT};
	struct prefix p;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		for (k = 0; k < sizeof(actions) / sizeof(actions[0]); k++) {
			fresh(NULL);
			put_asking(prefixes[i][0], GG_DENY, actions[k]);
			assert_in_range(passed_of(prefixes[i][1], 300), BURST, BURST + 40);
		}
		put_asking(prefixes[i][0], GG_ALLOW, GG_NO_ACTION);
		assert_int_equal(passed_of(prefixes[i][1], 300), 300);
		p = room_prefix(prefixes[i][0]);
		fastpath_del(fp, &p);
	}
}

static void a_source_of_ipv6_is_its_64(void **state)
{
	const struct gg_half6 half = {{0x20, 0x01, 0x0d, 0xb8, 0, 9, 0, 1}};

	(void)state;
	assert_int_equal(syn_from("2001:db8:9:1::1"), XDP_PASS);
	fill_late(MAP_RATE6, &half);
	assert_int_equal(passed_of("2001:db8:9:1::1", 100), 0);
	assert_int_equal(passed_of("2001:db8:9:1:ffff::2", 100), 0);
	assert_true(rate_of(MAP_RATE6, &half).over > 0);
	only_event(GG_EVENT_LIMIT_BEGIN, "2001:db8:9:1::");
	assert_int_equal(passed_of("2001:db8:9:2::1", BURST), BURST);
}

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
	r.since += 3600 * NSEC;
	r.last_drop += 3600 * NSEC >> GG_SHORT_SHIFT;
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

static void the_budget_comes_before_the_sources(void **state)
{
	const struct gg_key4 late = {{192, 0, 3, 250}};
	char source[INET_ADDRSTRLEN];
	uint64_t before = counted(GG_STAT_flood_budget);
	int i, passed = 0;

	(void)state;
	fastpath_set_limits(fp, PER_SOURCE, 1); /* one in a window */
	for (i = 0; i < 1000; i++) {
		snprintf(source, sizeof(source), "192.0.3.%d", i % 250);
		passed += syn_from(source) == XDP_PASS;
	}
	/* One more with each window that began meanwhile. */
	assert_in_range(passed, 1, 100);
	assert_int_equal(counted(GG_STAT_flood_budget) - before, 1000 - passed);
	/* Who is over the budget takes no place among the sources. */
	for (i = 0; i < 3; i++)
		passed = syn_from("192.0.3.250") == XDP_PASS;
	if (!passed)
		assert_false(has_rate(MAP_RATE4, &late) && rate_of(MAP_RATE4, &late).over);
	assert_int_equal(passed_of("198.51.100.6", 100), 100);
	seen_count = 0;
	fastpath_events(fp, see, NULL);
	assert_in_range(seen_count, 1, 16);
	assert_int_equal(seen[0].kind, GG_EVENT_BUDGET_BEGIN);
}

static void zero_means_unlimited(void **state)
{
	(void)state;
	fastpath_set_limits(fp, 0, 0);
	assert_int_equal(passed_of("198.51.100.99", 500), 500);
	assert_int_equal(passed_of("2001:db8:9::1", 500), 500);
}

/* The programs run on the CPU of the test, and each CPU has a budget of its own. */
static int set_up(void **state)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	return sched_setaffinity(0, sizeof(one), &one) ? -1 : lists_set_up(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_source_passes_as_often_as_its_limit_allows, fresh),
		cmocka_unit_test_setup(others_are_exempt, fresh),
		cmocka_unit_test_setup(load_balancers_are_exempt, fresh),
		cmocka_unit_test_setup(whom_a_prefix_denies_that_is_left_to_the_daemon_is_not,
				       fresh),
		cmocka_unit_test_setup(a_source_of_ipv6_is_its_64, fresh),
		cmocka_unit_test_setup(edges_are_reported_once, fresh),
		cmocka_unit_test_setup(one_that_goes_on_is_reported_every_ten_seconds, fresh),
		cmocka_unit_test_setup(one_that_has_kept_within_it_does_not_last, fresh),
		cmocka_unit_test_setup(a_drop_of_another_cpu_is_no_lull, fresh),
		cmocka_unit_test_setup(an_offender_that_finds_no_room_is_reported_later, fresh),
		cmocka_unit_test_setup(the_budget_comes_before_the_sources, fresh),
		cmocka_unit_test_setup(zero_means_unlimited, fresh),
	};

	return cmocka_run_group_tests(tests, set_up, lists_tear_down);
}
