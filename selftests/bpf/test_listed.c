// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses of imported lists behind the hot index: XDP, which asks there, says what the others
 * say, who walk through net4; whatever the daemon says of an address comes first; each drop is a
 * hit of the list; and nobody falls between two lists that are exchanged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <greygate/listed.h>

#include "import.h"

#define ONE "203.0.113.7"
#define ENOUGH 200 /* drops of a source until it surely is one that is dropped often */

static struct import_item item_of(const char *prefix, uint8_t list, enum import_says says)
{
	const struct prefix p = room_prefix(prefix);

	return (struct import_item){.addr = p.addr, .len = p.len, .list = list, .says = says};
}

static struct imports *list_of(struct import_item *items, size_t n, enum gg_action action)
{
	const uint8_t rank[GG_LISTS] = {[4] = 1, [255] = 2};
	struct imports *in;

	assert_int_equal(imports_make(items, n, rank, &in), 0);
	memset(in->action, action, sizeof(in->action));
	return in;
}

static void list_one(enum gg_action action)
{
	struct import_item item = item_of(ONE, 3, IMPORT_DENY);

	put_in_force(list_of(&item, 1, action), NULL);
}

static uint32_t asked(const char *from, uint8_t flags)
{
	const struct frame_spec s = {.from = from, .to = VIP4, .to_port = PORT, .flags = flags};
	struct frame f;

	frame_build(&f, &s);
	return program_run(xdp, f.b, f.len);
}

static void dropped_often(const char *from)
{
	for (int i = 0; i < ENOUGH; i++)
		assert_int_equal(asked(from, TCP_SYN), XDP_DROP);
}

static const struct gg_index_head *head(void)
{
	return (void *)fp->index[INDEX4].bucket;
}

/* What XDP does that the daemon would not, and what it leaves to that. */
static void each_action_is_carried_out(void **state)
{
	static const struct {
		enum gg_action action;
		uint32_t syn, ack;
		bool line;
	} rows[] = {{GG_REJECT, XDP_PASS, XDP_PASS, false},
		    {GG_STUTTER, XDP_PASS, XDP_PASS, false},
		    {GG_TARPIT, XDP_TX, XDP_PASS, true},
		    {GG_DROP_NEW, XDP_DROP, XDP_PASS, true},
		    {GG_DROP_ALL, XDP_DROP, XDP_DROP, true}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		list_one(rows[i].action);
		assert_int_equal((uint32_t)head()->listed != 0, rows[i].line);
		fastpath_list_reset(fp, 3);
		for (int n = 0; n < ENOUGH; n++) {
			assert_int_equal(asked(ONE, TCP_SYN), rows[i].syn);
			if (rows[i].action != GG_TARPIT) /* it answers probes of whom it holds */
				assert_int_equal(asked(ONE, TCP_ACK), rows[i].ack);
			assert_int_equal(asked("203.0.113.8", TCP_SYN), XDP_PASS);
			assert_int_equal(asked("0.0.0.0", TCP_SYN), XDP_PASS);
		}
		assert_int_equal(fastpath_list_hits(fp, 3), rows[i].syn == XDP_PASS   ? 0
							    : rows[i].ack == XDP_DROP ? 2 * ENOUGH
										      : ENOUGH);
	}
	put_in_force(NULL, NULL);
	assert_int_equal(asked(ONE, TCP_SYN), XDP_PASS);
	assert_int_equal((uint32_t)head()->listed, 0);
}

/* Before the address has been dropped often, and after. */
static void what_the_daemon_says_comes_first(void **state)
{
	static const struct {
		enum gg_verdict verdict;
		enum gg_action action;
		bool drops;
	} rows[] = {{GG_ALLOW, 0, false},
		    {GG_DENY, GG_REJECT, false},
		    {GG_DENY, GG_STUTTER, false},
		    {GG_DENY, GG_DROP_ALL, true}};
	const struct prefix p = room_prefix(ONE), around = room_prefix("203.0.113.0/24");

	(void)state;
	list_one(GG_DROP_NEW);
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const bool drops = rows[i / 2].drops;

		if (i == 1)
			dropped_often(ONE);
		room_put(fp, ONE, rows[i / 2].verdict, rows[i / 2].action, 0);
		assert_int_equal(asked(ONE, TCP_SYN), drops ? XDP_DROP : XDP_PASS);
		room_put(fp, ONE, rows[i / 2].verdict, rows[i / 2].action, ROOM_EXPIRED);
		assert_int_equal(asked(ONE, TCP_SYN), XDP_DROP); /* the list's again */
		assert_int_equal(fastpath_del(fp, &p), 0);
		assert_int_equal(asked(ONE, TCP_SYN), XDP_DROP);
	}
	/* A prefix is less than an address. */
	room_put(fp, "203.0.113.0/24", GG_ALLOW, 0, 0);
	assert_int_equal(asked(ONE, TCP_SYN), XDP_DROP);
	assert_int_equal(asked("203.0.113.8", TCP_SYN), XDP_PASS);
	assert_int_equal(fastpath_del(fp, &around), 0);
	put_in_force(NULL, NULL);
}

