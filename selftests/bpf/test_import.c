// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Imported lists: random ones against a search one by one, in all three programs and in the
 * daemon's own view; and that at no moment, before, while or after lists are exchanged, a packet is
 * judged by a part of one, and by a wider prefix where one of theirs is hidden by what is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "import.h"

struct meanwhile {
	const struct lists *before;
	int told;
};

/* While the next lists are on their way, those before are in force and the daemon goes on. */
static void go_on(size_t done, size_t all, void *arg)
{
	struct meanwhile *m = arg;

	assert_true(done <= all);
	m->told++;
	for (int i = 0; i < 20; i++) {
		struct addr a = lists_addr(&seed, i % 2);

		change_own();
		all_say(m->before, &a);
	}
}

static void random_lists_say_the_same_everywhere(void **state)
{
	static struct lists lists[2];
	struct meanwhile m = {NULL, 0};

	(void)state;
	for (int round = 0; round < 12; round++) {
		struct lists *l = &lists[round % 2];

		lists_random(l, &seed, 50 + random_below(&seed, 700));
		put_in_force(made(l), &(struct fastpath_progress){go_on, &m});
		for (int i = 0; i < 800; i++) {
			struct addr a = lists_addr(&seed, i % 2);

			if (i % 8 == 0)
				change_own();
			all_say(l, &a);
		}
		m.before = l;
	}
	assert_true(m.told >= 12);
	while (own_count) {
		const struct prefix p = own[--own_count].prefix;

		assert_int_equal(fastpath_del(fp, &p), 0);
		assert_true(verdicts_del(verdicts, &p));
	}
	put_in_force(NULL, NULL);
}

/* ---- what hides a list's entry ---- */

static const struct {
	const char *prefix;
	enum import_says says;
} nested[] = {
	{"203.0.113.0/24", IMPORT_DENY},   {"203.0.0.0/16", IMPORT_ALLOW},
	{"2001:db8:77::/64", IMPORT_DENY}, {"2001:db8::/32", IMPORT_ALLOW},
	{"10.1.0.0/16", IMPORT_ALLOW},     {"10.0.0.0/8", IMPORT_DENY},
};

static struct imports *nested_lists(void)
{
	struct import_item items[sizeof(nested) / sizeof(nested[0])];
	const uint8_t rank[GG_LISTS] = {[3] = 1};
	const size_t n = sizeof(items) / sizeof(items[0]);
	struct imports *in;

	for (size_t i = 0; i < n; i++) {
		const struct prefix p = room_prefix(nested[i].prefix);

		items[i] = (struct import_item){
			.addr = p.addr, .len = p.len, .list = 3, .says = nested[i].says};
	}
	assert_int_equal(imports_make(items, n, rank, &in), 0);
	memset(in->action, GG_DROP_NEW, sizeof(in->action));
	return in;
}

static void says(const char *what, const char *address, enum gg_verdict want)
{
	const struct prefix p = room_prefix(address);

	if (verdict_of_lookup(&p.addr) != want)
		fail_msg("%s: %s: socket lookup says %d, not %d", what, address,
			 verdict_of_lookup(&p.addr), want);
	if (is_dropped_by_xdp(&p.addr) != (want == GG_DENY))
		fail_msg("%s: %s: XDP says otherwise than %d", what, address, want);
	if (is_dropped_by_tc(&p.addr) != (want == GG_DENY))
		fail_msg("%s: %s: tc says otherwise than %d", what, address, want);
}

static int finds(const char *address, enum gg_verdict *ret)
{
	const struct prefix p = room_prefix(address);
	struct prefix found;
	struct gg_entry e = {};
	int code = fastpath_find(fp, &p.addr, &found, &e);

	*ret = e.verdict;
	return code;
}

static void put_own(const char *prefix, enum gg_verdict verdict, uint32_t expires)
{
	room_put(fp, prefix, verdict, verdict == GG_DENY ? GG_DROP_NEW : 0, expires);
}

static const struct {
	const char *prefix, *inside;
	enum gg_verdict listed;
} hidden[] = {
	{"203.0.113.0/24", "203.0.113.7", GG_DENY},
	{"2001:db8:77::/64", "2001:db8:77::7", GG_DENY},
	{"10.1.0.0/16", "10.1.2.3", GG_ALLOW},
};
#define HIDDEN (sizeof(hidden) / sizeof(hidden[0]))

static void all_are_unknown(const char *what)
{
	enum gg_verdict verdict;

	for (size_t i = 0; i < HIDDEN; i++) {
		says(what, hidden[i].inside, GG_UNKNOWN);
		assert_int_equal(finds(hidden[i].inside, &verdict), -ENOENT);
	}
}

