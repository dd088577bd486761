// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A start with what the daemon remembers: afterwards the kernel holds that and nothing else, and
 * the hot index, filled along the way, says the same as the maps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "program.h"
#include "selftests/unit/random.h"

#define VIP4 "192.0.2.25"
#define VIP6 "2001:db8::25"
/* Of each family: enough for several threads, and the last batches are not full. */
#define HOSTS 60001u

static const uint8_t hash_key[16] = "0123456789abcde";
static struct fastpath *fp;
static struct xdp_bpf *program;
static struct verdicts *known;

static int set_up(void **state)
{
	return room_enter(state);
}

static void open_with(uint32_t hosts)
{
	const struct endpoint vips[] = {room_endpoint(VIP4 ":25"), room_endpoint("[" VIP6 "]:25")};
	struct fastpath_conf conf = room_conf(GG_MODE_RELAY);

	conf.hosts = hosts;
	conf.vips = vips;
	conf.vip_count = 2;
	fp = room_open(&conf);
	program = program_xdp(fp);
}

static void close_it(void)
{
	xdp_bpf__destroy(program);
	fastpath_close(&fp);
}

static int begin(void **state)
{
	(void)state;
	open_with(HOSTS + HOSTS / 4);
	return verdicts_new(4 * HOSTS, hash_key, &known);
}

static int end(void **state)
{
	(void)state;
	verdicts_free(&known);
	close_it();
	room_detach();
	return 0;
}

static struct prefix number(bool is4, uint32_t n)
{
	return room_number(is4 ? "10.0.0.0" : "2001:db8::", n);
}

static uint32_t packet_from(bool is4, uint32_t n)
{
	static const struct frame_spec specs[2] = {
		{.from = "2001:db8::", .to = VIP6, .to_port = 25, .flags = TCP_SYN},
		{.from = "10.0.0.0", .to = VIP4, .to_port = 25, .flags = TCP_SYN}};
	static struct frame frames[2];
	struct frame *f = &frames[is4];
	uint8_t *last = f->b + 14 + (is4 ? 16 : 24);

	if (!f->len)
		frame_build(f, &specs[is4]);
	last[-3] = n >> 16;
	last[-2] = n >> 8;
	last[-1] = n;
	return program_run(program, f->b, f->len);
}

/* The same end for all, whenever they are remembered: what has another one has changed. */
static uint32_t entries_end(void)
{
	static uint32_t when;

	if (!when)
		when = (uint32_t)time(NULL) + 100000;
	return when;
}

static void remember(bool is4, uint32_t n, enum gg_verdict verdict)
{
	const struct verdict_entry e = {.verdict = verdict,
					.action = verdict == GG_DENY ? GG_DROP_NEW : GG_NO_ACTION,
					.origin = GG_BY_LEARNING,
					.expires = entries_end()};
	const struct prefix p = number(is4, n);

	assert_int_equal(verdicts_put(known, &p, &e), 0);
}

static void forget(bool is4, uint32_t n)
{
	const struct prefix p = number(is4, n);

	assert_true(verdicts_del(known, &p));
}

/* Every third is denied. */
static void remember_all(void)
{
	for (uint32_t n = 0; n < HOSTS; n++) {
		remember(true, n, n % 3 ? GG_ALLOW : GG_DENY);
		remember(false, n, n % 3 ? GG_ALLOW : GG_DENY);
	}
}

static int sync_now(void)
{
	return fastpath_sync(fp, known, (uint32_t)time(NULL));
}

/* The maps against what is remembered, packets against the maps; returns how many entries. */
static uint32_t compare(bool complete)
{
	struct verdict_entry want;
	uint32_t n, there = 0;

	for (n = 0; n < 2 * HOSTS + 200; n++) {
		const bool is4 = n & 1;
		const struct prefix p = number(is4, n / 2);
		struct gg_entry have = {0};
		bool found = !fastpath_get(fp, &p, &have), wanted;

		wanted = verdicts_get(known, &p, (uint32_t)time(NULL), &want);
		there += found;
		if (complete ? found != wanted : found && !wanted)
			fail_msg("number %u, IPv%d: %s", n / 2, is4 ? 4 : 6,
				 found ? "is there" : "is not there");
		if (found && (have.verdict != want.verdict || have.action != want.action))
			fail_msg("number %u, IPv%d: verdict %u", n / 2, is4 ? 4 : 6, have.verdict);
		if (packet_from(is4, n / 2) !=
		    (found && have.verdict == GG_DENY ? XDP_DROP : XDP_PASS))
			fail_msg("number %u, IPv%d: the index says otherwise than the truth", n / 2,
				 is4 ? 4 : 6);
	}
	return there;
}