/* Of several lists, exceptions and what stays out of the kernel. */
static void lists_are_told_apart(void **state)
{
	struct import_item items[] = {
		item_of("203.0.113.0/24", 3, IMPORT_DENY), item_of(ONE, 4, IMPORT_DENY),
		item_of("203.0.113.9", 3, IMPORT_EXCEPT),  item_of("203.0.113.10", 3, IMPORT_ALLOW),
		item_of("198.51.100.1", 255, IMPORT_DENY), item_of("198.51.100.2", 4, IMPORT_DENY)};
	const struct prefix skip = room_prefix("198.51.100.2");
	const uint8_t rank[GG_LISTS] = {[4] = 1, [255] = 2};
	struct imports *in, *old;

	(void)state;
	assert_int_equal(imports_make(items, 6, rank, &in), 0);
	memset(in->action, GG_DROP_NEW, sizeof(in->action));
	assert_int_equal(fastpath_import(fp, in, &skip, 1, NULL), 0);
	old = verdicts_import(verdicts, in);
	imports_free(&old);
	for (int list = 3; list < 6; list++)
		fastpath_list_reset(fp, list == 5 ? 255 : list);
	dropped_often("203.0.113.8");
	dropped_often(ONE);
	dropped_often("198.51.100.1");
	assert_int_equal(asked("203.0.113.9", TCP_SYN), XDP_PASS);
	assert_int_equal(asked("203.0.113.10", TCP_SYN), XDP_PASS);
	assert_int_equal(asked("198.51.100.2", TCP_SYN), XDP_PASS);
	assert_int_equal(fastpath_list_hits(fp, 3) + fastpath_list_hits(fp, 4), 2 * ENOUGH);
	assert_int_equal(fastpath_list_hits(fp, 255), ENOUGH);
	put_in_force(NULL, NULL);
}

#define MANY 20000

static struct imports *many(uint32_t first, uint8_t list)
{
	struct import_item *items = calloc(MANY, sizeof(*items));
	struct imports *in;

	assert_non_null(items);
	for (uint32_t i = 0; i < MANY; i++) {
		const struct prefix p = room_number("10.0.0.0", first + i * 7);

		items[i] = (struct import_item){
			.addr = p.addr, .len = 128, .list = list, .says = IMPORT_DENY};
	}
	in = list_of(items, MANY, GG_DROP_NEW);
	free(items);
	return in;
}

/* Some lines have no room for all of theirs, and maybe some pairs. */
static void none_of_many_is_missing(void **state)
{
	const struct gg_listed *lines;
	uint32_t spilled = 0, stand = 0;

	(void)state;
	put_in_force(many(0, 3), NULL);
	lines = (const void *)(fp->index[INDEX4].bucket + head()->listed_first);
	for (uint32_t at = 0; at < (uint32_t)head()->listed; at++) {
		spilled += lines[at].state & GG_LISTED_SPILLED;
		for (int i = 0; i < GG_LISTED_SLOTS; i++)
			stand += lines[at].list[i] != 0;
	}
	assert_true(spilled > 0);
	assert_true(stand <= MANY && stand > MANY - MANY / 50);
	fastpath_list_reset(fp, 3);
	for (uint32_t i = 0; i < MANY * 7; i++) {
		const struct prefix p = room_number("10.0.0.0", i);

		if (is_dropped_by_xdp(&p.addr) != (i % 7 == 0))
			fail_msg("10.0.0.0 + %u", i);
	}
	assert_int_equal(fastpath_list_hits(fp, 3), MANY);
	put_in_force(NULL, NULL);
}

/* Lines of an earlier start may be another version's, or of other lists: net4 is asked until there
 * are new ones. */
static void a_start_asks_net4(void **state)
{
	(void)state;
	list_one(GG_DROP_NEW);
	dropped_often(ONE);
	close_all();
	open_all();
	assert_int_equal((uint32_t)head()->listed, 0);
	assert_int_equal(asked(ONE, TCP_SYN), XDP_DROP);
	list_one(GG_DROP_NEW);
	assert_int_not_equal((uint32_t)head()->listed, 0);
	dropped_often(ONE);
	put_in_force(NULL, NULL);
}

static struct {
	atomic_bool stop;
	_Atomic uint64_t packets;
	_Atomic int wrong;
} flood;

/* Every seventh address from 0 on is in all lists, the one after it in none. */
static void *send_flood(void *arg)
{
	uint64_t own_seed = 11;

	(void)arg;
	while (!atomic_load(&flood.stop)) {
		const uint32_t n = 7 * (2000 + random_below(&own_seed, MANY - 4000));
		const struct prefix in = room_number("10.0.0.0", n);
		const struct prefix out = room_number("10.0.0.0", n + 1);

		flood.wrong += !is_dropped_by_xdp(&in.addr);
		flood.wrong += is_dropped_by_xdp(&out.addr);
		flood.packets += 2;
	}
	return NULL;
}

static void nobody_falls_between_two_lists(void **state)
{
	pthread_t thread;
	uint64_t before;

	(void)state;
	put_in_force(many(0, 3), NULL);
	assert_int_equal(pthread_create(&thread, NULL, send_flood, NULL), 0);
	for (uint32_t i = 1; i < 40; i++) {
		before = flood.packets;
		put_in_force(many(7 * (i % 100) * 20, i % 2 ? 4 : 255), NULL);
		while (flood.packets < before + 300)
			sched_yield();
		assert_int_equal(fastpath_tidy(fp), 0);
	}
	atomic_store(&flood.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(flood.wrong, 0);
	put_in_force(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_action_is_carried_out),
		cmocka_unit_test(what_the_daemon_says_comes_first),
		cmocka_unit_test(lists_are_told_apart),
		cmocka_unit_test(none_of_many_is_missing),
		cmocka_unit_test(a_start_asks_net4),
		cmocka_unit_test(nobody_falls_between_two_lists),
	};

	return cmocka_run_group_tests(tests, import_set_up, import_tear_down);
}