/* Neither by the prefix around it: the list has said something of this very one. */
static void what_is_over_and_hides_a_lists_entry_is_unknown(void **state)
{
	enum gg_verdict verdict;

	(void)state;
	put_in_force(nested_lists(), NULL);
	for (size_t i = 0; i < HIDDEN; i++) {
		says("listed", hidden[i].inside, hidden[i].listed);
		put_own(hidden[i].prefix, GG_DENY, 0);
		says("in force", hidden[i].inside, GG_DENY);
		assert_int_equal(finds(hidden[i].inside, &verdict), 0);
		assert_int_equal(verdict, GG_DENY);
		put_own(hidden[i].prefix, GG_DENY, ROOM_EXPIRED);
	}
	all_are_unknown("over");
	put_in_force(nested_lists(), NULL);
	all_are_unknown("over, lists anew");
	/* what lies within one that is over counts, and what hides nothing is absent */
	put_own("203.0.113.0/28", GG_ALLOW, 0);
	says("within", "203.0.113.7", GG_ALLOW);
	put_own("203.0.113.0/28", GG_ALLOW, ROOM_EXPIRED);
	says("both over", "203.0.113.7", GG_UNKNOWN);
	put_own("10.2.0.0/16", GG_ALLOW, ROOM_EXPIRED);
	says("hides nothing", "10.2.3.4", GG_DENY);
	for (size_t i = 0; i < HIDDEN; i++) {
		const struct prefix p = room_prefix(hidden[i].prefix);

		assert_int_equal(fastpath_del(fp, &p), 0);
		says("gone", hidden[i].inside, hidden[i].listed);
		put_own(hidden[i].prefix, GG_ALLOW, ROOM_EXPIRED);
	}
	/* lists that no longer name it have nothing to be hidden */
	put_in_force(NULL, NULL);
	put_own("10.0.0.0/8", GG_DENY, 0);
	says("no lists", "10.1.2.3", GG_DENY);
	put_in_force(nested_lists(), NULL);
	all_are_unknown("lists that come later");
	put_in_force(NULL, NULL);
	assert_true(fastpath_sync(fp, verdicts, time(NULL)) >= 0); /* takes all out */
}

/* A start compares entries before it has read the lists, which the maps still hold. */
static void so_it_is_until_a_start_has_read_the_lists(void **state)
{
	const uint32_t now = time(NULL);

	(void)state;
	put_in_force(nested_lists(), NULL);
	for (size_t i = 0; i < HIDDEN; i++)
		put_own(hidden[i].prefix, GG_DENY, i % 2 ? ROOM_EXPIRED : now + 1000);
	close_all();
	open_all();
	assert_true(fastpath_sync(fp, verdicts, now) >= 0); /* by now it knows none of them */
	all_are_unknown("compared");
	put_own(hidden[0].prefix, GG_DENY, ROOM_EXPIRED);
	all_are_unknown("put again");
	put_in_force(nested_lists(), NULL);
	says("lists read", hidden[0].inside, GG_UNKNOWN);
	for (size_t i = 1; i < HIDDEN; i++)
		says("lists read", hidden[i].inside, hidden[i].listed);
	put_in_force(NULL, NULL);
}

/* ---- hits ---- */

/* What has gone to the daemon is the daemon's to count. */
static void a_list_counts_what_the_daemon_never_sees(void **state)
{
	static const struct {
		enum import_says says;
		uint8_t action;
		int xdp_relay, xdp_host, lookup, tc; /* counts of a new connection */
	} rows[] = {
		{IMPORT_DENY, GG_DROP_NEW, 1, 1, 1, 1}, {IMPORT_DENY, GG_DROP_ALL, 1, 1, 1, 1},
		{IMPORT_DENY, GG_REJECT, 0, 0, 0, 0},   {IMPORT_DENY, GG_STUTTER, 0, 0, 0, 0},
		{IMPORT_ALLOW, 0, 0, 0, 1, 1},
	};
	const char *const sources[] = {"203.0.113.7", "2001:db8:77::7"};

	(void)state;
	for (int i = 0; i < 2 * (int)(sizeof(rows) / sizeof(rows[0])); i++) {
		const struct prefix p = room_prefix(sources[i % 2]);
		const uint8_t rank[GG_LISTS] = {[3] = 1};
		struct import_item item = {
			.addr = p.addr, .len = p.len, .list = 3, .says = rows[i / 2].says};
		uint64_t hits = 0;
		struct imports *in;

		assert_int_equal(imports_make(&item, 1, rank, &in), 0);
		memset(in->action, rows[i / 2].action, sizeof(in->action));
		put_in_force(in, NULL);
		fastpath_list_reset(fp, 3);
		is_dropped_by_xdp(&p.addr);
		assert_int_equal(fastpath_list_hits(fp, 3), hits += rows[i / 2].xdp_host);
		verdict_of_lookup(&p.addr);
		assert_int_equal(fastpath_list_hits(fp, 3), hits += rows[i / 2].lookup);
		is_dropped_by_tc(&p.addr);
		assert_int_equal(fastpath_list_hits(fp, 3), hits += rows[i / 2].tc);
		fp->switches.mode = GG_MODE_RELAY;
		assert_int_equal(switches_write(fp), 0);
		is_dropped_by_xdp(&p.addr);
		fp->switches.mode = GG_MODE_HOST;
		assert_int_equal(switches_write(fp), 0);
		assert_int_equal(fastpath_list_hits(fp, 3), hits + rows[i / 2].xdp_relay);
	}
	put_in_force(NULL, NULL);
}