static void is_in_force(size_t count4, size_t count6)
{
	assert_int_equal(fp->index[INDEX4].count, count4);
	assert_int_equal(fp->index[INDEX6].count, count6);
	for (int i = 0; i < INDEX_COUNT; i++) {
		assert_true(fp->index[i].used);
		assert_int_equal((uint32_t) * (uint64_t *)(void *)fp->index[i].bucket,
				 fp->index[i].used);
	}
}

/* ---- cases ---- */

static void empty_maps_are_filled_by_several_threads(void **state)
{
	(void)state;
	remember_all();
	assert_int_equal(sync_now(), 2 * HOSTS);
	is_in_force(HOSTS, HOSTS);
	assert_int_equal(compare(true), 2 * HOSTS);
	assert_int_equal(sync_now(), 0);
	is_in_force(HOSTS, HOSTS);
}

static void prefixes_among_them_are_there_too(void **state)
{
	struct verdict_entry e = {.verdict = GG_DENY, .action = GG_DROP_NEW};
	struct prefix p = room_prefix("172.16.0.0/24");
	struct gg_entry have;

	(void)state;
	remember_all();
	for (int i = 0; i < 500; i++) {
		p.addr.b[13] = 16 + i / 250;
		p.addr.b[14] = i % 250;
		assert_int_equal(verdicts_put(known, &p, &e), 0);
	}
	assert_int_equal(sync_now(), 2 * HOSTS + 500);
	assert_int_equal(fp->switches.have_net4, 500);
	assert_int_equal(fastpath_get(fp, &p, &have), 0);
	assert_int_equal(compare(true), 2 * HOSTS);
}

static void pins_that_were_kept_only_change_where_they_must(void **state)
{
	const struct prefix same = number(true, 1);
	struct gg_entry e;
	uint64_t added;

	(void)state;
	remember_all();
	assert_int_equal(sync_now(), 2 * HOSTS);
	assert_int_equal(fastpath_get(fp, &same, &e), 0);
	added = e.added;
	close_it();
	open_with(HOSTS + HOSTS / 4);
	assert_true(fastpath_reused(fp));
	forget(true, 7);
	forget(false, 8);
	remember(true, 10, GG_DENY);
	remember(false, 11, GG_DENY);
	remember(true, HOSTS + 1, GG_DENY);
	remember(false, HOSTS + 2, GG_DENY);
	assert_int_equal(sync_now(), 6);
	is_in_force(HOSTS, HOSTS);
	assert_int_equal(compare(true), 2 * HOSTS);
	assert_int_equal(fastpath_get(fp, &same, &e), 0);
	assert_int_equal(e.added, added);
}

static void an_index_for_the_few_that_stay(void **state)
{
	(void)state;
	remember_all();
	assert_int_equal(sync_now(), 2 * HOSTS);
	verdicts_free(&known);
	assert_int_equal(verdicts_new(4 * HOSTS, hash_key, &known), 0);
	for (uint32_t n = 0; n < 100; n++)
		remember(true, n, GG_DENY);
	/* Of the hundred every third had been denied before. */
	assert_int_equal(sync_now(), 2 * HOSTS - 100 + 66);
	is_in_force(100, 0);
	assert_int_equal(fp->index[INDEX4].full, 0);
	assert_int_equal(compare(true), 100);
}

static void what_does_not_fit_is_left_out_and_said(void **state)
{
	uint32_t there;

	(void)state;
	close_it();
	room_detach();
	open_with(HOSTS / 2);
	remember_all();
	assert_int_equal(sync_now(), -ENOSPC);
	there = compare(false);
	assert_in_range(there, HOSTS / 2, HOSTS + 1000);
	assert_int_equal(sync_now(), -ENOSPC);
	compare(false);
}

static void say(const char *prefix, enum gg_verdict verdict)
{
	const struct verdict_entry e = {.verdict = verdict,
					.action = verdict == GG_DENY ? GG_DROP_ALL : GG_NO_ACTION,
					.origin = GG_BY_OPERATOR};
	const struct prefix p = room_prefix(prefix);

	assert_int_equal(verdicts_put(known, &p, &e), 0);
}

static void allow_numbers(uint32_t from, uint32_t to)
{
	const struct verdict_entry e = {.verdict = GG_ALLOW, .origin = GG_BY_OPERATOR};

	for (uint32_t n = from; n < to; n++)
		for (int is4 = 0; is4 < 2; is4++) {
			const struct prefix p = number(is4, n);

			assert_int_equal(verdicts_put(known, &p, &e), 0);
		}
}

static uint32_t dropped(uint32_t from, uint32_t to)
{
	uint32_t count = 0;

	for (uint32_t n = from; n < to; n++)
		for (int is4 = 0; is4 < 2; is4++)
			count += packet_from(is4, n) == XDP_DROP;
	return count;
}

