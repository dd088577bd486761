// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Limits of new connections: whom they count, what they drop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "limits.h"

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

static void the_first_connection_takes_one_too(void **state)
{
	const struct gg_key4 four = {{198, 51, 100, 99}};
	const struct gg_half6 six = {{0x20, 0x01, 0x0d, 0xb8, 0, 9}};
	struct timespec t;
	uint64_t after;

	(void)state;
	/* The programs' clock. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	after = t.tv_sec * NSEC + t.tv_nsec + fp->switches.source_interval;
	assert_int_equal(syn_from("198.51.100.99"), XDP_PASS);
	assert_true(rate_of(MAP_RATE4, &four).full >= after);
	assert_int_equal(syn_from("2001:db8:9::1"), XDP_PASS);
	assert_true(rate_of(MAP_RATE6, &six).full >= after);
}

/* Or whoever floods would seem to be in use. */
static void what_is_over_the_limit_is_no_use_of_an_entry(void **state)
{
	static const char *const denied[] = {"198.51.100.3", "2001:db8:1::4"};

	(void)state;
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		const struct prefix p = room_prefix(denied[i]);
		int passed = passed_of(denied[i], 100);
		struct gg_entry e;

		assert_in_range(passed, BURST, 99);
		assert_int_equal(fastpath_get(fp, &p, &e), 0);
		assert_int_equal(e.hits, passed);
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

static void the_budget_comes_before_the_sources(void **state)
{
	const struct gg_key4 late = {{192, 0, 3, 250}};
	char source[INET_ADDRSTRLEN];
	uint64_t before = counted(GG_STAT_flood_budget);
	int i, passed = 0;

	(void)state;
	fastpath_set_limits(fp, PER_SOURCE, 1);
	for (i = 0; i < 1000; i++) {
		snprintf(source, sizeof(source), "192.0.3.%d", i % 250);
		passed += syn_from(source) == XDP_PASS;
	}
	/* One more with each second that is over meanwhile. */
	assert_in_range(passed, 1, 30);
	assert_int_equal(counted(GG_STAT_flood_budget) - before, 1000 - passed);
	/* Who is over the budget takes no place among the sources. */
	for (i = 0; i < 3; i++)
		passed = syn_from("192.0.3.250") == XDP_PASS;
	if (!passed)
		assert_false(has_rate(MAP_RATE4, &late) && rate_of(MAP_RATE4, &late).over);
	assert_int_equal(passed_of("198.51.100.6", 100), 100);
	only_cpu(GG_EVENT_BUDGET_BEGIN);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NSEC + t.tv_nsec;
}

/* What ten seconds let through, to the connection, but for what the time of the test itself does.
 */
static void a_budget_means_what_it_says(void **state)
{
	static const uint32_t rates[] = {1, 2, 7, 8, 10, 14, 15, 20, 100, 333, 1000};
	unsigned int passed, burst;
	struct gg_budget b;
	uint64_t took;

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		fastpath_set_limits(fp, 0, rates[i]);
		set_budget(&(struct gg_budget){});
		burst = 1 + rates[i] / 8;
		took = now_ns();
		assert_int_equal(passed_of("198.51.100.99", burst), burst);
		passed = 0;
		for (int tick = 0; tick < 10 * 16; tick++) {
			b = *budget_here();
			b.full -= NSEC / 16;
			set_budget(&b);
			while (syn_from("198.51.100.99") == XDP_PASS)
				passed++;
		}
		took = now_ns() - took;
		assert_in_range(passed, 10 * rates[i],
				10 * rates[i] + 1 + rates[i] * (took + NSEC / 50) / NSEC);
	}
}

static void rates_at_the_edges(void **state)
{
	static const uint32_t rates[][2] = {{1, 1000000000}, {3, 333333333}, {20000, 50000},
					    {999999, 1000},  {15000000, 67}, {70000000, 14},
					    {100000000, 10}};
	struct gg_conf c;
	__u32 zero = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		fastpath_set_limits(fp, 0, rates[i][0]);
		assert_int_equal(bpf_map_lookup_elem(fp->maps[MAP_CONF], &zero, &c), 0);
		assert_int_equal(c.budget_interval, rates[i][1]);
	}
}

static void zero_means_unlimited(void **state)
{
	(void)state;
	fastpath_set_limits(fp, 0, 0);
	assert_int_equal(passed_of("198.51.100.99", 500), 500);
	assert_int_equal(passed_of("2001:db8:9::1", 500), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_source_passes_as_often_as_its_limit_allows, fresh),
		cmocka_unit_test_setup(the_first_connection_takes_one_too, fresh),
		cmocka_unit_test_setup(what_is_over_the_limit_is_no_use_of_an_entry, fresh),
		cmocka_unit_test_setup(others_are_exempt, fresh),
		cmocka_unit_test_setup(load_balancers_are_exempt, fresh),
		cmocka_unit_test_setup(whom_a_prefix_denies_that_is_left_to_the_daemon_is_not,
				       fresh),
		cmocka_unit_test_setup(a_source_of_ipv6_is_its_64, fresh),
		cmocka_unit_test_setup(the_budget_comes_before_the_sources, fresh),
		cmocka_unit_test_setup(a_budget_means_what_it_says, fresh),
		cmocka_unit_test_setup(rates_at_the_edges, fresh),
		cmocka_unit_test_setup(zero_means_unlimited, fresh),
	};

	return cmocka_run_group_tests(tests, limits_set_up, lists_tear_down);
}