/* ---- packets all the while ---- */

#define WIDE 40000 /* prefixes */

/* Every address of 10/8 and of 2001:db8::/32 is denied, by prefixes that cover it without gap. */
static struct imports *covering(uint8_t list, int length)
{
	struct import_item *items = calloc(2 * WIDE, sizeof(*items));
	const uint8_t rank[GG_LISTS] = {[1] = 1, [2] = 2};
	struct imports *in;
	int n = 0;

	assert_non_null(items);
	for (int i = 0; i < 1 << (length - 8); i++) {
		struct import_item four = {.len = 96 + length, .list = list, .says = IMPORT_DENY};
		struct import_item six = {.len = 24 + length, .list = list, .says = IMPORT_DENY};
		uint32_t bits = (uint32_t)i << (32 - length);

		four.addr = (struct addr){.b = {[10] = 0xff, [11] = 0xff, [12] = 10}};
		six.addr = (struct addr){.b = {0x20, 0x01, 0x0d, 0xb8}};
		for (int b = 0; b < 3; b++) {
			four.addr.b[13 + b] = bits >> (16 - 8 * b);
			six.addr.b[4 + b] = bits >> (16 - 8 * b);
		}
		items[n++] = four;
		items[n++] = six;
	}
	assert_int_equal(imports_make(items, n, rank, &in), 0);
	memset(in->action, GG_DROP_NEW, sizeof(in->action));
	free(items);
	return in;
}

static struct {
	atomic_bool stop;
	_Atomic uint64_t packets, passed;
} flood;

static void *send_flood(void *arg)
{
	uint64_t own_seed = 7;

	(void)arg;
	while (!atomic_load(&flood.stop)) {
		struct addr four = {.b = {[10] = 0xff, [11] = 0xff, [12] = 10}};
		struct addr six = {.b = {0x20, 0x01, 0x0d, 0xb8}};
		uint32_t bits = random_below(&own_seed, 1 << 24);

		for (int b = 0; b < 3; b++)
			four.b[13 + b] = six.b[4 + b] = bits >> 8 * b;
		flood.passed += !is_dropped_by_xdp(&four);
		flood.passed += verdict_of_lookup(&six) != GG_DENY;
		flood.packets += 2;
	}
	return NULL;
}

static void no_packet_meets_a_part_of_a_list(void **state)
{
	pthread_t thread;
	uint64_t before;

	(void)state;
	fastpath_list_reset(fp, 1);
	fastpath_list_reset(fp, 2);
	put_in_force(covering(1, 20), NULL);
	assert_int_equal(pthread_create(&thread, NULL, send_flood, NULL), 0);
	for (int i = 0; i < 12; i++) {
		before = flood.packets;
		put_in_force(covering(1 + i % 2, 20 + i % 3), NULL);
		while (flood.packets < before + 500)
			sched_yield();
		assert_int_equal(fastpath_tidy(fp), 0);
	}
	atomic_store(&flood.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(flood.passed, 0);
	assert_true(fastpath_list_hits(fp, 1) > 0);
	assert_true(fastpath_list_hits(fp, 2) > 0);
	assert_in_range(fastpath_list_hits(fp, 1) + fastpath_list_hits(fp, 2),
			flood.packets * 9 / 10, flood.packets);
	fastpath_list_reset(fp, 1);
	assert_int_equal(fastpath_list_hits(fp, 1), 0);
	put_in_force(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_lists_say_the_same_everywhere),
		cmocka_unit_test(what_is_over_and_hides_a_lists_entry_is_unknown),
		cmocka_unit_test(so_it_is_until_a_start_has_read_the_lists),
		cmocka_unit_test(a_list_counts_what_the_daemon_never_sees),
		cmocka_unit_test(no_packet_meets_a_part_of_a_list),
	};

	return cmocka_run_group_tests(tests, import_set_up, import_tear_down);
}