/* Whatever was there before, of whatever size. */
static void whom_an_operator_lets_in_is_not_dropped_for_want_of_room(void **state)
{
	(void)state;
	remember_all();
	say("10.0.0.0/8", GG_DENY);
	say("2001:db8::/64", GG_DENY);
	allow_numbers(HOSTS, HOSTS + 500);
	assert_int_equal(sync_now(), 2 * HOSTS + 2 + 1000);
	assert_int_equal(dropped(HOSTS, HOSTS + 500), 0);
	assert_int_equal(dropped(HOSTS + 500, HOSTS + 510), 20);
	close_it();
	open_with(1000);
	/* Not even before the comparison. */
	assert_int_equal(dropped(HOSTS, HOSTS + 500), 0);
	assert_int_equal(sync_now(), -ENOSPC);
	assert_int_equal(dropped(HOSTS, HOSTS + 500), 0);
	for (uint32_t n = HOSTS; n < HOSTS + 500; n++)
		for (int is4 = 0; is4 < 2; is4++) {
			const struct prefix p = number(is4, n);
			struct gg_entry have;

			assert_int_equal(fastpath_get(fp, &p, &have), 0);
			assert_int_equal(have.verdict, GG_ALLOW);
		}
	/* More than there is room for, and maps that are full already. */
	allow_numbers(HOSTS + 500, HOSTS + 3000);
	assert_int_equal(sync_now(), -ENOSPC);
	assert_int_equal(dropped(HOSTS, HOSTS + 3000), 0);
}

/* A daemon goes on whose successor did not come: its sessions learn meanwhile. */
/* Who has no room within a prefix that has one. */
static void one_family_alone_may_be_too_large(void **state)
{
	(void)state;
	for (int is4 = 0; is4 < 2; is4++) {
		const struct verdict_entry e = {.verdict = GG_ALLOW, .origin = GG_BY_OPERATOR};
		uint32_t n, wrong = 0;

		end(NULL);
		open_with(1000);
		assert_int_equal(verdicts_new(5000, hash_key, &known), 0);
		say(is4 ? "10.0.0.0/8" : "2001:db8::/64", GG_DENY);
		for (n = 0; n < 3000; n++) {
			const struct prefix p = number(is4, n);

			assert_int_equal(verdicts_put(known, &p, &e), 0);
		}
		assert_int_equal(sync_now(), -ENOSPC);
		for (n = 0; n < 3000; n++)
			wrong += packet_from(is4, n) == XDP_DROP;
		assert_int_equal(wrong, 0);
	}
}

static void *change_meanwhile(void *arg)
{
	const struct timespec pause = {.tv_nsec = 50000};
	atomic_bool *stop = arg;
	uint64_t seed = 4711;

	while (!atomic_load(stop)) {
		const bool is4 = random_below(&seed, 2);
		const uint32_t n = random_below(&seed, 1000);
		const struct prefix p = number(is4, n);
		const struct verdict_entry e = {
			.verdict = GG_DENY, .action = GG_DROP_NEW, .origin = GG_BY_TRAP};

		if (random_below(&seed, 2)) {
			verdicts_put(known, &p, &e);
			fastpath_put(fp, &p, &e);
		} else {
			verdicts_del(known, &p);
			fastpath_del(fp, &p);
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void changes_meanwhile_are_in_the_index(void **state)
{
	static atomic_bool stop; /* the thread outlives a failed assertion */
	struct gg_entry have;
	pthread_t changer;

	(void)state;
	remember_all();
	assert_int_equal(sync_now(), 2 * HOSTS);
	assert_int_equal(pthread_create(&changer, NULL, change_meanwhile, &stop), 0);
	for (int i = 0; i < 3; i++)
		assert_true(sync_now() >= 0);
	atomic_store(&stop, true);
	pthread_join(changer, NULL);
	for (uint32_t n = 0; n < 2 * HOSTS; n++) {
		const struct prefix p = number(n & 1, n / 2);
		const bool denied = !fastpath_get(fp, &p, &have) && have.verdict == GG_DENY;

		if (packet_from(n & 1, n / 2) != (denied ? XDP_DROP : XDP_PASS))
			fail_msg("number %u: the index says otherwise than the truth", n / 2);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(empty_maps_are_filled_by_several_threads),
		TEST(prefixes_among_them_are_there_too),
		TEST(pins_that_were_kept_only_change_where_they_must),
		TEST(an_index_for_the_few_that_stay),
		TEST(what_does_not_fit_is_left_out_and_said),
		TEST(whom_an_operator_lets_in_is_not_dropped_for_want_of_room),
		TEST(one_family_alone_may_be_too_large),
		TEST(changes_meanwhile_are_in_the_index),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
